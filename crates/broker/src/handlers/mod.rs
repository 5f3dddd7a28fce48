//! One file per API. A handler is a plain function on shared state.

pub mod alter_configs;
pub mod api_versions;
mod begin_quorum_epoch;
mod controlled;
pub mod delete_groups;
pub mod delete_records;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_groups;
pub mod describe_log_dirs;
pub mod describe_producers;
mod describe_quorum;
pub mod describe_topic_partitions;
mod end_quorum_epoch;
pub mod envelope;
pub mod fetch;
mod fetch_metadata_log;
mod fetch_snapshot;
pub mod find_coordinator;
pub mod heartbeat;
pub mod init_producer_id;
pub mod join_group;
mod leader_hints;
pub mod leave_group;
pub mod list_groups;
pub mod list_offsets;
pub mod metadata;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod sync_group;
mod vote;

/// `authorized_operations` of a response to a request that did not ask for them.
pub const OPERATIONS_NOT_ASKED: i32 = i32::MIN;
