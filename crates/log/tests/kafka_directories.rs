//! Directories that Apache Kafka wrote, read and recovered, and held against what Kafka itself said of them.

use ottla_base::{Disk, MemDisk, Offset, OpenMode, SeededRng, TopicPartition};
use ottla_disk::RealDisk;
use ottla_log::{FetchIsolation, FileCache, Log, LogContext, LogManager, LogManagerConfig, LogParams};
use ottla_wire::records::{BatchHeader, batches};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const VERSIONS: [&str; 3] = ["3.3.2", "3.8.1", "4.3.1"];
/// Soon after the directories were written.
const NOW: i64 = 1_795_433_700_000;

fn fixture(version: &str, name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(version).join(name);
    let bytes = RealDisk::new().read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if name.ends_with(".zst") { zstd::decode_all(&bytes[..]).unwrap() } else { bytes }
}

/// The fixture's `data` directory as `/data`.
fn disk(version: &str) -> MemDisk {
    let disk = MemDisk::new();
    for entry in tar::Archive::new(&fixture(version, "log-dir.tar.zst")[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = Path::new("/").join(entry.path().unwrap());
        if entry.header().entry_type().is_dir() {
            disk.create_dir_all(&path).unwrap();
        } else {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            disk.create_dir_all(path.parent().unwrap()).unwrap();
            disk.open(&path, OpenMode::Truncate).unwrap().write_at(&bytes, 0).unwrap();
        }
    }
    disk
}

fn start(disk: &MemDisk) -> LogManager {
    let config = LogManagerConfig::new(vec!["/data".into()]);
    LogManager::start(Arc::new(disk.clone()), Arc::new(SeededRng::new(1)), config, NOW).unwrap()
}

/// Every file of every partition, by path.
fn files(disk: &MemDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for dir in disk.read_dir(Path::new("/data")).unwrap().into_iter().filter(|entry| entry.is_dir) {
        let dir = Path::new("/data").join(dir.name);
        for file in disk.read_dir(&dir).unwrap() {
            let path = dir.join(file.name);
            let bytes = disk.read(&path).unwrap();
            files.insert(path, bytes);
        }
    }
    files
}

/// The records as a read-committed consumer sees them, in the form of `read-committed.tsv`.
fn read_committed(log: &Log, max_bytes: usize) -> String {
    let mut lines = String::new();
    let mut offset = log.log_start_offset();
    loop {
        let data = log.read(offset, max_bytes, FetchIsolation::LastStable, true).unwrap();
        let Some(slice) = data.records else { return lines };
        let aborted = data.aborted.unwrap();
        for batch in batches(slice.read().unwrap().into()) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            let header = &batch.header;
            offset = header.next_offset();
            let is_aborted = header.is_transactional()
                && aborted.iter().any(|txn| {
                    txn.producer_id == header.producer_id
                        && (txn.first_offset..=txn.last_offset).contains(&header.base_offset)
                });
            if header.is_control() || is_aborted {
                continue;
            }
            for record in batch.records().unwrap() {
                let record = record.unwrap();
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let headers: Vec<String> = record
                    .headers
                    .iter()
                    .map(|header| {
                        let value = header.value.as_deref().map_or("NULL".to_owned(), text);
                        format!("{}={value}", header.key_str())
                    })
                    .collect();
                writeln!(
                    lines,
                    "{}\t{}\t{}\t{}\t{}\t{}\t{}",
                    log.partition().topic,
                    log.partition().partition,
                    record.offset,
                    record.timestamp,
                    record.key.as_deref().map(text).unwrap_or_default(),
                    headers.join(","),
                    record.value.as_ref().map_or(-1, |value| value.len() as i64)
                )
                .unwrap();
            }
        }
    }
}

fn check_records(version: &str, manager: &LogManager, max_bytes: usize) {
    let truth = String::from_utf8(fixture(version, "read-committed.tsv.zst")).unwrap();
    let mut by_partition: BTreeMap<TopicPartition, String> = BTreeMap::new();
    for line in truth.lines() {
        let mut fields = line.split('\t');
        let partition = TopicPartition::new(fields.next().unwrap(), fields.next().unwrap().parse::<i32>().unwrap());
        *by_partition.entry(partition).or_default() += &format!("{line}\n");
    }
    assert_eq!(by_partition.len(), 14);
    for (partition, expected) in by_partition {
        let log = manager.get(&partition).unwrap();
        let found = read_committed(&log, max_bytes);
        for (found, expected) in found.lines().zip(expected.lines()) {
            assert_eq!(found, expected, "{version}");
        }
        assert_eq!(found.lines().count(), expected.lines().count(), "{version} {partition}");
    }
}

