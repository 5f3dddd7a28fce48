//! UpdateFeatures: what the cluster agrees on (KIP-584, KIP-778).

use super::config_control::MIN_INSYNC_REPLICAS;
use super::error::{ApiError, ApiResult};
use super::{Controller, Outcome, RequestContext};
use crate::features::{
    ELIGIBLE_LEADER_REPLICAS_VERSION, Feature, KRAFT_VERSION, MetadataVersion, VersionRange, supported_features,
};
use crate::image::{ConfigResource, VersionedRecord, config_record, feature_record};
use ottla_base::ErrorCode;
use ottla_config::ResourceType;
use ottla_wire::messages::update_features_response::UpdatableFeatureResult;
use ottla_wire::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use ottla_wire::metadata_records::NoOpRecord;
use std::collections::BTreeMap;

#[derive(Clone, Copy, PartialEq, Eq)]
enum UpgradeType {
    Unknown,
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
}

/// What an UpdateFeatures request asks the raft layer for, besides its records.
#[derive(Clone, Debug, PartialEq)]
pub struct FeaturesUpdate {
    pub response: UpdateFeaturesResponse,
    /// The level of `kraft.version` to write to the log. That is a control record, which the driver has raft write before it
    /// appends the records (or, for a request that only validates, has it check); its refusal takes the place of the response.
    pub kraft_version: Option<i16>,
}

impl Controller {
    /// The levels that are agreed on, `metadata.version` included, and the offset for which that is true.
    pub fn finalized_features(&self) -> (BTreeMap<String, i16>, i64) {
        let image = self.committed_image();
        (image.features.all(), image.provenance.offset)
    }

    pub fn update_features(
        &self,
        context: &RequestContext,
        request: &UpdateFeaturesRequest,
    ) -> Outcome<FeaturesUpdate> {
        match self.try_update_features(request) {
            Ok((records, kraft_version)) => {
                let result = |name: &String| UpdatableFeatureResult {
                    feature: name.clone(),
                    // Kafka's text for "no error".
                    error_message: Some("NONE".to_owned()),
                    ..UpdatableFeatureResult::default()
                };
                let names = request.feature_updates.iter().map(|update| &update.feature);
                let results = if context.api_version <= 1 { names.map(result).collect() } else { Vec::new() };
                let response = UpdateFeaturesResponse { error_message: None, results, ..Default::default() };
                Outcome::atomic(records, FeaturesUpdate { response, kraft_version })
            }
            Err(error) => {
                let message = format!(
                    "The update failed for all features since the following feature had an error: {}",
                    error.message.unwrap_or_default()
                );
                let error_code = error.code as i16;
                let response =
                    UpdateFeaturesResponse { error_code, error_message: Some(message), ..Default::default() };
                Outcome::answer(FeaturesUpdate { response, kraft_version: None })
            }
        }
    }

    fn try_update_features(&self, request: &UpdateFeaturesRequest) -> ApiResult<(Vec<VersionedRecord>, Option<i16>)> {
        let mut proposed = self.working.image.features.all();
        let updates = request.feature_updates.iter();
        proposed.extend(updates.map(|update| (update.feature.clone(), update.max_version_level)));
        let mut records = Vec::new();
        let mut kraft_version = None;
        for update in &request.feature_updates {
            let upgrade_type = match update.upgrade_type {
                1 => UpgradeType::Upgrade,
                2 => UpgradeType::SafeDowngrade,
                3 => UpgradeType::UnsafeDowngrade,
                _ => UpgradeType::Unknown,
            };
            let (name, level) = (update.feature.as_str(), update.max_version_level);
            let current = self.check_update(name, level, upgrade_type)?;
            match name {
                MetadataVersion::NAME => {
                    self.check_metadata_version(level, upgrade_type)?;
                    records.push(feature_record(name, level));
                }
                KRAFT_VERSION if upgrade_type == UpgradeType::Upgrade => {
                    kraft_version = Some(level).filter(|level| *level != current);
                    // Something to wait for.
                    records.push((NoOpRecord::default().into(), 0));
                }
                KRAFT_VERSION if level != current => {
                    return Err(invalid(name, level, "Can't downgrade the version of this feature."));
                }
                KRAFT_VERSION => {}
                _ => {
                    let Some(feature) = Feature::by_name(name) else {
                        return Err(invalid(name, level, &format!("Feature {name} not found.")));
                    };
                    feature.check_level(level, &proposed).map_err(|error| invalid(name, level, &error.0))?;
                    records.push(feature_record(name, level));
                }
            }
        }
        let enables_elr = |name: &str, level| name == ELIGIBLE_LEADER_REPLICAS_VERSION && level > 0;
        if request.feature_updates.iter().any(|update| enables_elr(&update.feature, update.max_version_level)) {
            let mut safe = self.elr_safety_records();
            safe.append(&mut records);
            records = safe;
        }
        if request.validate_only {
            records.clear();
        }
        Ok((records, kraft_version))
    }

