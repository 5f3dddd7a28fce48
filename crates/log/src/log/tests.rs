use super::*;
use crate::producer::AppendOrigin;
use ottla_base::{Disk, MemDisk, OpenMode};
use ottla_wire::records::{BatchBuilder, Compression, batches, end_txn_batch};
use std::collections::BTreeMap;

pub(super) const DIR: &str = "/d/t-0";
pub(super) const NOW: TimestampMs = 1_700_000_000_000;

pub(super) fn small_segments() -> LogConfig {
    LogConfig { segment_bytes: 1000, index_interval_bytes: 100, file_delete_delay_ms: 1000, ..LogConfig::default() }
}

pub(super) struct TestLog {
    pub(super) disk: MemDisk,
    pub(super) log: Log,
}

pub(super) fn open_on(disk: &MemDisk, config: LogConfig, change: impl FnOnce(&mut LogParams)) -> Result<Log> {
    let context = LogContext::new(FileCache::new(Arc::new(disk.clone()), 20), ProducerStateConfig::default(), NOW);
    let mut params = LogParams::fresh(Arc::new(config));
    change(&mut params);
    Log::open(&context, TopicPartition::new("t", 0), Path::new(DIR), params)
}

impl TestLog {
    pub(super) fn new(config: LogConfig) -> TestLog {
        let disk = MemDisk::new();
        let log = open_on(&disk, config, |_| {}).unwrap();
        TestLog { disk, log }
    }

    fn append(&self, count: usize) -> Result<AppendInfo> {
        self.append_at(count, NOW)
    }

    fn append_at(&self, count: usize, timestamp: TimestampMs) -> Result<AppendInfo> {
        let mut batch = batch(count, timestamp);
        self.log.append_as_leader(&mut batch, &AppendOptions::client(3, NOW))
    }

    fn txn(&self, producer_id: i64, sequence: i32) {
        let mut builder = BatchBuilder::new(0).producer(producer_id, 0, sequence).transactional(true);
        builder.append(NOW, Some(b"k"), Some(b"v"), &[]).unwrap();
        let guard = self.log.start_transaction_verification(producer_id, sequence, 0, false, NOW).unwrap();
        let options =
            AppendOptions { guard: guard.unwrap_or(crate::VerificationGuard::NONE), ..AppendOptions::client(3, NOW) };
        self.log.append_as_leader(&mut builder.build().to_vec(), &options).unwrap();
    }

    fn end_txn(&self, producer_id: i64, commit: bool) {
        let mut marker = end_txn_batch(NOW, producer_id, 0, commit, 0).unwrap().to_vec();
        let options = AppendOptions { txn_version: crate::TxnVersion(0), ..AppendOptions::coordinator(3, NOW) };
        self.log.append_as_leader(&mut marker, &options).unwrap();
    }

    fn reopen(&mut self, config: LogConfig, change: impl FnOnce(&mut LogParams)) {
        self.log = open_on(&self.disk, config, change).unwrap();
    }

    fn files(&self) -> BTreeMap<String, u64> {
        self.disk.read_dir(Path::new(DIR)).unwrap().into_iter().map(|e| (e.name, e.len)).collect()
    }
}

pub(super) fn batch(count: usize, timestamp: TimestampMs) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0);
    for i in 0..count {
        builder.append(timestamp + i as i64, Some(b"key"), Some(b"some value"), &[]).unwrap();
    }
    builder.build().to_vec()
}

/// All offsets of the records that repeated reads from `offset` on return.
pub(super) fn read_all(log: &Log, mut offset: Offset, isolation: FetchIsolation, max_bytes: usize) -> Vec<Offset> {
    let mut offsets = Vec::new();
    loop {
        let data = log.read(offset, max_bytes, isolation, true).unwrap();
        let Some(slice) = data.records else { return offsets };
        let before = offset;
        for batch in batches(slice.read().unwrap().into()) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            for record in batch.records().unwrap() {
                let record = record.unwrap();
                if record.offset >= offset {
                    offsets.push(record.offset);
                }
            }
            offset = batch.header.next_offset();
        }
        assert!(offset > before, "a read with min_one_message makes progress");
    }
}

