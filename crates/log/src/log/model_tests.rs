//! Random histories of a log with crashes in between, held against a list of batches in memory.

use super::crash_disk::CrashDisk;
use super::tests::{DIR, NOW};
use super::*;
use crate::{AppendOptions, FetchIsolation, LogStartOffsetReason, TxnVersion, VerificationGuard};
use ottla_base::{Rng, SeededRng};
use ottla_wire::records::{BatchBuilder, batches, end_txn_batch};

const STEPS: usize = 60;

/// A few hundred histories; `OTTLA_SEEDS=FROM..TO` in the environment asks for others.
#[allow(clippy::disallowed_methods, reason = "a person asks for histories, the log does not")]
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("OTTLA_SEEDS").ok();
    let asked = asked.as_deref().and_then(|range| range.split_once(".."));
    asked.map_or(0..400, |(from, to)| from.parse().unwrap()..to.parse().unwrap())
}

/// A batch that was appended, as it must be found again.
#[derive(Clone, PartialEq, Debug)]
struct Stored {
    base_offset: Offset,
    last_offset: Offset,
    bytes: Vec<u8>,
}

#[derive(Clone, Default)]
struct Producer {
    sequence: i32,
    in_txn: bool,
}

struct World {
    rng: SeededRng,
    disk: CrashDisk,
    log: Log,
    batches: Vec<Stored>,
    /// All that ever were in the log: a truncation may be undone by a crash.
    past: Vec<Stored>,
    producers: Vec<Producer>,
    epoch: i32,
    /// What the checkpoint files hold.
    recovery_point: Offset,
    log_start_offset: Offset,
    /// What the log promised to keep.
    flushed: Offset,
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 1200, index_interval_bytes: 150, segment_index_bytes: 120, ..LogConfig::default() }
}

fn open(disk: &CrashDisk, params: LogParams) -> Result<Log> {
    let files = FileCache::new(Arc::new(disk.clone()), 6);
    let context = LogContext::new(files, ProducerStateConfig::default(), NOW);
    Log::open(&context, TopicPartition::new("t", 0), Path::new(DIR), params)
}

impl World {
    fn new(seed: u64) -> World {
        let disk = CrashDisk::new();
        ottla_base::Disk::create_dir_all(&disk, Path::new(DIR)).unwrap();
        let log = open(&disk, LogParams::fresh(Arc::new(config()))).unwrap();
        World {
            rng: SeededRng::new(seed),
            disk,
            log,
            batches: Vec::new(),
            past: Vec::new(),
            producers: vec![Producer::default(); 4],
            epoch: 0,
            recovery_point: 0,
            log_start_offset: 0,
            flushed: 0,
        }
    }

    fn below(&self, limit: u64) -> u64 {
        self.rng.next_u64() % limit
    }

    fn end(&self) -> Offset {
        self.log.log_end_offset().unwrap()
    }

    fn step(&mut self) {
        match self.below(100) {
            0..=39 => self.append_data(),
            40..=54 => self.append_txn(),
            55..=64 => self.end_txn(),
            65..=69 => self.epoch += 1,
            70..=77 => self.flush(),
            78..=80 => self.log.flush_rolled(NOW).unwrap(),
            81..=83 => self.recovery_point = self.log.recovery_point(),
            84..=85 => self.log.roll(NOW).unwrap(),
            86..=89 => self.truncate(),
            90..=91 => self.move_start(),
            92..=93 => self.reopen(),
            94..=95 => self.park(),
            96 => drop(self.log.delete_due_files(i64::MAX).unwrap()),
            _ => self.crash(),
        }
    }

    fn append(&mut self, mut bytes: Vec<u8>, options: AppendOptions) {
        let info = self.log.append_as_leader(&mut bytes, &options).unwrap();
        assert!(!info.duplicate);
        // Not everything is replicated at once.
        let up_to = if self.below(3) == 0 { info.last_offset + 1 } else { info.first_offset };
        self.log.maybe_increment_high_watermark(up_to).unwrap();
        let stored = Stored { base_offset: info.first_offset, last_offset: info.last_offset, bytes };
        self.past.push(stored.clone());
        self.batches.push(stored);
    }

    fn builder(&self, count: u64) -> BatchBuilder {
        let mut builder = BatchBuilder::new(0);
        for _ in 0..count {
            let value = vec![b'v'; self.below(60) as usize];
            builder.append(NOW - self.below(100_000) as i64, Some(b"key"), Some(&value), &[]).unwrap();
        }
        builder
    }

