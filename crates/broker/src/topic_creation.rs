//! Topics that are made because somebody asked about them.

use crate::broker::{Broker, OFFSETS_TOPIC};
use crate::lifecycle::to_controller;
use ottla_base::ErrorCode;
use ottla_wire::messages::CreateTopicsRequest;
use ottla_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;

const TIMEOUT_MS: i32 = 30_000;

/// Names whose creation is under way.
#[derive(Default)]
pub(crate) struct TopicCreation(Mutex<HashSet<String>>);

impl TopicCreation {
    pub fn request(broker: &Arc<Broker>, name: &str) {
        if !broker.topic_creation.0.lock().insert(name.to_owned()) {
            return;
        }
        let request = CreateTopicsRequest {
            topics: vec![with_defaults(broker, name)],
            timeout_ms: TIMEOUT_MS,
            ..Default::default()
        };
        let asker = broker.clone();
        let name = name.to_owned();
        to_controller(broker, request, move |answer| {
            asker.topic_creation.0.lock().remove(&name);
            let results = answer.map(|response| response.topics).unwrap_or_default();
            for result in results {
                match ErrorCode::from_code(result.error_code) {
                    ErrorCode::None => tracing::info!("topic '{name}' was created automatically"),
                    ErrorCode::TopicAlreadyExists => {}
                    error => {
                        let reason = result.error_message.unwrap_or_default();
                        tracing::warn!("topic '{name}' cannot be created automatically: {error}: {reason}");
                    }
                }
            }
        });
    }
}

fn with_defaults(broker: &Broker, name: &str) -> CreatableTopic {
    let settings = &broker.settings;
    let config = |name: &str, value: String| CreatableTopicConfig {
        name: name.to_owned(),
        value: Some(value),
        ..Default::default()
    };
    let (num_partitions, replication_factor, configs) = match name {
        OFFSETS_TOPIC => (
            settings.offsets_topic_partitions,
            settings.offsets_topic_replication_factor,
            vec![
                config("compression.type", "producer".to_owned()),
                config("cleanup.policy", "compact".to_owned()),
                config("segment.bytes", settings.offsets_topic_segment_bytes.to_string()),
            ],
        ),
        _ => (settings.num_partitions, settings.default_replication_factor, vec![]),
    };
    CreatableTopic { name: name.to_owned(), num_partitions, replication_factor, configs, ..Default::default() }
}
