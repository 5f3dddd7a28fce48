//! Files with anything in them: an error, or less of a log, but never a panic.

use super::tests::{DIR, NOW, batch, open_on, small_segments};
use super::*;
use crate::{AppendOptions, FetchIsolation, TxnVersion, VerificationGuard};
use ottla_base::{Disk, MemDisk, OpenMode, Rng, SeededRng};
use ottla_wire::records::{BatchBuilder, end_txn_batch};

/// A directory with a bit of everything.
fn written() -> MemDisk {
    let disk = MemDisk::new();
    let log = open_on(&disk, small_segments(), |_| {}).unwrap();
    for i in 0..30 {
        log.append_as_leader(&mut batch(2, NOW + i), &AppendOptions::client(i as i32 / 10, NOW)).unwrap();
        let mut txn = BatchBuilder::new(0).producer(i, 0, 0).transactional(true);
        txn.append(NOW, Some(b"k"), Some(b"v"), &[]).unwrap();
        let guard = log.start_transaction_verification(i, 0, 0, false, NOW).unwrap();
        let guard = guard.unwrap_or(VerificationGuard::NONE);
        let options = AppendOptions { guard, ..AppendOptions::client(i as i32 / 10, NOW) };
        log.append_as_leader(&mut txn.build().to_vec(), &options).unwrap();
        let options = AppendOptions { txn_version: TxnVersion(0), ..AppendOptions::coordinator(i as i32 / 10, NOW) };
        let mut marker = end_txn_batch(NOW, i, 0, i % 2 == 0, 0).unwrap().to_vec();
        log.append_as_leader(&mut marker, &options).unwrap();
    }
    log.assign_topic_id(Uuid([7; 16])).unwrap();
    log.close(NOW).unwrap();
    disk
}

fn damage(disk: &MemDisk, rng: &SeededRng) {
    let files = disk.read_dir(Path::new(DIR)).unwrap();
    for _ in 0..1 + rng.next_u64() % 4 {
        let file = &files[rng.next_u64() as usize % files.len()];
        let path = Path::new(DIR).join(&file.name);
        let handle = disk.open(&path, OpenMode::Create).unwrap();
        let len = handle.len().unwrap().max(1);
        let at = rng.next_u64() % len;
        match rng.next_u64() % 5 {
            0 => handle.set_len(at).unwrap(),
            1 => handle.set_len(len + at).unwrap(),
            2 => drop(disk.remove_file(&path)),
            3 => handle.write_at(&rng.next_u64().to_be_bytes(), at).unwrap(),
            _ => handle.write_at(&[0xff, 0xff, 0xff, 0xff, 0xff], at).unwrap(),
        }
    }
}

/// Whatever comes of it.
fn use_log(log: &Log, rng: &SeededRng) {
    let Ok(offsets) = log.offsets() else { return };
    let _ = log.update_high_watermark(i64::MAX);
    for isolation in [FetchIsolation::LogEnd, FetchIsolation::HighWatermark, FetchIsolation::LastStable] {
        let width = (offsets.log_end_offset - offsets.log_start_offset).max(0) as u64 + 1;
        for _ in 0..5 {
            let offset = offsets.log_start_offset.saturating_add((rng.next_u64() % width) as i64);
            if let Ok(data) = log.read(offset, 500, isolation, true) {
                let _ = data.records.map(|slice| slice.read());
            }
        }
    }
    let _ = log.offset_for_timestamp(NOW + 5);
    let _ = log.offset_of_max_timestamp();
    let _ = log.aborted_transactions(0, i64::MAX);
    let _ = log.producers();
    let _ = log.topic_id();
    let _ = log.append_as_leader(&mut batch(2, NOW), &AppendOptions::client(9, NOW));
    let _ = log.truncate_to(offsets.log_end_offset / 2, NOW);
    let _ = log.delete_old_segments(NOW);
    let _ = log.roll(NOW);
    let _ = log.close(NOW);
}

#[test]
fn damaged_files_do_no_harm() {
    for seed in 0..600 {
        let rng = SeededRng::new(seed);
        let disk = written();
        damage(&disk, &rng);
        let clean = rng.next_u64().is_multiple_of(2);
        let opened = open_on(&disk, small_segments(), |params| {
            params.clean_shutdown = clean;
            params.recovery_point = (rng.next_u64() % 130) as i64;
            params.log_start_offset = (rng.next_u64() % 10) as i64;
        });
        match opened {
            Ok(log) => use_log(&log, &rng),
            Err(error) => assert_eq!(error.code, ErrorCode::KafkaStorageError, "seed {seed}"),
        }
    }
}

#[test]
fn a_recovered_log_is_a_good_log() {
    for seed in 0..200 {
        let rng = SeededRng::new(seed);
        let disk = written();
        damage(&disk, &rng);
        let recover = |params: &mut LogParams| params.clean_shutdown = false;
        // Nothing but the leader epochs is believed; those may be unreadable.
        let Ok(log) = open_on(&disk, small_segments(), recover) else { continue };
        let end = log.log_end_offset().unwrap();
        let read = super::tests::read_all(&log, log.log_start_offset(), FetchIsolation::LogEnd, 300);
        assert!(read.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}");
        assert!(read.last().is_none_or(|last| last + 1 == end), "seed {seed}");
        log.append_as_leader(&mut batch(2, NOW), &AppendOptions::client(9, NOW)).unwrap();
        assert_eq!(log.log_end_offset().unwrap(), end + 2);
    }
}
