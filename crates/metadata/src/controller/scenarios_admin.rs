//! What administrators ask for: reassignments, elections, ACLs, quotas, credentials, tokens.

use super::testing::{Cluster, check, code, propose};
use super::{Principal, token_hmac};
use crate::show::show_records;
use expect_test::expect;
use ottla_base::Uuid;
use ottla_wire::messages::*;
use std::fmt::Write;

fn reassign(cluster: &mut Cluster, name: &str, id: i32, replicas: Option<&[i32]>, change_factor: bool) -> String {
    use alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
    let partition =
        ReassignablePartition { partition_index: id, replicas: replicas.map(<[i32]>::to_vec), ..Default::default() };
    let topic = ReassignableTopic { name: name.to_owned(), partitions: vec![partition], ..Default::default() };
    let request = AlterPartitionReassignmentsRequest {
        allow_replication_factor_change: change_factor,
        topics: vec![topic],
        ..Default::default()
    };
    let (records, response) = cluster.commit(cluster.controller.alter_partition_reassignments(&request));
    let result = &response.responses[0].partitions[0];
    let message = result.error_message.as_deref().unwrap_or_default();
    let mut out = format!("{} {message}\n", code(result.error_code));
    for line in records.lines() {
        // Directories follow the replicas.
        let _ = writeln!(out, "{}", line.split(" dirs=").next().unwrap());
    }
    out
}

