//! The group coordinator: members, rebalances and committed offsets, stored in `__consumer_offsets`.
//!
//! Invariant: what is told to a client about the log was below the high watermark when it was told.

mod change;
mod classic;
mod cleanup;
mod config;
mod core;
mod describe_consumer;
mod error;
mod list;
mod modern;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offsets;
mod perform;
mod records;
mod request;
mod shard;
mod state;

pub use classic::{ClassicGroup, ClassicState, Member, Protocol};
pub use config::GroupConfig;
pub use modern::ModernGroup;
pub use offset_fetch::{offset_fetch_groups, offset_fetch_response};
pub use offsets::{CommittedOffset, GroupOffsets, TopicOffsets};
pub use request::{Action, Request, RequestContext, Response};
pub use shard::{GroupShard, LoadError};

use ottla_base::java_string_hash;
use std::sync::Arc;

/// The partition of `__consumer_offsets` that holds a group, of `partitions`.
pub fn partition_for(group_id: &str, partitions: i32) -> i32 {
    // Java's Math.abs leaves the smallest integer negative; Kafka takes 0 for it.
    java_string_hash(group_id).checked_abs().unwrap_or(0) % partitions.max(1)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupType {
    Classic,
    Consumer,
    Share,
    Streams,
}

impl GroupType {
    pub fn name(self) -> &'static str {
        match self {
            GroupType::Classic => "classic",
            GroupType::Consumer => "consumer",
            GroupType::Share => "share",
            GroupType::Streams => "streams",
        }
    }
}

#[derive(Debug)]
pub enum Group {
    Classic(Box<ClassicGroup>),
    Modern(Arc<ModernGroup>),
}
