//! Bytes that Apache Kafka's own classes wrote: every message, in every version, with defaults,
//! with every field set, with nulls, and with tagged fields that nobody knows. Each must decode,
//! use up its bytes, and encode to the same bytes. See `test/corpus/README.md`.

mod support;

use bytes::Bytes;
use ottla_wire::schema::SCHEMAS;
use std::collections::HashSet;
use support::{Sample, corpus};

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
