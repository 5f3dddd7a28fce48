//! What a person sees: where a setting was written, what is allowed, what was probably meant.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_config::{AlterOp, BrokerConfig, DynamicBrokerConfig, Properties, apply_alter_ops, explain, suggest};

const BASE: &str = "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
                    listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ncontroller.quorum.bootstrap.servers=localhost:9093\n";

fn properties(more: &str) -> Properties {
    Properties::parse(format!("{BASE}{more}").as_bytes(), "server.properties").unwrap()
}

fn warnings(more: &str) -> Vec<String> {
    let config = BrokerConfig::new(&properties(more)).unwrap();
    config.warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn an_error_says_where_and_what_is_allowed_and_what_else_is_wrong() {
    let error = BrokerConfig::new(&properties("num.io.threads=0\n\nnum.partitions=many\n")).unwrap_err();
    assert_eq!(error.message, "Invalid value 0 for configuration num.io.threads: Value must be at least 1");
    assert_eq!(
        error.to_string(),
        "Invalid value 0 for configuration num.io.threads: Value must be at least 1 (server.properties:6)\n  \
         Allowed: a whole number, at least 1; default: 8.\n\
         Invalid value many for configuration num.partitions: Not a number of type INT (server.properties:8)\n  \
         Allowed: a whole number, at least 1; default: 1."
    );
}

#[test]
fn an_override_says_that_it_was_one() {
    let mut properties = properties("num.partitions=3\n");
    properties.set_override("num.partitions=x").unwrap();
    assert_eq!(properties.set_override("num.partitions"), None);
    let error = BrokerConfig::new(&properties).unwrap_err();
    assert_eq!(error.origin.as_deref(), Some("--override"));
}

#[test]
fn unknown_and_removed_keys_are_warned_of() {
    assert_eq!(
        warnings(
            "log.retention.hour=5\nnum.parttions=3\nzookeeper.connect=a\ninter.broker.protocol.version=3.0\nfoo=1\n"
        ),
        [
            "Unknown setting foo has no effect. (server.properties:10)",
            "inter.broker.protocol.version was removed in Kafka 4.0 and has no effect: use the feature \
             metadata.version. (server.properties:9)",
            "Unknown setting log.retention.hour has no effect. Did you mean log.retention.hours? (server.properties:6)",
            "Unknown setting num.parttions has no effect. Did you mean num.partitions? (server.properties:7)",
            "zookeeper.connect was removed in Kafka 4.0 with ZooKeeper and has no effect. (server.properties:8)",
        ]
    );
    assert_eq!(
        warnings(
            "super.users=User:a\nrsm.config.x=1\nlistener.name.plaintext.ssl.client.auth=none\nmetadata.log.dir=/m\n"
        ),
        [""; 0]
    );
    assert_eq!(
        warnings("listener.name.plaintext.ssl.client.aut=none\n"),
        ["Unknown setting listener.name.plaintext.ssl.client.aut has no effect. Did you mean \
          listener.name.plaintext.ssl.client.auth? (server.properties:6)"]
    );
}

#[test]
fn what_kafka_logs_is_warned_of() {
    assert_eq!(
        warnings("log.dirs=/a,/b,/a\nnum.partitions=1\nnum.partitions=2\n"),
        [
            "Configuration key \"log.dirs\" contains duplicate values. Duplicates will be removed. The original value \
             is: [/a, /b, /a], the updated value is: [/a, /b] (server.properties:6)",
            "num.partitions is set again further down, this line has no effect. (server.properties:7)",
        ]
    );
    assert!(warnings("broker.heartbeat.interval.ms=5000\n")[0].contains("(server.properties:6)"));
}

#[test]
fn listener_values_are_found_and_checked() {
    let config =
        BrokerConfig::new(&properties("ssl.client.auth=none\nlistener.name.plaintext.ssl.client.auth=required\n"));
    let config = config.unwrap();
    let value = |listener, key| config.listener_value(listener, key).unwrap().map(|value| value.to_string());
    assert_eq!(value("PLAINTEXT", "ssl.client.auth").as_deref(), Some("required"));
    assert_eq!(value("CONTROLLER", "ssl.client.auth").as_deref(), Some("none"));
    assert_eq!(value("CONTROLLER", "plain.sasl.jaas.config"), None);
    let error = BrokerConfig::new(&properties("listener.name.plaintext.ssl.client.auth=maybe\n")).unwrap_err();
    assert_eq!(error.origin.as_deref(), Some("server.properties:6"));
}

#[test]
fn secrets_are_not_shown() {
    let config = BrokerConfig::new(&properties("ssl.key.password=hunter2\n")).unwrap();
    assert_eq!(config.password("ssl.key.password"), Some("hunter2"));
    assert_eq!(format!("{:?}", config.value("ssl.key.password").unwrap()), "[hidden]");
}

#[test]
fn suggestions_and_explanations() {
    assert_eq!(suggest("log.retention.mss"), Some("log.retention.ms"));
    assert_eq!(suggest("nmu.partitions"), Some("num.partitions"));
    assert_eq!(suggest("something.else.altogether"), None);
    assert_eq!(
        explain("num.partitions").unwrap(),
        "num.partitions: How many partitions a topic gets when nobody says. (int; a whole number, at least 1; default: 1; \
         needs a restart)"
    );
    assert_eq!(
        explain("share.auto.offset.reset").unwrap(),
        "share.auto.offset.reset: (string; earliest, latest, or by_duration: and an ISO 8601 duration such as \
         by_duration:PT1H; default: latest; can be changed at any time)"
    );
    assert_eq!(explain("nothing"), None);
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_running_server_does_not_leap() {
    let mut config = DynamicBrokerConfig::new(Arc::new(BrokerConfig::new(&properties("")).unwrap()));
    for (settings, reason) in [
        (map(&[("num.io.threads", "17")]), "should not be greater than double the current value 8"),
        (map(&[("num.io.threads", "3")]), "should be at least half the current value 8"),
        (map(&[("log.cleaner.threads", "3")]), "increased to more than double the current value 1"),
        (
            map(&[("log.local.retention.ms", "-1")]),
            "Value must not be -1 as log.retention.ms value is set as 604800000.",
        ),
        (map(&[("listener.name.plaintext.max.connections", "0")]), "Invalid listener.name.plaintext.max.connections 0"),
        (map(&[("listener.name.plaintext.ssl.client.auth", "none")]), "for existing listener PLAINTEXT"),
        (map(&[("listeners", "CONTROLLER://:9093,SSL://:9094"), ("advertised.listeners", "SSL://:1")]), ""),
    ] {
        let error = config.validate(&settings, true).unwrap_err();
        if !reason.is_empty() {
            assert_eq!(error.message, "Invalid dynamic configuration");
            assert!(error.help.as_deref().unwrap().contains(reason), "{error}");
        }
        let before = config.current().int("num.io.threads");
        config.update_broker(&settings);
        assert_eq!(config.current().int("num.io.threads"), before);
    }
    config.validate(&map(&[("num.io.threads", "16")]), true).unwrap();
    assert!(config.update_broker(&map(&[("num.io.threads", "16")])).is_empty());
    assert_eq!(config.current().int("num.io.threads"), 16);
    assert!(config.update_broker(&map(&[])).is_empty());
    assert_eq!(config.current().int("num.io.threads"), 8);
}

#[test]
fn rates_that_are_only_dynamic() {
    let mut config = DynamicBrokerConfig::new(Arc::new(BrokerConfig::new(&properties("")).unwrap()));
    const KEY: &str = "leader.replication.throttled.rate";
    assert_eq!(config.throttled_rate(KEY), i64::MAX);
    config.update_default(&map(&[(KEY, "5")]));
    assert_eq!(config.throttled_rate(KEY), 5);
    config.update_broker(&map(&[(KEY, "6")]));
    assert_eq!(config.throttled_rate(KEY), 6);
}

#[test]
fn changes_of_lists() {
    let mut settings = map(&[("cordoned.log.dirs", "/a")]);
    let op = |key: &str, op| [(key.to_owned(), op)];
    apply_alter_ops(&mut settings, &op("cordoned.log.dirs", AlterOp::Append("/b,/a".to_owned()))).unwrap();
    assert_eq!(settings["cordoned.log.dirs"], "/a,/b");
    apply_alter_ops(&mut settings, &op("cordoned.log.dirs", AlterOp::Subtract("/a".to_owned()))).unwrap();
    assert_eq!(settings["cordoned.log.dirs"], "/b");
    apply_alter_ops(&mut settings, &op("log.cleanup.policy", AlterOp::Append("compact".to_owned()))).unwrap();
    assert_eq!(settings["log.cleanup.policy"], "delete,compact");
    apply_alter_ops(&mut settings, &op("num.io.threads", AlterOp::Set("5".to_owned()))).unwrap();
    apply_alter_ops(&mut settings, &op("cordoned.log.dirs", AlterOp::Delete)).unwrap();
    assert_eq!(settings.len(), 2);
    let error = apply_alter_ops(&mut settings, &op("num.io.threads", AlterOp::Append("5".to_owned()))).unwrap_err();
    assert_eq!(error.message, "Config value append is not allowed for config key: num.io.threads");
    let error = apply_alter_ops(&mut settings, &op("nothing", AlterOp::Subtract("5".to_owned()))).unwrap_err();
    assert_eq!(error.message, "Unknown config name: nothing");
}
