//! `__consumer_offsets` as Apache Kafka wrote it, transactions in it, and records that nobody expects.

use crate::check;
use crate::print;
use crate::world::Names;
use bytes::Bytes;
use expect_test::{Expect, expect};
use ottla_base::{ErrorCode, SeededRng, Time};
use ottla_coordinator::group::{
    Action, Group, GroupConfig, GroupShard, LoadError, Request, RequestContext, partition_for,
};
use ottla_wire::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_wire::messages::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_wire::messages::{JoinGroupRequest, ListGroupsRequest};
use ottla_wire::records::{Batch, BatchBuilder, batches, end_txn_batch};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

const CLASSIC_GROUP_PARTITIONS: i32 = 5;

fn new_shard() -> GroupShard {
    GroupShard::new(GroupConfig::default(), Arc::new(SeededRng::new(1)))
}

fn load(log: &'static [u8]) -> GroupShard {
    let mut shard = new_shard();
    for batch in batches(Bytes::from_static(log)) {
        shard.load_batch(&batch.unwrap()).unwrap();
    }
    shard
}

fn ask(shard: &mut GroupShard, request: Request) -> String {
    let context = RequestContext { client_id: "x".to_owned(), client_host: "/127.0.0.1".to_owned(), api_version: 6 };
    let mut actions = Vec::new();
    shard.handle(request, context, 1, Time::default(), &mut actions);
    match actions.as_slice() {
        [Action::Reply { response, .. }] => print::response(response, &mut Names::default()),
        other => panic!("one reply expected: {other:?}"),
    }
}

/// `(group, topic, partition, offset)` of what the tool printed.
fn described(text: &str) -> BTreeSet<(String, String, i32, i64)> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("GROUP"));
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words[0].to_owned(), words[1].to_owned(), words[2].parse().unwrap(), words[3].parse().unwrap())
        })
        .collect()
}

fn loaded_offsets(shard: &GroupShard) -> BTreeSet<(String, String, i32, i64)> {
    let mut offsets = BTreeSet::new();
    for (id, _) in shard.groups() {
        for (topic, partitions) in shard.group_offsets(id).into_iter().flatten() {
            offsets.extend(partitions.iter().map(|(p, of)| (id.to_owned(), topic.to_string(), *p, of.offset)));
        }
    }
    offsets
}

fn check_fixture(log: &'static [u8], description: &str, expected: Expect) {
    let mut shard = load(log);
    assert_eq!(loaded_offsets(&shard), described(description));
    shard.loaded(Time::default(), &mut Vec::new());
    let mut output = String::new();
    writeln!(output, "{}", ask(&mut shard, Request::ListGroups(ListGroupsRequest::default()))).unwrap();
    let ids: Vec<String> = shard.groups().map(|(id, _)| id.to_owned()).collect();
    writeln!(output, "{}", ask(&mut shard, Request::DescribeGroups(ids.clone()))).unwrap();
    for id in ids {
        let group = OffsetFetchRequestGroup { group_id: id, topics: None, ..Default::default() };
        writeln!(output, "{}", ask(&mut shard, Request::OffsetFetch { group, require_stable: true })).unwrap();
    }
    expected.assert_eq(&output);
}

