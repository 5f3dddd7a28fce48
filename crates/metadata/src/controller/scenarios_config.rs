//! What administrators ask for: settings and features.

use super::RequestContext;
use super::testing::{CONTEXT, Cluster, check, code, topic};
use expect_test::expect;
use ottla_wire::messages::*;

/// `set`, `delete`, `append` or `subtract` one key.
fn alter(cluster: &mut Cluster, kind: i8, name: &str, ops: &[(&str, &str, &str)]) -> String {
    use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let op = |(op, key, value): &(&str, &str, &str)| AlterableConfig {
        name: key.to_string(),
        config_operation: ["set", "delete", "append", "subtract"].iter().position(|o| o == op).unwrap() as i8,
        value: (*op != "delete").then(|| value.to_string()),
        ..Default::default()
    };
    let resource = AlterConfigsResource {
        resource_type: kind,
        resource_name: name.to_owned(),
        configs: ops.iter().map(op).collect(),
        ..Default::default()
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    let (records, response) = cluster.commit(cluster.controller.incremental_alter_configs(&CONTEXT, &request));
    let result = &response.responses[0];
    format!("{} {}\n{records}", code(result.error_code), result.error_message.as_deref().unwrap_or_default())
}

#[test]
fn settings_of_topics() {
    let mut cluster = Cluster::with_brokers("4.3", "", 1);
    cluster.create(topic("t", 1, 1, &[]));
    let c = &mut cluster;
    check(
        alter(c, 2, "t", &[("set", "retention.ms", "5"), ("set", "min.insync.replicas", "2")]),
        expect![[r#"
        NONE 
        config 2:t retention.ms=5
        config 2:t min.insync.replicas=2
        clear elr 't'
    "#]],
    );
    check(
        alter(c, 2, "t", &[("set", "retention.ms", "5")]),
        expect![[r#"
        NONE 
    "#]],
    );
    check(
        alter(c, 2, "t", &[("append", "cleanup.policy", "compact")]),
        expect![[r#"
        NONE 
        config 2:t cleanup.policy=delete,compact
    "#]],
    );
    check(
        alter(c, 2, "t", &[("subtract", "cleanup.policy", "delete"), ("delete", "retention.ms", "")]),
        expect![[r#"
        NONE 
        config 2:t cleanup.policy=compact
        config 2:t retention.ms=(none)
    "#]],
    );
}

#[test]
fn settings_of_topics_that_are_refused() {
    let mut cluster = Cluster::with_brokers("4.3", "", 1);
    cluster.create(topic("t", 1, 1, &[]));
    let c = &mut cluster;
    check(
        alter(c, 2, "t", &[("append", "retention.ms", "5")]),
        expect![[r#"
        INVALID_CONFIG Can't APPEND to key retention.ms because its type is not LIST.
    "#]],
    );
    check(
        alter(c, 2, "t", &[("set", "retention.ms", "-2")]),
        expect![[r#"
        INVALID_CONFIG Invalid value -2 for configuration retention.ms: Value must be at least -1
    "#]],
    );
    check(
        alter(c, 2, "t", &[("set", "min.compaction.lag.ms", "5"), ("set", "max.compaction.lag.ms", "4")]),
        expect![[r#"
        INVALID_CONFIG conflict topic config setting min.compaction.lag.ms (5) > max.compaction.lag.ms (4)
    "#]],
    );
    check(
        alter(c, 2, "x", &[("set", "retention.ms", "5")]),
        expect![[r#"
        UNKNOWN_TOPIC_OR_PARTITION The topic 'x' does not exist.
    "#]],
    );
    check(
        alter(c, 2, "", &[("set", "retention.ms", "5")]),
        expect![[r#"
        INVALID_REQUEST Default topic resources are not allowed.
    "#]],
    );
    check(
        alter(c, 2, "t", &[("set", "retention.ms", &"5".repeat(40_000))]),
        expect![[r#"
        INVALID_CONFIG The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.
    "#]],
    );
    check(
        alter(c, 99, "t", &[]),
        expect![[r#"
        UNSUPPORTED_VERSION Unknown resource type 99.
    "#]],
    );
    check(
        alter(c, 8, "1", &[]),
        expect![[r#"
        INVALID_REQUEST Unexpected resource type BROKER_LOGGER.
    "#]],
    );
}

#[test]
fn settings_of_brokers() {
    let mut cluster = Cluster::with_brokers("4.3", "", 1);
    let c = &mut cluster;
    check(
        alter(c, 4, "1", &[("set", "log.retention.ms", "5")]),
        expect![[r#"
        NONE 
        config 4:1 log.retention.ms=5
    "#]],
    );
    // Written again, so that the broker looks again.
    check(
        alter(c, 4, "1", &[("set", "log.retention.ms", "5")]),
        expect![[r#"
        NONE 
        config 4:1 log.retention.ms=5
    "#]],
    );
    check(
        alter(c, 4, "", &[("set", "x.y", "anything")]),
        expect![[r#"
        NONE 
        config 4: x.y=anything
    "#]],
    );
    check(
        alter(c, 4, "100", &[("set", "a", "b")]),
        expect![[r#"
        NONE 
        config 4:100 a=b
    "#]],
    );
    check(
        alter(c, 4, "2", &[("set", "a", "b")]),
        expect![[r#"
        BROKER_ID_NOT_REGISTERED No node with id 2 found.
    "#]],
    );
    check(
        alter(c, 4, "x", &[("set", "a", "b")]),
        expect![[r#"
        INVALID_REQUEST Unable to parse broker name as a base 10 number.
    "#]],
    );
    check(
        alter(c, 4, "-1", &[("set", "a", "b")]),
        expect![[r#"
        INVALID_REQUEST Invalid negative broker ID.
    "#]],
    );
}

#[test]
fn min_insync_replicas_belongs_to_the_cluster_with_elr() {
    let mut cluster = Cluster::with_brokers("4.3", "", 1);
    let c = &mut cluster;
    check(
        alter(c, 4, "1", &[("set", "min.insync.replicas", "2")]),
        expect![[r#"
        INVALID_CONFIG Broker-level min.insync.replicas cannot be altered while ELR is enabled.
    "#]],
    );
    check(
        alter(c, 4, "", &[("set", "min.insync.replicas", "2")]),
        expect![[r#"
        NONE 
        config 4: min.insync.replicas=2
        clear elr ''
    "#]],
    );
    check(
        alter(c, 4, "", &[("delete", "min.insync.replicas", "")]),
        expect![[r#"
        INVALID_CONFIG Cluster-level min.insync.replicas cannot be removed while ELR is enabled.
    "#]],
    );
}

#[test]
fn settings_of_groups_and_subscriptions() {
    let mut cluster = Cluster::with_brokers("4.3", "", 1);
    let c = &mut cluster;
    check(
        alter(c, 32, "g", &[("set", "consumer.session.timeout.ms", "50000")]),
        expect![[r#"
        NONE 
        config 32:g consumer.session.timeout.ms=50000
    "#]],
    );
    check(
        alter(c, 32, "g", &[("set", "consumer.session.timeout.ms", "5")]),
        expect![[r#"
        INVALID_CONFIG consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms
    "#]],
    );
    check(
        alter(c, 32, "g", &[("set", "nonsense", "5")]),
        expect![[r#"
        INVALID_CONFIG Unknown group config name: nonsense
    "#]],
    );
    check(
        alter(c, 16, "s", &[("set", "interval.ms", "1000")]),
        expect![[r#"
        NONE 
        config 16:s interval.ms=1000
    "#]],
    );
    check(
        alter(c, 16, "s", &[("set", "interval.ms", "1")]),
        expect![[r#"
        INVALID_REQUEST Invalid value 1 for interval.ms, interval must be between 100 and 3600000 (1 hour)
    "#]],
    );
}

#[test]
fn the_old_form_removes_what_it_does_not_name() {
    use alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let mut cluster = Cluster::with_brokers("4.3", "", 1);
    cluster.create(topic("t", 1, 1, &[("retention.ms", "1"), ("segment.ms", "2")]));
    let config = |name: &str, value: &str| AlterableConfig {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..Default::default()
    };
    let resource = |name: &str, configs| AlterConfigsResource {
        resource_type: 2,
        resource_name: name.to_owned(),
        configs,
        ..Default::default()
    };
    let t = || resource("t", vec![config("segment.ms", "2"), config("flush.ms", "3")]);
    let request = AlterConfigsRequest { resources: vec![t()], ..Default::default() };
    check(
        cluster.commit(cluster.controller.alter_configs(&CONTEXT, &request)).0,
        expect![[r#"
        config 2:t flush.ms=3
        config 2:t retention.ms=(none)
    "#]],
    );
    let request = AlterConfigsRequest { resources: vec![t(), resource("x", vec![]), t()], ..Default::default() };
    let (records, response) = cluster.commit(cluster.controller.alter_configs(&CONTEXT, &request));
    assert_eq!(records, "");
    let messages: Vec<_> = response.responses.iter().map(|r| r.error_message.clone().unwrap_or_default()).collect();
    assert_eq!(messages, ["Duplicate resource.", "The topic 'x' does not exist."]);
}

/// One update each: feature, level, upgrade type.
fn update(cluster: &mut Cluster, updates: &[(&str, i16, i8)]) -> String {
    use update_features_request::FeatureUpdateKey;
    let update = |(feature, level, kind): &(&str, i16, i8)| FeatureUpdateKey {
        feature: feature.to_string(),
        max_version_level: *level,
        upgrade_type: *kind,
        ..Default::default()
    };
    let request = UpdateFeaturesRequest { feature_updates: updates.iter().map(update).collect(), ..Default::default() };
    let (records, update) = cluster.commit(cluster.controller.update_features(&CONTEXT, &request));
    let kraft = update.kraft_version.map(|level| format!("kraft.version={level}\n")).unwrap_or_default();
    let response = update.response;
    let message = response.error_message.unwrap_or_default();
    let message = message.replace("The update failed for all features since the following feature had an error: ", "");
    format!("{} {message}\n{kraft}{records}", code(response.error_code))
}

#[test]
fn features() {
    let mut cluster = Cluster::with_brokers("4.0", "", 1);
    let c = &mut cluster;
    check(
        update(c, &[("eligible.leader.replicas.version", 1, 1)]),
        expect![[r#"
        NONE 
        config 4: min.insync.replicas=1
        feature eligible.leader.replicas.version=1
    "#]],
    );
    check(
        update(c, &[("metadata.version", 30, 1)]),
        expect![[r#"
        NONE 
        feature metadata.version=30
    "#]],
    );
    check(
        update(c, &[("metadata.version", 29, 1)]),
        expect![[r#"
        INVALID_UPDATE_VERSION Invalid update version 29 for feature metadata.version. Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.
    "#]],
    );
    check(
        update(c, &[("metadata.version", 29, 2)]),
        expect![[r#"
        INVALID_UPDATE_VERSION Unsupported metadata.version downgrade from 30 to 29. Refusing to perform the requested downgrade because it might delete metadata information.
    "#]],
    );
    check(
        update(c, &[("metadata.version", 29, 3)]),
        expect![[r#"
        INVALID_UPDATE_VERSION Unsupported metadata.version downgrade from 30 to 29. Unsafe metadata downgrade is not supported in this version.
    "#]],
    );
    check(
        update(c, &[("metadata.version", 31, 1)]),
        expect![[r#"
        INVALID_UPDATE_VERSION Invalid update version 31 for feature metadata.version. Local controller 100 only supports versions 7-30
    "#]],
    );
    check(
        update(c, &[("metadata.version", 6, 2)]),
        expect![[r#"
        INVALID_UPDATE_VERSION Invalid update version 6 for feature metadata.version. Local controller 100 only supports versions 7-30
    "#]],
    );
}

#[test]
fn features_by_level() {
    let mut cluster = Cluster::with_brokers("4.3", "", 1);
    let c = &mut cluster;
    check(
        update(c, &[("group.version", 0, 2)]),
        expect![[r#"
        NONE 
        feature group.version=0
    "#]],
    );
    check(
        update(c, &[("group.version", 0, 1)]),
        expect![[r#"
        NONE 
        feature group.version=0
    "#]],
    );
    check(
        update(c, &[("group.version", 1, 2)]),
        expect![[r#"
        INVALID_UPDATE_VERSION Invalid update version 1 for feature group.version. Can't downgrade to a newer version.
    "#]],
    );
    check(
        update(c, &[("group.version", 1, 0)]),
        expect![[r#"
        INVALID_UPDATE_VERSION Invalid update version 1 for feature group.version. The controller does not support the given upgrade type.
    "#]],
    );
    check(
        update(c, &[("group.version", -1, 2)]),
        expect![[r#"
        INVALID_UPDATE_VERSION Invalid update version -1 for feature group.version. A feature version cannot be less than 0.
    "#]],
    );
    check(
        update(c, &[("nonsense", 1, 1)]),
        expect![[r#"
        INVALID_UPDATE_VERSION Invalid update version 1 for feature nonsense. Local controller 100 does not support this feature.
    "#]],
    );
    check(
        update(c, &[("transaction.version", 1, 3), ("share.version", 1, 1)]),
        expect![[r#"
        NONE 
        feature transaction.version=1
        feature share.version=1
    "#]],
    );
    check(
        update(c, &[("transaction.version", 2, 1), ("share.version", 2, 1)]),
        expect![[r#"
        INVALID_UPDATE_VERSION Invalid update version 2 for feature share.version. Local controller 100 only supports versions 0-1
    "#]],
    );
}

#[test]
fn the_level_of_kraft_is_for_raft_to_change() {
    let mut cluster = Cluster::with_brokers("4.3", "", 1);
    let c = &mut cluster;
    check(
        update(c, &[("kraft.version", 1, 1)]),
        expect![[r#"
        NONE 
        kraft.version=1
        noop
    "#]],
    );
    c.controller.set_quorum(1, vec![100]);
    check(
        update(c, &[("kraft.version", 0, 2)]),
        expect![[r#"
        INVALID_UPDATE_VERSION Invalid update version 0 for feature kraft.version. Can't downgrade the version of this feature.
    "#]],
    );
    c.controller.set_quorum(1, vec![100, 101]);
    check(
        update(c, &[("group.version", 1, 1)]),
        expect![[r#"
        INVALID_UPDATE_VERSION Invalid update version 1 for feature group.version. controller 101 has not registered, and may not support this feature
    "#]],
    );
}

#[test]
fn a_metadata_version_without_features_that_need_more() {
    let mut cluster = Cluster::with_brokers("3.5", "", 1);
    check(
        update(&mut cluster, &[("eligible.leader.replicas.version", 1, 1)]),
        expect![[r#"
        INVALID_UPDATE_VERSION Invalid update version 1 for feature eligible.leader.replicas.version. eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23
    "#]],
    );
    check(
        update(&mut cluster, &[("eligible.leader.replicas.version", 1, 1), ("metadata.version", 23, 1)]),
        expect![[r#"
            NONE 
            config 4: min.insync.replicas=1
            feature eligible.leader.replicas.version=1
            feature metadata.version=23
        "#]],
    );
}

#[test]
fn cordoning_by_way_of_the_controller_only_gives_back() {
    let mut cluster = Cluster::with_brokers("4.3", "", 1);
    alter(&mut cluster, 4, "1", &[("set", "cordoned.log.dirs", "/a,/b")]);
    let direct = RequestContext { forwarded: false, ..CONTEXT };
    let mut run = |value: &str| {
        use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
        let config =
            AlterableConfig { name: "cordoned.log.dirs".into(), value: Some(value.into()), ..Default::default() };
        let configs = vec![config];
        let resource =
            AlterConfigsResource { resource_type: 4, resource_name: "1".into(), configs, ..Default::default() };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
        let (_, response) = cluster.commit(cluster.controller.incremental_alter_configs(&direct, &request));
        response.responses[0].error_message.clone().unwrap_or_default()
    };
    check(
        run("/a,/c"),
        expect![
            "When updating cordoned.log.dirs via controllers,  the new value must be a subset of the current configuration value."
        ],
    );
    assert_eq!(run("/a"), "");
}
