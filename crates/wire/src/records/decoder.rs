//! Decompression, all at once or piece by piece, within a limit.

use std::io::Read;

use super::header::{MAGIC_V0, MAGIC_V2};
use super::output::Output;
use super::{Compression, RecordsError, lz4_frame, xerial};

/// What gzip and zstd are asked for at a time, in bytes.
const CHUNK: usize = 32 * 1024;
/// Up to this size of output, in bytes, zstd is faster in one step than with a window of its own.
const SMALL: usize = 1024 * 1024;

/// The records of a format 2 batch. Neither the output nor the memory for it exceeds `limit` bytes,
/// whatever the input claims.
pub fn decompress(codec: Compression, input: &[u8], limit: usize) -> Result<Vec<u8>, RecordsError> {
    decompress_for(MAGIC_V2, codec, input, limit)
}

/// [`decompress`] for a batch of any format: clients that wrote format 0 got LZ4's header checksum wrong.
pub fn decompress_for(magic: i8, codec: Compression, input: &[u8], limit: usize) -> Result<Vec<u8>, RecordsError> {
    let mut buffer = Vec::new();
    let mut decoder = Decoder::new(magic, codec, input, limit, true)?;
    while decoder.fill(&mut buffer)? {}
    // zstd's estimate is generous where the data does not tell its size.
    if buffer.capacity() / 2 > buffer.len() {
        buffer.shrink_to_fit();
    }
    Ok(buffer)
}

pub(super) struct Decoder<'a> {
    source: Source<'a>,
    codec: Compression,
    limit: usize,
    produced: usize,
}

enum Source<'a> {
    Plain(&'a [u8]),
    Gzip(Box<flate2::bufread::GzDecoder<&'a [u8]>>),
    Snappy(xerial::BlockReader<'a>),
    Lz4(lz4_frame::FrameReader<'a>),
    ZstdAtOnce { input: &'a [u8], bound: usize },
    Zstd(Box<zstd::stream::read::Decoder<'static, &'a [u8]>>),
    Ended,
}

impl<'a> Decoder<'a> {
    /// `at_once` is for who takes the whole output anyway.
    pub(super) fn new(
        magic: i8,
        codec: Compression,
        input: &'a [u8],
        limit: usize,
        at_once: bool,
    ) -> Result<Decoder<'a>, RecordsError> {
        let source = match codec {
            Compression::None => Source::Plain(input),
            Compression::Gzip => Source::Gzip(Box::new(flate2::bufread::GzDecoder::new(input))),
            Compression::Snappy => Source::Snappy(xerial::BlockReader::new(input)),
            Compression::Lz4 => Source::Lz4(lz4_frame::FrameReader::new(input, magic == MAGIC_V0)?),
            Compression::Zstd => match zstd::bulk::Decompressor::upper_bound(input) {
                None => return Err(RecordsError::decompress(codec, "its frames or blocks are damaged or cut off")),
                Some(bound) if at_once || bound <= SMALL => Source::ZstdAtOnce { input, bound },
                Some(_) => {
                    let decoder = zstd::stream::read::Decoder::with_buffer(input);
                    Source::Zstd(Box::new(decoder.map_err(|e| RecordsError::decompress(codec, e))?))
                }
            },
        };
        Ok(Decoder { source, codec, limit, produced: 0 })
    }

    /// In bytes, so far.
    pub(super) fn produced(&self) -> usize {
        self.produced
    }

    /// Appends a piece to `buffer`, whose front may have been removed since the last one; false at the end.
    pub(super) fn fill(&mut self, buffer: &mut Vec<u8>) -> Result<bool, RecordsError> {
        let mut output = Output::new(buffer, self.codec, self.limit, self.produced);
        let more = match &mut self.source {
            Source::Ended => Ok(false),
            Source::Plain(input) => {
                output.claim(input.len())?.copy_from_slice(input);
                self.source = Source::Ended;
                Ok(true)
            }
            Source::Snappy(blocks) => blocks.next_block(&mut output),
            Source::Lz4(frame) => frame.next_block(&mut output),
            Source::Gzip(decoder) => next_gzip_chunk(decoder, &mut output),
            Source::Zstd(decoder) => Ok(next_chunk(decoder, self.codec, &mut output)? > 0),
            Source::ZstdAtOnce { input, bound } => {
                let (input, bound) = (*input, *bound);
                self.source = Source::Ended;
                unzstd(input, bound, &mut output).map(|()| true)
            }
        }?;
        self.produced = output.produced();
        Ok(more)
    }
}

fn next_chunk(reader: &mut dyn Read, codec: Compression, output: &mut Output) -> Result<usize, RecordsError> {
    let size = CHUNK.min(output.room());
    // Without room it must turn out that nothing is left.
    let mut probe = [0];
    let space = if size == 0 { &mut probe } else { output.claim(size)? };
    let read = reader.read(space).map_err(|e| RecordsError::decompress(codec, e))?;
    if size == 0 && read > 0 {
        return Err(output.too_large());
    }
    output.give_back(size - read.min(size));
    Ok(read)
}

/// Several members may follow each other. What follows the last one and is none is ignored, as by Java.
fn next_gzip_chunk(decoder: &mut flate2::bufread::GzDecoder<&[u8]>, output: &mut Output) -> Result<bool, RecordsError> {
    const MEMBER: [u8; 3] = [0x1f, 0x8b, 8];
    loop {
        if next_chunk(decoder, Compression::Gzip, output)? > 0 {
            return Ok(true);
        }
        let rest = *decoder.get_ref();
        if !rest.starts_with(&MEMBER) {
            return Ok(false);
        }
        *decoder = flate2::bufread::GzDecoder::new(rest);
    }
}

/// In one step into a buffer of the right size, which needs no window: a frame may ask for a window
/// of 128 MiB, and Java's encoder at level 22 does so for any input.
fn unzstd(input: &[u8], bound: usize, output: &mut Output) -> Result<(), RecordsError> {
    let codec = Compression::Zstd;
    let (room, too_large) = (output.room(), output.too_large());
    let Some(buffer) = output.whole() else { return Err(RecordsError::decompress(codec, "it was begun already")) };
    let wanted = bound.min(room);
    if buffer.capacity() < wanted {
        buffer.reserve_exact(wanted);
    }
    let mut decoder = zstd::bulk::Decompressor::new().map_err(|e| RecordsError::decompress(codec, e))?;
    match decoder.decompress_to_buffer(input, buffer) {
        Ok(size) if size > room => Err(too_large),
        Ok(_) => {
            output.filled_whole();
            Ok(())
        }
        Err(e) if bound > room && e.to_string().contains("too small") => Err(too_large),
        Err(e) => Err(RecordsError::decompress(codec, e)),
    }
}
