//! AlterConfigs and IncrementalAlterConfigs (KIP-339): a broker knows best what it can change while it runs, so it
//! refuses what it cannot, and the active controller gets the rest.

use crate::broker::Broker;
use crate::forward::{ControllerRequest, forward};
use crate::request::{Reply, RequestContext};
use ottla_base::ErrorCode;
use ottla_config::{AlterOp, ConfigError, ResourceType, apply_alter_ops};
use ottla_wire::messages::alter_configs_response::AlterConfigsResourceResponse as LegacyResponse;
use ottla_wire::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResponse;
use ottla_wire::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Refusal = (ErrorCode, String);

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// What is asked for one resource, whichever way.
struct Change<'a> {
    resource_type: i8,
    name: &'a str,
    /// Keys, operations and values.
    configs: Vec<(&'a str, i8, Option<&'a str>)>,
    /// The old form replaces all that is set.
    is_legacy: bool,
}

pub fn handle_incremental(
    broker: &Arc<Broker>,
    context: RequestContext,
    mut request: IncrementalAlterConfigsRequest,
    reply: Reply<IncrementalAlterConfigsResponse>,
) {
    let changes = request.resources.iter().map(|resource| Change {
        resource_type: resource.resource_type,
        name: &resource.resource_name,
        configs: resource.configs.iter().map(|c| (c.name.as_str(), c.config_operation, c.value.as_deref())).collect(),
        is_legacy: false,
    });
    let mut refusals = Refusals::of(broker, changes.collect());
    let mut index = 0..;
    request.resources.retain(|_| index.next().is_some_and(|index| refusals.passed(index)));
    let merge = move |mut response: IncrementalAlterConfigsResponse| {
        let answered = response.responses.into_iter().map(|r| (r.error_code, r.error_message));
        let response_to = |(resource_type, resource_name, (error_code, error_message))| IncrementalResponse {
            error_code,
            error_message,
            resource_type,
            resource_name,
            ..Default::default()
        };
        response.responses = refusals.merge(answered.collect()).map(response_to).collect();
        response
    };
    let is_done = request.resources.is_empty();
    pass_on(broker, context, request, reply, is_done, merge);
}

pub fn handle_legacy(
    broker: &Arc<Broker>,
    context: RequestContext,
    mut request: AlterConfigsRequest,
    reply: Reply<AlterConfigsResponse>,
) {
    let changes = request.resources.iter().map(|resource| Change {
        resource_type: resource.resource_type,
        name: &resource.resource_name,
        configs: resource.configs.iter().map(|c| (c.name.as_str(), SET, c.value.as_deref())).collect(),
        is_legacy: true,
    });
    let mut refusals = Refusals::of(broker, changes.collect());
    let mut index = 0..;
    request.resources.retain(|_| index.next().is_some_and(|index| refusals.passed(index)));
    let merge = move |mut response: AlterConfigsResponse| {
        let answered = response.responses.into_iter().map(|r| (r.error_code, r.error_message));
        let response_to = |(resource_type, resource_name, (error_code, error_message))| LegacyResponse {
            error_code,
            error_message,
            resource_type,
            resource_name,
            ..Default::default()
        };
        response.responses = refusals.merge(answered.collect()).map(response_to).collect();
        response
    };
    let is_done = request.resources.is_empty();
    pass_on(broker, context, request, reply, is_done, merge);
}

/// The rest goes to the active controller, and its answer comes together with ours.
fn pass_on<Q>(
    broker: &Arc<Broker>,
    context: RequestContext,
    request: Q,
    reply: Reply<Q::Response>,
    is_done: bool,
    merge: impl FnOnce(Q::Response) -> Q::Response + Send + 'static,
) where
    Q: ControllerRequest + Sync,
    Q::Response: Default + Send + 'static,
{
    if is_done {
        return reply.send(&merge(Q::Response::default()));
    }
    let both = Reply::to::<Q>(&context, move |response| reply.send(&merge(response)));
    forward(broker, context, request, both);
}

