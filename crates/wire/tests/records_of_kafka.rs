//! Batches that Apache Kafka's own classes wrote: we read the same from them, and where bytes are
//! determined (no compression) we write the same. `data/records/WriteRecords.java` made the files.

use std::fmt::Write;

use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use ottla_wire::records::*;

macro_rules! vectors {
    ($($name:literal)*) => {
        &[$((
            $name,
            include_bytes!(concat!("data/records/", $name, ".bin")),
            include_str!(concat!("data/records/", $name, ".txt")),
        )),*]
    };
}

/// Name, bytes, and what Kafka reads from them.
const VECTORS: &[(&str, &[u8], &str)] = vectors![
    "v2-none" "v2-gzip" "v2-snappy" "v2-lz4" "v2-zstd"
    "v2-gzip-large" "v2-snappy-large" "v2-lz4-large" "v2-zstd-large"
    "v2-gzip-level-1" "v2-lz4-level-1" "v2-lz4-level-17" "v2-zstd-level--5" "v2-zstd-level-22"
    "v2-log-append-time" "v2-idempotent" "v2-transactional" "v2-commit" "v2-abort"
    "v2-leader-change" "v2-snapshot-header" "v2-snapshot-footer" "v2-kraft-version" "v2-kraft-voters"
    "v2-before-compaction" "v2-compacted"
    "v1-none" "v1-gzip" "v1-snappy" "v1-lz4" "v1-log-append-time"
    "v0-none" "v0-gzip" "v0-snappy" "v0-lz4"
];

fn vector(name: &str) -> Bytes {
    let (_, bytes, _) = VECTORS.iter().find(|vector| vector.0 == name).unwrap();
    Bytes::from_static(bytes)
}

/// In the words of `WriteRecords.java`.
fn describe(bytes: Bytes) -> String {
    let mut out = String::new();
    for batch in batches(bytes) {
        let batch = batch.unwrap();
        let h = &batch.header;
        let flag = |set: bool, name: &'static str| if set { name } else { "" };
        writeln!(
            out,
            "batch magic {}, offsets {} to {}, {} bytes, crc {} {}, {}, {}, max timestamp {}{}{}{}, leader epoch {}, \
             producer {}/{}, sequence {} to {}, count {}",
            h.magic,
            batch.base_offset().unwrap(),
            h.last_offset(),
            h.size_in_bytes(),
            h.crc,
            if batch.verify_crc().is_ok() { "good" } else { "BAD" },
            h.compression().unwrap().name(),
            h.timestamp_type().name(),
            h.max_timestamp,
            flag(h.is_transactional(), ", transactional"),
            flag(h.is_control(), ", control"),
            h.delete_horizon_ms().map(|ms| format!(", delete horizon {ms}")).unwrap_or_default(),
            h.partition_leader_epoch,
            h.producer_id,
            h.producer_epoch,
            h.base_sequence,
            h.last_sequence(),
            h.count().map_or("null".into(), |count| count.to_string()),
        )
        .unwrap();
        for record in batch.records().unwrap() {
            let record = record.unwrap();
            write!(out, "  record {}, timestamp {}, sequence {}", record.offset, record.timestamp, record.sequence)
                .unwrap();
            write!(out, ", key {}, value {}", show(record.key.as_ref()), show(record.value.as_ref())).unwrap();
            for header in &record.headers {
                write!(out, ", header {} = {}", show(Some(&header.key)), show(header.value.as_ref())).unwrap();
            }
            out.push('\n');
        }
    }
    out
}