    fn append_data(&mut self) {
        let count = 1 + self.below(5);
        let mut builder = self.builder(count);
        let which = self.below(6) as usize;
        if let Some(producer) = self.producers.get_mut(which).filter(|producer| !producer.in_txn) {
            builder = builder.producer(which as i64, 0, producer.sequence);
            producer.sequence += count as i32;
        }
        self.append(builder.build().to_vec(), AppendOptions::client(self.epoch, NOW));
    }

    fn append_txn(&mut self) {
        let which = self.below(4) as usize;
        let count = 1 + self.below(3);
        let sequence = self.producers[which].sequence;
        let guard = self.log.start_transaction_verification(which as i64, sequence, 0, false, NOW).unwrap();
        assert_eq!(guard.is_none(), self.producers[which].in_txn);
        let builder = self.builder(count).producer(which as i64, 0, sequence).transactional(true);
        self.producers[which].sequence += count as i32;
        self.producers[which].in_txn = true;
        let guard = guard.unwrap_or(VerificationGuard::NONE);
        self.append(builder.build().to_vec(), AppendOptions { guard, ..AppendOptions::client(self.epoch, NOW) });
    }

    fn end_txn(&mut self) {
        let which = self.below(4) as usize;
        self.producers[which].in_txn = false;
        let marker = end_txn_batch(NOW, which as i64, 0, self.below(2) == 0, 0).unwrap();
        let options = AppendOptions { txn_version: TxnVersion(0), ..AppendOptions::coordinator(self.epoch, NOW) };
        self.append(marker.to_vec(), options);
    }

    fn flush(&mut self) {
        self.log.flush(NOW).unwrap();
        self.flushed = self.end();
        assert_eq!(self.log.recovery_point(), self.flushed);
    }

    fn truncate(&mut self) {
        let start = self.log.log_start_offset();
        let candidates: Vec<Offset> =
            self.batches.iter().map(|batch| batch.base_offset).filter(|offset| *offset > start).collect();
        if candidates.is_empty() {
            return;
        }
        let at = candidates[self.below(candidates.len() as u64) as usize].max(self.log.high_watermark());
        self.log.truncate_to(at, NOW).unwrap();
        self.batches.retain(|batch| batch.last_offset < at);
        self.flushed = self.flushed.min(at);
        // The manager writes this after a truncation, as Kafka does.
        self.recovery_point = self.log.recovery_point();
        self.resync_producers();
    }

    /// Producers go on from what the log has of them.
    fn resync_producers(&mut self) {
        let known = self.log.producers().unwrap();
        for (id, producer) in self.producers.iter_mut().enumerate() {
            let info = known.iter().find(|info| info.producer_id == id as i64);
            let sequence = info.map_or(-1, |info| info.last_sequence);
            producer.sequence = sequence + 1;
            producer.in_txn = info.is_some_and(|info| info.current_txn_start_offset.is_some());
        }
    }

    fn move_start(&mut self) {
        let to = self.below(self.log.high_watermark() as u64 + 1) as i64;
        self.log.increment_log_start_offset(to, LogStartOffsetReason::ClientRecordDeletion).unwrap();
        self.log.delete_old_segments(NOW).unwrap();
        self.log_start_offset = self.log.log_start_offset();
    }

    fn park(&mut self) {
        if self.log.park(i64::MAX).unwrap() {
            self.check();
        }
    }

    fn reopen(&mut self) {
        let high_watermark = self.log.high_watermark();
        self.log.close(NOW).unwrap();
        self.flushed = self.batches.last().map_or(self.log.log_start_offset(), |b| b.last_offset + 1);
        self.recovery_point = self.log.recovery_point();
        self.log = open(
            &self.disk,
            LogParams {
                config: Arc::new(config()),
                log_start_offset: self.log_start_offset,
                recovery_point: self.recovery_point,
                high_watermark,
                clean_shutdown: true,
            },
        )
        .unwrap();
        // Where all records are deleted, so is what is known of producers.
        self.resync_producers();
    }

