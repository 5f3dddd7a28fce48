//! What the controller writes and answers, from the registration of brokers to their end.

use super::testing::{CONTEXT, Cluster, check, topic};
use crate::show::show_records;
use expect_test::expect;
use ottla_base::{ErrorCode, Uuid};
use ottla_wire::messages::{AllocateProducerIdsRequest, DeleteTopicsRequest, UnregisterBrokerRequest};
use ottla_wire::messages::{CreatePartitionsRequest, create_partitions_request::CreatePartitionsTopic};
use ottla_wire::messages::{CreateTopicsRequest, delete_topics_request::DeleteTopicState};

#[test]
fn the_first_records() {
    check(
        show_records(&Cluster::new("3.5", "").log),
        expect![[r#"
        feature metadata.version=11
    "#]],
    );
    check(
        show_records(&Cluster::new("4.3", "min.insync.replicas=2").log),
        expect![[r#"
        begin Bootstrap records
        feature metadata.version=30
        feature eligible.leader.replicas.version=1
        feature group.version=1
        feature share.version=1
        feature streams.version=1
        feature transaction.version=2
        config 4: min.insync.replicas=2
        end
    "#]],
    );
}

#[test]
fn a_broker_comes() {
    let mut cluster = Cluster::new("4.3", "");
    check(
        cluster.register(1).0,
        expect![[r#"
        broker 1@9 fenced dirs=[AQEBAQEBAQEBAQEBAQEBAQ] v4
    "#]],
    );
    let (records, answer) = cluster.heartbeat_with(1, |r| r.current_metadata_offset -= 1);
    check(records, expect![]);
    assert!(answer.is_fenced && !answer.is_caught_up);
    let (records, answer) = cluster.heartbeat_with(1, |r| r.cordoned_log_dirs = Some(vec![]));
    check(
        records,
        expect![[r#"
        broker 1@9 fenced=-1
        broker 1@9 cordoned=[] v3
    "#]],
    );
    assert!(!answer.is_fenced && answer.is_caught_up && !answer.should_shut_down);
    // The same incarnation once more keeps its epoch, another one has to wait for the end of the session.
    check(
        cluster.register(1).0,
        expect![[r#"
        broker 1@9 dirs=[AQEBAQEBAQEBAQEBAQEBAQ] v4
    "#]],
    );
    let other = |r: &mut ottla_wire::messages::BrokerRegistrationRequest| r.incarnation_id = Uuid([9; 16]);
    assert_eq!(cluster.register_with(1, other).1, ErrorCode::DuplicateBrokerRegistration);
    check(
        cluster.wait(9001, &[]),
        expect![[r#"
        broker 1@9 fenced=1
    "#]],
    );
    check(
        cluster.register_with(1, other).0,
        expect![[r#"
        broker 1@15 fenced dirs=[AQEBAQEBAQEBAQEBAQEBAQ] v4
    "#]],
    );
}

#[test]
fn registrations_that_are_refused() {
    let mut cluster = Cluster::with_brokers("4.3", "", 1);
    assert_eq!(cluster.register_with(2, |r| r.cluster_id = "x".into()).1, ErrorCode::InconsistentClusterId);
    assert_eq!(cluster.register_with(2, |r| r.log_dirs.clear()).1, ErrorCode::InvalidRegistration);
    assert_eq!(cluster.register_with(2, |r| r.log_dirs = vec![Uuid::LOST_DIR]).1, ErrorCode::InvalidRegistration);
    assert_eq!(cluster.register_with(2, |r| r.log_dirs.push(Uuid([2; 16]))).1, ErrorCode::InvalidRegistration);
    assert_eq!(cluster.register_with(2, |r| r.log_dirs = vec![Uuid([1; 16])]).1, ErrorCode::InvalidRegistration);
    assert_eq!(cluster.register_with(2, |r| r.is_migrating_zk_broker = true).1, ErrorCode::BrokerIdNotRegistered);
    assert_eq!(cluster.register_with(2, |r| r.features.clear()).1, ErrorCode::InvalidRegistration);
    let lacks = |name: &'static str| {
        move |r: &mut ottla_wire::messages::BrokerRegistrationRequest| r.features.retain(|f| f.name != name)
    };
    assert_eq!(cluster.register_with(2, lacks("group.version")).1, ErrorCode::UnsupportedVersion);
    assert_eq!(cluster.register_with(2, lacks("kraft.version")).1, ErrorCode::None);
    assert_eq!(cluster.heartbeat_with(3, |_| {}).1.error_code, ErrorCode::StaleBrokerEpoch as i16);
    assert_eq!(cluster.heartbeat_with(1, |r| r.broker_epoch = 0).1.error_code, ErrorCode::StaleBrokerEpoch as i16);
}

#[test]
fn topics() {
    let mut cluster = Cluster::with_brokers("4.3", "", 3);
    check(
        cluster.create(topic("a.b", 2, 2, &[("retention.ms", "1000"), ("min.insync.replicas", "2")])),
        expect![[r#"
        NONE 
        topic a.b
        config 2:a.b retention.ms=1000
        config 2:a.b min.insync.replicas=2
        clear elr 'a.b'
        partition 0 replicas=[1, 2] isr=[1, 2] leader=1 dirs=[AQEBAQEBAQEBAQEBAQEBAQ, AgICAgICAgICAgICAgICAg] v2
        partition 1 replicas=[2, 3] isr=[2, 3] leader=2 dirs=[AgICAgICAgICAgICAgICAg, AwMDAwMDAwMDAwMDAwMDAw] v2
    "#]],
    );
    check(
        cluster.create(topic("a_b", 1, 1, &[])),
        expect![[r#"
        INVALID_TOPIC_EXCEPTION Topic 'a_b' collides with existing topic: a.b
    "#]],
    );
    check(
        cluster.create(topic("a.b", 1, 1, &[])),
        expect![[r#"
        TOPIC_ALREADY_EXISTS Topic 'a.b' already exists.
    "#]],
    );
    check(
        cluster.create(topic("..", 1, 1, &[])),
        expect![[r#"
        INVALID_TOPIC_EXCEPTION Topic name is invalid: '..' is not allowed
    "#]],
    );
    check(
        cluster.create(topic("a/b", 1, 1, &[])),
        expect![[r#"
        INVALID_TOPIC_EXCEPTION Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'
    "#]],
    );
}

#[test]
fn topics_of_a_size_that_cannot_be() {
    let mut cluster = Cluster::with_brokers("4.3", "", 3);
    check(
        cluster.create(topic("x", 0, 1, &[])),
        expect![[r#"
        INVALID_PARTITIONS Number of partitions was set to an invalid non-positive value.
    "#]],
    );
    check(
        cluster.create(topic("x", 1, 0, &[])),
        expect![[r#"
        INVALID_REPLICATION_FACTOR Replication factor must be larger than 0, or -1 to use the default value.
    "#]],
    );
    check(
        cluster.create(topic("x", 1, 4, &[])),
        expect![[r#"
        INVALID_REPLICATION_FACTOR Unable to replicate the partition 4 time(s): The target replication factor of 4 cannot be reached because only 3 broker(s) are registered or some brokers have all their log directories cordoned.
    "#]],
    );
    check(
        cluster.create(topic("x", 10_001, 1, &[])),
        expect![[r#"
        POLICY_VIOLATION Excessively large number of partitions per request.
    "#]],
    );
    check(
        cluster.create(topic("x", 10_000, 1, &[])),
        expect![[r#"
        POLICY_VIOLATION Unable to perform excessively large batch operation.
    "#]],
    );
}

#[test]
fn topics_with_settings_that_cannot_be() {
    let mut cluster = Cluster::with_brokers("4.3", "", 3);
    check(
        cluster.create(topic("x", 1, 1, &[("nonsense", "1")])),
        expect![[r#"
        INVALID_CONFIG Unknown topic config name: nonsense
    "#]],
    );
    check(
        cluster.create(topic("x", 1, 1, &[("retention.ms", "abc")])),
        expect![[r#"
        INVALID_CONFIG Invalid value abc for configuration retention.ms: Not a number of type LONG
    "#]],
    );
    check(
        cluster.create(topic("__cluster_metadata", 1, 1, &[])),
        expect![[r#"
        INVALID_REQUEST Creation of internal topic __cluster_metadata is prohibited.
    "#]],
    );
}

#[test]
fn topics_with_assigned_replicas() {
    let mut cluster = Cluster::with_brokers("4.3", "", 3);
    check(
        cluster.create_assigned("y", &[&[1, 2], &[2, 3]]),
        expect![[r#"
        NONE 
        topic y
        partition 0 replicas=[1, 2] isr=[1, 2] leader=1 dirs=[AQEBAQEBAQEBAQEBAQEBAQ, AgICAgICAgICAgICAgICAg] v2
        partition 1 replicas=[2, 3] isr=[2, 3] leader=2 dirs=[AgICAgICAgICAgICAgICAg, AwMDAwMDAwMDAwMDAwMDAw] v2
    "#]],
    );
    check(
        cluster.create_assigned("z", &[&[1, 2], &[2]]),
        expect![[r#"
        INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes a partition with 1 replica(s), but this is not consistent with previous partitions, which have 2 replica(s).
    "#]],
    );
    check(
        cluster.create_assigned("z", &[&[1, 1]]),
        expect![[r#"
        INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes the broker 1 more than once.
    "#]],
    );
    check(
        cluster.create_assigned("z", &[&[1, 7]]),
        expect![[r#"
        INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes broker 7, but no such broker is registered.
    "#]],
    );
    check(
        cluster.create_assigned("z", &[&[]]),
        expect![[r#"
        INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes an empty replica list.
    "#]],
    );
}

#[test]
fn a_topic_as_its_creator_sees_it() {
    let mut cluster = Cluster::with_brokers("4.3", "log.retention.hours=2\nnum.partitions=3", 1);
    let request = CreateTopicsRequest {
        topics: vec![topic("a", -1, 1, &[("cleanup.policy", "compact")]), topic("b", 1, 1, &[]), topic("b", 1, 1, &[])],
        validate_only: true,
        ..Default::default()
    };
    let (records, response) = cluster.commit(cluster.controller.create_topics(&CONTEXT, &request));
    assert_eq!(records, "");
    let [a, b] = &response.topics[..] else { panic!("{response:?}") };
    assert_eq!((a.num_partitions, a.replication_factor, a.error_code), (3, 1, 0));
    assert_eq!(b.error_message.as_deref(), Some("Duplicate topic name."));
    let configs = a.configs.as_ref().unwrap();
    let interesting = configs.iter().filter(|c| c.config_source != 5);
    let shown: Vec<String> =
        interesting.map(|c| format!("{}={} {}", c.name, c.value.as_deref().unwrap_or("-"), c.config_source)).collect();
    check(
        shown.join("\n"),
        expect![[r#"
        cleanup.policy=compact 1
        min.insync.replicas=1 3
        retention.ms=7200000 4"#]],
    );
    assert_eq!(configs.len(), 33);
}

#[test]
fn topics_are_deleted() {
    let mut cluster = Cluster::with_brokers("4.3", "", 1);
    for name in ["a", "b", "c"] {
        cluster.create(topic(name, 1, 1, &[("retention.ms", "1")]));
    }
    let (a, b) = (cluster.topic_id("a"), cluster.topic_id("b"));
    let by_name = |name: &str| DeleteTopicState { name: Some(name.to_owned()), ..Default::default() };
    let by_id = |topic_id| DeleteTopicState { name: None, topic_id, ..Default::default() };
    let mut run = |topics: Vec<DeleteTopicState>| {
        let request = DeleteTopicsRequest { topics, ..Default::default() };
        let (records, response) = cluster.commit(cluster.controller.delete_topics(&CONTEXT, &request));
        let line = |r: &ottla_wire::messages::delete_topics_response::DeletableTopicResult| {
            let code = ErrorCode::from_code(r.error_code).name();
            format!("{:?} {code} {}\n", r.name, r.error_message.as_deref().unwrap_or_default())
        };
        response.responses.iter().map(line).collect::<String>() + &records
    };
    check(
        run(vec![by_name("x"), by_id(Uuid([5; 16])), by_name("c"), by_name("c"), by_id(Uuid::ZERO)]),
        expect![[r#"
        None INVALID_REQUEST Neither topic name nor id were specified.
        None UNKNOWN_TOPIC_ID This server does not host this topic ID.
        Some("c") INVALID_REQUEST Duplicate topic name.
        Some("x") UNKNOWN_TOPIC_OR_PARTITION This server does not host this topic-partition.
    "#]],
    );
    check(
        run(vec![by_name("a"), by_id(a)]),
        expect![[r#"
        Some("a") INVALID_REQUEST The provided topic name maps to an ID that was already supplied.
    "#]],
    );
    check(
        run(vec![by_name("a"), by_id(b)]),
        expect![[r#"
        Some("b") NONE 
        Some("a") NONE 
        remove topic
        remove topic
    "#]],
    );
    assert!(cluster.controller.working_image().configs.iter().all(|(resource, _)| resource.name != "a"));
}

#[test]
fn partitions_are_added() {
    let mut cluster = Cluster::with_brokers("4.3", "", 2);
    cluster.create_assigned("a", &[&[1, 2]]);
    let mut run = |name: &str, count, assignments: Option<Vec<Vec<i32>>>| {
        use ottla_wire::messages::create_partitions_request::CreatePartitionsAssignment;
        let assignment = |broker_ids| CreatePartitionsAssignment { broker_ids, ..Default::default() };
        let topic = CreatePartitionsTopic {
            name: name.to_owned(),
            count,
            assignments: assignments.map(|list| list.into_iter().map(assignment).collect()),
            ..Default::default()
        };
        let request = CreatePartitionsRequest { topics: vec![topic], ..Default::default() };
        let (records, response) = cluster.commit(cluster.controller.create_partitions(&request));
        let result = &response.results[0];
        let code = ErrorCode::from_code(result.error_code).name();
        format!("{code} {}\n{records}", result.error_message.as_deref().unwrap_or_default())
    };
    check(
        run("a", 1, None),
        expect![[r#"
        INVALID_PARTITIONS Topic already has 1 partition(s).
    "#]],
    );
    check(
        run("a", 0, None),
        expect![[r#"
        INVALID_PARTITIONS The topic a currently has 1 partition(s); 0 would not be an increase.
    "#]],
    );
    check(
        run("b", 2, None),
        expect![[r#"
        UNKNOWN_TOPIC_OR_PARTITION 
    "#]],
    );
    check(
        run("a", 3, Some(vec![vec![2, 1]])),
        expect![[r#"
        INVALID_REPLICA_ASSIGNMENT Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.
    "#]],
    );
    check(
        run("a", 2, Some(vec![vec![2]])),
        expect![[r#"
        INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes a partition with 1 replica(s), but this is not consistent with previous partitions, which have 2 replica(s).
    "#]],
    );
    check(
        run("a", 2, Some(vec![vec![2, 1]])),
        expect![[r#"
        NONE 
        partition 1 replicas=[2, 1] isr=[2, 1] leader=2 dirs=[AgICAgICAgICAgICAgICAg, AQEBAQEBAQEBAQEBAQEBAQ] v2
    "#]],
    );
    check(
        run("a", 4, None),
        expect![[r#"
        NONE 
        partition 2 replicas=[1, 2] isr=[1, 2] leader=1 dirs=[AQEBAQEBAQEBAQEBAQEBAQ, AgICAgICAgICAgICAgICAg] v2
        partition 3 replicas=[2, 1] isr=[2, 1] leader=2 dirs=[AgICAgICAgICAgICAgICAg, AQEBAQEBAQEBAQEBAQEBAQ] v2
    "#]],
    );
}

#[test]
fn producer_ids_come_in_blocks() {
    let mut cluster = Cluster::with_brokers("4.3", "", 1);
    for expect in [0, 1000, 2000] {
        let broker_epoch = cluster.epochs[&1];
        let request = AllocateProducerIdsRequest { broker_id: 1, broker_epoch, ..Default::default() };
        let (_, response) = cluster.commit(cluster.controller.allocate_producer_ids(&request));
        assert_eq!((response.producer_id_start, response.producer_id_len), (expect, 1000));
    }
    let request = AllocateProducerIdsRequest { broker_id: 1, broker_epoch: 0, ..Default::default() };
    let (_, response) = cluster.commit(cluster.controller.allocate_producer_ids(&request));
    assert_eq!(response.error_code, ErrorCode::StaleBrokerEpoch as i16);
    check(
        show_records(&cluster.log[cluster.log.len() - 1..]),
        expect![[r#"
        producer ids broker=1@9 next=3000
    "#]],
    );
}

#[test]
fn leaders_move_when_brokers_fall_silent() {
    let mut cluster = Cluster::with_brokers("4.3", "min.insync.replicas=2", 3);
    cluster.create_assigned("a", &[&[1, 2], &[2, 3], &[3, 1]]);
    check(
        cluster.wait(9001, &[2, 3]),
        expect![[r#"
        change 0 isr=[2] leader=2 elr=[1] v2
        change 2 isr=[3] elr=[1] v2
        broker 1@9 fenced=1
    "#]],
    );
    check(
        cluster.wait(9001, &[3]),
        expect![[r#"
        change 0 isr=[] leader=-1 elr=[1, 2] lastKnownElr=[2] v2
        change 1 isr=[3] leader=3 elr=[2] v2
        broker 2@11 fenced=1
    "#]],
    );
    // Back again: it is eligible where it was the last.
    check(
        cluster.heartbeat(2).0,
        expect![[r#"
        broker 2@11 fenced=-1
        change 0 isr=[2] leader=2 elr=[1] lastKnownElr=[] v2
    "#]],
    );
    check(
        cluster.wait(9001, &[]),
        expect![[r#"
        change 0 isr=[] leader=-1 elr=[1, 2] lastKnownElr=[2] v2
        broker 2@11 fenced=1
        change 1 isr=[] leader=-1 elr=[2, 3] lastKnownElr=[3] v2
        change 2 isr=[] leader=-1 elr=[1, 3] lastKnownElr=[3] v2
        broker 3@13 fenced=1
    "#]],
    );
    check(
        cluster.heartbeat(3).0,
        expect![[r#"
        broker 3@13 fenced=-1
        change 1 isr=[3] leader=3 elr=[2] lastKnownElr=[] v2
        change 2 isr=[3] leader=3 elr=[1] lastKnownElr=[] v2
    "#]],
    );
}

#[test]
fn without_elr_the_last_replica_stays_in_the_isr() {
    let mut cluster = Cluster::with_brokers("4.0", "", 2);
    cluster.create_assigned("a", &[&[1, 2]]);
    check(
        cluster.wait(9001, &[2]),
        expect![[r#"
        change 0 isr=[2] leader=2 v2
        broker 1@5 fenced=1
    "#]],
    );
    check(
        cluster.wait(9001, &[]),
        expect![[r#"
        change 0 leader=-1 v2
        broker 2@7 fenced=1
    "#]],
    );
    check(
        cluster.heartbeat(1).0,
        expect![[r#"
        broker 1@5 fenced=-1
    "#]],
    );
    check(
        cluster.heartbeat(2).0,
        expect![[r#"
        broker 2@7 fenced=-1
        change 0 leader=2 v2
    "#]],
    );
}

#[test]
fn a_broker_shuts_down() {
    let mut cluster = Cluster::with_brokers("4.3", "", 3);
    cluster.create_assigned("a", &[&[1, 2], &[2, 1]]);
    let (records, answer) = cluster.heartbeat_with(1, |r| r.want_shut_down = true);
    check(
        records,
        expect![[r#"
        broker 1@9 leaving=1 v1
        change 0 isr=[2] leader=2 v2
        change 1 isr=[2] v2
    "#]],
    );
    assert!(!answer.should_shut_down && !answer.is_fenced);
    // It waits until the others have read that.
    let (records, answer) = cluster.heartbeat_with(1, |r| r.want_shut_down = true);
    assert_eq!((records.as_str(), answer.should_shut_down), ("", false));
    cluster.heartbeat(2);
    cluster.heartbeat(3);
    let (records, answer) = cluster.heartbeat_with(1, |r| r.want_shut_down = true);
    check(
        records,
        expect![[r#"
        broker 1@9 fenced=1
    "#]],
    );
    assert!(answer.should_shut_down && answer.is_fenced);
}

#[test]
fn a_broker_without_leaderships_goes_at_once() {
    let mut cluster = Cluster::with_brokers("4.3", "", 2);
    cluster.create_assigned("a", &[&[1, 2]]);
    let (records, answer) = cluster.heartbeat_with(2, |r| r.want_shut_down = true);
    check(
        records,
        expect![[r#"
        change 0 isr=[1] v2
        broker 2@11 fenced=1
    "#]],
    );
    assert!(answer.should_shut_down && answer.is_fenced);
    // What it had is known to be complete when it says in which epoch it stopped.
    let restarted = |r: &mut ottla_wire::messages::BrokerRegistrationRequest| r.incarnation_id = Uuid([8; 16]);
    cluster.now.mono_ms += 10_000;
    check(
        cluster.register_with(2, restarted).0,
        expect![[r#"
        broker 2@17 fenced dirs=[AgICAgICAgICAgICAgICAg] v4
    "#]],
    );
}

#[test]
fn an_unclean_restart_costs_the_eligibility() {
    let mut cluster = Cluster::with_brokers("4.3", "min.insync.replicas=2", 2);
    cluster.create_assigned("a", &[&[1, 2]]);
    cluster.wait(9001, &[2]);
    check(
        cluster
            .register_with(1, |r| {
                r.incarnation_id = Uuid([8; 16]);
                r.previous_broker_epoch = -1;
            })
            .0,
        expect![[r#"
            change 0 elr=[] v2
            broker 1@18 fenced dirs=[AQEBAQEBAQEBAQEBAQEBAQ] v4
        "#]],
    );
}

#[test]
fn a_broker_is_unregistered() {
    let mut cluster = Cluster::with_brokers("4.3", "", 2);
    cluster.create_assigned("a", &[&[1, 2]]);
    let request = UnregisterBrokerRequest { broker_id: 1, ..Default::default() };
    check(
        cluster.commit(cluster.controller.unregister_broker(&request)).0,
        expect![[r#"
        change 0 isr=[2] leader=2 v2
        unregister broker 1@9
    "#]],
    );
    let (_, response) = cluster.commit(cluster.controller.unregister_broker(&request));
    assert_eq!(response.error_message.as_deref(), Some("Broker ID 1 is not currently registered"));
}

#[test]
fn directories_are_lost_and_cordoned() {
    let mut cluster = Cluster::with_brokers("4.3", "", 2);
    let (a, b) = (Uuid([11; 16]), Uuid([12; 16]));
    cluster.register_with(3, |r| r.log_dirs = vec![a, b]);
    cluster.heartbeat(3);
    check(
        cluster.create_assigned("t", &[&[3, 1]]),
        expect![[r#"
        NONE 
        topic t
        partition 0 replicas=[3, 1] isr=[3, 1] leader=3 dirs=[AAAAAAAAAAAAAAAAAAAAAQ, AQEBAQEBAQEBAQEBAQEBAQ] v2
    "#]],
    );
    let assign = |cluster: &mut Cluster, directory| {
        use ottla_wire::messages::assign_replicas_to_dirs_request::*;
        let partitions = vec![PartitionData { partition_index: 0, ..Default::default() }];
        let topics = vec![TopicData { topic_id: cluster.topic_id("t"), partitions, ..Default::default() }];
        let request = ottla_wire::messages::AssignReplicasToDirsRequest {
            broker_id: 3,
            broker_epoch: cluster.epochs[&3],
            directories: vec![DirectoryData { id: directory, topics, ..Default::default() }],
            ..Default::default()
        };
        let (records, response) = cluster.commit(cluster.controller.assign_replicas_to_dirs(&request));
        assert_eq!(response.error_code, 0);
        records
    };
    check(
        assign(&mut cluster, a),
        expect![[r#"
        change 0 dirs=[CwsLCwsLCwsLCwsLCwsLCw, AQEBAQEBAQEBAQEBAQEBAQ] v2
    "#]],
    );
    check(
        cluster.heartbeat_with(3, |r| r.offline_log_dirs = vec![a]).0,
        expect![[r#"
        change 0 isr=[1] leader=1 v2
        broker 3@13 dirs=[DAwMDAwMDAwMDAwMDAwMDA] v2
    "#]],
    );
    check(
        cluster.heartbeat_with(3, |r| r.cordoned_log_dirs = Some(vec![b])).0,
        expect![[r#"
        broker 3@13 cordoned=[DAwMDAwMDAwMDAwMDAwMDA] v3
    "#]],
    );
    check(
        cluster.create(topic("u", 1, 3, &[])),
        expect![[r#"
        INVALID_REPLICATION_FACTOR Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only 2 broker(s) are registered or some brokers have all their log directories cordoned.
    "#]],
    );
}

#[test]
fn what_is_not_committed_is_forgotten_with_the_leadership() {
    let mut cluster = Cluster::with_brokers("4.3", "", 1);
    let before = cluster.controller.working_image().clone();
    let request = CreateTopicsRequest { topics: vec![topic("a", 1, 1, &[])], ..Default::default() };
    let outcome = cluster.controller.create_topics(&CONTEXT, &request);
    for batch in outcome.batches() {
        cluster.append(batch);
    }
    assert!(cluster.controller.working_image().topics.by_name("a").is_some());
    assert_eq!(cluster.controller.committed_image(), &before);
    cluster.controller.reset_to_committed();
    assert_eq!(cluster.controller.working_image(), &before);
    assert!(!cluster.controller.is_active());
}