fn show(bytes: Option<&Bytes>) -> String {
    match bytes {
        None => "null".into(),
        Some(bytes) if bytes.len() > 100 => {
            format!("{} bytes with crc {}", bytes.len(), crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes))
        }
        Some(bytes) => format!("'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

#[test]
fn we_read_what_kafka_reads() {
    for (name, bytes, expected) in VECTORS {
        assert_eq!(describe(Bytes::from_static(bytes)), *expected, "{name}");
    }
}

#[test]
fn kafkas_batches_pass_our_checks() {
    for (name, bytes, _) in VECTORS.iter().filter(|vector| vector.0.starts_with("v2")) {
        for batch in batches(Bytes::from_static(bytes)) {
            let batch = batch.unwrap();
            assert_eq!(validate_batch_bytes(&batch.bytes), Ok(batch.header), "{name}");
            let payload = batch.decompressed_payload(1 << 20).unwrap();
            let summary = check_records(&batch.header, &payload).unwrap();
            assert_eq!(check_batch(&batch.header, &batch.bytes, &mut Vec::new(), 1 << 20), Ok(summary), "{name}");
            let empty = batch.header.records_count == 0;
            assert!(summary.max_timestamp == batch.header.max_timestamp || empty, "{name}");
        }
    }
}

/// Record by record, with everything the header says.
fn rebuild(batch: &Batch) -> Bytes {
    let header = &batch.header;
    if header.records_count == 0 {
        return empty_batch(header);
    }
    let mut builder = BatchBuilder::replacing(header, header.base_offset).unwrap();
    let payload = batch.payload();
    for view in record_views(header, &payload) {
        let view = view.unwrap();
        let headers: Vec<Header> = view
            .headers()
            .map(|(key, value)| Header::new(Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice)))
            .collect();
        let timestamp = header.base_timestamp + view.timestamp_delta;
        builder.append_at(view.offset(header), timestamp, view.key, view.value, &headers).unwrap();
    }
    builder.build()
}

#[test]
fn we_write_the_bytes_that_kafka_writes() {
    let mut rebuilt = 0;
    for (name, bytes, _) in VECTORS.iter().filter(|vector| vector.0.starts_with("v2")) {
        for batch in batches(Bytes::from_static(bytes)) {
            let batch = batch.unwrap();
            if batch.header.compression() == Ok(Compression::None) {
                assert_eq!(rebuild(&batch), batch.bytes, "{name}");
                rebuilt += 1;
            }
        }
    }
    assert_eq!(rebuilt, 16);
}

/// The same from nothing, so that no mistake of our reader can cancel one of the builder.
#[test]
fn a_batch_from_scratch() {
    let mut builder = BatchBuilder::new(100).leader_epoch(5);
    let headers = [Header::new("a", Some("1".into())), Header::new("grüße", None), Header::new("", Some(Bytes::new()))];
    builder.append(1_700_000_000_000, Some(b"key"), Some(b"value"), &headers).unwrap();
    builder.append(1_699_999_999_000, None, Some(b"no key"), &[]).unwrap();
    builder.append(1_700_000_009_999, Some(b"tombstone"), None, &[]).unwrap();
    builder.append(1_700_000_000_000, Some(b""), Some(b""), &[]).unwrap();
    builder.append(-1, None, None, &[]).unwrap();
    assert_eq!(builder.offset_of_max_timestamp(), 102);
    assert_eq!(builder.clone().build(), vector("v2-none"));

    let mut stamped = BatchBuilder::new(1 << 40).leader_epoch(5).log_append_time(1_700_000_000_123);
    let plain = Batch::parse(&builder.build()).unwrap();
    for record in plain.records().unwrap() {
        let record = record.unwrap();
        stamped.append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers).unwrap();
    }
    assert_eq!(stamped.build(), vector("v2-log-append-time"));

    let mut idempotent = BatchBuilder::new(10).leader_epoch(3).producer(4000, 2, i32::MAX - 1);
    idempotent.append(7, Some(b"a"), Some(b"b"), &[]).unwrap();
    idempotent.append(8, None, Some(b"c"), &[]).unwrap();
    idempotent.append(9, None, Some(b"d"), &[]).unwrap();
    assert_eq!(idempotent.build(), vector("v2-idempotent"));
}

