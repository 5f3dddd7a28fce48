//! Offsets that nobody needs any more: expired, or of deleted topics.

use super::classic::ClassicState;
use super::offsets::CommittedOffset;
use super::records;
use super::shard::{GroupShard, Operation};
use super::{Group, GroupType};
use crate::runtime::Record;
use ottla_base::{TimestampMs, Uuid};
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

impl GroupShard {
    /// One round over the groups, in pieces that fit into a batch.
    pub(super) fn cleanup(&mut self, after: Option<&str>) {
        let mut after: Option<Arc<str>> = after.map(Arc::from);
        while let Some(id) = self.group_after(after.as_deref()) {
            let tombstones = self.expired(&id);
            if !tombstones.is_empty() {
                self.then(Operation::Cleanup { after: Some(id) });
                return self.emit_in_pieces(tombstones);
            }
            after = Some(id);
        }
        self.schedule_cleanup();
    }

    fn group_after(&self, after: Option<&str>) -> Option<Arc<str>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.state.groups.range::<str, _>((from, Bound::Unbounded)).next().map(|(id, _)| id.clone())
    }

    /// Tombstones for the group's expired offsets, and for the group when it is empty and has none left.
    fn expired(&self, id: &str) -> Vec<Record> {
        let Some(group) = self.state.groups.get(id) else { return Vec::new() };
        if group.group_type() == GroupType::Share {
            return Vec::new();
        }
        let mut tombstones = Vec::new();
        let mut all_expired = !self.state.offsets.has_pending(id);
        if let Some(topics) = self.state.offsets.group(id) {
            let Some(expiry) = Expiry::of(group) else { return Vec::new() };
            for (topic, partitions) in topics {
                let subscribed = group.is_subscribed_to(topic);
                for (partition, offset) in partitions {
                    let expired =
                        expiry.is_expired(offset, self.core.now.wall_ms, self.core.config.offsets_retention_ms);
                    if subscribed || !expired || self.state.offsets.is_pending(id, topic, *partition) {
                        all_expired = false;
                        continue;
                    }
                    tombstones.extend(records::tombstone(&records::offset_key(id, topic, *partition)));
                }
            }
        }
        if all_expired && group.is_empty() {
            match group {
                Group::Classic(_) => tombstones.extend(records::tombstone(&records::group_key(id))),
                Group::Modern(group) => tombstones.extend(group.tombstones()),
            }
        }
        tombstones
    }

    pub(super) fn delete_topics(&mut self, topics: &[(String, Uuid)]) {
        let mut positions = BTreeSet::new();
        for (topic, id) in topics {
            let of_topic = self.state.offsets.of_topic(topic);
            // An older broker did not say of which topic of that name the offset is.
            positions.extend(of_topic.into_iter().filter(|(_, of)| of.is_zero() || of == id).map(|(at, _)| at));
        }
        let mut tombstones = Vec::new();
        for at in &positions {
            tombstones.extend(records::tombstone(&records::offset_key(&at.group, &at.topic, at.partition)));
        }
        tracing::info!(?topics, offsets = tombstones.len(), "offsets of deleted topics are deleted");
        self.emit_in_pieces(tombstones);
    }
}

/// From when on the retention of an offset is counted.
enum Expiry {
    SinceCommit,
    SinceEmpty(TimestampMs),
}

impl Expiry {
    /// `None` when nothing may expire.
    fn of(group: &Group) -> Option<Expiry> {
        let Group::Classic(group) = group else { return Some(Expiry::SinceCommit) };
        if group.protocol_type.is_none() {
            return Some(Expiry::SinceCommit);
        }
        match group.state {
            ClassicState::Empty => Some(group.state_timestamp_ms.map_or(Expiry::SinceCommit, Expiry::SinceEmpty)),
            // Of topics that its members gave up; so it must be known what they read.
            ClassicState::Stable if group.subscribed_topics.is_some() => Some(Expiry::SinceCommit),
            _ => None,
        }
    }

    fn is_expired(&self, offset: &CommittedOffset, now_ms: TimestampMs, retention_ms: i64) -> bool {
        if offset.expire_timestamp_ms != -1 {
            return now_ms >= offset.expire_timestamp_ms;
        }
        let since = match self {
            Expiry::SinceCommit => offset.commit_timestamp_ms,
            Expiry::SinceEmpty(timestamp_ms) => *timestamp_ms,
        };
        now_ms.saturating_sub(since) >= retention_ms
    }
}