#[test]
fn reassignments() {
    let mut cluster = Cluster::with_brokers("4.3", "", 4);
    cluster.create_assigned("t", &[&[1, 2]]);
    let c = &mut cluster;
    check(
        reassign(c, "t", 0, None, true),
        expect![[r#"
        NO_REASSIGNMENT_IN_PROGRESS 
    "#]],
    );
    check(
        reassign(c, "x", 0, None, true),
        expect![[r#"
        UNKNOWN_TOPIC_OR_PARTITION Unable to find a topic named x.
    "#]],
    );
    check(
        reassign(c, "t", 1, None, true),
        expect![[r#"
        UNKNOWN_TOPIC_OR_PARTITION Unable to find partition t:1.
    "#]],
    );
    check(
        reassign(c, "t", 0, Some(&[3, 9]), true),
        expect![[r#"
        INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes broker 9, but no such broker is registered.
    "#]],
    );
    check(
        reassign(c, "t", 0, Some(&[3]), false),
        expect![[r#"
        INVALID_REPLICATION_FACTOR The replication factor is changed from 2 to 1
    "#]],
    );
}

#[test]
fn a_reassignment_to_its_end() {
    let mut cluster = Cluster::with_brokers("4.3", "", 4);
    cluster.create_assigned("t", &[&[1, 2]]);
    let c = &mut cluster;
    check(
        reassign(c, "t", 0, Some(&[3, 2]), false),
        expect![[r#"
        NONE 
        change 0 replicas=[3, 2, 1] adding=[3] removing=[1]
    "#]],
    );
    let ongoing = c.controller.list_partition_reassignments(&ListPartitionReassignmentsRequest {
        topics: Some(vec![]),
        ..Default::default()
    });
    assert_eq!(ongoing.topics.len(), 0, "an empty list of topics");
    let all = ListPartitionReassignmentsRequest { topics: None, ..Default::default() };
    let ongoing = c.controller.list_partition_reassignments(&all);
    assert_eq!(ongoing.topics[0].partitions[0].adding_replicas, [3]);
    check(
        propose(c, "t", 1, &[1, 2, 3]),
        expect![[r#"
        NEW_LEADER_ELECTED leader=0@0 isr=[]
        change 0 isr=[2, 3] leader=3 replicas=[3, 2] adding=[] removing=[]
    "#]],
    );
    check(
        reassign(c, "t", 0, Some(&[3, 2, 4]), true),
        expect![[r#"
        NONE 
        change 0 replicas=[3, 2, 4] adding=[4]
    "#]],
    );
    check(
        reassign(c, "t", 0, None, true),
        expect![[r#"
        NONE 
        change 0 leader=3 replicas=[3, 2] adding=[]
    "#]],
    );
}

#[test]
fn proposals_of_leaders() {
    let mut cluster = Cluster::with_brokers("4.3", "min.insync.replicas=2", 3);
    cluster.create_assigned("t", &[&[1, 2]]);
    let c = &mut cluster;
    check(
        propose(c, "t", 1, &[1]),
        expect![[r#"
        NONE leader=1@0 isr=[1]
        change 0 isr=[1] elr=[2] v2
    "#]],
    );
    check(
        propose(c, "t", 1, &[1, 2]),
        expect![[r#"
        NONE leader=1@0 isr=[1, 2]
        change 0 isr=[1, 2] elr=[] v2
    "#]],
    );
    check(
        propose(c, "t", 2, &[1, 2]),
        expect![[r#"
        INVALID_REQUEST leader=0@0 isr=[]

    "#]],
    );
    check(
        propose(c, "t", 1, &[1, 3]),
        expect![[r#"
        INVALID_REQUEST leader=0@0 isr=[]

    "#]],
    );
    check(
        propose(c, "t", 1, &[2]),
        expect![[r#"
        INVALID_REQUEST leader=0@0 isr=[]

    "#]],
    );
    check(
        propose(c, "t", 1, &[1, 1]),
        expect![[r#"
        INVALID_REQUEST leader=0@0 isr=[]

    "#]],
    );
    c.wait(9001, &[1, 3]);
    check(
        propose(c, "t", 1, &[1, 2]),
        expect![[r#"
        INELIGIBLE_REPLICA leader=0@0 isr=[]

    "#]],
    );
}

#[test]
fn leaders_are_elected() {
    let mut cluster = Cluster::with_brokers("4.0", "", 3);
    for (name, replicas) in [("a", [1, 2]), ("b", [2, 1])] {
        cluster.create_assigned(name, &[&replicas]);
    }
    cluster.wait(9001, &[2, 3]);
    let elect = |cluster: &mut Cluster, election_type, topics: &[(&str, i32)]| {
        use elect_leaders_request::TopicPartitions;
        let topic = |(name, id): &(&str, i32)| TopicPartitions {
            topic: name.to_string(),
            partitions: vec![*id],
            ..Default::default()
        };
        let topic_partitions = (!topics.is_empty()).then(|| topics.iter().map(topic).collect());
        let request = ElectLeadersRequest { election_type, topic_partitions, ..Default::default() };
        let (records, response) = cluster.commit(cluster.controller.elect_leaders(&request));
        let mut out = format!("{}\n", code(response.error_code));
        for topic in &response.replica_election_results {
            for p in &topic.partition_result {
                let message = p.error_message.as_deref().unwrap_or_default();
                let _ = writeln!(out, "{}-{} {} {message}", topic.topic, p.partition_id, code(p.error_code));
            }
        }
        out + &records
    };
    check(
        elect(&mut cluster, 0, &[("a", 0), ("b", 0), ("b", 1), ("x", 0)]),
        expect![[r#"
        NONE
        a-0 PREFERRED_LEADER_NOT_AVAILABLE The preferred leader was not available.
        b-0 ELECTION_NOT_NEEDED Leader election not needed for topic partition.
        b-1 UNKNOWN_TOPIC_OR_PARTITION No such partition as b-1
        x-0 UNKNOWN_TOPIC_OR_PARTITION No such topic as x
    "#]],
    );
    cluster.heartbeat(1);
    check(
        propose(&mut cluster, "a", 2, &[2, 1]),
        expect![[r#"
        NONE leader=2@1 isr=[2, 1]
        change 0 isr=[2, 1] v2
    "#]],
    );
    check(
        elect(&mut cluster, 0, &[]),
        expect![[r#"
        NONE
        a-0 NONE 
        change 0 leader=1 v2
    "#]],
    );
    check(
        elect(&mut cluster, 1, &[("a", 0)]),
        expect![[r#"
        NONE
        a-0 ELECTION_NOT_NEEDED Leader election not needed for topic partition.
    "#]],
    );
    check(
        elect(&mut cluster, 2, &[("a", 0)]),
        expect![[r#"
        INVALID_REQUEST
        a-0 INVALID_REQUEST Unknown election type 2
    "#]],
    );
}

#[test]
fn periodic_elections() {
    let mut cluster = Cluster::with_brokers("4.0", "", 2);
    cluster.create_assigned("t", &[&[1, 2]]);
    cluster.create(super::testing::topic("u", -1, -1, &[("unclean.leader.election.enable", "true")]));
    cluster.wait(9001, &[2]);
    cluster.heartbeat(1);
    propose(&mut cluster, "t", 2, &[2, 1]);
    // leader.imbalance.check.interval.seconds
    let mut shown = String::new();
    for _ in 0..40 {
        shown += &cluster.wait(8000, &[1, 2]);
    }
    check(
        shown,
        expect![[r#"
        change 0 leader=1 v2
    "#]],
    );
}

#[test]
fn acls() {
    let mut cluster =
        Cluster::new("4.3", "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer");
    let creation = |name: &str, principal: &str| create_acls_request::AclCreation {
        resource_type: 2,
        resource_name: name.to_owned(),
        resource_pattern_type: 3,
        principal: principal.to_owned(),
        host: "*".to_owned(),
        operation: 3,
        permission_type: 3,
        ..Default::default()
    };
    let mut any = creation("t", "User:a");
    any.resource_type = 1;
    let creations =
        vec![creation("t", "User:a"), creation("t", "User:a"), creation("u", "a"), creation("", "User:a"), any];
    let request = CreateAclsRequest { creations, ..Default::default() };
    let (records, response) = cluster.commit(cluster.controller.create_acls(&request));
    assert_eq!(records.lines().count(), 1);
    let messages: Vec<_> = response.results.iter().map(|r| r.error_message.clone().unwrap_or_default()).collect();
    check(
        messages.join("\n"),
        expect![[r#"


        Could not parse principal from `a` (no colon is present separating the principal type from the principal name)
        Invalid empty resource name
        Invalid resourceType ANY"#]],
    );
    let (records, _) = cluster.commit(cluster.controller.create_acls(&request));
    assert_eq!(records, "", "it is there already");
    let filter = |operation| delete_acls_request::DeleteAclsFilter {
        resource_type_filter: 1,
        resource_name_filter: None,
        pattern_type_filter: 1,
        principal_filter: Some("User:a".to_owned()),
        host_filter: None,
        operation,
        permission_type: 1,
        ..Default::default()
    };
    let request = DeleteAclsRequest { filters: vec![filter(1), filter(0), filter(4), filter(3)], ..Default::default() };
    let (records, response) = cluster.commit(cluster.controller.delete_acls(&request));
    assert_eq!(records.lines().count(), 1);
    let found: Vec<usize> = response.filter_results.iter().map(|r| r.matching_acls.len()).collect();
    assert_eq!(found, [1, 0, 0, 1]);
    assert_eq!(response.filter_results[1].error_message.as_deref(), Some("Unknown entryFilter."));
    assert!(cluster.controller.working_image().acls.is_empty());
}

#[test]
fn without_an_authorizer_there_are_no_acls() {
    let mut cluster = Cluster::new("4.3", "");
    let request = CreateAclsRequest { creations: vec![Default::default()], ..Default::default() };
    let (_, response) = cluster.commit(cluster.controller.create_acls(&request));
    assert_eq!(response.results[0].error_message.as_deref(), Some("No Authorizer is configured."));
}

#[test]
fn quotas() {
    use alter_client_quotas_request::{EntityData, EntryData, OpData};
    let mut cluster = Cluster::new("4.3", "");
    let mut run = |entity: &[(&str, Option<&str>)], ops: &[(&str, Option<f64>)]| {
        let data = |(kind, name): &(&str, Option<&str>)| EntityData {
            entity_type: kind.to_string(),
            entity_name: name.map(str::to_owned),
            ..Default::default()
        };
        let op = |(key, value): &(&str, Option<f64>)| OpData {
            key: key.to_string(),
            value: value.unwrap_or(0.0),
            remove: value.is_none(),
            ..Default::default()
        };
        let entry = EntryData {
            entity: entity.iter().map(data).collect(),
            ops: ops.iter().map(op).collect(),
            ..Default::default()
        };
        let request = AlterClientQuotasRequest { entries: vec![entry], ..Default::default() };
        let (records, response) = cluster.commit(cluster.controller.alter_client_quotas(&request));
        let result = &response.entries[0];
        let message = result.error_message.as_deref().unwrap_or_default();
        format!("{} {message} ({} records)", code(result.error_code), records.lines().count())
    };
    let rate = |value| ("producer_byte_rate", value);
    check(run(&[("user", Some("a")), ("client-id", None)], &[rate(Some(5.0))]), expect!["NONE  (1 records)"]);
    check(run(&[("user", Some("a")), ("client-id", None)], &[rate(Some(5.0))]), expect!["NONE  (0 records)"]);
    check(
        run(&[("user", Some("a")), ("client-id", None)], &[rate(Some(1.5))]),
        expect!["INVALID_REQUEST producer_byte_rate cannot be a fractional value. (0 records)"],
    );
    check(
        run(&[("user", Some("a"))], &[rate(Some(0.0))]),
        expect!["INVALID_REQUEST Quota producer_byte_rate must be greater than 0 (0 records)"],
    );
    check(
        run(&[("user", Some("a"))], &[("connection_creation_rate", Some(1.0))]),
        expect!["INVALID_REQUEST Invalid configuration key connection_creation_rate (0 records)"],
    );
    check(
        run(&[("ip", Some("1.2.3.4"))], &[("connection_creation_rate", Some(1e12))]),
        expect!["INVALID_REQUEST Proposed value for connection_creation_rate is too large for an INT. (0 records)"],
    );
    check(
        run(&[("ip", Some("1.2.3.4.5"))], &[("connection_creation_rate", Some(1.0))]),
        expect!["INVALID_REQUEST 1.2.3.4.5 is not a valid IP or resolvable host. (0 records)"],
    );
    check(
        run(&[("ip", None), ("user", None)], &[]),
        expect![
            "INVALID_REQUEST Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId (0 records)"
        ],
    );
    check(
        run(&[("group", None)], &[]),
        expect!["INVALID_REQUEST Unhandled client quota entity type: group (0 records)"],
    );
    check(run(&[("user", Some(""))], &[]), expect!["INVALID_REQUEST Empty user not supported (0 records)"]);
    check(run(&[], &[]), expect!["INVALID_REQUEST Invalid empty client quota entity (0 records)"]);
    check(
        run(&[("user", Some("a"))], &[rate(Some(1.0)), rate(None)]),
        expect!["INVALID_REQUEST Ignoring duplicate entity ClientQuotaEntity(entries={user=a}) (0 records)"],
    );
    check(run(&[("user", Some("a")), ("client-id", None)], &[rate(None)]), expect!["NONE  (1 records)"]);
    assert!(cluster.controller.working_image().client_quotas.is_empty());
}

#[test]
fn scram_credentials() {
    use alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
    let mut cluster = Cluster::new("4.3", "");
    let upsertion = |name: &str, mechanism, iterations| ScramCredentialUpsertion {
        name: name.to_owned(),
        mechanism,
        iterations,
        salt: vec![1].into(),
        salted_password: vec![2].into(),
        ..Default::default()
    };
    let deletion =
        |name: &str, mechanism| ScramCredentialDeletion { name: name.to_owned(), mechanism, ..Default::default() };
    let mut run = |deletions, upsertions| {
        let request = AlterUserScramCredentialsRequest { deletions, upsertions, ..Default::default() };
        let (records, response) = cluster.commit(cluster.controller.alter_user_scram_credentials(&request));
        let line = |r: &alter_user_scram_credentials_response::AlterUserScramCredentialsResult| {
            format!("{} {} {}\n", r.user, code(r.error_code), r.error_message.as_deref().unwrap_or_default())
        };
        let lines: String = response.results.iter().map(line).collect();
        format!("{lines}{} record(s)", records.lines().count())
    };
    let many = vec![
        upsertion("a", 1, 4096),
        upsertion("b", 2, 4095),
        upsertion("c", 2, 16385),
        upsertion("d", 3, 5000),
        upsertion("", 1, 5000),
        upsertion("e", 1, 5000),
        upsertion("e", 2, 5000),
    ];
    check(
        run(vec![], many),
        expect![[r#"
         UNACCEPTABLE_CREDENTIAL Username must not be empty
        a NONE 
        b UNACCEPTABLE_CREDENTIAL Too few iterations
        c UNACCEPTABLE_CREDENTIAL Too many iterations
        d UNSUPPORTED_SASL_MECHANISM Unknown SCRAM mechanism
        e DUPLICATE_RESOURCE A user credential cannot be altered twice in the same request
        1 record(s)"#]],
    );
    check(
        run(vec![deletion("a", 2), deletion("x", 1)], vec![]),
        expect![[r#"
        a RESOURCE_NOT_FOUND Attempt to delete a user credential that does not exist
        x RESOURCE_NOT_FOUND Attempt to delete a user credential that does not exist
        0 record(s)"#]],
    );
    check(
        run(vec![deletion("a", 1)], vec![]),
        expect![[r#"
        a NONE 
        1 record(s)"#]],
    );
}

#[test]
fn delegation_tokens() {
    let mut cluster = Cluster::new("4.3", "delegation.token.secret.key=secret\ndelegation.token.max.lifetime.ms=100");
    let (alice, bob) = (Principal::new("User", "alice"), Principal::new("User", "bob"));
    let renewers = vec![create_delegation_token_request::CreatableRenewers {
        principal_type: "User".to_owned(),
        principal_name: "bob".to_owned(),
        ..Default::default()
    }];
    let request = CreateDelegationTokenRequest { renewers, max_lifetime_ms: -1, ..Default::default() };
    cluster.now.wall_ms = 1000;
    let (_, token) = cluster.commit(cluster.controller.create_delegation_token(&alice, &request, cluster.now));
    assert_eq!((token.error_code, token.expiry_timestamp_ms, token.max_timestamp_ms), (0, 1100, 1100));
    assert_eq!(token.hmac, token_hmac("secret", &token.token_id));
    let expire = |cluster: &mut Cluster, who: &Principal, period| {
        let request = ExpireDelegationTokenRequest {
            hmac: token.hmac.clone(),
            expiry_time_period_ms: period,
            ..Default::default()
        };
        let (_, r) = cluster.commit(cluster.controller.expire_delegation_token(who, &request, cluster.now));
        format!("{} {}", code(r.error_code), r.expiry_timestamp_ms)
    };
    let renew = |cluster: &mut Cluster, who: &Principal, hmac: &[u8]| {
        let request =
            RenewDelegationTokenRequest { hmac: hmac.to_vec().into(), renew_period_ms: 60, ..Default::default() };
        let (_, r) = cluster.commit(cluster.controller.renew_delegation_token(who, &request, cluster.now));
        format!("{} {}", code(r.error_code), r.expiry_timestamp_ms)
    };
    let carol = Principal::new("User", "carol");
    assert_eq!(expire(&mut cluster, &carol, 5), "DELEGATION_TOKEN_OWNER_MISMATCH 0");
    assert_eq!(expire(&mut cluster, &bob, 20), "NONE 1020");
    assert_eq!(renew(&mut cluster, &alice, &token.hmac), "NONE 1060");
    assert_eq!(renew(&mut cluster, &alice, b"x"), "DELEGATION_TOKEN_NOT_FOUND 0");
    cluster.now.wall_ms = 1061;
    assert_eq!(renew(&mut cluster, &carol, &token.hmac), "DELEGATION_TOKEN_EXPIRED 0");
    cluster.wait(3_600_000, &[]);
    assert!(cluster.controller.working_image().delegation_tokens.is_empty());
    let mut off = Cluster::new("4.3", "");
    let (_, token) = off.commit(off.controller.create_delegation_token(&alice, &request, off.now));
    assert_eq!(code(token.error_code), "DELEGATION_TOKEN_AUTH_DISABLED");
}

#[test]
fn controllers_register() {
    let mut cluster = Cluster::new("4.3", "");
    let request =
        ControllerRegistrationRequest { controller_id: 101, incarnation_id: Uuid([1; 16]), ..Default::default() };
    let (_, response) = cluster.commit(cluster.controller.register_controller(&request));
    assert_eq!(response.error_code, 0);
    assert!(cluster.controller.working_image().cluster.controllers.contains_key(&101));
    let mut old = Cluster::new("3.6", "");
    let (_, response) = old.commit(old.controller.register_controller(&request));
    assert_eq!(code(response.error_code), "UNSUPPORTED_VERSION");
    assert_eq!(show_records(&old.log).lines().count(), 3);
}