#[test]
fn control_batches_from_scratch() {
    let mut commit = end_txn_batch(1234, 4001, 1, true, 17).unwrap().to_vec();
    set_base_offset(&mut commit, 30);
    set_partition_leader_epoch(&mut commit, 6);
    assert_eq!(commit, vector("v2-commit"));
    let mut abort = end_txn_batch(1235, 4002, 1, false, 18).unwrap().to_vec();
    set_base_offset(&mut abort, 31);
    set_partition_leader_epoch(&mut abort, 6);
    assert_eq!(abort, vector("v2-abort"));

    let check = |name: &str, control_type: ControlType, base_offset: i64, timestamp: i64| {
        let batch = Batch::parse(&vector(name)).unwrap();
        assert_eq!(batch.control_type(), Ok(Some(control_type)), "{name}");
        let value = batch.records().unwrap().next().unwrap().unwrap().value.unwrap();
        assert_eq!(control_batch(base_offset, 8, timestamp, control_type, &value).unwrap(), batch.bytes, "{name}");
    };
    check("v2-leader-change", ControlType::LeaderChange, 40, 1236);
    check("v2-snapshot-header", ControlType::SnapshotHeader, 0, 1237);
    check("v2-snapshot-footer", ControlType::SnapshotFooter, 5, 1238);
    check("v2-kraft-version", ControlType::KraftVersion, 1, 1239);
    check("v2-kraft-voters", ControlType::KraftVoters, 2, 1240);

    let commit = Batch::parse(&vector("v2-commit")).unwrap();
    assert_eq!(commit.control_type(), Ok(Some(ControlType::Commit)));
    let value = commit.records().unwrap().next().unwrap().unwrap().value.unwrap();
    assert_eq!(EndTxnMarker::parse(&value), Ok(EndTxnMarker { coordinator_epoch: 17 }));
    assert_eq!(Batch::parse(&vector("v2-none")).unwrap().control_type(), Ok(None));
}

#[test]
fn compaction_leaves_the_bytes_that_kafkas_leaves() {
    let mut compacted = Vec::new();
    for batch in batches(vector("v2-before-compaction")) {
        let batch = batch.unwrap();
        let records: Vec<Record> = batch.records().unwrap().collect::<Result<_, _>>().unwrap();
        let kept: Vec<&Record> = records.iter().filter(|record| record.key.as_deref() == Some(b"keep")).collect();
        if kept.is_empty() {
            compacted.extend_from_slice(&empty_batch(&batch.header));
            continue;
        }
        let mut builder = BatchBuilder::replacing(&batch.header, batch.header.base_offset).unwrap();
        if kept.iter().any(|record| record.value.is_none()) {
            builder = builder.delete_horizon_ms(1_000_500);
        }
        for record in kept {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            builder.append_at(record.offset, record.timestamp, key, value, &record.headers).unwrap();
        }
        compacted.extend_from_slice(&builder.build());
    }
    assert_eq!(compacted, vector("v2-compacted"));
}

/// Kafka and we use the same LZ4 at the same settings, so that even its output agrees.
#[test]
fn lz4_and_its_levels_agree_with_kafkas() {
    for (name, level) in [("v2-lz4-large", None), ("v2-lz4-level-1", Some(1)), ("v2-lz4-level-17", Some(17))] {
        let batch = Batch::parse(&vector(name)).unwrap();
        let payload = batch.decompressed_payload(1 << 20).unwrap();
        assert_eq!(compress(Compression::Lz4, level, &payload).unwrap(), batch.payload(), "{name}");
    }
}

/// Some versions of librdkafka left the offset of the compressed message at 0.
#[test]
fn a_compressed_message_with_offset_0_counts_from_0() {
    let mut bytes = vector("v1-gzip").to_vec();
    let offsets = |bytes: &[u8]| -> Vec<i64> {
        let batch = Batch::parse(&Bytes::copy_from_slice(bytes)).unwrap();
        batch.records().map_or(vec![], |records| records.map(|record| record.unwrap().offset).collect())
    };
    assert_eq!(offsets(&bytes), [100, 101, 102, 103, 104]);
    set_legacy_offset(&mut bytes, 0);
    assert_eq!(offsets(&bytes), [0, 1, 2, 3, 4]);
    // The last of five cannot be at 3.
    set_legacy_offset(&mut bytes, 3);
    assert_eq!(offsets(&bytes), []);
}

fn set_legacy_offset(bytes: &mut [u8], offset: i64) {
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
}

/// Kafka's writer of format 0 computes it over the wrong bytes.
#[test]
fn lz4_header_checksums_of_format_0_are_wrong() {
    let batch = Batch::parse(&vector("v0-lz4")).unwrap();
    let value = batch.bytes.slice(LOG_OVERHEAD + RECORD_OVERHEAD_V0..);
    assert!(decompress_for(MAGIC_V0, Compression::Lz4, &value, 1000).is_ok());
    assert!(decompress_for(MAGIC_V1, Compression::Lz4, &value, 1000).is_err());
}
