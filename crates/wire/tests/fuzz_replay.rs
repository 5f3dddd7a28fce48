//! The fuzz targets' checks as ordinary tests: on the seeds and finds that `fuzz/seeds` keeps, on what Apache Kafka
//! writes, and on bent batches.
#![allow(unsafe_code)] // The allocator that counts.

#[path = "support/checks.rs"]
mod checks;
#[path = "support/counting.rs"]
mod counting;
mod support;

use bytes::Bytes;
use ottla_base::{Rng, SeededRng};
use ottla_wire::records::{BatchBuilder, Compression, Header};
use ottla_wire::schema::SCHEMAS;
use std::path::Path;

/// One file an input: a find of the fuzzer goes here, and stays.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn seeds_of_messages() {
    replay("messages", checks::messages);
}

#[test]
fn seeds_of_records() {
    replay("records", checks::records);
}

#[test]
fn what_apache_kafka_writes() {
    for sample in support::corpus() {
        println!("{} {} {}", sample.schema.name, sample.version, sample.kind);
        let index = SCHEMAS.iter().position(|schema| schema.name == sample.schema.name).unwrap() as u16;
        let version = (sample.version - sample.schema.min_version) as u8;
        checks::messages(&[&index.to_be_bytes()[..], &[version], &sample.bytes].concat());
    }
}

#[test]
fn bent_batches() {
    let rng = SeededRng::new(3);
    let below = |limit: usize| (rng.next_u64() % limit as u64) as usize;
    let codecs = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for codec in codecs {
        let batch = sample_batch(codec);
        checks::records(&batch);
        for _ in 0..5_000 {
            let mut bent = batch.to_vec();
            for _ in 0..=below(3) {
                let at = below(bent.len());
                match below(4) {
                    0 => bent[at] ^= 1 << below(8),
                    1 => bent[at] = [0, 1, 0x7f, 0x80, 0xff][below(5)],
                    2 => bent.truncate(at.max(1)),
                    _ => bent.extend_from_within(..at),
                }
            }
            checks::records(&bent);
        }
    }
}

fn sample_batch(codec: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(7).compression(codec, None);
    for n in 0..20u8 {
        let headers = [Header::new("h", Some(Bytes::from(vec![n; 5])))];
        builder.append(1000 + i64::from(n), Some(&[n; 3]), Some(&[n; 30]), &headers).unwrap();
    }
    builder.build()
}
