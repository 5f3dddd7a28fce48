//! Decoding takes no more memory than the reader says, and the reader never says more than four times the input
//! plus 1 MiB, whatever the bytes are.
#![allow(unsafe_code)] // The allocator that counts.

#[path = "support/counting.rs"]
mod counting;
#[path = "support/mod.rs"]
mod support;

use bytes::Bytes;
use counting::peak_of;
use ottla_base::{Rng, SeededRng};
use ottla_wire::schema::Schema;
use ottla_wire::{Reader, WireError};
use support::{Sample, corpus};

/// Decodes, and holds what the allocator saw against what the reader says and may say.
#[track_caller]
fn check(schema: &Schema, version: i16, input: &Bytes) -> Result<(), WireError> {
    // The first clone of bytes allocates what the clones share: not the decoder's.
    let mut reader = Reader::new(input.clone());
    let (result, peak) = peak_of(|| (schema.decode)(&mut reader, version));
    let charged = reader.charged();
    let name = schema.name;
    assert!(peak <= charged, "{name} v{version} holds {peak} bytes but says {charged}: {}", hex(input));
    assert!(charged <= 4 * input.len() + (1 << 20), "{name} v{version} takes {charged} bytes for {}", hex(input));
    result
}

fn hex(bytes: &[u8]) -> String {
    let start: String = bytes.iter().take(4096).map(|byte| format!("{byte:02x}")).collect();
    format!("{start} ({} bytes)", bytes.len())
}

#[test]
fn what_apache_kafka_writes() {
    for Sample { schema, version, kind, bytes } in corpus() {
        assert_eq!(check(schema, version, &bytes), Ok(()), "{} v{version} {kind}", schema.name);
    }
}

/// A length at every place of each message, before as many bytes as it asks for: an array of the smallest elements
/// that there can be, a string, or nonsense.
#[test]
fn huge_counts() {
    const TAIL: usize = 48 << 10;
    let fillings: [&[u8]; 4] = [&[0], &[1], &[2, 0], &[0xff]];
    let tails = fillings.map(|filling| filling.repeat(TAIL / filling.len()));
    // Long (a 32-bit length), short (16 bits), and compact (one more than the length, in groups of seven bits).
    let lengths: [&[u8]; 5] =
        [&[0, 0, 0xb0, 0], &[0x7f, 0xff], &[0x81, 0xe0, 2], &[0x7f, 0xff, 0xff, 0xff], &[0xff; 5]];
    let rng = SeededRng::new(1);
    let (mut cases, mut too_large, mut decoded) = (0, 0, 0);
    for Sample { schema, version, bytes, .. } in corpus().iter().filter(|sample| sample.kind != "nulls") {
        // Every place of a short message, some of a long one.
        let places: Vec<usize> = (0..bytes.len()).filter(|_| below(&rng, bytes.len()) < 12).collect();
        for place in places {
            let length = lengths[below(&rng, lengths.len())];
            let tail = &tails[below(&rng, tails.len())];
            let input = Bytes::from([&bytes[..place], length, tail].concat());
            let _shared = input.clone();
            cases += 1;
            match check(schema, *version, &input) {
                Ok(()) => decoded += 1,
                Err(WireError::TooLarge) => too_large += 1,
                Err(_) => {}
            }
        }
    }
    println!("{cases} cases, {too_large} too large, {decoded} decoded");
    assert!(
        cases > 10_000 && too_large > 100 && decoded > 100,
        "{cases} cases, {too_large} too large, {decoded} decoded"
    );
}

/// Several small changes at once: bits, lengths, pieces doubled, taken out, or brought from another message.
#[test]
fn random_changes() {
    const CASES: usize = 300_000;
    let samples = corpus();
    let rng = SeededRng::new(2);
    let mut decoded = 0;
    for _ in 0..CASES {
        let sample = &samples[below(&rng, samples.len())];
        // The longest ones (megabytes of defaults there are none) would take most of the time.
        let mut bytes = sample.bytes[..sample.bytes.len().min(4096)].to_vec();
        for _ in 0..=below(&rng, 3) {
            let other = &samples[below(&rng, samples.len())].bytes;
            change(&rng, &mut bytes, other);
        }
        let input = Bytes::from(bytes);
        let _shared = input.clone();
        decoded += usize::from(check(sample.schema, sample.version, &input).is_ok());
    }
    println!("{decoded} of {CASES} decoded");
    assert!(decoded > CASES / 20 && decoded < CASES, "{decoded} of {CASES} decoded");
}

fn below(rng: &SeededRng, limit: usize) -> usize {
    (rng.next_u64() % limit.max(1) as u64) as usize
}

fn change(rng: &SeededRng, bytes: &mut Vec<u8>, other: &[u8]) {
    const TELLING: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0xff, 0xfe, 0x10];
    let at = below(rng, bytes.len());
    let len = below(rng, 17).min(bytes.len() - at);
    match below(rng, 6) {
        _ if bytes.is_empty() => bytes.push(TELLING[below(rng, 8)]),
        0 => bytes[at] ^= 1 << below(rng, 8),
        1 => bytes[at] = TELLING[below(rng, 8)],
        2 => drop(bytes.drain(at..at + len)),
        3 => bytes.extend_from_within(at..at + len),
        4 => bytes.truncate(at + 1),
        _ => {
            let from = below(rng, other.len());
            let piece = &other[from..(from + len).min(other.len())];
            bytes.splice(at..at, piece.iter().copied());
        }
    }
}
