//! A classic group from its record.

use super::member::{Member, Protocol};
use super::state::{ClassicGroup, ClassicState};
use ottla_wire::group_records::GroupMetadataValue;
use std::sync::Arc;

impl ClassicGroup {
    pub(in crate::group) fn from_record(id: Arc<str>, value: &GroupMetadataValue) -> ClassicGroup {
        let mut group = ClassicGroup::new(id, value.current_state_timestamp);
        group.state_timestamp_ms = Some(value.current_state_timestamp).filter(|timestamp| *timestamp != -1);
        group.state = if value.members.is_empty() { ClassicState::Empty } else { ClassicState::Stable };
        group.generation = value.generation;
        group.protocol_name = value.protocol.clone();
        group.leader = value.leader.as_deref().map(Arc::from);
        for member in &value.members {
            let protocol =
                Protocol { name: value.protocol.clone().unwrap_or_default(), metadata: member.subscription.clone() };
            group.add(Member {
                id: Arc::from(member.member_id.as_str()),
                instance_id: member.group_instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                // Version 0 has none.
                rebalance_timeout_ms: match member.rebalance_timeout {
                    -1 => member.session_timeout,
                    timeout => timeout,
                },
                session_timeout_ms: member.session_timeout,
                protocol_type: value.protocol_type.clone(),
                protocols: vec![protocol],
                assignment: member.assignment.clone(),
                awaiting_join: None,
                awaiting_sync: None,
                is_new: false,
            });
        }
        group.protocol_type = Some(value.protocol_type.clone()).filter(|name| !name.is_empty());
        group.subscribed_topics = group.compute_subscribed_topics();
        group
    }
}
