//! AlterConfigs and IncrementalAlterConfigs.

use super::error::{ApiError, ApiResult, fields};
use super::topic_creation::check_topic_name;
use super::{Controller, Outcome, RequestContext};
use crate::features::MetadataVersion;
use crate::image::{ConfigMap, ConfigResource, VersionedRecord, config_record, type_name};
use ottla_base::ErrorCode;
use ottla_config::{
    ResourceType, schema, validate_client_metrics_config, validate_group_config, validate_topic_config_change,
};
use ottla_wire::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    alter_configs_response as legacy, incremental_alter_configs_request::AlterableConfig,
    incremental_alter_configs_response as incremental,
};
use ottla_wire::metadata_records::{ClearElrRecord, MetadataRecord};
use std::collections::BTreeMap;

pub(super) const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
const CORDONED_LOG_DIRS: &str = "cordoned.log.dirs";
const MAX_VALUE_LENGTH: usize = i16::MAX as usize;

/// The keys to set (or, with `None`, to remove), each once.
type Settings = Vec<(String, Option<String>)>;

fn put(settings: &mut Settings, key: &str, value: Option<String>) {
    match settings.iter_mut().find(|(known, _)| known == key) {
        Some((_, old)) => *old = value,
        None => settings.push((key.to_owned(), value)),
    }
}

/// Per resource: type and name as they came, and how it went.
type Answers = Vec<(i8, String, ApiResult<()>)>;

