//! Settings of topics, brokers and whatever else has some.

use ottla_base::NodeId;
use ottla_wire::messages::describe_configs_request::DescribeConfigsResource;
use ottla_wire::messages::describe_configs_response::DescribeConfigsResult;
use ottla_wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_wire::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::{Admin, Target, first_error};
use crate::error::{Result, check_with};

/// What a setting belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceType {
    Topic = 2,
    Broker = 4,
    BrokerLogger = 8,
    ClientMetrics = 16,
    Group = 32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigResource {
    pub kind: ResourceType,
    /// Empty for what holds for all of them.
    pub name: String,
}

impl ConfigResource {
    pub fn new(kind: ResourceType, name: impl Into<String>) -> ConfigResource {
        ConfigResource { kind, name: name.into() }
    }

    /// One broker knows its own settings best; all else any of them knows.
    fn target(&self) -> Target {
        match (self.kind, self.name.parse::<NodeId>()) {
            (ResourceType::Broker | ResourceType::BrokerLogger, Ok(node)) => Target::Node(node),
            _ => Target::Any,
        }
    }
}

/// What to do to a setting (KIP-339).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterOp {
    Set(String),
    Delete,
    /// Of a list.
    Append(String),
    Subtract(String),
}

impl Admin {
    /// In the order asked for; settings as the broker lists them.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
        include_synonyms: bool,
        include_documentation: bool,
    ) -> Result<Vec<DescribeConfigsResult>> {
        let mut results = Vec::new();
        let mut rest = resources;
        while let Some(first) = rest.first() {
            // Neighbours with the same target go together.
            let target = first.target();
            let count = rest.iter().take_while(|resource| resource.target() == target).count();
            let (now, later) = rest.split_at(count);
            rest = later;
            let resource = |resource: &ConfigResource| DescribeConfigsResource {
                resource_type: resource.kind as i8,
                resource_name: resource.name.clone(),
                configuration_keys: None,
                ..Default::default()
            };
            let request = DescribeConfigsRequest {
                resources: now.iter().map(resource).collect(),
                include_synonyms,
                include_documentation,
                ..Default::default()
            };
            let mut answers = self.call("describeConfigs", target, &request, |_| (0, None)).await?.results;
            answers.sort_by_key(|answer| now.iter().position(|resource| resource.name == answer.resource_name));
            for answer in &answers {
                check_with(answer.error_code, answer.error_message.as_deref())?;
            }
            results.extend(answers);
        }
        Ok(results)
    }

    /// Changes these settings and leaves all others as they are.
    pub async fn incremental_alter_configs(
        &self,
        resource: &ConfigResource,
        changes: &[(String, AlterOp)],
        validate_only: bool,
    ) -> Result<()> {
        let change = |(name, op): &(String, AlterOp)| {
            let (operation, value) = match op {
                AlterOp::Set(value) => (0, Some(value.clone())),
                AlterOp::Delete => (1, None),
                AlterOp::Append(value) => (2, Some(value.clone())),
                AlterOp::Subtract(value) => (3, Some(value.clone())),
            };
            AlterableConfig { name: name.clone(), config_operation: operation, value, ..Default::default() }
        };
        let request = IncrementalAlterConfigsRequest {
            resources: vec![AlterConfigsResource {
                resource_type: resource.kind as i8,
                resource_name: resource.name.clone(),
                configs: changes.iter().map(change).collect(),
                ..Default::default()
            }],
            validate_only,
            ..Default::default()
        };
        self.call("incrementalAlterConfigs", resource.target(), &request, |r| {
            first_error(r.responses.iter().map(|answer| (answer.error_code, answer.error_message.as_deref())))
        })
        .await?;
        Ok(())
    }
}
