//! What holds for any bytes at all. Fuzzing (`fuzz/`) and the replay of its finds and seeds share this.

use super::counting::peak_of;
use bytes::Bytes;
use ottla_wire::Reader;
use ottla_wire::records::{self, Batch, BatchHeader, Compression};
use ottla_wire::schema::SCHEMAS;

/// Memory beyond four times the input, in bytes.
pub const MEMORY: usize = 1 << 20;

/// Batches may grow to this when they are decompressed, in bytes.
const DECOMPRESSED: usize = 1 << 20;

/// Does the work, and checks that it takes at most four times the input and `more`.
#[track_caller]
pub fn bounded<T>(input: usize, more: usize, work: impl FnOnce() -> T) -> T {
    let (result, peak) = peak_of(work);
    assert!(peak <= 4 * input + more, "{input} bytes made it hold {peak} bytes");
    result
}

/// Two bytes pick the message, one the version, the rest is decoded. What can be decoded is encoded again, and from
/// then on it stays the same. (The first time it may change: there is more than one way to write a number or `true`.)
pub fn messages(input: &[u8]) {
    let [a, b, version, rest @ ..] = input else { return };
    let schema = &SCHEMAS[usize::from(u16::from_be_bytes([*a, *b])) % SCHEMAS.len()];
    let versions = i32::from(schema.max_version - schema.min_version) + 1;
    let version = schema.min_version + (i32::from(*version) % versions) as i16;
    let bytes = Bytes::copy_from_slice(rest);
    let mut reader = Reader::new(bytes.clone());
    if bounded(rest.len(), MEMORY, || (schema.decode)(&mut reader, version)).is_err() {
        return;
    }
    // Encoding may say no: a string may be longer than Kafka writes it.
    let Ok((first, _)) = (schema.reencode)(bytes, version) else { return };
    let second = (schema.reencode)(first.clone(), version);
    assert_eq!(second, Ok((first.clone(), 0)), "{} v{version} does not read what it wrote", schema.name);
}

/// Batches as they come from a producer or from a file: their headers, their records, and the broker's checks.
pub fn records(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    let _shared = bytes.clone();
    bounded(input.len(), MEMORY, || records::headers(&bytes).take_while(Result::is_ok).count());
    let _ = bounded(input.len(), MEMORY, || records::validate_batch_bytes(&bytes));
    for batch in
        bounded(input.len(), MEMORY, || records::batches(bytes.clone()).map_while(Result::ok).collect::<Vec<_>>())
    {
        one_batch(&batch, input.len());
    }
    // A checksum is a wall that chance does not climb, so the same without one.
    if let Ok(header) = BatchHeader::parse(input) {
        let mut scratch = vec![];
        let payload_memory =
            if header.compression() == Ok(Compression::None) { MEMORY } else { MEMORY + 3 * DECOMPRESSED };
        let _ = bounded(input.len(), payload_memory, || {
            records::check_batch(&header, input, &mut scratch, DECOMPRESSED).map(drop)
        });
    }
}

fn one_batch(batch: &Batch, input: usize) {
    let is_plain = batch.header.compression() == Ok(Compression::None);
    // What is decompressed goes to a buffer that doubles; while it moves there are the old half and the new whole.
    let more = if is_plain { MEMORY } else { MEMORY + 3 * DECOMPRESSED };
    bounded(input, more, || {
        let Ok(records) = batch.records_with_limit(DECOMPRESSED) else { return };
        for record in records {
            let Ok(record) = record else { return };
            assert!(record.headers.len() <= input + DECOMPRESSED);
        }
    });
    let _ = bounded(input, more, || batch.base_offset());
    let _ = bounded(input, more, || batch.control_type());
}