fn range(from: Offset, to: Offset) -> Vec<Offset> {
    (from..to).collect()
}

#[test]
fn appends_get_offsets_and_are_read_back() {
    let t = TestLog::new(small_segments());
    for (i, count) in [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9].into_iter().enumerate() {
        let end = t.log.log_end_offset().unwrap();
        let info = t.append(count).unwrap();
        assert_eq!((info.first_offset, info.last_offset), (end, end + count as i64 - 1), "append {i}");
    }
    assert!(t.log.segment_count().unwrap() > 1);
    let end = t.log.log_end_offset().unwrap();
    for start in 0..end {
        assert_eq!(read_all(&t.log, start, FetchIsolation::LogEnd, 1), range(start, end));
        assert_eq!(read_all(&t.log, start, FetchIsolation::LogEnd, 100_000), range(start, end));
    }
    assert_eq!(t.log.latest_epoch().unwrap(), Some(3));
    for outside in [-1, end + 1] {
        let error = t.log.read(outside, 1, FetchIsolation::LogEnd, true).unwrap_err();
        assert_eq!(error.code, ErrorCode::OffsetOutOfRange);
    }
}

#[test]
fn a_read_stops_at_the_high_watermark() {
    let t = TestLog::new(small_segments());
    for _ in 0..30 {
        t.append(2).unwrap();
    }
    for hw in [0, 2, 20, 58, 60] {
        assert_eq!(t.log.update_high_watermark(hw).unwrap(), hw);
        assert_eq!(read_all(&t.log, 0, FetchIsolation::HighWatermark, 100_000), range(0, hw));
        assert_eq!(read_all(&t.log, hw.min(4), FetchIsolation::HighWatermark, 1), range(hw.min(4), hw));
    }
    assert_eq!(t.log.update_high_watermark(1000).unwrap(), 60);
    assert_eq!(t.log.maybe_increment_high_watermark(50).unwrap(), None);
}

#[test]
fn max_bytes_and_min_one_message() {
    let t = TestLog::new(LogConfig::default());
    let size = t.append(10).unwrap().size_in_bytes;
    t.append(10).unwrap();
    let read = |max, min_one| t.log.read(0, max, FetchIsolation::LogEnd, min_one).unwrap();
    assert_eq!(read(10, true).size(), size);
    assert_eq!(read(10, false).size(), 10);
    assert!(read(10, false).first_entry_incomplete);
    assert_eq!(read(size + 5, true).size(), size + 5);
    assert_eq!(read(0, false).size(), 0);
    assert_eq!(read(1 << 20, false).size(), 2 * size);
    // From within a batch, all of it.
    let data = t.log.read(13, 1 << 20, FetchIsolation::LogEnd, true).unwrap();
    assert_eq!((data.fetch_offset.offset, data.size()), (10, size));
    assert_eq!(data.fetch_offset.location, Some((0, size as u64)));
}

