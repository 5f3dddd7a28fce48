//! Writes a log directory with something of everything, for Kafka's own tools to judge:
//! `cargo run -p ottla-log --example write_sample -- DIRECTORY`

use ottla_base::{Disk, SeededRng, TopicPartition, Uuid};
use ottla_disk::RealDisk;
use ottla_log::{
    AppendOptions, CompressionType, Log, LogConfig, LogError, LogManager, LogManagerConfig, LogStartOffsetReason,
    MetaProperties, TimestampType, TxnVersion, VerificationGuard,
};
use ottla_wire::records::{BatchBuilder, Header, end_txn_batch};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

const START_MS: i64 = 1_700_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("the directory to write is missing")?);
    if RealDisk::new().exists(&dir) {
        return Err(format!("{} exists already; name one that does not", dir.display()).into());
    }
    let disk = Arc::new(RealDisk::new());
    let config = LogManagerConfig::new(vec![dir.clone()]);
    let manager = LogManager::start(disk.clone(), Arc::new(SeededRng::new(1)), config, START_MS)?;
    MetaProperties::write(&*disk, &dir, "MkU3OEVBNTcwNTJENDM2Qg", 1, Some(Uuid([0x5a; 16])), START_MS)?;
    plain(&*create(&manager, "plain", LogConfig::default())?)?;
    codecs(&manager)?;
    transactions(&*create(&manager, "txn", LogConfig::default())?)?;
    let timed = LogConfig { message_timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() };
    let timed = create(&manager, "timed", timed)?;
    for i in 0..100 {
        append(&timed, batch(i, 3), START_MS + i * 1000)?;
    }
    create(&manager, "empty", LogConfig::default())?.ensure_open()?;
    manager.shutdown(7, START_MS + 1_000_000)?;
    Ok(())
}

fn create(manager: &LogManager, topic: &str, config: LogConfig) -> Result<Arc<Log>, LogError> {
    let config = LogConfig { segment_bytes: 64 << 10, index_interval_bytes: 1024, ..config };
    manager.update_topic_config(topic, Some(Arc::new(config)));
    let id = Uuid::random_from([topic.len() as u8; 16]);
    manager.get_or_create(&TopicPartition::new(topic, 0), Some(id), true, None)
}

fn batch(number: i64, count: i64) -> BatchBuilder {
    let mut builder = BatchBuilder::new(0);
    for i in 0..count {
        let timestamp = START_MS + number * 1000 - i * 300;
        let key = format!("key-{}", (number * 7 + i) % 50);
        let value = "value ".repeat(1 + (number + i) as usize % 40);
        let headers = [Header::new("n", Some(number.to_string().into_bytes().into())), Header::new("null", None)];
        let headers = if i % 3 == 0 { &headers[..] } else { &[] };
        builder.append(timestamp, Some(key.as_bytes()), Some(value.as_bytes()), headers).expect("a small record");
    }
    builder
}

fn append(log: &Log, builder: BatchBuilder, now_ms: i64) -> Result<i64, LogError> {
    let info = log.append_as_leader(&mut builder.build().to_vec(), &AppendOptions::client(2, now_ms))?;
    log.update_high_watermark(info.last_offset + 1)?;
    Ok(info.last_offset + 1)
}

/// Many segments, cut at both ends, with idempotent producers.
fn plain(log: &Log) -> Result<(), LogError> {
    let mut sequences = [0; 3];
    for i in 0..1000 {
        let producer = (i % 4) as usize;
        let count = 1 + i % 5;
        let mut builder = batch(i, count);
        if let Some(sequence) = sequences.get_mut(producer) {
            builder = builder.producer(100 + producer as i64, 0, *sequence);
            *sequence += count as i32;
        }
        append(log, builder, START_MS + i * 1000)?;
    }
    log.assign_epoch_start_offset(5, log.log_end_offset()?)?;
    log.truncate_to(2500, START_MS)?;
    for i in 0..50 {
        append(log, batch(1000 + i, 4), START_MS + (1000 + i) * 1000)?;
    }
    log.increment_log_start_offset(300, LogStartOffsetReason::ClientRecordDeletion)?;
    log.delete_old_segments(START_MS)?;
    log.delete_due_files(i64::MAX)?;
    Ok(())
}

/// One topic per codec, written by the broker because the producer sent none.
fn codecs(manager: &LogManager) -> Result<(), LogError> {
    for (name, compression_type) in [
        ("gzip", CompressionType::Gzip),
        ("snappy", CompressionType::Snappy),
        ("lz4", CompressionType::Lz4),
        ("zstd", CompressionType::Zstd),
    ] {
        let log = create(manager, name, LogConfig { compression_type, ..LogConfig::default() })?;
        for i in 0..200 {
            append(&log, batch(i, 20), START_MS + i * 1000)?;
        }
    }
    Ok(())
}

/// Committed, aborted, interleaved and open transactions over several segments.
fn transactions(log: &Log) -> Result<(), LogError> {
    let mut sequences = [0; 5];
    for i in 0..400_i64 {
        let producer = (i % 5) as usize;
        let epoch = (i / 5 / 2) as i16;
        let now_ms = START_MS + i * 1000;
        let id = 200 + producer as i64;
        let sequence = sequences.get_mut(producer).expect("five producers");
        let first_of_epoch = (i / 5) % 2 == 0;
        if first_of_epoch {
            *sequence = 0;
        }
        let guard = log.start_transaction_verification(id, *sequence, epoch, true, now_ms)?;
        let builder = batch(i, 3).producer(id, epoch, *sequence).transactional(true);
        *sequence += 3;
        let options =
            AppendOptions { guard: guard.unwrap_or(VerificationGuard::NONE), ..AppendOptions::client(2, now_ms) };
        log.append_as_leader(&mut builder.build().to_vec(), &options)?;
        // The last transaction of each producer stays open.
        if !first_of_epoch && i < 395 {
            let marker = end_txn_batch(now_ms, id, epoch + 1, producer.is_multiple_of(2), 3).expect("a marker");
            let options = AppendOptions { txn_version: TxnVersion::TV2, ..AppendOptions::coordinator(2, now_ms) };
            log.append_as_leader(&mut marker.to_vec(), &options)?;
        }
    }
    log.update_high_watermark(i64::MAX)?;
    Ok(())
}