/// A batch as Kafka's dump tool prints it.
fn dumped(header: &BatchHeader, position: usize) -> String {
    format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} producerEpoch: {} \
         partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: OptionalLong.empty position: \
         {position} CreateTime: {} size: {} magic: {} compresscodec: none crc: {} isvalid: true",
        header.base_offset,
        header.last_offset(),
        header.records_count,
        header.base_sequence,
        header.last_sequence(),
        header.producer_id,
        header.producer_epoch,
        header.partition_leader_epoch,
        header.is_transactional(),
        header.is_control(),
        header.max_timestamp,
        header.size_in_bytes(),
        header.magic,
        header.crc
    )
}

#[test]
fn every_record_is_as_kafka_read_it() {
    for version in VERSIONS {
        let manager = start(&disk(version));
        check_records(version, &manager, 1 << 20);
        check_records(version, &manager, 1);
    }
}

#[test]
fn every_batch_of_the_transactions_is_as_kafka_dumped_it() {
    for version in VERSIONS {
        let manager = start(&disk(version));
        let log = manager.get(&TopicPartition::new("txn", 0)).unwrap();
        let slice = log.read(0, 1 << 20, FetchIsolation::LogEnd, true).unwrap().records.unwrap();
        let mut position = 0;
        let mut found = Vec::new();
        for batch in batches(slice.read().unwrap().into()) {
            let batch = batch.unwrap();
            found.push(dumped(&batch.header, position));
            position += batch.header.size_in_bytes();
        }
        let dump = String::from_utf8(fixture(version, "dump-txn.txt")).unwrap();
        let expected: Vec<&str> = dump.lines().filter(|line| line.starts_with("baseOffset")).collect();
        assert_eq!(found, expected, "{version}");
        // Numbers 2, 5 and 8 of ten transactions of seven records were aborted, another was left open.
        let aborted = log.aborted_transactions(0, 1000).unwrap();
        let ranges: Vec<(Offset, Offset)> = aborted.iter().map(|txn| (txn.first_offset, txn.last_offset)).collect();
        assert_eq!(ranges, [(16, 23), (40, 47), (64, 71)]);
        let offsets = log.offsets().unwrap();
        assert_eq!((offsets.log_end_offset, offsets.high_watermark, offsets.last_stable_offset), (81, 81, 80));
        let open: Vec<_> = log.producers().unwrap().into_iter().filter_map(|p| p.current_txn_start_offset).collect();
        assert_eq!(open, [80]);
    }
}

#[test]
fn what_the_directory_says() {
    for version in VERSIONS {
        let disk = disk(version);
        let manager = start(&disk);
        let dirs = manager.dirs();
        let meta = dirs[0].meta.clone().unwrap();
        assert_eq!((meta.version, meta.node_id), (1, Some(1)));
        assert!(meta.cluster_id.unwrap().starts_with("MkU3OEVBNTcwNTJENDM2Q"));
        assert!(dirs[0].had_clean_shutdown);
        assert_eq!(manager.previous_broker_epoch().is_some(), version != "3.3.2", "{version}");
        assert!(manager.logs().iter().all(|log| !log.is_open()));
        let ids: Vec<_> = manager.logs().iter().map(|log| log.topic_id().unwrap().unwrap()).collect();
        assert_eq!(ids.len(), manager.len());
        assert_eq!(manager.get(&TopicPartition::new("rolled", 0)).unwrap().segment_count().unwrap(), 4);
        // Timestamps are found through Kafka's indexes.
        let log = manager.get(&TopicPartition::new("codec-zstd", 0)).unwrap();
        let found = log.offset_for_timestamp(1_700_000_000_000 + 100_000).unwrap().unwrap();
        let truth = String::from_utf8(fixture(version, "read-committed.tsv.zst")).unwrap();
        let expected = truth.lines().map(|line| line.split('\t').collect::<Vec<_>>()).find(|fields| {
            fields[..2] == ["codec-zstd", "0"] && fields[3].parse::<i64>().unwrap() >= 1_700_000_100_000
        });
        let expected = expected.unwrap();
        assert_eq!(found.offset.to_string(), expected[2]);
        assert_eq!(found.timestamp.to_string(), expected[3]);
    }
}

