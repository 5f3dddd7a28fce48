//! DescribeConfigs: settings with their sources (KIP-133, KIP-226, KIP-569).

use crate::broker::Broker;
use crate::request::RequestContext;
use ottla_base::ErrorCode;
use ottla_config::{DescribedConfig, DescribedSynonym, DynamicBrokerConfig, ResourceType, describe_client_metrics};
use ottla_metadata::image::{ConfigMap, ConfigResource, MetadataImage};
use ottla_wire::messages::describe_configs_request::DescribeConfigsResource;
use ottla_wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use ottla_wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use std::sync::Arc;

type Failure = (ErrorCode, String);

pub fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let image = broker.quorum.image();
    let results = request.resources.iter().map(|resource| {
        let described = describe(broker, &image, resource);
        let (error, configs) = match described {
            Ok(configs) => ((ErrorCode::None, None), configs),
            Err((code, message)) => ((code, Some(message)), vec![]),
        };
        let entry = |config: DescribedConfig| entry(config, request.include_synonyms, request.include_documentation);
        DescribeConfigsResult {
            error_code: error.0.code(),
            error_message: error.1,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs: configs.into_iter().map(entry).collect(),
            ..Default::default()
        }
    });
    DescribeConfigsResponse { results: results.collect(), ..Default::default() }
}

fn describe(
    broker: &Broker,
    image: &MetadataImage,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribedConfig>, Failure> {
    let keys = resource.configuration_keys.as_deref();
    let name = resource.resource_name.as_str();
    let settings = |resource: &ConfigResource| image.configs.get(resource).clone();
    let invalid = |error: ottla_config::ConfigError| (ErrorCode::InvalidConfig, error.message);
    match ResourceType::from_id(resource.resource_type) {
        Some(ResourceType::Topic) => {
            ottla_config::validate_topic_name(name)
                .map_err(|error| (ErrorCode::InvalidTopicException, error.message))?;
            if image.topics.by_name(name).is_none() {
                return Err((ErrorCode::UnknownTopicOrPartition, String::new()));
            }
            let overrides = settings(&ConfigResource::topic(name));
            broker.replicas.with_settings(|dynamic| dynamic.describe_topic(&overrides, keys)).map_err(invalid)
        }
        Some(ResourceType::Broker) => describe_broker(broker, name, keys),
        Some(ResourceType::Group) => {
            let overrides: ConfigMap = settings(&ConfigResource::new(ResourceType::Group, name));
            broker.replicas.with_settings(|dynamic| dynamic.describe_group(&overrides, keys)).map_err(invalid)
        }
        Some(ResourceType::ClientMetrics) => {
            let overrides = settings(&ConfigResource::new(ResourceType::ClientMetrics, name));
            describe_client_metrics(&overrides, keys).map_err(invalid)
        }
        _ => Err((ErrorCode::InvalidRequest, format!("Unsupported resource type: {}", resource.resource_type))),
    }
}

fn describe_broker(broker: &Broker, name: &str, keys: Option<&[String]>) -> Result<Vec<DescribedConfig>, Failure> {
    let look = |what: &dyn Fn(&DynamicBrokerConfig) -> Vec<DescribedConfig>| broker.replicas.with_settings(what);
    if name.is_empty() {
        return Ok(look(&|dynamic| dynamic.describe_default_broker(keys)));
    }
    match name.parse::<i32>() {
        Ok(id) if id == broker.node_id => Ok(look(&|dynamic| dynamic.describe_broker(keys))),
        Ok(id) => Err((
            ErrorCode::InvalidRequest,
            format!("Unexpected broker id, expected {} or empty string, but received {id}", broker.node_id),
        )),
        Err(_) => Err((ErrorCode::InvalidRequest, format!("Broker id must be an integer, but it is: {name}"))),
    }
}

fn entry(config: DescribedConfig, with_synonyms: bool, with_documentation: bool) -> DescribeConfigsResourceResult {
    let synonyms = if with_synonyms { config.synonyms.iter().map(synonym).collect() } else { vec![] };
    DescribeConfigsResourceResult {
        config_type: config.config_type_id(),
        documentation: if with_documentation { config.documentation() } else { None },
        config_source: config.source.id(),
        name: config.name,
        value: config.value,
        read_only: config.read_only,
        is_sensitive: config.is_sensitive,
        synonyms,
        ..Default::default()
    }
}

fn synonym(synonym: &DescribedSynonym) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym {
        name: synonym.name.clone(),
        value: synonym.value.clone(),
        source: synonym.source.id(),
        ..Default::default()
    }
}
