//! Help for people: which setting was probably meant, and what a setting is.

use crate::broker_config::Warning;
use crate::{Properties, definitions};

/// The known broker setting that `key` most resembles; `None` when nothing is near.
pub fn suggest(key: &str) -> Option<&'static str> {
    let names = definitions::BROKER.iter().map(|def| def.name);
    nearest(key, names)
}

/// The known topic setting that `key` most resembles.
pub fn suggest_topic(key: &str) -> Option<&'static str> {
    nearest(key, definitions::TOPIC.iter().map(|def| def.name))
}

fn nearest(key: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let worst = 1 + key.chars().count() / 6;
    names
        .filter(|name| name.len().abs_diff(key.len()) <= worst)
        .map(|name| (distance(key, name), name))
        .filter(|(distance, _)| *distance <= worst)
        .min()
        .map(|(_, name)| name)
}

/// Letters to add, drop, change, or swap with their neighbour, to make one text of the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = change.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

/// Settings of Kafka 3 that are gone, and what took their place.
const REMOVED: &[(&str, &str)] = &[
    ("alter.config.policy.kraft.compatibility.enable", "it has no replacement"),
    (
        "auto.include.jmx.reporter",
        "list org.apache.kafka.common.metrics.JmxReporter in metric.reporters, as is the default",
    ),
    ("broker.id.generation.enable", "set node.id"),
    ("control.plane.listener.name", "use controller.listener.names"),
    ("controlled.shutdown.max.retries", "it has no replacement"),
    ("controlled.shutdown.retry.backoff.ms", "it has no replacement"),
    ("delegation.token.master.key", "use delegation.token.secret.key"),
    ("eligible.leader.replicas.enable", "use the feature eligible.leader.replicas.version"),
    ("group.coordinator.new.enable", "use group.coordinator.rebalance.protocols"),
    ("group.share.enable", "use the feature share.version"),
    ("group.share.max.groups", "it has no replacement"),
    ("inter.broker.protocol.version", "use the feature metadata.version"),
    ("leader.imbalance.per.broker.percentage", "it has no replacement"),
    ("log.message.downconversion.enable", "down-conversion is gone"),
    ("log.message.format.version", "there is one format"),
    (
        "log.message.timestamp.difference.max.ms",
        "use log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms",
    ),
    ("metadata.log.segment.min.bytes", "use internal.metadata.log.segment.bytes in tests"),
    ("offsets.commit.required.acks", "it is always -1"),
    ("reserved.broker.max.id", "set node.id"),
];

/// Keys that Kafka's plug-ins read without defining them.
const OF_PLUGINS: &[&str] = &[
    "super.users",
    "allow.everyone.if.no.acl.found",
    "metrics.jmx.include",
    "metrics.jmx.exclude",
    "metrics.jmx.whitelist",
    "metrics.jmx.blacklist",
];

pub(crate) fn warn_of_unknown_keys(properties: &Properties, warnings: &mut Vec<Warning>) {
    let prefix = |key, default| properties.get(key).unwrap_or(default).to_owned();
    let prefixes = [
        "config.providers.".to_owned(),
        "remote.log.metadata.".to_owned(),
        prefix("remote.log.storage.manager.impl.prefix", "rsm.config."),
        prefix("remote.log.metadata.manager.impl.prefix", "rlmm.config."),
    ];
    for (key, entry) in properties.iter() {
        let expected = OF_PLUGINS.contains(&key) || prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()));
        if expected || definitions::broker_for_key(key).is_some() {
            continue;
        }
        let base = definitions::without_listener_prefix(key).unwrap_or(key);
        let message = if let Some((_, instead)) = REMOVED.iter().find(|(name, _)| *name == key) {
            format!("{key} was removed in Kafka 4.0 and has no effect: {instead}.")
        } else if key.starts_with("zookeeper.") || key.starts_with("password.encoder.") {
            format!("{key} was removed in Kafka 4.0 with ZooKeeper and has no effect.")
        } else if let Some(name) = suggest(base) {
            let meant = key.replace(base, name);
            format!("Unknown setting {key} has no effect. Did you mean {meant}?")
        } else {
            format!("Unknown setting {key} has no effect.")
        };
        warnings.push(Warning { message, origin: Some(entry.origin.clone()) });
    }
    for (key, origin) in properties.replaced() {
        let message = format!("{key} is set again further down, this line has no effect.");
        warnings.push(Warning { message, origin: Some(origin.clone()) });
    }
}

/// What a setting is, in one line: our words where we have some, then type, default, and what is allowed. `None` when
/// there is no such broker, topic, group or client metrics setting.
pub fn explain(key: &str) -> Option<String> {
    let def = definitions::broker_for_key(key)
        .or_else(|| definitions::topic(key))
        .or_else(|| definitions::group(key))
        .or_else(|| definitions::client_metrics(key))?;
    let words = definitions::describe(def.name).map(|words| format!("{words} ")).unwrap_or_default();
    let when = match def.update_mode {
        crate::UpdateMode::ReadOnly => "needs a restart",
        crate::UpdateMode::PerBroker => "can be changed per broker while it runs",
        crate::UpdateMode::ClusterWide => "can be changed while the server runs",
        crate::UpdateMode::Resource => "can be changed at any time",
    };
    let kind = def.config_type.name().to_lowercase();
    Some(format!("{key}: {words}({kind}; {}; default: {}; {when})", def.allowed(), def.default_text()))
}
