//! Snappy in the framing of the `snappy-java` library: a header of magic, version and least
//! compatible version, then blocks of up to 32 KiB, each after its compressed size.

use std::io;

use super::output::Output;
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
pub(super) struct BlockReader<'a> {
    rest: &'a [u8],
    framed: bool,
}

impl<'a> BlockReader<'a> {
    pub(super) fn new(input: &'a [u8]) -> BlockReader<'a> {
        BlockReader { rest: input, framed: input.starts_with(&MAGIC) }
    }

    /// Appends the next block; false at the end.
    pub(super) fn next_block(&mut self, output: &mut Output) -> Result<bool, RecordsError> {
        // Streams may follow each other; a block's size never looks like the magic.
        while self.framed && self.rest.starts_with(&MAGIC) {
            let (header, blocks) = self.rest.split_at_checked(HEADER_SIZE).ok_or_else(cut_off)?;
            if header.get(8..12) == Some(&[0; 4]) {
                return Err(error("the framing has version 0, at least 1 is needed"));
            }
            self.rest = blocks;
        }
        if self.rest.is_empty() {
            return Ok(false);
        }
        let mut block = self.rest;
        self.rest = &[];
        if self.framed {
            let (size, after) = block.split_first_chunk().ok_or_else(cut_off)?;
            (block, self.rest) = after.split_at_checked(u32::from_be_bytes(*size) as usize).ok_or_else(cut_off)?;
        }
        let size = snap::raw::decompress_len(block).map_err(error)?;
        if size > block.len().saturating_mul(MAX_RATIO) {
            return Err(error(format!("a block of {} bytes claims to hold {size}", block.len())));
        }
        snap::raw::Decoder::new().decompress(block, output.claim(size)?).map_err(error)?;
        Ok(true)
    }
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
    use crate::records::decompress;

    #[test]
    fn bare_blocks_and_joined_streams() {
        let text = b"some text some text some text some text".repeat(2000);
        let bare = snap::raw::Encoder::new().compress_vec(&text).unwrap();
        assert_eq!(decompress(Compression::Snappy, &bare, text.len()).unwrap(), text);
        let mut twice = compress(&text).unwrap();
        twice.extend(compress(b"and more").unwrap());
        assert_eq!(decompress(Compression::Snappy, &twice, 1 << 20).unwrap(), [&text[..], b"and more"].concat());
        assert_eq!(
            decompress(Compression::Snappy, &twice, text.len()),
            Err(RecordsError::TooLarge { codec: Compression::Snappy, limit: text.len() })
        );
    }

    #[test]
    fn a_block_cannot_claim_the_moon() {
        // The size alone: 4 GiB - 1.
        let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        assert!(matches!(decompress(Compression::Snappy, &claim, usize::MAX), Err(RecordsError::Decompress { .. })));
    }
}
