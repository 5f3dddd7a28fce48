use super::*;
use crate::cached_file::LogDir;
use crate::names::{FileKind, file_name};
use ottla_base::{Disk, ErrorCode, MemDisk, TopicPartition};
use ottla_wire::records::{BatchBuilder, BatchHeader, ControlType, EndTxnMarker};
use std::collections::BTreeSet;
use std::path::Path;

struct Fixture {
    states: ProducerStates,
    partition: TopicPartition,
    next_offset: i64,
}

impl Fixture {
    fn new() -> Self {
        let states = ProducerStates::new(ProducerStateConfig::default(), BTreeSet::new());
        Fixture { states, partition: TopicPartition::new("t", 0), next_offset: 0 }
    }

    fn header(&self, producer_id: i64, epoch: i16, sequence: i32, count: i32, transactional: bool) -> BatchHeader {
        let mut builder =
            BatchBuilder::new(self.next_offset).producer(producer_id, epoch, sequence).transactional(transactional);
        for _ in 0..count {
            builder.append(1000 + self.next_offset, None, Some(b"v"), &[]).unwrap();
        }
        BatchHeader::parse(&builder.build()).unwrap()
    }

    fn append_as(
        &mut self,
        origin: AppendOrigin,
        header: BatchHeader,
        marker: Option<(ControlType, EndTxnMarker)>,
        version: TxnVersion,
    ) -> Result<Option<CompletedTxn>, ErrorCode> {
        let start = TxnStart { producer_id: header.producer_id, offset: header.base_offset, location: None };
        let mut append = self.states.prepare(header.producer_id, origin);
        let completed = append.append(&self.partition, &header, marker, version, start).map_err(|error| error.code)?;
        self.states.update(append);
        if let Some(completed) = &completed {
            self.states.complete(completed);
        }
        self.next_offset = header.last_offset() + 1;
        self.states.set_end_offset(self.next_offset);
        Ok(completed)
    }

    fn data(&mut self, producer_id: i64, epoch: i16, sequence: i32, count: i32) -> Result<(), ErrorCode> {
        let header = self.header(producer_id, epoch, sequence, count, false);
        self.append_as(AppendOrigin::Client, header, None, TxnVersion::UNKNOWN).map(drop)
    }

    fn txn(&mut self, producer_id: i64, epoch: i16, sequence: i32) -> Result<(), ErrorCode> {
        let header = self.header(producer_id, epoch, sequence, 1, true);
        self.append_as(AppendOrigin::Client, header, None, TxnVersion::UNKNOWN).map(drop)
    }

    fn marker(
        &mut self,
        producer_id: i64,
        epoch: i16,
        commit: bool,
        coordinator_epoch: i32,
        version: i16,
    ) -> Result<Option<CompletedTxn>, ErrorCode> {
        let batch = ottla_wire::records::end_txn_batch(5000, producer_id, epoch, commit, coordinator_epoch).unwrap();
        let mut header = BatchHeader::parse(&batch).unwrap();
        header.base_offset = self.next_offset;
        let control = if commit { ControlType::Commit } else { ControlType::Abort };
        let marker = Some((control, EndTxnMarker { coordinator_epoch }));
        self.append_as(AppendOrigin::Coordinator, header, marker, TxnVersion(version))
    }
}