#[test]
fn the_metadata_log_opens_by_itself() {
    for version in VERSIONS {
        let disk = disk(version);
        let before = files(&disk);
        let context = LogContext::new(FileCache::new(Arc::new(disk.clone()), 10), Default::default(), NOW);
        let mut params = LogParams::fresh(Arc::default());
        // As the quorum opens it: nothing is believed.
        params.clean_shutdown = false;
        let dir = Path::new("/data/__cluster_metadata-0");
        let log = Log::open(&context, TopicPartition::new("__cluster_metadata", 0), dir, params).unwrap();
        let producer_snapshot =
            disk.read_dir(dir).unwrap().into_iter().find(|e| e.name.ends_with(".snapshot")).unwrap();
        let end: Offset = producer_snapshot.name.trim_end_matches(".snapshot").parse().unwrap();
        assert_eq!(log.log_end_offset().unwrap(), end);
        assert_eq!(log.topic_id().unwrap(), Some(ottla_base::Uuid::METADATA_TOPIC_ID));
        let slice = log.read(0, 1 << 20, FetchIsolation::LogEnd, true).unwrap().records.unwrap();
        assert_eq!(batches(slice.read().unwrap().into()).last().unwrap().unwrap().header.next_offset(), end);
        log.close(NOW).unwrap();
        for (path, bytes) in before.iter().filter(|(path, _)| path.starts_with(dir)) {
            assert_eq!(&disk.read(path).unwrap(), bytes, "{version}: {}", path.display());
        }
    }
}

#[test]
fn opening_and_closing_changes_nothing() {
    for version in VERSIONS {
        let disk = disk(version);
        let before = files(&disk);
        let manager = start(&disk);
        for log in manager.logs() {
            log.ensure_open().unwrap();
        }
        manager.shutdown(1, NOW).unwrap();
        let after = files(&disk);
        for (path, bytes) in &before {
            assert_eq!(after.get(path), Some(bytes), "{version}: {}", path.display());
        }
        let added: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
        assert!(added.is_empty(), "{version}: {added:?}");
    }
}

#[test]
fn recovery_makes_the_files_that_kafka_made() {
    for version in VERSIONS {
        let disk = disk(version);
        let before = files(&disk);
        disk.remove_file(Path::new("/data/.kafka_cleanshutdown")).unwrap();
        disk.remove_file(Path::new("/data/recovery-point-offset-checkpoint")).unwrap();
        for path in before.keys() {
            let name = path.file_name().unwrap().to_string_lossy();
            let made_anew = [".index", ".timeindex", ".txnindex", ".snapshot"].iter().any(|e| name.ends_with(e));
            let of_metadata = path.starts_with("/data/__cluster_metadata-0");
            if (made_anew || name == "leader-epoch-checkpoint") && !of_metadata {
                disk.remove_file(path).unwrap();
            }
        }
        let manager = start(&disk);
        while manager.recover_some(1) > 0 {}
        check_records(version, &manager, 1 << 20);
        manager.shutdown(1, NOW).unwrap();
        let after = files(&disk);
        for (path, bytes) in &before {
            // The cleaner's own index entries lie elsewhere, and Kafka dropped the deleted topic's.
            let cleaned = path.starts_with("/data/compacted-0");
            let dropped = path.parent().unwrap().to_string_lossy().ends_with("-delete");
            // Of an epoch without records nothing is left to recover it from.
            let no_records = before.iter().all(|(other, bytes)| {
                other.parent() != path.parent() || other.extension().is_none_or(|e| e != "log") || bytes.is_empty()
            });
            let lost = no_records && path.ends_with("leader-epoch-checkpoint");
            if !cleaned && !dropped && !lost {
                assert_eq!(after.get(path), Some(bytes), "{version}: {}", path.display());
            }
        }
    }
}
