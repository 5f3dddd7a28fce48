//! Events as words: `label: command word key=value …`.

use crate::world::Names;
use bytes::Bytes;
use ottla_base::{ErrorCode, Uuid};
use ottla_coordinator::group::Request;
use ottla_wire::Message;
use ottla_wire::data::ConsumerProtocolSubscription;
use ottla_wire::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_wire::messages::leave_group_request::MemberIdentity;
use ottla_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_wire::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use ottla_wire::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_wire::messages::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use ottla_wire::messages::{
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest,
    SyncGroupRequest, TxnOffsetCommitRequest,
};

pub struct Words<'a> {
    label: Option<&'a str>,
    words: Vec<&'a str>,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    pub fn new(line: &'a str) -> Words<'a> {
        let mut words = Words { label: None, words: Vec::new(), pairs: Vec::new() };
        for (position, word) in line.split_whitespace().enumerate() {
            match (word.strip_suffix(':'), word.split_once('=')) {
                (Some(label), _) if position == 0 => words.label = Some(label),
                (_, Some((key, value))) => words.pairs.push((key, value)),
                _ => words.words.push(word),
            }
        }
        words
    }

    pub fn label(&self) -> Option<&'a str> {
        self.label
    }

    pub fn command(&self) -> &'a str {
        self.words[0]
    }

    pub fn word(&self, position: usize) -> &'a str {
        self.words.get(position).copied().unwrap_or_default()
    }

    pub fn number(&self, position: usize) -> u64 {
        self.word(position).parse().unwrap()
    }

    pub fn error(&self, position: usize) -> ErrorCode {
        let name = self.word(position);
        *ErrorCode::ALL.iter().find(|error| error.name() == name).expect("an error's name")
    }

    pub fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.pairs.iter().copied()
    }

    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.pairs.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    fn int(&self, key: &str, default: i32) -> i32 {
        self.get(key).map_or(default, |value| value.parse().unwrap())
    }

    fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(str::to_owned)
    }

    /// `id=7` is a topic id that ends in 7.
    pub fn uuid(&self, key: &str) -> Uuid {
        let mut id = Uuid::ZERO;
        id.0[15] = self.int(key, 0) as u8;
        id
    }

    pub fn version(&self) -> i16 {
        self.int("v", 5) as i16
    }

    /// `topic/partition=offset` pairs.
    fn offsets(&self) -> impl Iterator<Item = (String, i32, i64)> {
        self.pairs().filter_map(|(key, value)| {
            let (topic, partition) = key.split_once('/')?;
            Some((topic.to_owned(), partition.parse().unwrap(), value.parse().unwrap()))
        })
    }

    /// `topic/partition` words, from the second on.
    fn partitions(&self) -> impl Iterator<Item = (String, i32)> {
        self.words.iter().skip(2).filter_map(|word| {
            let (topic, partition) = word.split_once('/')?;
            Some((topic.to_owned(), partition.parse().unwrap()))
        })
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

pub fn request(words: &Words, names: &Names) -> Request {
    let member = names.long(words.get("member").unwrap_or_default());
    match words.command() {
        "join" => join(words, member),
        "sync" => sync(words, member, names),
        "heartbeat" => Request::Heartbeat(HeartbeatRequest {
            group_id: words.word(1).to_owned(),
            member_id: member,
            generation_id: words.int("gen", 1),
            group_instance_id: words.text("instance"),
            ..Default::default()
        }),
        "leave" => leave(words, member, names),
        "commit" => commit(words, member),
        "txn-commit" => txn_commit(words, member),
        "end-txn" => Request::EndTransaction {
            producer_id: i64::from(words.int("pid", 1)),
            producer_epoch: words.int("epoch", 0) as i16,
            coordinator_epoch: 3,
            commit: words.word(1) == "commit",
        },
        "fetch" => fetch(words),
        "offset-delete" => {
            let topic = |(name, partition_index)| OffsetDeleteRequestTopic {
                name,
                partitions: vec![OffsetDeleteRequestPartition { partition_index, ..Default::default() }],
                ..Default::default()
            };
            Request::OffsetDelete(OffsetDeleteRequest {
                group_id: words.word(1).to_owned(),
                topics: words.partitions().map(topic).collect(),
                ..Default::default()
            })
        }
        "list" => Request::ListGroups(ListGroupsRequest {
            states_filter: list(words.get("states").unwrap_or_default()),
            types_filter: list(words.get("types").unwrap_or_default()),
            ..Default::default()
        }),
        "describe" => Request::DescribeGroups(list(words.word(1))),
        "delete" => Request::DeleteGroups(list(words.word(1))),
        other => panic!("unknown request {other}"),
    }
}

fn join(words: &Words, member_id: String) -> Request {
    let protocol_type = words.get("type").unwrap_or("consumer").to_owned();
    let protocol = |text: &str| {
        let (name, topics) = text.split_once(':').unwrap_or((text, "t1"));
        let metadata = if protocol_type == "consumer" {
            let topics = topics.split('+').map(str::to_owned).collect();
            let subscription = ConsumerProtocolSubscription { topics, ..Default::default() };
            let mut bytes = vec![0, 1];
            bytes.extend(subscription.to_bytes(1).unwrap());
            Bytes::from(bytes)
        } else {
            Bytes::from(topics.to_owned())
        };
        JoinGroupRequestProtocol { name: name.to_owned(), metadata, ..Default::default() }
    };
    Request::JoinGroup(JoinGroupRequest {
        group_id: words.word(1).to_owned(),
        member_id,
        group_instance_id: words.text("instance"),
        session_timeout_ms: words.int("session", 10_000),
        rebalance_timeout_ms: words.int("rebalance", 30_000),
        protocols: words.get("proto").unwrap_or("range").split(',').map(protocol).collect(),
        protocol_type,
        ..Default::default()
    })
}

fn sync(words: &Words, member_id: String, names: &Names) -> Request {
    let assignment = |text: &str| {
        let (id, assignment) = text.split_once(':').unwrap();
        SyncGroupRequestAssignment {
            member_id: names.long(id),
            assignment: Bytes::from(assignment.to_owned()),
            ..Default::default()
        }
    };
    Request::SyncGroup(SyncGroupRequest {
        group_id: words.word(1).to_owned(),
        member_id,
        generation_id: words.int("gen", 1),
        group_instance_id: words.text("instance"),
        protocol_type: Some(words.get("type").unwrap_or("consumer").to_owned()).filter(|text| text != "null"),
        protocol_name: Some(words.get("proto").unwrap_or("range").to_owned()).filter(|text| text != "null"),
        assignments: words.get("assign").map(|text| text.split(',').map(assignment).collect()).unwrap_or_default(),
        ..Default::default()
    })
}

/// `member=a#1` and, from version 3 on, `member=a#1,/instance,b#1/instance`.
fn leave(words: &Words, member_id: String, names: &Names) -> Request {
    let group_id = words.word(1).to_owned();
    if words.version() < 3 {
        return Request::LeaveGroup(LeaveGroupRequest { group_id, member_id, ..Default::default() });
    }
    let identity = |text: String| {
        let (id, instance) = text.split_once('/').unwrap_or((&text, ""));
        MemberIdentity {
            member_id: names.long(id),
            group_instance_id: Some(instance.to_owned()).filter(|instance| !instance.is_empty()),
            ..Default::default()
        }
    };
    let members = list(words.get("member").unwrap_or_default()).into_iter().map(identity).collect();
    Request::LeaveGroup(LeaveGroupRequest { group_id, members, ..Default::default() })
}

fn commit(words: &Words, member_id: String) -> Request {
    let topic = |(name, partition_index, committed_offset)| OffsetCommitRequestTopic {
        name,
        topic_id: words.uuid("id"),
        partitions: vec![OffsetCommitRequestPartition {
            partition_index,
            committed_offset,
            committed_leader_epoch: words.int("leader-epoch", -1),
            committed_metadata: words.text("meta"),
            ..Default::default()
        }],
        ..Default::default()
    };
    Request::OffsetCommit(OffsetCommitRequest {
        group_id: words.word(1).to_owned(),
        member_id,
        generation_id_or_member_epoch: words.int("gen", -1),
        group_instance_id: words.text("instance"),
        retention_time_ms: i64::from(words.int("retention", -1)),
        topics: words.offsets().map(topic).collect(),
        ..Default::default()
    })
}

fn txn_commit(words: &Words, member_id: String) -> Request {
    let topic = |(name, partition_index, committed_offset)| TxnOffsetCommitRequestTopic {
        name,
        partitions: vec![TxnOffsetCommitRequestPartition {
            partition_index,
            committed_offset,
            committed_metadata: words.text("meta"),
            ..Default::default()
        }],
        ..Default::default()
    };
    Request::TxnOffsetCommit(TxnOffsetCommitRequest {
        transactional_id: "tx".to_owned(),
        group_id: words.word(1).to_owned(),
        producer_id: i64::from(words.int("pid", 1)),
        producer_epoch: words.int("epoch", 0) as i16,
        member_id,
        generation_id: words.int("gen", -1),
        group_instance_id: words.text("instance"),
        topics: words.offsets().map(topic).collect(),
        ..Default::default()
    })
}

/// Without partitions: all.
fn fetch(words: &Words) -> Request {
    let topic = |(name, index)| OffsetFetchRequestTopics {
        name,
        topic_id: words.uuid("id"),
        partition_indexes: vec![index],
        ..Default::default()
    };
    let topics: Vec<_> = words.partitions().map(topic).collect();
    Request::OffsetFetch {
        group: OffsetFetchRequestGroup {
            group_id: words.word(1).to_owned(),
            member_id: words.text("member"),
            member_epoch: words.int("epoch", -1),
            topics: Some(topics).filter(|topics| !topics.is_empty()),
            ..Default::default()
        },
        require_stable: words.get("stable").is_some(),
    }
}
