//! Whatever somebody writes into a file or a request ends in settings or in an error.

use std::collections::BTreeMap;

use ottla_config::{
    BrokerConfig, GroupSettings, Properties, TopicSettings, definitions, explain, suggest,
    validate_client_metrics_config, validate_dynamic_configs, validate_group_config, validate_topic_config,
};
use proptest::prelude::*;

const BASE: [(&str, &str); 5] = [
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("controller.listener.names", "CONTROLLER"),
    ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
    ("controller.quorum.voters", "1@localhost:9093"),
];

/// Numbers at the edges, lists, addresses, and nonsense.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (-3i64..3).prop_map(|n| n.to_string()),
        Just("2147483647".to_owned()),
        Just("-2147483648".to_owned()),
        Just("1e308".to_owned()),
        Just(String::new()),
        "[A-Z]{0,3}://\\[?[a-z:.]{0,5}\\]?:[0-9]{0,6}(,[A-Z]{0,3}://:[0-9]{1,5}){0,2}",
        "[0-9]{0,3}@[a-z.]{0,4}:[0-9]{0,6}(,[0-9]@x:1){0,2}",
        "([a-z]{0,3}[:=@,*. ]){0,4}",
        ".{0,12}",
    ]
}

fn settings(names: Vec<&'static str>) -> impl Strategy<Value = BTreeMap<String, String>> {
    let key = prop_oneof![20 => proptest::sample::select(names).prop_map(str::to_owned), 1 => "[a-z.]{0,12}"];
    proptest::collection::btree_map(key, value(), 0..4)
}

fn names(table: &'static [ottla_config::ConfigDef]) -> Vec<&'static str> {
    table.iter().map(|def| def.name).collect()
}

proptest! {
    #[test]
    fn properties(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Properties::parse(&bytes, "file");
        let _ = Properties::parse_utf8(&bytes, "file");
    }

    #[test]
    fn brokers(settings in settings(names(&definitions::BROKER))) {
        let mut properties: Properties = BASE.into_iter().collect();
        for (key, value) in &settings {
            properties.set(key, value, "test");
        }
        match BrokerConfig::new(&properties) {
            Ok(config) => {
                config.log_retention_ms();
                config.max_connections_per_ip_overrides();
                let _ = TopicSettings::resolve(&BTreeMap::new(), &config);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        let _ = validate_dynamic_configs(&settings, true);
        let _ = validate_dynamic_configs(&settings, false);
    }

    #[test]
    fn topics(settings in settings(names(&definitions::TOPIC))) {
        let broker = BrokerConfig::new(&BASE.into_iter().collect()).unwrap();
        // What is valid can be used.
        if validate_topic_config(&settings).is_ok() {
            TopicSettings::resolve(&settings, &broker).unwrap();
        }
    }

    #[test]
    fn groups(settings in settings(names(&definitions::GROUP))) {
        let broker = BrokerConfig::new(&BASE.into_iter().collect()).unwrap();
        let resolved = GroupSettings::resolve("g", &settings, &broker);
        if validate_group_config(&settings, &broker).is_ok() {
            prop_assert!(resolved.unwrap().1.is_empty());
        }
    }

    #[test]
    fn subscriptions(settings in settings(names(&definitions::CLIENT_METRICS))) {
        let _ = validate_client_metrics_config("s", &settings);
    }

    #[test]
    fn help(key in ".{0,40}") {
        let _ = suggest(&key);
        let _ = explain(&key);
    }
}