#[test]
fn sequences_must_follow() {
    let mut f = Fixture::new();
    f.data(1, 0, 0, 3).unwrap();
    f.data(1, 0, 3, 1).unwrap();
    assert_eq!(f.data(1, 0, 5, 1), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(f.data(1, 0, 3, 1), Err(ErrorCode::OutOfOrderSequenceNumber));
    f.data(1, 0, 4, 1).unwrap();
    assert_eq!(f.data(1, 1, 5, 1), Err(ErrorCode::OutOfOrderSequenceNumber));
    f.data(1, 1, 0, 1).unwrap();
    assert_eq!(f.data(1, 0, 5, 1), Err(ErrorCode::InvalidProducerEpoch));
    // Of a producer that nothing is known of, any sequence will do.
    f.data(2, 7, 42, 1).unwrap();
}

#[test]
fn sequences_wrap() {
    let mut f = Fixture::new();
    f.data(1, 0, i32::MAX - 1, 1).unwrap();
    f.data(1, 0, i32::MAX, 2).unwrap();
    f.data(1, 0, 1, 1).unwrap();
    f.data(2, 0, i32::MAX, 1).unwrap();
    f.data(2, 0, 0, 1).unwrap();
}

#[test]
fn the_last_five_batches_are_recognised() {
    let mut f = Fixture::new();
    let mut headers = Vec::new();
    for i in 0..7 {
        headers.push(f.header(1, 0, i * 2, 2, false));
        f.data(1, 0, i * 2, 2).unwrap();
    }
    for (i, header) in headers.iter().enumerate() {
        let found = f.states.find_duplicate(header);
        assert_eq!(found.map(|b| b.first_offset()), (i >= 2).then_some(i as i64 * 2));
    }
    let mut longer = headers[6];
    longer.last_offset_delta += 1;
    assert_eq!(f.states.find_duplicate(&longer), None);
}

#[test]
fn transactions_open_and_close() {
    let mut f = Fixture::new();
    f.txn(1, 0, 0).unwrap();
    f.txn(2, 0, 0).unwrap();
    f.txn(1, 0, 1).unwrap();
    assert_eq!(f.states.first_unstable().unwrap().offset, 0);
    assert_eq!(f.data(1, 0, 2, 1), Err(ErrorCode::InvalidTxnState));
    let completed = f.marker(1, 0, false, 3, 0).unwrap().unwrap();
    assert_eq!(completed, CompletedTxn { producer_id: 1, first_offset: 0, last_offset: 3, aborted: true });
    assert_eq!(f.states.last_stable_offset_after(&completed), 1);
    // Unstable until the marker is below the high watermark.
    assert_eq!(f.states.first_unstable().unwrap().offset, 0);
    f.states.high_watermark_moved(3);
    assert_eq!(f.states.first_unstable().unwrap().offset, 0);
    f.states.high_watermark_moved(4);
    assert_eq!(f.states.first_unstable().unwrap().offset, 1);
    f.marker(2, 0, true, 3, 0).unwrap();
    f.states.high_watermark_moved(100);
    assert_eq!(f.states.first_unstable(), None);
    // Nothing was open: no transaction is completed.
    assert_eq!(f.marker(2, 0, true, 3, 0), Ok(None));
}

#[test]
fn markers_are_fenced() {
    let mut f = Fixture::new();
    f.txn(1, 5, 0).unwrap();
    assert_eq!(f.marker(1, 4, true, 1, 0), Err(ErrorCode::InvalidProducerEpoch));
    assert_eq!(f.marker(1, 5, true, 1, 2), Err(ErrorCode::InvalidProducerEpoch));
    f.marker(1, 6, true, 1, 2).unwrap().unwrap();
    assert_eq!(f.marker(1, 6, true, 0, 0), Err(ErrorCode::TransactionCoordinatorFenced));
    // The same marker again: its writer did not hear of the first.
    assert_eq!(f.marker(1, 6, true, 1, 2), Ok(None));
}

#[test]
fn a_follower_takes_what_the_leader_took() {
    let mut f = Fixture::new();
    f.txn(1, 5, 7).unwrap();
    let header = f.header(1, 3, 99, 1, true);
    f.append_as(AppendOrigin::Replication, header, None, TxnVersion::UNKNOWN).unwrap();
}

#[test]
fn verification() {
    let mut f = Fixture::new();
    let partition = f.partition.clone();
    let header = f.header(1, 0, 0, 1, true);
    let check = |f: &Fixture, guard| f.states.check_verified(&partition, &header, guard).map_err(|e| e.code);
    assert_eq!(check(&f, VerificationGuard::NONE), Err(ErrorCode::InvalidTxnState));
    let guard = f.states.start_verification(&partition, 1, 0, 0, true, 10).unwrap().unwrap();
    assert_eq!(f.states.start_verification(&partition, 1, 3, 0, true, 10).unwrap(), Some(guard));
    assert_eq!(check(&f, VerificationGuard::NONE), Err(ErrorCode::InvalidTxnState));
    assert_eq!(check(&f, guard), Ok(()));
    // The lowest sequence seen must come first.
    let later = f.header(1, 0, 3, 1, true);
    let refused = f.append_as(AppendOrigin::Client, later, None, TxnVersion::UNKNOWN);
    assert_eq!(refused, Err(ErrorCode::OutOfOrderSequenceNumber));
    f.txn(1, 0, 0).unwrap();
    f.states.verification_used(&header);
    assert_eq!(f.states.start_verification(&partition, 1, 1, 0, true, 10).unwrap(), None);
    f.marker(1, 1, false, 0, 2).unwrap();
    // A guard from before the marker is worth nothing.
    assert!(check(&f, guard).is_err());
    let fenced = f.states.start_verification(&partition, 1, 0, 0, true, 10).unwrap_err();
    assert_eq!(fenced.code, ErrorCode::InvalidProducerEpoch);
}

#[test]
fn producers_expire_unless_in_a_transaction() {
    let mut f = Fixture::new();
    f.data(1, 0, 0, 1).unwrap();
    f.txn(2, 0, 0).unwrap();
    f.states.remove_expired(10 * 24 * 60 * 60 * 1000);
    assert_eq!(f.states.list().iter().map(|p| p.producer_id).collect::<Vec<_>>(), [2]);
    assert!(f.states.has_late_transaction(10 * 24 * 60 * 60 * 1000));
    assert!(!f.states.has_late_transaction(2000));
}

#[test]
fn snapshots_go_there_and_back() {
    let disk = MemDisk::new();
    let dir = LogDir::new(Path::new("/d/t-0"));
    disk.create_dir_all(Path::new("/d/t-0")).unwrap();
    let mut f = Fixture::new();
    f.data(1, 0, 0, 2).unwrap();
    f.txn(2, 3, 0).unwrap();
    f.marker(9, 1, true, 4, 0).unwrap();
    assert_eq!(f.states.take_snapshot(&disk, &dir).unwrap(), Some(4));
    assert_eq!(f.states.take_snapshot(&disk, &dir).unwrap(), None);
    let bytes = disk.read(&dir.file(&file_name(4, FileKind::Snapshot))).unwrap();
    assert_eq!(bytes.len(), 10 + 3 * 46);
    let listed = f.states.list();

    let load = |end| {
        let mut states = ProducerStates::new(ProducerStateConfig::default(), BTreeSet::from([4]));
        states.truncate_and_reload(&disk, &dir, 0, end, 5000).unwrap();
        states
    };
    let loaded = load(10);
    assert_eq!((loaded.list(), loaded.end_offset()), (listed, 4));
    assert_eq!(loaded.first_unstable().unwrap().offset, 2);
    // Damage is noticed, the file removed, and the log has to be read.
    let file = disk.open(&dir.file(&file_name(4, FileKind::Snapshot)), ottla_base::OpenMode::ReadWrite).unwrap();
    file.write_at(&[0xff], 20).unwrap();
    let rebuilt = load(10);
    assert_eq!((rebuilt.len(), rebuilt.end_offset()), (0, 0));
    assert!(!disk.exists(&dir.file(&file_name(4, FileKind::Snapshot))));
}

#[test]
fn stray_snapshots_go_except_the_one_at_the_end() {
    let disk = MemDisk::new();
    let dir = LogDir::new(Path::new("/d/t-0"));
    let mut states = ProducerStates::new(ProducerStateConfig::default(), BTreeSet::from([5, 10, 15, 20, 25, 30]));
    states.remove_stray_snapshots(&disk, &dir, &BTreeSet::from([0, 10, 20])).unwrap();
    let mut left = ProducerStates::new(ProducerStateConfig::default(), BTreeSet::new());
    std::mem::swap(&mut left, &mut states);
    assert_eq!(left.snapshot_offsets(), [10, 20, 30]);
}
