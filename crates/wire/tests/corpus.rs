//! Bytes that Apache Kafka's own classes wrote: every message, in every version, with defaults,
//! with every field set, with nulls, and with tagged fields that nobody knows. Each must decode,
//! use up its bytes, and encode to the same bytes. See `test/corpus/README.md`.

use bytes::Bytes;
use ottla_wire::schema::{SCHEMAS, Schema};
use std::collections::HashSet;
use std::path::Path;

struct Sample {
    schema: &'static Schema,
    version: i16,
    kind: String,
    bytes: Bytes,
}

fn unhex(text: &str) -> Bytes {
    let digit = |c: u8| char::from(c).to_digit(16).expect("a hexadecimal digit") as u8;
    text.trim_start_matches('-').as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn corpus() -> Vec<Sample> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/corpus/corpus-4.3.1.txt.zst");
    let packed = std::fs::read(path).expect("the corpus is checked in");
    let text = String::from_utf8(zstd::decode_all(&packed[..]).expect("zstd")).expect("text");
    let sample = |line: &str| {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let schema = Schema::by_name(word()).unwrap_or_else(|| panic!("no schema for {line}"));
        Sample { schema, version: word().parse().expect("a version"), kind: word().to_owned(), bytes: unhex(word()) }
    };
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

#[test]
fn bytes_of_apache_kafka_round_trip() {
    let mut failures = vec![];
    let mut seen = HashSet::new();
    for Sample { schema, version, kind, bytes } in corpus() {
        seen.insert((schema.name, version));
        match (schema.reencode)(bytes.clone(), version) {
            Ok((again, 0)) if again == bytes => {}
            other => failures.push(format!("{} v{version} {kind}: {other:?}\n  expected {bytes:?}", schema.name)),
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures[..failures.len().min(10)].join("\n"));
    let missing: Vec<_> = SCHEMAS
        .iter()
        .flat_map(|s| (s.min_version..=s.max_version).map(move |v| (s.name, v)))
        .filter(|pair| !seen.contains(pair))
        .collect();
    assert!(missing.is_empty(), "the corpus lacks {missing:?}");
}

/// Whatever is cut off or bent, decoding ends with an error or a message, never with a panic.
#[test]
fn damaged_bytes_never_panic() {
    for Sample { schema, version, bytes, .. } in corpus() {
        let step = (bytes.len() / 16).max(1);
        for i in (0..bytes.len()).step_by(step) {
            let cut = (schema.reencode)(bytes.slice(..i), version);
            assert!(cut.is_err() || i < bytes.len());
            let mut bent = bytes.to_vec();
            bent[i] ^= 0xff;
            let _ = (schema.reencode)(Bytes::from(bent), version);
        }
    }
}
