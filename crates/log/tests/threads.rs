//! One log used from several threads at once, on real files.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "threads are what is tested here")]

use ottla_base::TopicPartition;
use ottla_disk::RealDisk;
use ottla_log::{AppendOptions, FetchIsolation, FileCache, Log, LogConfig, LogContext, LogParams, ProducerStateConfig};
use ottla_wire::records::{BatchBuilder, batches};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;

const NOW: i64 = 1_700_000_000_000;
const WRITERS: i64 = 3;
const APPENDS: i64 = 400;

fn append(log: &Log, producer_id: i64, sequence: i32) -> i64 {
    let mut builder = BatchBuilder::new(0).producer(producer_id, 0, sequence);
    let value = format!("{producer_id}-{sequence}");
    builder.append(NOW, Some(b"key"), Some(value.as_bytes()), &[]).unwrap();
    log.append_as_leader(&mut builder.build().to_vec(), &AppendOptions::client(0, NOW)).unwrap().last_offset
}

/// Reads from the beginning up to what is replicated, again and again; every record must be there once.
fn read(log: &Log, done: &AtomicBool) {
    let mut offset = 0;
    loop {
        let finished = done.load(Ordering::Acquire);
        let data = log.read(offset, 3000, FetchIsolation::HighWatermark, true).unwrap();
        let Some(slice) = data.records else {
            if finished {
                assert_eq!(offset, WRITERS * APPENDS);
                return;
            }
            thread::yield_now();
            continue;
        };
        for batch in batches(slice.read().unwrap().into()) {
            let batch = batch.unwrap();
            assert_eq!(batch.header.base_offset, offset);
            batch.verify_crc().unwrap();
            offset = batch.header.next_offset();
        }
        assert!(offset <= log.high_watermark());
    }
}

#[test]
fn writers_readers_and_flushes() {
    let dir = tempfile::tempdir().unwrap();
    let files = FileCache::new(Arc::new(RealDisk::new()), 4);
    let context = LogContext::new(files.clone(), ProducerStateConfig::default(), NOW);
    let config = LogConfig { segment_bytes: 4096, index_interval_bytes: 200, ..LogConfig::default() };
    let params = LogParams::fresh(Arc::new(config));
    let partition = TopicPartition::new("t", 0);
    let log = Log::open(&context, partition.clone(), &dir.path().join("t-0"), params.clone()).unwrap();
    let (done, left) = (AtomicBool::new(false), AtomicI64::new(WRITERS));
    thread::scope(|scope| {
        for id in 0..WRITERS {
            let (log, done, left) = (&log, &done, &left);
            scope.spawn(move || {
                for sequence in 0..APPENDS {
                    let offset = append(log, id, sequence as i32);
                    log.maybe_increment_high_watermark(offset + 1).unwrap();
                }
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    done.store(true, Ordering::Release);
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(|| read(&log, &done));
        }
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                log.flush_rolled(NOW).unwrap();
                log.maintain(NOW).unwrap();
                files.close_overdue();
                thread::yield_now();
            }
        });
    });
    assert!(files.open_files() <= 8);
    log.close(NOW).unwrap();
    assert_eq!(log.recovery_point(), WRITERS * APPENDS);
    // Read through as after a crash, it is the same log.
    let params = LogParams { clean_shutdown: false, ..params };
    let again = Log::open(&context, partition, &dir.path().join("t-0"), params).unwrap();
    assert_eq!(again.log_end_offset().unwrap(), WRITERS * APPENDS);
    let producers = again.producers().unwrap();
    assert!(producers.iter().all(|producer| i64::from(producer.last_sequence) == APPENDS - 1));
    assert_eq!(producers.len() as i64, WRITERS);
}