#[test]
fn what_3_3_2_wrote() {
    check_fixture(
        include_bytes!("../data/consumer-offsets-3.3.2.log"),
        include_str!("../data/groups-describe-3.3.2.txt"),
        expect![[r#"
            NONE g-classic(classic Empty "consumer")
            g-classic NONE Empty type "consumer" protocol "" members []
            NONE codec-lz4/1=200@0 codec-none/0=250@0 codec-none/1=250@0
        "#]],
    );
}

#[test]
fn what_3_8_1_wrote() {
    check_fixture(
        include_bytes!("../data/consumer-offsets-3.8.1.log"),
        include_str!("../data/groups-describe-3.8.1.txt"),
        expect![[r#"
            NONE g-classic(classic Empty "consumer")
            g-classic NONE Empty type "consumer" protocol "" members []
            NONE codec-lz4/1=200@0 codec-none/0=250@0 codec-none/1=250@0
        "#]],
    );
}

#[test]
fn what_4_3_1_wrote() {
    check_fixture(
        include_bytes!("../data/consumer-offsets-4.3.1.log"),
        include_str!("../data/groups-describe-4.3.1.txt"),
        expect![[r#"
            NONE g-classic(classic Empty "consumer") g-new(consumer Empty "consumer")
            g-classic NONE Empty type "consumer" protocol "" members []
                     g-new GROUP_ID_NOT_FOUND (Group g-new is not a classic group.) Dead type "" protocol "" members []
            NONE codec-lz4/1=200@0 codec-none/0=250@0 codec-none/1=250@0
            NONE codec-zstd/1=100@0
        "#]],
    );
}

/// The log of 4.3.1 up to (not with) an offset.
fn load_until(offset: i64) -> GroupShard {
    let mut shard = new_shard();
    let log = Bytes::from_static(include_bytes!("../data/consumer-offsets-4.3.1.log"));
    for batch in batches(log).map(Result::unwrap).take_while(|batch| batch.header.base_offset < offset) {
        shard.load_batch(&batch).unwrap();
    }
    shard
}

#[test]
fn groups_with_members_are_loaded_with_them() {
    let mut shard = load_until(11);
    let mut output = String::new();
    for (_, group) in shard.groups() {
        writeln!(output, "{}", print::group(group, &mut Names::default())).unwrap();
    }
    writeln!(output, "reads codec-zstd: {}", reads(&shard, "codec-zstd")).unwrap();
    writeln!(output, "reads codec-none: {}", reads(&shard, "codec-none")).unwrap();
    shard.loaded(Time::default(), &mut Vec::new());
    let ids = vec!["g-new".to_owned(), "g-classic".to_owned(), "nothing".to_owned()];
    writeln!(output, "{}", ask(&mut shard, Request::ConsumerGroupDescribe(ids))).unwrap();
    writeln!(output, "{}", ask(&mut shard, Request::DeleteGroups(vec!["g-new".to_owned()]))).unwrap();
    expect![[r#"
        g-classic: Empty generation 2 leader none members [] pending 0
        a consumer group: Stable
        reads codec-zstd: true
        reads codec-none: false
        g-new NONE Stable epoch 2 assignment epoch 2 assignor "uniform"
                 Bb56dxUZRPu1f5fKtAMJTg client rdkafka at /127.0.0.1 epoch 2 type 1 subscribed ["codec-zstd"] Some("") assigned WTv5LMKCSEqYMDDY_2fRAg [0, 1] target WTv5LMKCSEqYMDDY_2fRAg [0, 1]
                 g-classic GROUP_ID_NOT_FOUND (Group g-classic is not a consumer group.)  epoch 0 assignment epoch 0 assignor ""
                 nothing GROUP_ID_NOT_FOUND (Group nothing not found.)  epoch 0 assignment epoch 0 assignor ""
        g-new NON_EMPTY_GROUP
    "#]]
    .assert_eq(&output);

    let shard = load_until(2);
    let (_, group) = shard.groups().next().unwrap();
    expect!["g-classic: Stable generation 1 leader rdkafka#1 members [rdkafka#1] pending 0"]
        .assert_eq(&print::group(group, &mut Names::default()));
}

fn reads(shard: &GroupShard, topic: &str) -> bool {
    shard.groups().any(|(id, group)| match group {
        Group::Modern(group) if id == "g-new" => group.is_subscribed_to(topic),
        _ => false,
    })
}

/// An empty group of the new protocol is deleted, or makes room for a classic one.
#[test]
fn an_empty_consumer_group_is_deleted_member_records_first() {
    let mut shard = load(include_bytes!("../data/consumer-offsets-4.3.1.log"));
    shard.loaded(Time::default(), &mut Vec::new());
    let context = RequestContext { client_id: "x".to_owned(), client_host: "/127.0.0.1".to_owned(), api_version: 2 };
    let mut actions = Vec::new();
    let request = Request::DeleteGroups(vec!["g-new".to_owned()]);
    shard.handle(request, context.clone(), 1, Time::default(), &mut actions);
    expect![[r#"
        tombstone of offset g-new codec-zstd/1
        tombstone of ConsumerGroupTargetAssignmentMetadata(ConsumerGroupTargetAssignmentMetadataKey { group_id: "g-new", unknown_tags: UnknownTags(None) })
        tombstone of ConsumerGroupMetadata(ConsumerGroupMetadataKey { group_id: "g-new", unknown_tags: UnknownTags(None) })
    "#]].assert_eq(&appended(&actions));
    let [Action::Append(append)] = actions.as_slice() else { panic!("{actions:?}") };
    shard.appended(append.id, Err(ErrorCode::NotEnoughReplicas), Time::default(), &mut Vec::new());

    let protocols = vec![JoinGroupRequestProtocol { name: "range".to_owned(), ..Default::default() }];
    let request = Request::JoinGroup(JoinGroupRequest {
        group_id: "g-new".to_owned(),
        session_timeout_ms: 10_000,
        protocol_type: "consumer".to_owned(),
        protocols,
        ..Default::default()
    });
    let mut actions = Vec::new();
    shard.handle(request, context, 2, Time::default(), &mut actions);
    expect![[r#"
        tombstone of ConsumerGroupTargetAssignmentMetadata(ConsumerGroupTargetAssignmentMetadataKey { group_id: "g-new", unknown_tags: UnknownTags(None) })
        tombstone of ConsumerGroupMetadata(ConsumerGroupMetadataKey { group_id: "g-new", unknown_tags: UnknownTags(None) })
        group g-new v3: generation 0, type "", protocol None, leader none, since -1000000
    "#]].assert_eq(&appended(&actions));
}

fn appended(actions: &[Action]) -> String {
    let mut output = String::new();
    for action in actions {
        let Action::Append(append) = action else { continue };
        for record in &append.records {
            writeln!(output, "{}", print::record(record, &mut Names::default())).unwrap();
        }
    }
    output
}

#[test]
fn groups_are_where_kafka_puts_them() {
    assert_eq!(partition_for("g-classic", CLASSIC_GROUP_PARTITIONS), 3);
    assert_eq!(partition_for("g-new", CLASSIC_GROUP_PARTITIONS), 3);
    assert_eq!(partition_for("", 50), 0);
    // The hash is the smallest integer, whose absolute value is none.
    assert_eq!(partition_for("polygenelubricants", 50), 0);
}

const OFFSET_KEY: &[u8] = &[0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 0];

/// Version 3: the offset, leader epoch -1, no metadata, a timestamp.
fn offset_value(offset: u8) -> Vec<u8> {
    let mut value = vec![0, 3, 0, 0, 0, 0, 0, 0, 0, offset, 255, 255, 255, 255, 0, 0];
    value.extend(5u64.to_be_bytes());
    value
}

fn transactional(base_offset: i64, offset: u8) -> Batch {
    let mut builder = BatchBuilder::new(base_offset).producer(9, 0, 0).transactional(true);
    builder.append(5, Some(OFFSET_KEY), Some(&offset_value(offset)), &[]).unwrap();
    Batch::parse(&builder.build()).unwrap()
}

#[test]
fn transactions_are_loaded_with_their_markers() {
    let mut shard = new_shard();
    shard.load_batch(&transactional(0, 7)).unwrap();
    assert!(shard.has_pending_offsets("g"));
    let commit = end_txn_batch(5, 9, 0, true, 1);
    shard.load_batch(&Batch::parse(&commit.unwrap()).unwrap()).unwrap();
    assert!(!shard.has_pending_offsets("g"));
    assert_eq!(shard.group_offsets("g").unwrap()["t"][&0].offset, 7);

    shard.load_batch(&transactional(2, 8)).unwrap();
    let abort = end_txn_batch(5, 9, 0, false, 1);
    shard.load_batch(&Batch::parse(&abort.unwrap()).unwrap()).unwrap();
    assert_eq!(shard.group_offsets("g").unwrap()["t"][&0].offset, 7);
}

#[test]
fn a_shard_may_resign_while_it_loads() {
    let mut shard = load_until(2);
    shard.resign(&mut Vec::new());
    let log = Bytes::from_static(include_bytes!("../data/consumer-offsets-4.3.1.log"));
    batches(log).for_each(|batch| shard.load_batch(&batch.unwrap()).unwrap());
    shard.load_marker(9, true);
    shard.loaded(Time::default(), &mut Vec::new());
    assert_eq!(shard.groups().count(), 0);
    let answer = ask(&mut shard, Request::DescribeGroups(vec!["g-classic".to_owned()]));
    assert!(answer.starts_with("g-classic NOT_COORDINATOR"), "{answer}");
}

#[test]
fn a_record_of_an_unknown_type_is_skipped_and_a_broken_one_is_not() {
    let mut shard = new_shard();
    let mut unknown = BatchBuilder::new(0);
    unknown.append(5, Some(&[0x7f, 0, 1, 2]), Some(b"what?"), &[]).unwrap();
    shard.load_batch(&Batch::parse(&unknown.build()).unwrap()).unwrap();
    assert_eq!(shard.groups().count(), 0);

    let mut broken = BatchBuilder::new(1);
    broken.append(5, Some(OFFSET_KEY), Some(&[0, 3, 1]), &[]).unwrap();
    let error = shard.load_batch(&Batch::parse(&broken.build()).unwrap()).unwrap_err();
    expect!["the record at offset 1 of __consumer_offsets cannot be read: the message ends before its content does"]
        .assert_eq(&error.to_string());

    let mut without_key = BatchBuilder::new(2);
    without_key.append(5, None, Some(b"x"), &[]).unwrap();
    let error = shard.load_batch(&Batch::parse(&without_key.build()).unwrap()).unwrap_err();
    assert!(matches!(error, LoadError::NoKey { offset: 2 }));
}

#[test]
fn a_tombstone_of_what_is_not_there_changes_nothing() {
    let mut shard = new_shard();
    shard.load_record(-1, &Bytes::from_static(OFFSET_KEY), None).unwrap();
    // A group, and a member of a consumer group.
    shard.load_record(-1, &Bytes::from_static(&[0, 2, 0, 1, b'g']), None).unwrap();
    shard.load_record(-1, &Bytes::from_static(&[0, 5, 0, 1, b'g', 0, 1, b'm']), None).unwrap();
    assert_eq!(shard.groups().count(), 0);
    assert_eq!(shard.offset_count(), 0);
}

#[test]
fn a_loaded_group_goes_on() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        restart
        show
        a: leave g member=a#1
        restart
        show
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            restart
            show
                g: Stable generation 1 leader a#1 members [a#1] pending 0
            a: leave g member=a#1
                append group g v3: generation 2, type "consumer", protocol None, leader none, since 0
                a <- NONE, a#1 NONE
            restart
            show
                g: Empty generation 2 leader none members [] pending 0
        "#]],
    );
}
