//! Spares a client that asked the wrong broker a request for metadata (KIP-951).

use crate::broker::Broker;
use ottla_base::{LeaderEpoch, NodeId, Uuid};
use ottla_metadata::image::MetadataImage;
use std::collections::BTreeSet;

/// A node to tell a client of.
pub struct HintedNode {
    pub id: NodeId,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}

/// The leaders that were mentioned in a response.
pub struct LeaderHints<'a> {
    image: &'a MetadataImage,
    listener: &'a str,
    mentioned: BTreeSet<NodeId>,
}

impl<'a> LeaderHints<'a> {
    pub fn new(image: &'a MetadataImage, listener: &'a str) -> Self {
        LeaderHints { image, listener, mentioned: BTreeSet::new() }
    }

    /// Leader and epoch, for the partition's part of the response.
    pub fn leader(&mut self, topic_id: Uuid, partition: i32) -> Option<(NodeId, LeaderEpoch)> {
        let partition = self.image.topics.partition(topic_id, partition)?;
        self.mentioned.insert(partition.leader);
        Some((partition.leader, partition.leader_epoch))
    }

    /// Where the mentioned ones are reached.
    pub fn nodes(&self) -> Vec<HintedNode> {
        let node = |id: &NodeId| {
            let at = Broker::endpoint_of(self.image, *id, self.listener)?;
            let rack = self.image.cluster.broker(*id).and_then(|broker| broker.rack.clone());
            Some(HintedNode { id: *id, host: at.host, port: i32::from(at.port), rack })
        };
        self.mentioned.iter().filter_map(node).collect()
    }
}