    fn crash(&mut self) {
        self.disk = self.disk.crash(&self.rng);
        let params = LogParams {
            config: Arc::new(config()),
            log_start_offset: self.log_start_offset,
            recovery_point: self.recovery_point,
            high_watermark: 0,
            clean_shutdown: false,
        };
        self.log = open(&self.disk, params).unwrap();
        let end = self.end();
        assert!(end >= self.flushed, "the log ends at {end}, but up to {} everything was flushed", self.flushed);
        let found = self.found();
        let start = self.log.log_start_offset();
        let kept = |batches: &[Stored]| {
            let range = |b: &&Stored| b.last_offset >= start && b.last_offset < self.flushed;
            batches.iter().filter(range).cloned().collect::<Vec<_>>()
        };
        assert_eq!(kept(&found), kept(&self.batches));
        assert!(found.iter().all(|batch| self.past.contains(batch)));
        for pair in found.windows(2) {
            assert_eq!(pair[0].last_offset + 1, pair[1].base_offset);
        }
        self.batches.retain(|batch| batch.last_offset < start);
        self.batches.extend(found);
        self.resync_producers();
        self.check_state();
        // What is found again may still be lost in the next crash.
        self.flushed = self.flushed.min(end);
    }

    /// What the log has.
    fn found(&self) -> Vec<Stored> {
        let mut found = Vec::new();
        let mut offset = self.log.log_start_offset();
        while let Some(slice) = self.log.read(offset, 700, FetchIsolation::LogEnd, true).unwrap().records {
            for batch in batches(slice.read().unwrap().into()) {
                let batch = batch.unwrap();
                offset = batch.header.next_offset();
                found.push(Stored {
                    base_offset: batch.header.base_offset,
                    last_offset: batch.header.last_offset(),
                    bytes: batch.bytes.to_vec(),
                });
            }
        }
        found
    }

    /// The log has exactly the batches of the model.
    fn check(&self) {
        let start = self.log.log_start_offset();
        let expected: Vec<Stored> = self.batches.iter().filter(|batch| batch.last_offset >= start).cloned().collect();
        assert_eq!(self.found(), expected);
        self.check_state();
    }

    /// Producers and epochs are those of a log that was given the same batches.
    fn check_state(&self) {
        // Of batches that were deleted, a snapshot may still tell or not.
        if self.log_start_offset > 0 {
            return;
        }
        let other = open(&CrashDisk::new(), LogParams::fresh(Arc::new(config()))).unwrap();
        for batch in &self.batches {
            other.append_as_follower(&batch.bytes, i32::MAX, NOW).unwrap();
        }
        let producers = |log: &Log| log.producers().unwrap();
        assert_eq!(producers(&self.log), producers(&other));
        let aborted = |log: &Log| log.aborted_transactions(0, i64::MAX).unwrap();
        assert_eq!(aborted(&self.log), aborted(&other));
        let end = self.end();
        let epochs = |log: &Log| log.epochs().unwrap().into_iter().filter(|e| e.start_offset < end).collect::<Vec<_>>();
        assert_eq!(epochs(&self.log), epochs(&other));
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.check();
    world.crash();
    world.check();
}

#[test]
fn random_histories_with_crashes() {
    for seed in seeds() {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// A write or sync that fails poisons the log; opened anew, it has all that was flushed before.
#[test]
fn a_failing_disk_loses_nothing_that_was_flushed() {
    for seed in seeds() {
        let mut world = World::new(seed);
        for _ in 0..20 {
            world.append_data();
        }
        world.flush();
        world.recovery_point = world.log.recovery_point();
        world.disk.fail_after(Some(world.below(12)));
        let mut failed = false;
        for _ in 0..20 {
            let mut bytes = world.builder(2).build().to_vec();
            let appended = world
                .log
                .append_as_leader(&mut bytes, &AppendOptions::client(0, NOW))
                .and_then(|info| world.log.flush(NOW).map(|()| info));
            match appended {
                Ok(info) => {
                    assert!(!failed, "seed {seed}: a log went on after a failure");
                    world.flushed = info.last_offset + 1;
                    world.batches.push(Stored { base_offset: info.first_offset, last_offset: info.last_offset, bytes });
                }
                Err(error) => {
                    assert_eq!(error.code, ErrorCode::KafkaStorageError, "seed {seed}");
                    failed = true;
                }
            }
        }
        assert!(failed && world.log.failure().is_some());
        assert!(world.log.close(NOW).is_err());
        world.disk.fail_after(None);
        world.disk = world.disk.crash(&world.rng);
        let mut params = LogParams::fresh(Arc::new(config()));
        params.clean_shutdown = false;
        params.recovery_point = world.recovery_point;
        world.log = open(&world.disk, params).unwrap();
        assert!(world.end() >= world.flushed, "seed {seed}");
        let end = world.flushed;
        world.log.truncate_to(end, NOW).unwrap();
        world.check();
    }
}
