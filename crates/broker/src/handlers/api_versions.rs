//! ApiVersions (KIP-35, KIP-511, KIP-584): what this listener serves, and the cluster's features.

use crate::node::Node;
use crate::request::{Connection, RequestContext};
use ottla_base::ErrorCode;
use ottla_metadata::features::supported_features;
use ottla_wire::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use ottla_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_wire::{APIS, ApiInfo, ApiKey};
use std::sync::Arc;

/// What is answered for real. All else is not advertised, and closes the connection when it is asked for.
const BROKER_APIS: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::SyncGroup,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::DescribeLogDirs,
    ApiKey::CreatePartitions,
    ApiKey::DeleteGroups,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::OffsetDelete,
    ApiKey::DescribeQuorum,
    ApiKey::UpdateFeatures,
    ApiKey::DescribeCluster,
    ApiKey::DescribeProducers,
    ApiKey::DescribeTopicPartitions,
];

const CONTROLLER_APIS: &[ApiKey] = &[
    ApiKey::Fetch,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::AlterConfigs,
    ApiKey::CreatePartitions,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::Vote,
    ApiKey::BeginQuorumEpoch,
    ApiKey::EndQuorumEpoch,
    ApiKey::DescribeQuorum,
    ApiKey::AlterPartition,
    ApiKey::UpdateFeatures,
    ApiKey::Envelope,
    ApiKey::FetchSnapshot,
    ApiKey::DescribeCluster,
    ApiKey::BrokerRegistration,
    ApiKey::BrokerHeartbeat,
    ApiKey::AllocateProducerIds,
    ApiKey::ControllerRegistration,
];

pub struct Served {
    pub info: &'static ApiInfo,
    pub max_version: i16,
}

/// The APIs of a listener, in the order of their keys.
pub fn served(node: &Node, connection: &Connection) -> impl Iterator<Item = Served> + use<> {
    let on_broker = node.broker.is_some() && !connection.is_controller_listener;
    let (apis, unstable) = match &node.broker {
        Some(broker) if on_broker => (BROKER_APIS, broker.settings.unstable_api_versions),
        _ => (CONTROLLER_APIS, false),
    };
    let max = move |info: &ApiInfo| if unstable { info.max_version } else { info.max_stable_version() };
    APIS.iter().filter(|info| apis.contains(&info.key)).map(move |info| Served { max_version: max(info), info })
}

pub fn unsupported() -> ApiVersionsResponse {
    let info = ApiKey::ApiVersions.info();
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: vec![ApiVersion {
            api_key: info.key.code(),
            min_version: info.min_version,
            max_version: info.max_version,
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub fn handle(node: &Arc<Node>, context: &RequestContext, request: &ApiVersionsRequest) -> ApiVersionsResponse {
    let words = [&request.client_software_name, &request.client_software_version];
    if context.version >= 3 && !words.into_iter().all(|word| is_software_word(word)) {
        return ApiVersionsResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() };
    }
    let version_of = |served: Served| ApiVersion {
        api_key: served.info.key.code(),
        // Old librdkafka takes a broker without the first versions of Produce for one without
        // compression; what it then sends is refused all the same (KAFKA-18659).
        min_version: if served.info.key == ApiKey::Produce { 0 } else { served.info.min_version },
        max_version: served.max_version,
        ..Default::default()
    };
    let image = node.quorum.image();
    let mut supported: Vec<SupportedFeatureKey> = supported_features(false)
        .into_iter()
        // Before version 4 a client cannot read a minimum of 0.
        .filter(|(_, range)| context.version >= 4 || range.min > 0)
        .map(|(name, range)| SupportedFeatureKey {
            name: name.to_owned(),
            min_version: range.min,
            max_version: range.max,
            ..Default::default()
        })
        .collect();
    supported.sort_by(|a, b| a.name.cmp(&b.name));
    let mut finalized = image.features.all();
    let kraft_version = node.quorum.kraft_version();
    if kraft_version > 0 {
        finalized.insert("kraft.version".to_owned(), kraft_version);
    }
    let finalized = finalized.into_iter().map(|(name, level)| FinalizedFeatureKey {
        name,
        max_version_level: level,
        min_version_level: level,
        ..Default::default()
    });
    ApiVersionsResponse {
        api_keys: served(node, &context.connection).map(version_of).collect(),
        supported_features: supported,
        finalized_features_epoch: image.provenance.offset,
        finalized_features: finalized.collect(),
        ..Default::default()
    }
}

/// Letters, digits, dots and dashes, beginning and ending with a letter or digit (KIP-511).
fn is_software_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(plain) && text.ends_with(plain) && text.chars().all(|c| plain(c) || c == '.' || c == '-')
}
