//! Responses, records and groups on one line.

use crate::world::{Names, START_MS};
use bytes::Bytes;
use ottla_base::ErrorCode;
use ottla_coordinator::group::{CommittedOffset, Group, GroupShard, Response};
use ottla_coordinator::runtime::Record;
use ottla_wire::group_records::{GroupRecordKey, GroupRecordValue};
use ottla_wire::messages::describe_groups_response::DescribedGroup;
use ottla_wire::messages::offset_fetch_response::OffsetFetchResponseGroup;
use ottla_wire::messages::{JoinGroupResponse, LeaveGroupResponse, SyncGroupResponse};

fn error(code: i16) -> &'static str {
    ErrorCode::from_code(code).name()
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn response(response: &Response, names: &mut Names) -> String {
    match response {
        Response::JoinGroup(response) => join(response, names),
        Response::SyncGroup(response) => sync(response),
        Response::Heartbeat(response) => error(response.error_code).to_owned(),
        Response::LeaveGroup(response) => leave(response, names),
        Response::OffsetCommit(response) => {
            let partitions = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|p| format!("{}/{} {}", topic.name, p.partition_index, error(p.error_code)))
            });
            partitions.collect::<Vec<_>>().join(", ")
        }
        Response::TxnOffsetCommit(response) => {
            let partitions = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|p| format!("{}/{} {}", topic.name, p.partition_index, error(p.error_code)))
            });
            partitions.collect::<Vec<_>>().join(", ")
        }
        Response::OffsetFetch(response) => fetch(response),
        Response::OffsetDelete(response) => {
            let partitions = response.topics.iter().flat_map(|topic| {
                topic
                    .partitions
                    .iter()
                    .map(|p| format!(" {}/{} {}", topic.name, p.partition_index, error(p.error_code)))
            });
            error(response.error_code).to_owned() + &partitions.collect::<String>()
        }
        Response::ListGroups(response) => {
            let group = |group: &ottla_wire::messages::list_groups_response::ListedGroup| {
                format!(" {}({} {} {:?})", group.group_id, group.group_type, group.group_state, group.protocol_type)
            };
            error(response.error_code).to_owned() + &response.groups.iter().map(group).collect::<String>()
        }
        Response::DescribeGroups(groups) => {
            let groups: Vec<String> = groups.iter().map(|group| classic_group(group, names)).collect();
            groups.join("\n         ")
        }
        Response::ConsumerGroupDescribe(groups) => {
            let groups: Vec<String> = groups.iter().map(consumer_group).collect();
            groups.join("\n         ")
        }
        Response::DeleteGroups(results) => {
            let results = results.iter().map(|result| format!("{} {}", result.group_id, error(result.error_code)));
            results.collect::<Vec<_>>().join(", ")
        }
        Response::EndTransaction(error) => error.name().to_owned(),
    }
}

fn classic_group(group: &DescribedGroup, names: &mut Names) -> String {
    let mut members = Vec::new();
    for member in &group.members {
        members.push(format!(
            "{} instance {} client {} at {} subscribed {} assigned {:?}",
            names.short(&member.member_id),
            member.group_instance_id.as_deref().unwrap_or("-"),
            member.client_id,
            member.client_host,
            subscription(&member.member_metadata),
            text(&member.member_assignment)
        ));
    }
    let message = group.error_message.as_deref().map(|text| format!(" ({text})")).unwrap_or_default();
    format!(
        "{} {}{message} {} type {:?} protocol {:?} members [{}]",
        group.group_id,
        error(group.error_code),
        group.group_state,
        group.protocol_type,
        group.protocol_data,
        members.join("; ")
    )
}

