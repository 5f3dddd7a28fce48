//! The settings of a producer.

use std::time::Duration;

use ottla_wire::records::Compression;

use crate::config::{ClientConfig, Role, Settings, invalid};
use crate::error::{Error, Result};

#[derive(Clone, Debug)]
pub struct ProducerConfig {
    pub client: ClientConfig,
    /// -1 for all in-sync replicas.
    pub acks: i16,
    pub idempotent: bool,
    pub compression: Compression,
    pub compression_level: Option<i32>,
    pub linger: Duration,
    /// Of a batch before compression.
    pub batch_size_bytes: usize,
    pub buffer_memory_bytes: usize,
    pub max_request_size_bytes: usize,
    /// Per broker; between it and the answers.
    pub max_in_flight: usize,
    pub retries: u32,
    pub delivery_timeout: Duration,
    pub max_block: Duration,
    pub request_timeout_ms: i32,
    pub round_robin: bool,
    pub ignore_keys: bool,
}

const MAX_IN_FLIGHT: &str = "max.in.flight.requests.per.connection";

impl ProducerConfig {
    pub fn new(settings: &Settings) -> Result<ProducerConfig> {
        let client = ClientConfig::new(Role::Producer, settings)?;
        if settings.contains("transactional.id") {
            return Err(Error::config("transactional.id is not supported by Ottla's tools yet: leave it out"));
        }
        let acks = match settings.one_of("acks", "all", &["all", "-1", "0", "1"])?.as_str() {
            "0" => 0,
            "1" => 1,
            _ => -1,
        };
        let retries = settings.int("retries", i32::MAX, 0)?.unsigned_abs();
        let max_in_flight = settings.int(MAX_IN_FLIGHT, 5, 1)?;
        let linger = settings.millis("linger.ms", 5)?;
        let request_timeout_ms = settings.int("request.timeout.ms", 30_000, 0)?;
        let compression = settings.one_of("compression.type", "none", &["none", "gzip", "snappy", "lz4", "zstd"])?;
        let compression = Compression::from_name(&compression).unwrap_or(Compression::None);
        Ok(ProducerConfig {
            acks,
            idempotent: idempotence(settings, acks, retries, max_in_flight)?,
            compression,
            compression_level: compression_level(settings, compression)?,
            linger,
            batch_size_bytes: settings.int("batch.size", 16_384, 0)?.unsigned_abs() as usize,
            buffer_memory_bytes: settings.long("buffer.memory", 33_554_432, 0)?.unsigned_abs() as usize,
            max_request_size_bytes: settings.int("max.request.size", 1_048_576, 0)?.unsigned_abs() as usize,
            max_in_flight: max_in_flight.unsigned_abs() as usize,
            retries,
            delivery_timeout: delivery_timeout(settings, linger, client.request_timeout)?,
            max_block: settings.millis("max.block.ms", 60_000)?,
            request_timeout_ms,
            round_robin: settings.text("partitioner.class", "").ends_with("RoundRobinPartitioner"),
            ignore_keys: settings.bool("partitioner.ignore.keys", false)?,
            client,
        })
    }
}

/// On unless other settings make it impossible; a conflict counts only when somebody asked for it.
fn idempotence(settings: &Settings, acks: i16, retries: u32, max_in_flight: i32) -> Result<bool> {
    let asked_for = settings.contains("enable.idempotence");
    if !settings.bool("enable.idempotence", true)? {
        return Ok(false);
    }
    let mut possible = true;
    if retries == 0 {
        if asked_for {
            return Err(Error::config("Must set retries to non-zero when using the idempotent producer."));
        }
        possible = false;
    }
    if acks != -1 {
        if asked_for {
            return Err(Error::config(
                "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.",
            ));
        }
        possible = false;
    }
    if max_in_flight > 5 {
        return Err(Error::config(format!(
            "To use the idempotent producer, {MAX_IN_FLIGHT} must be set to at most 5. Current value is {max_in_flight}."
        )));
    }
    Ok(possible)
}

fn compression_level(settings: &Settings, codec: Compression) -> Result<Option<i32>> {
    let key = format!("compression.{}.level", codec.name());
    let Some(level) = settings.get(&key) else { return Ok(None) };
    let number = level.trim().parse().map_err(|_| invalid(&key, level, "Not a number of type INT"))?;
    if !codec.is_valid_level(number) {
        let range = codec.level_range().map_or_else(|| "none".to_owned(), |r| format!("{} to {}", r.start(), r.end()));
        return Err(invalid(&key, level, &format!("the levels of {} are {range}", codec.name())));
    }
    Ok(Some(number))
}

fn delivery_timeout(settings: &Settings, linger: Duration, request_timeout: Duration) -> Result<Duration> {
    let timeout = settings.int_millis("delivery.timeout.ms", 120_000)?;
    if timeout >= linger.saturating_add(request_timeout) {
        return Ok(timeout);
    }
    if settings.contains("delivery.timeout.ms") {
        return Err(Error::config(
            "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms",
        ));
    }
    Ok(linger.saturating_add(request_timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<ProducerConfig> {
        let mut settings: Settings = pairs.iter().copied().collect();
        settings.set("bootstrap.servers", "localhost:9092");
        ProducerConfig::new(&settings)
    }

    #[test]
    fn idempotence_yields_unless_asked_for() {
        assert!(config(&[]).unwrap().idempotent);
        assert!(!config(&[("acks", "1")]).unwrap().idempotent);
        assert!(!config(&[("retries", "0")]).unwrap().idempotent);
        let error = config(&[("acks", "1"), ("enable.idempotence", "true")]).unwrap_err();
        assert!(error.message.starts_with("Must set acks to all"));
        let error = config(&[(MAX_IN_FLIGHT, "6")]).unwrap_err();
        assert!(error.message.ends_with("at most 5. Current value is 6."));
    }

    #[test]
    fn wrong_values_are_named() {
        let error = config(&[("acks", "2")]).unwrap_err();
        assert_eq!(error.message, "Invalid value 2 for configuration acks: String must be one of: all, -1, 0, 1");
        assert!(config(&[("compression.type", "zstd"), ("compression.zstd.level", "99")]).is_err());
        assert!(config(&[("delivery.timeout.ms", "1")]).is_err());
    }
}
