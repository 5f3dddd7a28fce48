//! Snappy in the framing of the `snappy-java` library: a header of magic, version and least
//! compatible version, then blocks of up to 32 KiB, each after its compressed size.

use std::io;

use super::{Compression, RecordsError};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const HEADER_SIZE: usize = 16;
const BLOCK_SIZE: usize = 32 * 1024;
/// A snappy element of three bytes makes at most 64. What claims to expand by more is damaged, and
/// must not make us allocate.
const MAX_RATIO: usize = 22;

pub(super) fn compress(input: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = snap::raw::Encoder::new();
    let mut output = Vec::with_capacity(input.len() / 2 + 64);
    output.extend_from_slice(&MAGIC);
    output.extend_from_slice(&1u32.to_be_bytes());
    output.extend_from_slice(&1u32.to_be_bytes());
    let mut buffer = vec![0; snap::raw::max_compress_len(input.len().min(BLOCK_SIZE))];
    for block in input.chunks(BLOCK_SIZE) {
        let size = encoder.compress(block, &mut buffer).map_err(io::Error::other)?;
        output.extend_from_slice(&(size as u32).to_be_bytes());
        output.extend_from_slice(buffer.get(..size).unwrap_or_default());
    }
    Ok(output)
}

/// Also reads a bare snappy block without framing, which some clients send.
pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, RecordsError> {
    let mut output = Vec::new();
    if !input.starts_with(&MAGIC) {
        block(input, limit, &mut output)?;
        return Ok(output);
    }
    let mut rest = input;
    while !rest.is_empty() {
        // Streams may follow each other; a block's size never looks like the magic.
        if rest.starts_with(&MAGIC) {
            let (header, blocks) = rest.split_at_checked(HEADER_SIZE).ok_or_else(cut_off)?;
            if header.get(8..12) == Some(&[0; 4]) {
                return Err(error("the framing has version 0, at least 1 is needed"));
            }
            rest = blocks;
            continue;
        }
        let (size, after) = rest.split_first_chunk().ok_or_else(cut_off)?;
        let (bytes, after) = after.split_at_checked(u32::from_be_bytes(*size) as usize).ok_or_else(cut_off)?;
        block(bytes, limit, &mut output)?;
        rest = after;
    }
    Ok(output)
}

fn block(input: &[u8], limit: usize, output: &mut Vec<u8>) -> Result<(), RecordsError> {
    let size = snap::raw::decompress_len(input).map_err(error)?;
    if size > input.len().saturating_mul(MAX_RATIO) {
        return Err(error(format!("a block of {} bytes claims to hold {size}", input.len())));
    }
    let start = output.len();
    if size > limit - start {
        return Err(RecordsError::TooLarge { codec: Compression::Snappy, limit });
    }
    if output.capacity() - start < size {
        let more = start.max(size).min(limit - start);
        output.reserve_exact(more);
    }
    output.resize(start + size, 0);
    let room = output.get_mut(start..).unwrap_or_default();
    snap::raw::Decoder::new().decompress(input, room).map_err(error)?;
    Ok(())
}

fn error(reason: impl ToString) -> RecordsError {
    RecordsError::decompress(Compression::Snappy, reason)
}

fn cut_off() -> RecordsError {
    error("the stream is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_blocks_and_joined_streams() {
        let text = b"some text some text some text some text".repeat(2000);
        let bare = snap::raw::Encoder::new().compress_vec(&text).unwrap();
        assert_eq!(decompress(&bare, text.len()).unwrap(), text);
        let mut twice = compress(&text).unwrap();
        twice.extend(compress(b"and more").unwrap());
        assert_eq!(decompress(&twice, 1 << 20).unwrap(), [&text[..], b"and more"].concat());
        assert_eq!(
            decompress(&twice, text.len()),
            Err(RecordsError::TooLarge { codec: Compression::Snappy, limit: text.len() })
        );
    }

    #[test]
    fn a_block_cannot_claim_the_moon() {
        // The size alone: 4 GiB - 1.
        let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        assert!(matches!(decompress(&claim, usize::MAX), Err(RecordsError::Decompress { .. })));
    }
}
