//! Every case in `data/broker-cases.txt` ends as it does with the real `KafkaConfig` (`data/broker-outcomes.txt`).

use std::collections::BTreeMap;

use ottla_config::{BrokerConfig, ErrorKind, Listener, Properties};

fn blocks(text: &str) -> BTreeMap<&str, &str> {
    text.split("\n== ")
        .map(|block| block.strip_prefix("== ").unwrap_or(block))
        .map(|block| block.split_once('\n').unwrap_or((block, "")))
        .map(|(name, body)| (name, body.trim_end_matches('\n')))
        .collect()
}

fn endpoints<'a>(listeners: impl IntoIterator<Item = &'a Listener>) -> String {
    let one = |l: &Listener| {
        let host = l.host.as_deref().unwrap_or_default();
        format!("{}|{}|{host}|{}", l.name, l.security_protocol.name(), l.port)
    };
    listeners.into_iter().map(one).collect::<Vec<_>>().join(" ")
}

fn describe(config: &BrokerConfig) -> String {
    let list = |dirs: &[String]| format!("[{}]", dirs.join(", "));
    let mut early: Vec<&str> = config.early_start_listeners().iter().map(String::as_str).collect();
    early.sort_unstable();
    [
        "ok".to_owned(),
        format!("listeners: {}", endpoints(config.listeners())),
        format!("controller listeners: {}", endpoints(config.controller_listeners())),
        format!("data plane listeners: {}", endpoints(config.data_plane_listeners())),
        format!("advertised for brokers: {}", endpoints(config.advertised_broker_listeners())),
        format!("advertised for controllers: {}", endpoints(config.advertised_controller_listeners())),
        format!(
            "inter broker: {}|{}",
            config.inter_broker_listener_name(),
            config.inter_broker_security_protocol().name()
        ),
        format!("early start: {}", early.join(" ")),
        format!("node id: {}", config.node_id()),
        format!("log dirs: {}", list(config.log_dirs())),
        format!("cordoned log dirs: {}", list(config.cordoned_log_dirs())),
        format!("metadata log dir: {}", config.metadata_log_dir()),
        format!(
            "times: {} {} {} {}",
            config.log_retention_ms(),
            config.log_roll_ms(),
            config.log_roll_jitter_ms(),
            config.log_flush_interval_ms()
        ),
    ]
    .join("\n")
}

#[test]
fn as_the_real_kafka_config() {
    let cases = blocks(include_str!("data/broker-cases.txt"));
    let outcomes = blocks(include_str!("data/broker-outcomes.txt"));
    assert!(cases.len() > 250);
    let mut wrong = Vec::new();
    for (name, text) in &cases {
        let properties = Properties::parse(text.as_bytes(), "case").unwrap();
        let ours = match BrokerConfig::new(&properties) {
            Ok(config) => describe(&config),
            Err(error) if error.kind == ErrorKind::Config => format!("ConfigException: {}", error.message),
            Err(error) => error.message,
        };
        // Trailing blanks of an empty list are no part of the comparison.
        let tidy = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        let theirs = tidy(outcomes[name]);
        let theirs = match theirs.split_once(": ") {
            Some((class, message)) if class.ends_with("Exception") && class != "ConfigException" => message.to_owned(),
            _ => theirs,
        };
        if tidy(&ours) != theirs {
            wrong.push(format!("== {name}\n{text}\n-- ours\n{ours}\n-- Kafka's\n{theirs}\n"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
