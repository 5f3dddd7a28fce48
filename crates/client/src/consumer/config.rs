//! The settings of a consumer.

use std::time::Duration;

use crate::config::{ClientConfig, Role, Settings, invalid};
use crate::error::Result;

/// Where to start in a partition without a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    Earliest,
    Latest,
    /// As long ago as this from now on (KIP-1106).
    ByDuration(Duration),
    /// Fails.
    None,
}

/// How the members of a group share partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    Range,
    RoundRobin,
    Sticky,
    CooperativeSticky,
}

impl Strategy {
    /// On the wire.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Range => "range",
            Strategy::RoundRobin => "roundrobin",
            Strategy::Sticky => "sticky",
            Strategy::CooperativeSticky => "cooperative-sticky",
        }
    }

    fn from_class(class: &str) -> Option<Strategy> {
        match class.rsplit('.').next()? {
            "RangeAssignor" => Some(Strategy::Range),
            "RoundRobinAssignor" => Some(Strategy::RoundRobin),
            "StickyAssignor" => Some(Strategy::Sticky),
            "CooperativeStickyAssignor" => Some(Strategy::CooperativeSticky),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    pub client: ClientConfig,
    pub group_id: Option<String>,
    pub group_instance_id: Option<String>,
    /// The protocol of KIP-848 instead of the classic one.
    pub consumer_protocol: bool,
    pub remote_assignor: Option<String>,
    pub strategies: Vec<Strategy>,
    pub session_timeout: Duration,
    pub heartbeat_interval: Duration,
    pub max_poll_interval: Duration,
    pub reset: OffsetReset,
    pub auto_commit: Option<Duration>,
    pub read_committed: bool,
    pub fetch_min_bytes: i32,
    pub fetch_max_bytes: i32,
    pub fetch_max_wait_ms: i32,
    pub max_partition_fetch_bytes: i32,
    pub max_poll_records: usize,
    pub check_crcs: bool,
    pub client_rack: String,
    pub exclude_internal_topics: bool,
}

const DEFAULT_STRATEGIES: &str =
    "org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

impl ConsumerConfig {
    pub fn new(settings: &Settings) -> Result<ConsumerConfig> {
        let client = ClientConfig::new(Role::Consumer, settings)?;
        let group_id = settings.get("group.id").map(str::to_owned);
        let protocol = settings.text("group.protocol", "classic").to_ascii_lowercase();
        if protocol != "classic" && protocol != "consumer" {
            let why = "String must be one of (case insensitive): CONSUMER, CLASSIC";
            return Err(invalid("group.protocol", settings.get("group.protocol").unwrap_or_default(), why));
        }
        let isolation =
            settings.one_of("isolation.level", "read_uncommitted", &["read_committed", "read_uncommitted"])?;
        // Without a group there is nothing to commit to.
        let auto_commit = settings.bool("enable.auto.commit", group_id.is_some())?;
        let interval = settings.int_millis("auto.commit.interval.ms", 5000)?;
        Ok(ConsumerConfig {
            group_instance_id: settings.get("group.instance.id").map(str::to_owned),
            consumer_protocol: protocol == "consumer",
            remote_assignor: settings.get("group.remote.assignor").map(str::to_owned),
            strategies: strategies(settings)?,
            session_timeout: settings.int_millis("session.timeout.ms", 45_000)?,
            heartbeat_interval: settings.int_millis("heartbeat.interval.ms", 3000)?,
            max_poll_interval: settings.int_millis("max.poll.interval.ms", 300_000)?,
            reset: offset_reset(settings)?,
            auto_commit: (auto_commit && group_id.is_some()).then_some(interval),
            read_committed: isolation == "read_committed",
            fetch_min_bytes: settings.int("fetch.min.bytes", 1, 0)?,
            fetch_max_bytes: settings.int("fetch.max.bytes", 52_428_800, 0)?,
            fetch_max_wait_ms: settings.int("fetch.max.wait.ms", 500, 0)?,
            max_partition_fetch_bytes: settings.int("max.partition.fetch.bytes", 1_048_576, 0)?,
            max_poll_records: settings.int("max.poll.records", 500, 1)?.unsigned_abs() as usize,
            check_crcs: settings.bool("check.crcs", true)?,
            client_rack: settings.text("client.rack", ""),
            exclude_internal_topics: settings.bool("exclude.internal.topics", true)?,
            group_id,
            client,
        })
    }

    pub fn isolation_level(&self) -> i8 {
        i8::from(self.read_committed)
    }
}

fn strategies(settings: &Settings) -> Result<Vec<Strategy>> {
    let key = "partition.assignment.strategy";
    let parse = |class: String| {
        let why =
            "the strategies here are RangeAssignor, RoundRobinAssignor, StickyAssignor and CooperativeStickyAssignor";
        Strategy::from_class(&class).ok_or_else(|| invalid(key, &class, why))
    };
    settings.list(key, DEFAULT_STRATEGIES).into_iter().map(parse).collect()
}

fn offset_reset(settings: &Settings) -> Result<OffsetReset> {
    let key = "auto.offset.reset";
    let value = settings.text(key, "latest");
    let error = || {
        invalid(
            key,
            &value,
            &format!(
                "Invalid value `{value}` for configuration {key}. The value must be either 'earliest', 'latest', 'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'."
            ),
        )
    };
    match value.as_str() {
        "earliest" => Ok(OffsetReset::Earliest),
        "latest" => Ok(OffsetReset::Latest),
        "none" => Ok(OffsetReset::None),
        _ => {
            let duration = value.strip_prefix("by_duration:").and_then(parse_duration);
            duration.map(OffsetReset::ByDuration).ok_or_else(error)
        }
    }
}

/// ISO 8601, days to seconds: `P1DT2H3M4.5S`.
fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let body = text.strip_prefix('P')?;
    let (days, time) = body.split_once('T').unwrap_or((body, ""));
    let mut seconds = 0.0;
    let mut any = false;
    for (part, units) in [(days, &[('D', 86_400.0)][..]), (time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)][..])] {
        let mut rest = part;
        for (unit, factor) in units {
            if let Some((number, after)) = rest.split_once(*unit) {
                seconds += number.parse::<f64>().ok().filter(|n| *n >= 0.0)? * factor;
                rest = after;
                any = true;
            }
        }
        if !rest.is_empty() {
            return None;
        }
    }
    any.then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<ConsumerConfig> {
        let mut settings: Settings = pairs.iter().copied().collect();
        settings.set("bootstrap.servers", "localhost:9092");
        ConsumerConfig::new(&settings)
    }

    #[test]
    fn durations_are_iso_8601() {
        assert_eq!(parse_duration("P1DT2H3M4.5S"), Some(Duration::from_millis(93_784_500)));
        assert_eq!(parse_duration("PT1H"), Some(Duration::from_secs(3600)));
        assert_eq!(parse_duration("P"), None);
        assert_eq!(parse_duration("PT-1H"), None);
        assert_eq!(parse_duration("1H"), None);
        assert_eq!(parse_duration("PT1X"), None);
    }

    #[test]
    fn commits_need_a_group() {
        assert_eq!(config(&[]).unwrap().auto_commit, None);
        assert_eq!(config(&[("group.id", "g")]).unwrap().auto_commit, Some(Duration::from_secs(5)));
        assert_eq!(config(&[("group.id", "g"), ("enable.auto.commit", "false")]).unwrap().auto_commit, None);
    }

    #[test]
    fn wrong_values_are_named() {
        let error = config(&[("isolation.level", "x")]).unwrap_err();
        assert_eq!(
            error.message,
            "Invalid value x for configuration isolation.level: String must be one of: read_committed, read_uncommitted"
        );
        assert!(config(&[("auto.offset.reset", "never")]).unwrap_err().message.contains("auto.offset.reset"));
        assert!(config(&[("partition.assignment.strategy", "my.Own")]).unwrap_err().message.contains("my.Own"));
    }
}
