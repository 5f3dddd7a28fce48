//! LZ4's frame format as Kafka uses it: independent blocks of up to 64 KiB, no checksums but the
//! header's; on read also what other clients write, within what Java's reader takes.

use std::io;

use lz4::block::CompressionMode;

use super::output::Output;
use super::{Compression, RecordsError};

const MAGIC: u32 = 0x184D_2204;
/// Version 1, independent blocks.
const FLAGS: u8 = 0b0110_0000;
const FLAG_BLOCK_CHECKSUM: u8 = 0b0001_0000;
const FLAG_CONTENT_SIZE: u8 = 0b0000_1000;
const FLAG_CONTENT_CHECKSUM: u8 = 0b0000_0100;
/// Code 4 in the block descriptor.
const BLOCK_64_KIB: u8 = 4 << 4;
const BLOCK_SIZE: usize = 64 * 1024;
const UNCOMPRESSED: u32 = 0x8000_0000;
/// No block expands by more.
const MAX_RATIO: usize = 255;

/// Kafka's default level means LZ4's fast compressor, every other the high compression of that level.
const FAST_LEVEL: i32 = 9;

pub(super) fn compress(level: i32, input: &[u8]) -> io::Result<Vec<u8>> {
    let mode = if level == FAST_LEVEL { CompressionMode::DEFAULT } else { CompressionMode::HIGHCOMPRESSION(level) };
    let descriptor = [FLAGS, BLOCK_64_KIB];
    let mut output = Vec::with_capacity(input.len() / 2 + 64);
    output.extend_from_slice(&MAGIC.to_le_bytes());
    output.extend_from_slice(&descriptor);
    output.push((xxh32(&descriptor) >> 8) as u8);
    let mut buffer = vec![0; lz4::block::compress_bound(input.len().min(BLOCK_SIZE))?];
    for block in input.chunks(BLOCK_SIZE) {
        let size = lz4::block::compress_to_buffer(block, Some(mode), false, &mut buffer)?;
        let (header, bytes) = match buffer.get(..size) {
            Some(compressed) if size < block.len() => (size as u32, compressed),
            _ => (block.len() as u32 | UNCOMPRESSED, block),
        };
        output.extend_from_slice(&header.to_le_bytes());
        output.extend_from_slice(bytes);
    }
    output.extend_from_slice(&0u32.to_le_bytes());
    Ok(output)
}

fn decompress_block(block: &[u8], output: &mut [u8]) -> io::Result<usize> {
    let room = i32::try_from(output.len()).unwrap_or(i32::MAX);
    lz4::block::decompress_to_buffer(block, Some(room), output)
}

fn error(reason: impl ToString) -> RecordsError {
    RecordsError::decompress(Compression::Lz4, reason)
}

struct Frame {
    max_block: usize,
    block_checksum: bool,
}

/// Bytes after the frame are ignored, and so is the content checksum, as by Java.
pub(super) struct FrameReader<'a> {
    rest: &'a [u8],
    frame: Frame,
    ended: bool,
}