#[test]
fn refusals_have_kafkas_codes() {
    let config =
        LogConfig { max_message_bytes: 500, cleanup_policy: crate::CleanupPolicy::COMPACT, ..small_segments() };
    let t = TestLog::new(config);
    let code = |mut bytes: Vec<u8>| {
        t.log.append_as_leader(&mut bytes, &AppendOptions::client(0, NOW)).map_err(|error| error.code)
    };
    assert_eq!(code(batch(40, NOW)).unwrap_err(), ErrorCode::MessageTooLarge);
    let mut corrupt = batch(1, NOW);
    *corrupt.last_mut().unwrap() ^= 1;
    assert_eq!(code(corrupt).unwrap_err(), ErrorCode::CorruptMessage);
    assert_eq!(code([batch(1, NOW), batch(1, NOW)].concat()).unwrap_err(), ErrorCode::InvalidRecord);
    assert_eq!(code(batch(1, NOW + 3_600_001)).unwrap_err(), ErrorCode::InvalidTimestamp);
    let mut keyless = BatchBuilder::new(0);
    keyless.append(NOW, Some(b"k"), None, &[]).unwrap();
    keyless.append(NOW, None, None, &[]).unwrap();
    let error = t.log.append_as_leader(&mut keyless.build().to_vec(), &AppendOptions::client(0, NOW)).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidRecord);
    assert_eq!(error.record_errors.iter().map(|e| e.batch_index).collect::<Vec<_>>(), [1]);
    assert_eq!(code(end_txn_batch(NOW, 1, 0, true, 0).unwrap().to_vec()).unwrap_err(), ErrorCode::InvalidRecord);
    let mut shifted = BatchBuilder::new(7);
    shifted.append(NOW, Some(b"k"), None, &[]).unwrap();
    assert_eq!(code(shifted.build().to_vec()).unwrap_err(), ErrorCode::InvalidRecord);
    assert_eq!(t.log.log_end_offset().unwrap(), 0);
    // A piece of a batch is nothing to append, and nothing wrong.
    assert_eq!(code(batch(1, NOW)[..30].to_vec()).unwrap().first_offset, -1);
    // A refusal is no failure.
    code(batch(1, NOW)).unwrap();
}

#[test]
fn log_append_time_is_stamped() {
    let config = LogConfig { message_timestamp_type: crate::TimestampType::LogAppendTime, ..LogConfig::default() };
    let t = TestLog::new(config);
    let info = t.append_at(3, 5).unwrap();
    assert_eq!((info.log_append_time_ms, info.max_timestamp), (NOW, NOW));
    let slice = t.log.read(0, 1000, FetchIsolation::LogEnd, true).unwrap().records.unwrap();
    for batch in batches(slice.read().unwrap().into()) {
        let batch = batch.unwrap();
        batch.verify_crc().unwrap();
        assert!(batch.records().unwrap().all(|record| record.unwrap().timestamp == NOW));
    }
}

#[test]
fn another_compression_is_made_when_asked_for() {
    let config = LogConfig { compression_type: crate::CompressionType::Zstd, ..LogConfig::default() };
    let t = TestLog::new(config);
    let plain = batch(100, NOW).len();
    let info = t.append(100).unwrap();
    assert!(info.size_in_bytes < plain / 2);
    assert_eq!((info.source_compression, info.records_count), (Compression::None, 100));
    t.append(7).unwrap();
    assert_eq!(read_all(&t.log, 0, FetchIsolation::LogEnd, 1), range(0, 107));
    let slice = t.log.read(0, 10_000, FetchIsolation::LogEnd, true).unwrap().records.unwrap();
    let first = batches(slice.read().unwrap().into()).next().unwrap().unwrap();
    assert_eq!(first.header.compression().unwrap(), Compression::Zstd);
    assert_eq!(first.header.partition_leader_epoch, 3);
}