type Answer = (i16, Option<String>);

/// For each resource of a request, in its order: type, name, and why it is refused.
struct Refusals(Vec<(i8, String, Option<Refusal>)>);

impl Refusals {
    fn of(broker: &Broker, changes: Vec<Change>) -> Refusals {
        let checked = |change: &Change| (change.resource_type, change.name.to_owned(), check(broker, change).err());
        Refusals(changes.iter().map(checked).collect())
    }

    fn passed(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(|(_, _, refusal)| refusal.is_none())
    }

    /// Every resource with its answer; the controller has answered those that it got, in their order.
    fn merge(&mut self, answered: Vec<Answer>) -> impl Iterator<Item = (i8, String, Answer)> {
        let mut answered = answered.into_iter();
        std::mem::take(&mut self.0).into_iter().map(move |(resource_type, name, refusal)| {
            let answer = match refusal {
                Some((code, message)) => (code.code(), Some(message)),
                None => answered.next().unwrap_or((ErrorCode::UnknownServerError.code(), None)),
            };
            (resource_type, name, answer)
        })
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    (ErrorCode::InvalidRequest, message.into())
}

fn check(broker: &Broker, change: &Change) -> Result<(), Refusal> {
    let keys: BTreeSet<&str> = change.configs.iter().map(|(key, ..)| *key).collect();
    if keys.len() != change.configs.len() {
        return Err(invalid("Error due to duplicate config keys"));
    }
    let is_null = |(_, operation, value): &&(&str, i8, Option<&str>)| *operation != DELETE && value.is_none();
    let nulls: Vec<&str> = change.configs.iter().filter(is_null).map(|(key, ..)| *key).collect();
    if !nulls.is_empty() {
        return Err(invalid(format!("Null value not supported for : {}", nulls.join(", "))));
    }
    match ResourceType::from_id(change.resource_type) {
        Some(ResourceType::Broker) => check_broker(broker, change),
        Some(ResourceType::BrokerLogger) if !change.is_legacy => {
            Err(invalid("The levels of Ottla's loggers cannot be changed while it runs."))
        }
        Some(ResourceType::Topic | ResourceType::ClientMetrics | ResourceType::Group) => Ok(()),
        _ => Err(invalid(format!("Unknown resource type {}", change.resource_type))),
    }
}

fn check_broker(broker: &Broker, change: &Change) -> Result<(), Refusal> {
    let is_per_broker = !change.name.is_empty();
    if is_per_broker {
        let id: i32 = change
            .name
            .parse()
            .map_err(|_| invalid(format!("Node id must be an integer, but it is: {}", change.name)))?;
        if id != broker.node_id {
            let message = format!("Unexpected broker id, expected {}, but received {}", broker.node_id, change.name);
            return Err(invalid(message));
        }
    }
    let operations = change.configs.iter().map(|(key, operation, value)| {
        let value = value.unwrap_or_default().to_owned();
        let operation = match *operation {
            SET => AlterOp::Set(value),
            DELETE => AlterOp::Delete,
            APPEND => AlterOp::Append(value),
            SUBTRACT => AlterOp::Subtract(value),
            other => return Err(invalid(format!("Unknown operations type {other}"))),
        };
        Ok(((*key).to_owned(), operation))
    });
    let operations: Vec<(String, AlterOp)> = operations.collect::<Result<_, _>>()?;
    let refused = |error: ConfigError| (error.broker_error_code(), error.message.clone());
    broker.replicas.with_settings(|dynamic| {
        let mut settings = match (change.is_legacy, is_per_broker) {
            (true, _) => BTreeMap::new(),
            (false, true) => dynamic.dynamic_broker().clone(),
            (false, false) => dynamic.dynamic_default().clone(),
        };
        apply_alter_ops(&mut settings, &operations).map_err(refused)?;
        dynamic.validate(&settings, is_per_broker).map_err(refused)
    })
}
