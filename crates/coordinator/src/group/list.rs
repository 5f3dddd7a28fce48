//! ListGroups, DescribeGroups, DeleteGroups.

use super::Group;
use super::classic::{ClassicGroup, ClassicState, Member};
use super::records;
use super::request::Response;
use super::shard::GroupShard;
use crate::runtime::{Record, Token};
use bytes::Bytes;
use ottla_base::ErrorCode;
use ottla_wire::messages::delete_groups_response::DeletableGroupResult;
use ottla_wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use ottla_wire::messages::list_groups_response::ListedGroup;
use ottla_wire::messages::{ListGroupsRequest, ListGroupsResponse};
use std::collections::BTreeSet;
use std::sync::Arc;

/// From this version of DescribeGroups on, a group that is not there is an error and not a dead group.
const NOT_FOUND_VERSION: i16 = 6;

impl Group {
    pub fn state_name(&self) -> &'static str {
        match self {
            Group::Classic(group) => group.state.name(),
            Group::Modern(group) => group.state(),
        }
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Group::Classic(group) => group.state == ClassicState::Empty,
            Group::Modern(group) => group.is_empty(),
        }
    }

    fn protocol_type(&self) -> &str {
        match self {
            Group::Classic(group) => group.protocol_type.as_deref().unwrap_or_default(),
            Group::Modern(group) => group.group_type.name(),
        }
    }
}

impl GroupShard {
    pub(super) fn list_groups(&self, request: &ListGroupsRequest) -> ListGroupsResponse {
        let states: Vec<String> = request.states_filter.iter().map(|state| state.trim().to_lowercase()).collect();
        let types: Vec<String> = request.types_filter.iter().map(|name| name.to_lowercase()).collect();
        let mut groups = Vec::new();
        for (id, group) in self.committed_groups() {
            let state = group.state_name();
            let group_type = group.group_type().name();
            if !states.is_empty() && !states.contains(&state.to_lowercase()) {
                continue;
            }
            if !types.is_empty() && !types.iter().any(|name| name == group_type) {
                continue;
            }
            groups.push(ListedGroup {
                group_id: id.to_string(),
                protocol_type: group.protocol_type().to_owned(),
                group_state: state.to_owned(),
                group_type: group_type.to_owned(),
                ..Default::default()
            });
        }
        ListGroupsResponse { groups, ..Default::default() }
    }

    fn committed_groups(&self) -> impl Iterator<Item = (&Arc<str>, &Group)> {
        let changed = self.changed_groups();
        let mut ids: BTreeSet<&Arc<str>> = self.state.groups.keys().collect();
        ids.extend(changed.iter().copied());
        ids.into_iter().filter_map(move |id| {
            let group = if changed.contains(id) { self.committed_group(id) } else { self.state.groups.get(id) };
            Some((id, group?))
        })
    }

    pub(super) fn describe_group(&self, id: &str, version: i16) -> DescribedGroup {
        let message = match self.committed_group(id) {
            Some(Group::Classic(group)) => return describe_classic(group),
            Some(Group::Modern(_)) => format!("Group {id} is not a classic group."),
            None => format!("Group {id} not found."),
        };
        let mut dead = DescribedGroup { group_id: id.to_owned(), group_state: "Dead".to_owned(), ..Default::default() };
        if version >= NOT_FOUND_VERSION {
            dead.error_code = ErrorCode::GroupIdNotFound.code();
            dead.error_message = Some(message);
        }
        dead
    }

    pub(super) fn delete_groups(&mut self, ids: &[String], token: Token) {
        let mut results = Vec::with_capacity(ids.len());
        for id in ids {
            let deleted = self.deletable(id).and_then(|()| {
                let tombstones = self.group_tombstones(id)?;
                if let Some(group) = self.state.classic_mut(id) {
                    group.cancel_timers(&mut self.core);
                }
                self.emit(tombstones);
                Ok(())
            });
            results.push(DeletableGroupResult {
                group_id: id.clone(),
                error_code: deleted.err().map_or(0, ErrorCode::code),
                ..Default::default()
            });
        }
        self.reply_when_committed(token, Response::DeleteGroups(results));
    }

    fn deletable(&self, id: &str) -> Result<(), ErrorCode> {
        match self.state.groups.get(id) {
            None => Err(ErrorCode::GroupIdNotFound),
            Some(group) if group.is_empty() => Ok(()),
            Some(_) => Err(ErrorCode::NonEmptyGroup),
        }
    }

    /// For all of the group's offsets, then for the group itself.
    pub(super) fn group_tombstones(&self, id: &str) -> Result<Vec<Record>, ErrorCode> {
        let offsets = self.state.offsets.positions_of(id);
        let mut tombstones = Vec::with_capacity(offsets.len() + 1);
        for (topic, partition) in offsets {
            let tombstone = records::tombstone(&records::offset_key(id, &topic, partition));
            tombstones.push(tombstone.map_err(|_| ErrorCode::UnknownServerError)?);
        }
        match self.state.groups.get(id) {
            Some(Group::Modern(group)) => tombstones.extend(group.tombstones()),
            _ => {
                let tombstone = records::tombstone(&records::group_key(id));
                tombstones.push(tombstone.map_err(|_| ErrorCode::UnknownServerError)?);
            }
        }
        Ok(tombstones)
    }
}

fn describe_classic(group: &ClassicGroup) -> DescribedGroup {
    // Before the group is stable there is no protocol to speak of.
    let protocol = group.protocol_name.as_deref().filter(|_| group.state == ClassicState::Stable);
    let describe = |member: &Member| DescribedGroupMember {
        member_id: member.id.to_string(),
        group_instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        member_metadata: protocol.map_or_else(Bytes::new, |name| member.metadata(name)),
        member_assignment: member.assignment.clone(),
        ..Default::default()
    };
    DescribedGroup {
        group_id: group.id.to_string(),
        group_state: group.state.name().to_owned(),
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        protocol_data: protocol.unwrap_or_default().to_owned(),
        members: group.members.values().map(describe).collect(),
        ..Default::default()
    }
}