fn consumer_group(group: &ottla_wire::messages::consumer_group_describe_response::DescribedGroup) -> String {
    let message = group.error_message.as_deref().map(|text| format!(" ({text})")).unwrap_or_default();
    let mut line = format!("{} {}{message}", group.group_id, error(group.error_code));
    line += &format!(
        " {} epoch {} assignment epoch {} assignor {:?}",
        group.group_state, group.group_epoch, group.assignment_epoch, group.assignor_name
    );
    for member in &group.members {
        let assigned = |assignment: &ottla_wire::messages::consumer_group_describe_response::Assignment| {
            let topics =
                assignment.topic_partitions.iter().map(|topic| format!("{} {:?}", topic.topic_id, topic.partitions));
            topics.collect::<Vec<_>>().join(", ")
        };
        line += &format!(
            "\n         {} client {} at {} epoch {} type {} subscribed {:?} {:?} assigned {} target {}",
            member.member_id,
            member.client_id,
            member.client_host,
            member.member_epoch,
            member.member_type,
            member.subscribed_topic_names,
            member.subscribed_topic_regex,
            assigned(&member.assignment),
            assigned(&member.target_assignment)
        );
    }
    line
}

fn join(response: &JoinGroupResponse, names: &mut Names) -> String {
    let id = names.short(&response.member_id);
    if response.error_code != 0 {
        return format!("{} member {id}", error(response.error_code));
    }
    let mut line = format!(
        "joined generation {} as {id}, leader {}, protocol {:?}",
        response.generation_id,
        names.short(&response.leader),
        response.protocol_name
    );
    if response.skip_assignment {
        line += ", skips the assignment";
    }
    for member in &response.members {
        let instance = member.group_instance_id.as_deref().map(|id| format!("/{id}")).unwrap_or_default();
        line += &format!(", {}{instance} {}", names.short(&member.member_id), subscription(&member.metadata));
    }
    line
}

/// The topics of a consumer's subscription, or the bytes as text.
fn subscription(metadata: &Bytes) -> String {
    use ottla_wire::Message;
    let topics = metadata
        .get(..2)
        .filter(|version| *version == [0, 1])
        .and_then(|_| ottla_wire::data::ConsumerProtocolSubscription::from_bytes(metadata.slice(2..), 1).ok());
    match topics {
        Some(subscription) => format!("({})", subscription.topics.join("+")),
        None => format!("{:?}", text(metadata)),
    }
}

fn sync(response: &SyncGroupResponse) -> String {
    if response.error_code != 0 {
        return error(response.error_code).to_owned();
    }
    let protocol = response.protocol_name.as_deref().unwrap_or("-");
    format!("synced, protocol {protocol}, assigned {:?}", text(&response.assignment))
}

fn leave(response: &LeaveGroupResponse, names: &mut Names) -> String {
    let mut line = error(response.error_code).to_owned();
    for member in &response.members {
        let instance = member.group_instance_id.as_deref().map(|id| format!("/{id}")).unwrap_or_default();
        line += &format!(", {}{instance} {}", names.short(&member.member_id), error(member.error_code));
    }
    line
}

fn fetch(response: &OffsetFetchResponseGroup) -> String {
    let mut line = error(response.error_code).to_owned();
    for topic in &response.topics {
        for partition in &topic.partitions {
            line += &format!(" {}/{}={}", topic.name, partition.partition_index, partition.committed_offset);
            if partition.committed_leader_epoch != -1 {
                line += &format!("@{}", partition.committed_leader_epoch);
            }
            match partition.metadata.as_deref() {
                Some("") => {}
                metadata => line += &format!("{metadata:?}"),
            }
            if partition.error_code != 0 {
                line += &format!("({})", error(partition.error_code));
            }
        }
    }
    line
}