    /// Returns the current level.
    fn check_update(&self, name: &str, level: i16, upgrade_type: UpgradeType) -> ApiResult<i16> {
        if upgrade_type == UpgradeType::Unknown {
            return Err(invalid(name, level, "The controller does not support the given upgrade type."));
        }
        let current = match name {
            KRAFT_VERSION => self.kraft_version,
            name => self.working.image.features.level(name),
        };
        if level < 0 {
            return Err(invalid(name, level, "A feature version cannot be less than 0."));
        }
        if let Some(reason) = self.reason_not_supported(name, level) {
            return Err(invalid(name, level, &reason));
        }
        if level < current && upgrade_type == UpgradeType::Upgrade {
            return Err(invalid(
                name,
                level,
                "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe \
                 downgrade.",
            ));
        }
        if level > current && upgrade_type != UpgradeType::Upgrade {
            return Err(invalid(name, level, "Can't downgrade to a newer version."));
        }
        Ok(current)
    }

    /// Who in the cluster could not follow.
    fn reason_not_supported(&self, name: &str, level: i16) -> Option<String> {
        let reason = |what: String, range: Option<VersionRange>| {
            let range = range.unwrap_or_default();
            match range.contains(level) {
                true => None,
                false if range.max == 0 => Some(format!("{what} does not support this feature.")),
                false => Some(format!("{what} only supports versions {range}")),
            }
        };
        let own = supported_features(self.config.boolean("unstable.feature.versions.enable")).get(name).copied();
        if let Some(reason) = reason(format!("Local controller {}", self.node_id()), own) {
            return Some(reason);
        }
        let cluster = &self.working.image.cluster;
        for broker in cluster.brokers.values() {
            if let Some(reason) = reason(format!("Broker {}", broker.id), broker.features.get(name).copied()) {
                return Some(reason);
            }
        }
        if self.version() < MetadataVersion::CONTROLLER_REGISTRATION {
            return None;
        }
        for controller in cluster.controllers.values().filter(|controller| controller.id != self.node_id()) {
            let range = controller.features.get(name).copied();
            if let Some(reason) = reason(format!("Controller {}", controller.id), range) {
                return Some(reason);
            }
        }
        let silent = self.voters.iter().find(|id| **id != self.node_id() && !cluster.controllers.contains_key(id));
        silent.map(|id| format!("controller {id} has not registered, and may not support this feature"))
    }

    fn check_metadata_version(&self, level: i16, upgrade_type: UpgradeType) -> ApiResult<()> {
        let current = self.version();
        let Ok(next) = MetadataVersion::from_level(level) else {
            let message = format!(
                "Invalid metadata.version {level}. Valid versions are from {} to {}.",
                MetadataVersion::MINIMUM.level(),
                MetadataVersion::LATEST_TESTING.level()
            );
            return Err(ApiError::new(ErrorCode::InvalidUpdateVersion, message));
        };
        if next >= current || !current.differs_in_metadata(next) {
            return Ok(());
        }
        let why = match upgrade_type {
            UpgradeType::UnsafeDowngrade => "Unsafe metadata downgrade is not supported in this version.",
            _ => "Refusing to perform the requested downgrade because it might delete metadata information.",
        };
        let message = format!("Unsupported metadata.version downgrade from {} to {level}. {why}", current.level());
        Err(ApiError::new(ErrorCode::InvalidUpdateVersion, message))
    }

    /// With ELR, `min.insync.replicas` of single brokers must not count any more, and that of the cluster must be known.
    fn elr_safety_records(&self) -> Vec<VersionedRecord> {
        let configs = &self.working.image.configs;
        let all = ConfigResource::all_brokers();
        let mut records = Vec::new();
        if !configs.get(&all).contains_key(MIN_INSYNC_REPLICAS) {
            records.push(config_record(&all, MIN_INSYNC_REPLICAS, Some(&self.static_min_insync_replicas())));
        }
        for (resource, map) in configs.iter() {
            let of_one_broker = resource.resource_type == ResourceType::Broker && !resource.name.is_empty();
            if of_one_broker && map.contains_key(MIN_INSYNC_REPLICAS) {
                records.push(config_record(resource, MIN_INSYNC_REPLICAS, None));
            }
        }
        records
    }
}

fn invalid(feature: &str, level: i16, message: &str) -> ApiError {
    let message = format!("Invalid update version {level} for feature {feature}. {message}");
    ApiError::new(ErrorCode::InvalidUpdateVersion, message)
}