impl Controller {
    /// BROKER_LOGGER resources are the business of the node itself, and refused here.
    pub fn incremental_alter_configs(
        &self,
        context: &RequestContext,
        request: &IncrementalAlterConfigsRequest,
    ) -> Outcome<IncrementalAlterConfigsResponse> {
        let resources = request.resources.iter().map(|r| (r.resource_type, r.resource_name.as_str())).collect();
        let outcome = self.alter_each(resources, &|index, resource| {
            let configs = request.resources.get(index).map(|r| r.configs.as_slice()).unwrap_or_default();
            let settings = self.apply_operations(resource, configs)?;
            self.alter_resource(context, resource, settings, &[], false)
        });
        let response = |(resource_type, resource_name, result): (i8, String, ApiResult<()>)| {
            let (error_code, error_message) = fields(&result);
            incremental::AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type,
                resource_name,
                ..Default::default()
            }
        };
        let responses = outcome.response.into_iter().map(response).collect();
        let response = IncrementalAlterConfigsResponse { responses, ..Default::default() };
        Outcome::atomic(outcome.records, response).without_records_if(request.validate_only)
    }

    /// The old form: what is not named is removed.
    pub fn alter_configs(
        &self,
        context: &RequestContext,
        request: &AlterConfigsRequest,
    ) -> Outcome<AlterConfigsResponse> {
        let resources = request.resources.iter().map(|r| (r.resource_type, r.resource_name.as_str())).collect();
        let outcome = self.alter_each(resources, &|index, resource| {
            let mut settings = Settings::new();
            for config in request.resources.get(index).map(|r| r.configs.as_slice()).unwrap_or_default() {
                put(&mut settings, &config.name, config.value.clone());
            }
            let current = self.working.image.configs.get(resource);
            let absent = |key: &&String| !settings.iter().any(|(named, _)| named == *key);
            let removed: Vec<String> = current.keys().filter(absent).cloned().collect();
            let changed = |(key, value): &(String, Option<String>)| {
                resource.resource_type == ResourceType::Broker || current.get(key) != value.as_ref()
            };
            let settings = settings.into_iter().filter(changed).collect();
            self.alter_resource(context, resource, settings, &removed, false)
        });
        let response = |(resource_type, resource_name, result): (i8, String, ApiResult<()>)| {
            let (error_code, error_message) = fields(&result);
            legacy::AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type,
                resource_name,
                ..Default::default()
            }
        };
        let responses = outcome.response.into_iter().map(response).collect();
        let response = AlterConfigsResponse { responses, ..Default::default() };
        Outcome::atomic(outcome.records, response).without_records_if(request.validate_only)
    }

    fn alter_each(
        &self,
        resources: Vec<(i8, &str)>,
        alter: &dyn Fn(usize, &ConfigResource) -> ApiResult<Vec<VersionedRecord>>,
    ) -> Outcome<Answers> {
        let mut times: BTreeMap<(i8, &str), u32> = BTreeMap::new();
        for resource in &resources {
            *times.entry(*resource).or_default() += 1;
        }
        let mut records = Vec::new();
        let mut answers = Answers::new();
        for (index, (kind, name)) in resources.iter().enumerate() {
            let result = match (times.get_mut(&(*kind, *name)), ResourceType::from_id(*kind)) {
                (_, None) => {
                    let message = format!("Unknown resource type {kind}.");
                    Err(ApiError::new(ErrorCode::UnsupportedVersion, message))
                }
                // Answered once.
                (Some(0), _) => continue,
                (Some(times), _) if *times > 1 => {
                    *times = 0;
                    Err(ApiError::new(ErrorCode::InvalidRequest, "Duplicate resource."))
                }
                (_, Some(ResourceType::BrokerLogger)) => {
                    let message = format!("Unexpected resource type {}.", type_name(ResourceType::BrokerLogger));
                    Err(ApiError::new(ErrorCode::InvalidRequest, message))
                }
                (_, Some(kind)) => {
                    alter(index, &ConfigResource::new(kind, *name)).map(|altered| records.extend(altered))
                }
            };
            answers.push((*kind, name.to_string(), result));
        }
        let clears = self.clear_elr_records(&records);
        records.extend(clears);
        if records.len() <= super::MAX_RECORDS_PER_BATCH {
            return Outcome::atomic(records, answers);
        }
        let refused = |(kind, name, _)| (kind, name, Err(ApiError::too_large()));
        Outcome::answer(answers.into_iter().map(refused).collect())
    }

    fn apply_operations(&self, resource: &ConfigResource, configs: &[AlterableConfig]) -> ApiResult<Settings> {
        let current = self.working.image.configs.get(resource);
        let mut settings = Settings::new();
        for config in configs {
            let old = current.get(&config.name);
            let value = match config.config_operation {
                0 => config.value.clone(),
                1 => None,
                2 => Some(self.change_list(resource, config, old, true)?),
                3 => Some(self.change_list(resource, config, old, false)?),
                other => {
                    let message = format!("Unknown operation {other} for {}", config.name);
                    return Err(ApiError::new(ErrorCode::InvalidRequest, message));
                }
            };
            put(&mut settings, &config.name, value);
        }
        // A broker is told even of what stays the same: that makes it read its key stores again (KAFKA-14136).
        let tells = |(key, value): &(String, Option<String>)| {
            resource.resource_type == ResourceType::Broker || current.get(key) != value.as_ref()
        };
        settings.retain(tells);
        Ok(settings)
    }

    fn change_list(
        &self,
        resource: &ConfigResource,
        config: &AlterableConfig,
        old: Option<&String>,
        append: bool,
    ) -> ApiResult<String> {
        let key = &config.name;
        if !schema::is_splittable(resource.resource_type, key) {
            let operation = if append { "APPEND" } else { "SUBTRACT" };
            let message = format!("Can't {operation} to key {key} because its type is not LIST.");
            return Err(ApiError::new(ErrorCode::InvalidConfig, message));
        }
        let Some(change) = &config.value else {
            return Err(ApiError::new(ErrorCode::InvalidRequest, format!("Null value not supported for : {key}")));
        };
        let old = old.cloned().or_else(|| schema::default_text(resource.resource_type, key)).unwrap_or_default();
        let mut items: Vec<&str> = java_split(&old).into_iter().filter(|item| !item.is_empty()).collect();
        for item in java_split(change) {
            match (append, items.iter().position(|known| *known == item)) {
                (true, None) => items.push(item),
                (false, Some(index)) => drop(items.remove(index)),
                _ => {}
            }
        }
        Ok(items.join(","))
    }

    /// Checks what the resource would have afterwards. `removed` are keys that the old AlterConfigs removes by not naming
    /// them.
    pub(super) fn alter_resource(
        &self,
        context: &RequestContext,
        resource: &ConfigResource,
        settings: Settings,
        removed: &[String],
        is_new: bool,
    ) -> ApiResult<Vec<VersionedRecord>> {
        let current = self.working.image.configs.get(resource);
        let mut all = current.clone();
        let removals = removed.iter().map(|key| (key, None));
        for (key, value) in settings.iter().map(|(key, value)| (key, value.as_ref())).chain(removals) {
            self.check_setting(context, resource, current, key, value)?;
            match value {
                None => drop(all.remove(key)),
                Some(value) => drop(all.insert(key.clone(), value.clone())),
            }
        }
        self.validate(resource, &all, current)?;
        if !is_new {
            self.check_existence(resource)?;
        }
        let mut records: Vec<VersionedRecord> =
            settings.iter().map(|(key, value)| config_record(resource, key, value.as_deref())).collect();
        records.extend(removed.iter().map(|key| config_record(resource, key, None)));
        Ok(records)
    }

    /// What depends on the state of the cluster rather than on the setting alone.
    fn check_setting(
        &self,
        context: &RequestContext,
        resource: &ConfigResource,
        current: &ConfigMap,
        key: &str,
        value: Option<&String>,
    ) -> ApiResult<()> {
        let refuse = |message: String| Err(ApiError::new(ErrorCode::InvalidConfig, message));
        let of_broker = resource.resource_type == ResourceType::Broker;
        let elr = self.elr_enabled();
        if key == MIN_INSYNC_REPLICAS && of_broker && elr && !resource.name.is_empty() {
            return refuse(format!("Broker-level {key} cannot be altered while ELR is enabled."));
        }
        if key == MIN_INSYNC_REPLICAS && of_broker && elr && value.is_none() {
            return refuse(format!("Cluster-level {key} cannot be removed while ELR is enabled."));
        }
        if key == CORDONED_LOG_DIRS && of_broker {
            let needed = MetadataVersion::CORDONED_LOG_DIRS;
            if self.version() < needed {
                return refuse(format!(
                    "The {key} configuration value cannot be set because it requires metadata.version >= {needed}"
                ));
            }
            if !context.forwarded && !is_subset(value, current.get(key)) {
                return refuse(format!(
                    "When updating {key} via controllers,  the new value must be a subset of the current configuration value."
                ));
            }
        }
        match value {
            Some(value) if value.encode_utf16().count() > MAX_VALUE_LENGTH => refuse(format!(
                "The configuration value cannot be added because it exceeds the maximum value size of {MAX_VALUE_LENGTH} \
                 bytes."
            )),
            _ => Ok(()),
        }
    }

    fn validate(&self, resource: &ConfigResource, all: &ConfigMap, current: &ConfigMap) -> ApiResult<()> {
        match resource.resource_type {
            ResourceType::Topic => {
                if resource.name.is_empty() {
                    let message = "Default topic resources are not allowed.";
                    return Err(ApiError::new(ErrorCode::InvalidRequest, message));
                }
                check_topic_name(&resource.name)?;
                validate_topic_config_change(current, all, &self.config)?;
            }
            ResourceType::Broker => check_broker_name(&resource.name)?,
            ResourceType::ClientMetrics => validate_client_metrics_config(&resource.name, all)?,
            ResourceType::Group => {
                if resource.name.is_empty() {
                    let message = "Default group resources are not allowed.";
                    return Err(ApiError::new(ErrorCode::InvalidRequest, message));
                }
                validate_group_config(all, &self.config)?;
            }
            ResourceType::BrokerLogger => {
                let message = format!("Unknown resource type {}", type_name(resource.resource_type));
                return Err(ApiError::new(ErrorCode::InvalidRequest, message));
            }
        }
        Ok(())
    }

    fn check_existence(&self, resource: &ConfigResource) -> ApiResult<()> {
        let name = &resource.name;
        match resource.resource_type {
            ResourceType::Broker if !name.is_empty() => {
                let id: i32 = name
                    .parse()
                    .map_err(|_| ApiError::new(ErrorCode::InvalidRequest, format!("Invalid broker name {name}")))?;
                let cluster = &self.working.image.cluster;
                let known = self.voters.contains(&id) || id == self.node_id() || cluster.controllers.contains_key(&id);
                if self.broker(id).is_none() && !known {
                    let message = format!("No node with id {id} found.");
                    return Err(ApiError::new(ErrorCode::BrokerIdNotRegistered, message));
                }
            }
            ResourceType::Topic if self.working.image.topics.id_of(name).is_none() => {
                let message = format!("The topic '{name}' does not exist.");
                return Err(ApiError::new(ErrorCode::UnknownTopicOrPartition, message));
            }
            _ => {}
        }
        Ok(())
    }

    /// With another `min.insync.replicas` who is eligible has to be found anew.
    pub(super) fn clear_elr_records(&self, records: &[VersionedRecord]) -> Vec<VersionedRecord> {
        if !self.elr_enabled() {
            return Vec::new();
        }
        let clear = |(record, _): &VersionedRecord| match record {
            MetadataRecord::Config(r) if r.name == MIN_INSYNC_REPLICAS => {
                let of_topic = r.resource_type == ResourceType::Topic.id();
                let topic_name = if of_topic { r.resource_name.clone() } else { String::new() };
                Some((ClearElrRecord { topic_name, ..Default::default() }.into(), 0))
            }
            _ => None,
        };
        records.iter().filter_map(clear).collect()
    }
}

fn check_broker_name(name: &str) -> ApiResult<()> {
    let refused = |message: &str| Err(ApiError::new(ErrorCode::InvalidRequest, message));
    match name.parse::<i32>() {
        _ if name.is_empty() => Ok(()),
        Err(_) => refused("Unable to parse broker name as a base 10 number."),
        Ok(id) if id < 0 => refused("Invalid negative broker ID."),
        Ok(_) => Ok(()),
    }
}

/// Of comma-separated lists. Nothing is a subset of everything.
fn is_subset(value: Option<&String>, of: Option<&String>) -> bool {
    let Some(value) = value.map(|value| value.trim()).filter(|value| !value.is_empty()) else { return true };
    let of: Vec<&str> = of.map(|of| of.trim().split(',').map(str::trim).collect()).unwrap_or_default();
    value.split(',').all(|item| of.contains(&item.trim()))
}

/// As `String.split(",")`: without empty parts at the end, but a part that is all there is stays.
fn java_split(text: &str) -> Vec<&str> {
    if text.is_empty() {
        return vec![""];
    }
    let mut parts: Vec<&str> = text.split(',').collect();
    while parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}