impl<'a> FrameReader<'a> {
    pub(super) fn new(input: &'a [u8], ignore_header_checksum: bool) -> Result<FrameReader<'a>, RecordsError> {
        let mut reader =
            FrameReader { rest: input, frame: Frame { max_block: 0, block_checksum: false }, ended: false };
        reader.frame = reader.header(ignore_header_checksum)?;
        Ok(reader)
    }

    /// Appends the next block; false at the end.
    pub(super) fn next_block(&mut self, output: &mut Output) -> Result<bool, RecordsError> {
        if self.ended {
            return Ok(false);
        }
        let Some((block, compressed)) = self.block()? else {
            self.ended = true;
            return Ok(false);
        };
        if !compressed {
            output.claim(block.len())?.copy_from_slice(block);
            return Ok(true);
        }
        let room = self.frame.max_block.min(block.len().saturating_mul(MAX_RATIO));
        let in_limit = room.min(output.room());
        let space = output.claim(in_limit)?;
        // With less room than a block may need, a failure most likely means too little of it.
        let size = decompress_block(block, space);
        let size = size.map_err(|e| if in_limit < room { output.too_large() } else { error(e) })?;
        output.give_back(in_limit - size);
        Ok(true)
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], RecordsError> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or_else(|| error("the frame is cut off"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, RecordsError> {
        let bytes = self.take(4)?.first_chunk().copied().unwrap_or_default();
        Ok(u32::from_le_bytes(bytes))
    }

    fn u8(&mut self) -> Result<u8, RecordsError> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn header(&mut self, ignore_checksum: bool) -> Result<Frame, RecordsError> {
        if self.u32()? != MAGIC {
            return Err(error("it does not begin with LZ4's magic number"));
        }
        let descriptor = self.rest;
        let flags = self.u8()?;
        let block_descriptor = self.u8()?;
        let options = FLAG_BLOCK_CHECKSUM | FLAG_CONTENT_SIZE | FLAG_CONTENT_CHECKSUM;
        if flags & !options != FLAGS {
            return Err(error(format!("frame flags {flags:#04x}: version 1 with independent blocks is needed")));
        }
        if block_descriptor & 0x8f != 0 || block_descriptor < BLOCK_64_KIB {
            return Err(error(format!("block descriptor {block_descriptor:#04x} is not allowed")));
        }
        let mut size = 2;
        if flags & FLAG_CONTENT_SIZE != 0 {
            self.take(8)?;
            size += 8;
        }
        let checksum = self.u8()?;
        let computed = (xxh32(descriptor.get(..size).unwrap_or_default()) >> 8) as u8;
        if checksum != computed && !ignore_checksum {
            return Err(error("the frame header's checksum is wrong"));
        }
        Ok(Frame {
            max_block: 1 << (2 * (block_descriptor >> 4) + 8),
            block_checksum: flags & FLAG_BLOCK_CHECKSUM != 0,
        })
    }

    /// The next block and whether it is compressed; `None` at the end of the frame.
    fn block(&mut self) -> Result<Option<(&'a [u8], bool)>, RecordsError> {
        let header = self.u32()?;
        let size = (header & !UNCOMPRESSED) as usize;
        if size == 0 {
            return Ok(None);
        }
        if size > self.frame.max_block {
            return Err(error(format!("a block of {size} bytes, the frame allows {}", self.frame.max_block)));
        }
        let block = self.take(size)?;
        if self.frame.block_checksum && self.u32()? != xxh32(block) {
            return Err(error("a block's checksum is wrong"));
        }
        Ok(Some((block, header & UNCOMPRESSED == 0)))
    }
}

/// xxHash, 32 bits, seed 0.
fn xxh32(bytes: &[u8]) -> u32 {
    const P1: u32 = 0x9E37_79B1;
    const P2: u32 = 0x85EB_CA77;
    const P3: u32 = 0xC2B2_AE3D;
    const P4: u32 = 0x27D4_EB2F;
    const P5: u32 = 0x1656_67B1;
    let (words, tail) = bytes.as_chunks::<4>();
    let (stripes, rest) = words.as_chunks::<4>();
    let mut hash = if stripes.is_empty() {
        P5
    } else {
        let mut lanes = [P1.wrapping_add(P2), P2, 0, 0u32.wrapping_sub(P1)];
        for stripe in stripes {
            for (lane, word) in lanes.iter_mut().zip(stripe) {
                let mixed = lane.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(P2));
                *lane = mixed.rotate_left(13).wrapping_mul(P1);
            }
        }
        let turns = [1, 7, 12, 18];
        lanes.iter().zip(turns).fold(0u32, |sum, (lane, turn)| sum.wrapping_add(lane.rotate_left(turn)))
    };
    hash = hash.wrapping_add(bytes.len() as u32);
    for word in rest {
        hash = hash.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(P3)).rotate_left(17).wrapping_mul(P4);
    }
    for byte in tail {
        hash = hash.wrapping_add(u32::from(*byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(P2);
    hash = (hash ^ (hash >> 13)).wrapping_mul(P3);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{MAGIC_V0, decompress, decompress_for};

    #[test]
    fn xxh32_known_answers() {
        assert_eq!(xxh32(b""), 0x02CC_5D05);
        assert_eq!(xxh32(b"a"), 0x550D_7456);
        assert_eq!(xxh32(b"abc"), 0x32D1_53FF);
        assert_eq!(xxh32(b"Nobody inspects the spammish repetition"), 0xE229_3B2F);
    }

    #[test]
    fn the_c_library_reads_our_frames_and_we_read_its() {
        use std::io::{Read, Write};
        let input: Vec<u8> = (0..300_000u32).map(|i| ((i / 7).wrapping_mul(i) % 251) as u8).collect();
        let mut read = Vec::new();
        lz4::Decoder::new(&compress(9, &input).unwrap()[..]).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, input);

        for block_size in [lz4::BlockSize::Max64KB, lz4::BlockSize::Max1MB, lz4::BlockSize::Max4MB] {
            let mut encoder = lz4::EncoderBuilder::new()
                .block_mode(lz4::BlockMode::Independent)
                .block_size(block_size)
                .block_checksum(lz4::liblz4::BlockChecksum::BlockChecksumEnabled)
                .content_size(input.len() as u64)
                .build(Vec::new())
                .unwrap();
            encoder.write_all(&input).unwrap();
            let (frame, result) = encoder.finish();
            result.unwrap();
            assert_eq!(decompress(Compression::Lz4, &frame, input.len()).unwrap(), input);
            let limit = input.len() - 1;
            let too_large = RecordsError::TooLarge { codec: Compression::Lz4, limit };
            assert_eq!(decompress(Compression::Lz4, &frame, limit), Err(too_large));
        }
    }

    #[test]
    fn the_header_checksum_counts_but_not_in_format_0() {
        let mut frame = compress(9, b"hello hello hello hello").unwrap();
        frame[6] ^= 1;
        let read = decompress(Compression::Lz4, &frame, 100);
        assert!(matches!(read, Err(RecordsError::Decompress { .. })));
        let read = decompress_for(MAGIC_V0, Compression::Lz4, &frame, 100);
        assert_eq!(read.unwrap(), b"hello hello hello hello");
    }
}