#[test]
fn duplicates_are_answered_with_the_first_offsets() {
    let t = TestLog::new(LogConfig::default());
    let send = |sequence| {
        let mut builder = BatchBuilder::new(0).producer(9, 0, sequence);
        builder.append(NOW, None, Some(b"v"), &[]).unwrap();
        t.log.append_as_leader(&mut builder.build().to_vec(), &AppendOptions::client(0, NOW))
    };
    for sequence in 0..8 {
        assert_eq!(send(sequence).unwrap().first_offset, i64::from(sequence));
    }
    let again = send(5).unwrap();
    assert!(again.duplicate);
    assert_eq!((again.first_offset, again.last_offset, again.log_append_time_ms), (5, 5, NOW));
    assert_eq!(send(1).unwrap_err().code, ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(send(9).unwrap_err().code, ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(t.log.log_end_offset().unwrap(), 8);
}

#[test]
fn read_committed_stops_at_open_transactions_and_lists_the_aborted() {
    let mut t = TestLog::new(small_segments());
    t.txn(1, 0);
    t.append(1).unwrap();
    t.txn(2, 0);
    t.end_txn(1, false);
    for _ in 0..20 {
        t.append(3).unwrap();
    }
    let end = t.log.log_end_offset().unwrap();
    t.log.update_high_watermark(end).unwrap();
    assert_eq!(t.log.last_stable_offset().unwrap(), 2);
    assert_eq!(read_all(&t.log, 0, FetchIsolation::LastStable, 100_000), [0, 1]);
    t.end_txn(2, true);
    assert_eq!(t.log.last_stable_offset().unwrap(), 2);
    t.log.update_high_watermark(end + 1).unwrap();
    assert_eq!(t.log.last_stable_offset().unwrap(), end + 1);
    let check = |t: &TestLog| {
        let data = t.log.read(0, 100_000, FetchIsolation::LastStable, true).unwrap();
        let aborted: Vec<_> = data.aborted.unwrap().iter().map(|a| (a.producer_id, a.first_offset)).collect();
        assert_eq!(aborted, [(1, 0)]);
        assert!(t.log.read(10, 1, FetchIsolation::LastStable, true).unwrap().aborted.unwrap().is_empty());
        assert_eq!(t.log.aborted_transactions(0, end).unwrap().len(), 1);
    };
    check(&t);
    t.log.close(NOW).unwrap();
    t.reopen(small_segments(), |params| params.high_watermark = end + 1);
    check(&t);
    t.reopen(small_segments(), |params| params.clean_shutdown = false);
    t.log.update_high_watermark(end + 1).unwrap();
    check(&t);
    assert_eq!(t.log.producers().unwrap().len(), 2);
}

#[test]
fn a_clean_restart_finds_everything() {
    let mut t = TestLog::new(small_segments());
    for i in 0..40 {
        t.append_at(2, NOW - 1000 + i).unwrap();
    }
    t.txn(5, 0);
    let before =
        (t.log.offsets().unwrap(), t.log.segments().unwrap(), t.log.epochs().unwrap(), t.log.producers().unwrap());
    t.log.close(NOW).unwrap();
    assert!(!t.log.is_open());
    assert_eq!(t.log.recovery_point(), 81);
    let files = t.files();
    t.reopen(small_segments(), |params| params.recovery_point = 81);
    let after =
        (t.log.offsets().unwrap(), t.log.segments().unwrap(), t.log.epochs().unwrap(), t.log.producers().unwrap());
    assert_eq!(before, after);
    t.log.close(NOW).unwrap();
    assert_eq!(t.files(), files);
    // The log can be used on after closing.
    t.append(1).unwrap();
    assert_eq!(read_all(&t.log, 75, FetchIsolation::LogEnd, 1), range(75, 82));
}

#[test]
fn recovery_cuts_off_a_torn_tail() {
    let mut t = TestLog::new(small_segments());
    for _ in 0..25 {
        t.append(2).unwrap();
    }
    let segments = t.log.segments().unwrap();
    let last = *segments.last().unwrap();
    let (indexes, path) = (t.files(), Path::new(DIR).join(format!("{:020}.log", last.0)));
    let file = t.disk.open(&path, OpenMode::ReadWrite).unwrap();
    let tail = batch(2, NOW);
    file.write_at(&tail[..tail.len() - 5], last.1).unwrap();
    t.reopen(small_segments(), |params| params.clean_shutdown = false);
    assert_eq!(t.log.segments().unwrap(), segments);
    assert_eq!(read_all(&t.log, 0, FetchIsolation::LogEnd, 1), range(0, 50));
    // A whole batch with a wrong checksum goes as well.
    let mut damaged = tail.clone();
    *damaged.last_mut().unwrap() ^= 1;
    file.write_at(&damaged, last.1).unwrap();
    t.reopen(small_segments(), |params| params.clean_shutdown = false);
    assert_eq!(t.log.segments().unwrap(), segments);
    // A damaged batch further in takes everything behind it along.
    let second = t.disk.open(&Path::new(DIR).join(format!("{:020}.log", segments[1].0)), OpenMode::ReadWrite).unwrap();
    second.write_at(&[0xff], 70).unwrap();
    t.reopen(small_segments(), |params| params.clean_shutdown = false);
    assert_eq!(t.log.log_end_offset().unwrap(), segments[1].0);
    assert_eq!(t.log.segment_count().unwrap(), 2);
    t.append(3).unwrap();
    assert_eq!(read_all(&t.log, 0, FetchIsolation::LogEnd, 1), range(0, segments[1].0 + 3));
    assert!(indexes.len() > t.files().len());
}

#[test]
fn what_is_below_the_recovery_point_is_not_read() {
    let mut t = TestLog::new(small_segments());
    for _ in 0..25 {
        t.append(2).unwrap();
    }
    t.log.flush(NOW).unwrap();
    assert_eq!(t.log.recovery_point(), 50);
    // Damage in the first segment goes unnoticed, because it is known to be flushed.
    let first = t.disk.open(&Path::new(DIR).join("00000000000000000000.log"), OpenMode::ReadWrite).unwrap();
    first.write_at(&[0xff], 70).unwrap();
    t.reopen(small_segments(), |params| {
        params.clean_shutdown = false;
        params.recovery_point = 50;
    });
    assert_eq!(t.log.log_end_offset().unwrap(), 50);
}

#[test]
fn truncation() {
    let t = TestLog::new(small_segments());
    for _ in 0..25 {
        t.append(2).unwrap();
    }
    t.log.assign_epoch_start_offset(7, 50).unwrap();
    assert!(!t.log.truncate_to(50, NOW).unwrap());
    assert_eq!(t.log.latest_epoch().unwrap(), Some(3));
    assert!(t.log.truncate_to(31, NOW).unwrap());
    assert_eq!(t.log.log_end_offset().unwrap(), 31);
    assert_eq!(read_all(&t.log, 0, FetchIsolation::LogEnd, 1), range(0, 30));
    t.append(3).unwrap();
    assert_eq!(read_all(&t.log, 28, FetchIsolation::LogEnd, 1), [28, 29, 31, 32, 33]);
    assert!(t.files().keys().any(|name| name.ends_with(".deleted")));
    assert!(t.log.delete_due_files(NOW + 999).unwrap() == 0);
    assert!(t.log.delete_due_files(NOW + 1000).unwrap() > 0);
    assert!(!t.files().keys().any(|name| name.ends_with(".deleted")));

    t.log.truncate_fully_and_start_at(1000, None, NOW).unwrap();
    let offsets = t.log.offsets().unwrap();
    assert_eq!((offsets.log_start_offset, offsets.log_end_offset, offsets.high_watermark), (1000, 1000, 1000));
    assert_eq!(t.log.epochs().unwrap(), []);
    assert_eq!(t.append(1).unwrap().first_offset, 1000);
    // Below the first segment the log begins anew.
    assert!(t.log.truncate_to(10, NOW).unwrap());
    assert_eq!(t.log.offsets().unwrap().log_start_offset, 10);
}

#[test]
fn a_follower_takes_the_leaders_bytes() {
    let leader = TestLog::new(small_segments());
    for _ in 0..25 {
        leader.append(3).unwrap();
    }
    let follower = TestLog::new(small_segments());
    let mut offset = 0;
    while offset < 75 {
        let slice = leader.log.read(offset, 400, FetchIsolation::LogEnd, true).unwrap().records.unwrap();
        let info = follower.log.append_as_follower(&slice.read().unwrap(), 3, NOW).unwrap();
        assert_eq!(info.first_offset, offset);
        offset = info.last_offset + 1;
    }
    assert_eq!(follower.log.epochs().unwrap(), leader.log.epochs().unwrap());
    assert_eq!(read_all(&follower.log, 0, FetchIsolation::LogEnd, 1), range(0, 75));
    // Of batches from a leader of a later epoch it takes none.
    let slice = leader.log.read(0, 400, FetchIsolation::LogEnd, true).unwrap().records.unwrap().read().unwrap();
    assert_eq!(follower.log.append_as_follower(&slice, 2, NOW).unwrap().first_offset, -1);
    // Nor what it has.
    assert!(follower.log.append_as_follower(&slice, 3, NOW).is_err());
    // An empty log begins where the leader's first batch begins.
    let late = TestLog::new(small_segments());
    late.log.truncate_fully_and_start_at(1, None, NOW).unwrap();
    late.log.append_as_follower(&slice, 3, NOW).unwrap();
    assert_eq!(late.log.log_start_offset(), 0);
}

#[test]
fn the_quorums_leader_sets_offsets_itself() {
    let t = TestLog::new(LogConfig::default());
    let make = |offset, epoch| {
        let mut builder = BatchBuilder::new(offset).leader_epoch(epoch);
        builder.append(NOW, None, Some(b"record"), &[]).unwrap();
        builder.build().to_vec()
    };
    assert_eq!(t.log.append_raft(&make(0, 1), 1, NOW).unwrap().last_offset, 0);
    assert_eq!(t.log.append_raft(&make(1, 2), 2, NOW).unwrap().last_offset, 1);
    assert_eq!(t.log.append_raft(&make(2, 1), 2, NOW).unwrap_err().code, ErrorCode::InvalidRecord);
    assert!(t.log.append_raft(&make(1, 2), 2, NOW).is_err());
    assert_eq!(t.log.end_offset_for_epoch(1).unwrap(), Some((1, 1)));
    assert_eq!(t.log.end_offset_for_epoch(2).unwrap(), Some((2, 2)));
}

#[test]
fn retention_by_size_time_and_start() {
    let config = LogConfig { retention_bytes: 2500, ..small_segments() };
    let t = TestLog::new(config.clone());
    for i in 0..50 {
        t.append_at(2, NOW - 100_000 + i * 1000).unwrap();
    }
    // Nothing goes that is not replicated.
    assert_eq!(t.log.delete_old_segments(NOW).unwrap(), 0);
    t.log.update_high_watermark(100).unwrap();
    assert!(t.log.delete_old_segments(NOW).unwrap() > 0);
    assert!((2500..3500).contains(&t.log.size().unwrap()));
    let start = t.log.log_start_offset();
    assert_eq!(start, t.log.segments().unwrap()[0].0);
    assert_eq!(t.log.read(start - 1, 1, FetchIsolation::LogEnd, true).unwrap_err().code, ErrorCode::OffsetOutOfRange);

    // DeleteRecords hides what is below, and whole segments go.
    let second = t.log.segments().unwrap()[1].0;
    assert!(t.log.increment_log_start_offset(second + 1, LogStartOffsetReason::ClientRecordDeletion).unwrap());
    assert_eq!(t.log.delete_old_segments(NOW).unwrap(), 1);
    assert_eq!(t.log.log_start_offset(), second + 1);
    let refused = t.log.increment_log_start_offset(101, LogStartOffsetReason::ClientRecordDeletion).unwrap_err();
    assert_eq!(refused.code, ErrorCode::OffsetOutOfRange);

    // With time everything goes; the log goes on where it was.
    t.log.update_config(Arc::new(LogConfig { retention_ms: 10_000, ..config }));
    assert!(t.log.delete_old_segments(NOW + 1_000_000).unwrap() > 0);
    let offsets = t.log.offsets().unwrap();
    assert_eq!((offsets.log_start_offset, offsets.log_end_offset), (100, 100));
    assert_eq!(t.append(1).unwrap().first_offset, 100);
}

#[test]
fn segments_roll_by_time_and_index() {
    let t =
        TestLog::new(LogConfig { segment_ms: 1000, message_timestamp_after_max_ms: i64::MAX, ..LogConfig::default() });
    t.append_at(1, NOW).unwrap();
    t.append_at(1, NOW + 1000).unwrap();
    assert_eq!(t.log.segment_count().unwrap(), 1);
    assert!(t.append_at(1, NOW + 1001).unwrap().rolled);
    assert_eq!(t.log.segment_count().unwrap(), 2);
    t.log.flush_rolled(NOW).unwrap();
    assert_eq!(t.log.recovery_point(), 2);

    let t = TestLog::new(LogConfig { segment_index_bytes: 40, index_interval_bytes: 0, ..LogConfig::default() });
    for i in 0..20 {
        t.append_at(1, NOW + i).unwrap();
    }
    assert!(t.log.segment_count().unwrap() > 5);
    assert_eq!(read_all(&t.log, 0, FetchIsolation::LogEnd, 1), range(0, 20));
}

#[test]
fn offsets_by_timestamp() {
    let mut t = TestLog::new(small_segments());
    for i in 0..50 {
        t.append_at(2, NOW - 100_000 + i * 1000).unwrap();
    }
    let check = |t: &TestLog| {
        for i in 0..50 {
            let found = t.log.offset_for_timestamp(NOW - 100_000 + i * 1000).unwrap().unwrap();
            assert_eq!((found.offset, found.leader_epoch), (i * 2, Some(3)));
            let found = t.log.offset_for_timestamp(NOW - 100_000 + i * 1000 + 1).unwrap().unwrap();
            assert_eq!(found.offset, i * 2 + 1);
        }
        assert_eq!(t.log.offset_for_timestamp(NOW).unwrap(), None);
        assert_eq!(t.log.offset_of_max_timestamp().unwrap().unwrap().offset, 99);
    };
    check(&t);
    t.log.close(NOW).unwrap();
    t.reopen(small_segments(), |params| params.recovery_point = 100);
    check(&t);
    t.log.truncate_to(60, NOW).unwrap();
    assert_eq!(t.log.offset_of_max_timestamp().unwrap().unwrap().offset, 59);
    assert_eq!(TestLog::new(small_segments()).log.offset_of_max_timestamp().unwrap(), None);
}

#[test]
fn a_topic_id_does_not_change() {
    let t = TestLog::new(small_segments());
    assert_eq!(t.log.topic_id().unwrap(), None);
    t.log.assign_topic_id(Uuid([5; 16])).unwrap();
    t.log.assign_topic_id(Uuid([5; 16])).unwrap();
    assert_eq!(t.log.assign_topic_id(Uuid([6; 16])).unwrap_err().code, ErrorCode::InconsistentTopicId);
    t.log.close(NOW).unwrap();
    let again = open_on(&t.disk, small_segments(), |_| {}).unwrap();
    assert_eq!(again.topic_id().unwrap(), Some(Uuid([5; 16])));
}

#[test]
fn an_idle_log_can_be_parked() {
    let t = TestLog::new(small_segments());
    t.append(5).unwrap();
    assert!(!t.log.park(NOW + 1).unwrap(), "it is not flushed");
    t.log.flush(NOW).unwrap();
    assert!(!t.log.park(NOW).unwrap(), "it was used just now");
    assert!(t.log.park(NOW + 1).unwrap());
    assert!(!t.log.is_open());
    assert_eq!(read_all(&t.log, 0, FetchIsolation::LogEnd, 1), range(0, 5));
    t.txn(1, 0);
    t.log.flush(NOW).unwrap();
    assert!(!t.log.park(NOW + 1).unwrap(), "a transaction is open");
}

#[test]
fn origin_coordinator_may_write_control_batches() {
    let t = TestLog::new(LogConfig::default());
    t.end_txn(3, true);
    assert_eq!(t.log.log_end_offset().unwrap(), 1);
    assert_eq!(t.log.producers().unwrap()[0].producer_id, 3);
    assert_eq!(AppendOptions::coordinator(0, 0).origin, AppendOrigin::Coordinator);
}
