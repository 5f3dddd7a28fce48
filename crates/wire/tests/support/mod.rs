//! What more than one of the tests need.

use bytes::Bytes;
use ottla_wire::schema::Schema;
use std::path::Path;

pub struct Sample {
    pub schema: &'static Schema,
    pub version: i16,
    pub kind: String,
    pub bytes: Bytes,
}

fn unhex(text: &str) -> Bytes {
    let digit = |c: u8| char::from(c).to_digit(16).expect("a hexadecimal digit") as u8;
    text.trim_start_matches('-').as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// The bytes that Apache Kafka's own classes wrote; see `test/corpus/README.md`.
pub fn corpus() -> Vec<Sample> {
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