pub fn record(record: &Record, names: &mut Names) -> String {
    let key = GroupRecordKey::from_key_bytes(record.key.clone()).unwrap().unwrap();
    let version = record.value.as_ref().map(|value| i16::from_be_bytes([value[0], value[1]]));
    let value = record.value.clone().map(|value| GroupRecordValue::from_value_bytes(key.id(), value).unwrap().unwrap());
    match (&key, &value) {
        (GroupRecordKey::GroupMetadata(key), Some(GroupRecordValue::GroupMetadata(value))) => {
            let mut line = format!(
                "group {} v{}: generation {}, type {:?}, protocol {:?}, leader {}, since {}",
                key.group,
                version.unwrap(),
                value.generation,
                value.protocol_type,
                value.protocol,
                value.leader.as_deref().map_or("none".to_owned(), |leader| names.short(leader)),
                value.current_state_timestamp - START_MS
            );
            for member in &value.members {
                let id = names.short(&member.member_id);
                line += &format!(", {id} {}", subscription(&member.subscription));
                line += &format!(" assigned {:?}", text(&member.assignment));
            }
            line
        }
        (GroupRecordKey::OffsetCommit(key), Some(GroupRecordValue::OffsetCommit(value))) => {
            let mut line = format!(
                "offset {} {}/{} v{} = {}",
                key.group,
                key.topic,
                key.partition,
                version.unwrap(),
                value.offset
            );
            if value.leader_epoch != -1 {
                line += &format!(" leader epoch {}", value.leader_epoch);
            }
            if !value.metadata.is_empty() {
                line += &format!(" {:?}", value.metadata);
            }
            if value.expire_timestamp != -1 {
                line += &format!(" expires {}", value.expire_timestamp - START_MS);
            }
            line + &format!(" at {}", value.commit_timestamp - START_MS)
        }
        (GroupRecordKey::GroupMetadata(key), None) => format!("tombstone of group {}", key.group),
        (GroupRecordKey::OffsetCommit(key), None) => {
            format!("tombstone of offset {} {}/{}", key.group, key.topic, key.partition)
        }
        (key, None) => format!("tombstone of {key:?}"),
        (key, Some(value)) => format!("{key:?} = {value:?}"),
    }
}

pub fn group(group: &Group, names: &mut Names) -> String {
    match group {
        Group::Classic(group) => {
            let members: Vec<String> = group.members.keys().map(|id| names.short(id)).collect();
            format!(
                "{}: {} generation {} leader {} members [{}] pending {}",
                group.id,
                group.state.name(),
                group.generation,
                group.leader.as_deref().map_or("none".to_owned(), |leader| names.short(leader)),
                members.join(", "),
                group.pending_join.len()
            )
        }
        Group::Modern(group) => format!("a {} group: {}", group.group_type.name(), group.state()),
    }
}

/// Nothing is on its way to the log.
pub fn is_settled(group: &Group) -> bool {
    match group {
        Group::Classic(group) => matches!(group.state.name(), "Stable" | "Empty") && group.awaiting_join() == 0,
        Group::Modern(_) => true,
    }
}

/// What a group's records keep.
pub fn stored(group: &Group) -> String {
    match group {
        Group::Classic(group) => {
            let members = group.members.values().map(|member| {
                format!(
                    "{} {:?} {} {} {} {} {:?} {:?}\n",
                    member.id,
                    member.instance_id,
                    member.client_id,
                    member.client_host,
                    member.rebalance_timeout_ms,
                    member.session_timeout_ms,
                    group.protocol_name.as_deref().map(|name| member.metadata(name)),
                    member.assignment
                )
            });
            format!(
                "{} {} {:?} {:?} {:?} {:?}\n{}",
                group.state.name(),
                group.generation,
                group.protocol_type,
                group.protocol_name,
                group.leader,
                group.subscribed_topics,
                members.collect::<String>()
            )
        }
        Group::Modern(group) => format!("{group:?}"),
    }
}

pub fn offsets(shard: &GroupShard, group: &str) -> String {
    let mut lines = String::new();
    for (topic, partitions) in shard.group_offsets(group).into_iter().flatten() {
        for (partition, offset) in partitions {
            // Where the record stands in the order of all is told by what becomes of it, not by its number.
            let offset = CommittedOffset { order: 0, ..offset.clone() };
            lines += &format!("{topic}/{partition} {offset:?}\n");
        }
    }
    lines
}
