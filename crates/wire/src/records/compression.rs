//! The codecs of a batch's records, with Kafka's names, ids and levels (KIP-390).

use std::io::{self, Read, Write};
use std::ops::RangeInclusive;

use super::header::{COMPRESSION_CODEC_MASK, MAGIC_V0, MAGIC_V2};
use super::{RecordsError, lz4_frame, xerial};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Compression {
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    pub fn from_attributes(attributes: i16) -> Result<Compression, RecordsError> {
        match attributes & COMPRESSION_CODEC_MASK {
            0 => Ok(Compression::None),
            1 => Ok(Compression::Gzip),
            2 => Ok(Compression::Snappy),
            3 => Ok(Compression::Lz4),
            4 => Ok(Compression::Zstd),
            id => Err(RecordsError::UnsupportedCompression(id)),
        }
    }

    /// As in the low three bits of the attributes.
    pub fn id(self) -> i16 {
        self as i16
    }

    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    pub fn from_name(name: &str) -> Option<Compression> {
        Compression::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// `None` for a codec without levels.
    pub fn default_level(self) -> Option<i32> {
        match self {
            Compression::None | Compression::Snappy => None,
            Compression::Gzip => Some(-1),
            Compression::Lz4 => Some(9),
            Compression::Zstd => Some(3),
        }
    }

    /// Without the default, which for gzip (-1) lies outside.
    pub fn level_range(self) -> Option<RangeInclusive<i32>> {
        match self {
            Compression::None | Compression::Snappy => None,
            Compression::Gzip => Some(1..=9),
            Compression::Lz4 => Some(1..=17),
            Compression::Zstd => Some(-131_072..=22),
        }
    }

    pub fn is_valid_level(self, level: i32) -> bool {
        self.default_level() == Some(level) || self.level_range().is_some_and(|range| range.contains(&level))
    }
}

/// `level: None` takes the codec's default; one that the codec does not have is `InvalidInput`.
pub fn compress(codec: Compression, level: Option<i32>, input: &[u8]) -> io::Result<Vec<u8>> {
    let level = match level.or(codec.default_level()) {
        Some(level) if codec.default_level().is_some() && !codec.is_valid_level(level) => {
            let reason = format!("{} has no compression level {level}", codec.name());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        Some(level) => level,
        None => 0,
    };
    match codec {
        Compression::None => Ok(input.to_vec()),
        Compression::Gzip => gzip(level, input),
        Compression::Snappy => xerial::compress(input),
        Compression::Lz4 => lz4_frame::compress(level, input),
        Compression::Zstd => zstd::bulk::compress(input, level),
    }
}

/// The records of a format 2 batch. Neither output nor memory exceeds `limit` bytes by more than a
/// codec's fixed working space.
pub fn decompress(codec: Compression, input: &[u8], limit: usize) -> Result<Vec<u8>, RecordsError> {
    decompress_for(MAGIC_V2, codec, input, limit)
}

/// [`decompress`] for a batch of any format: clients that wrote format 0 got LZ4's header checksum wrong.
pub fn decompress_for(magic: i8, codec: Compression, input: &[u8], limit: usize) -> Result<Vec<u8>, RecordsError> {
    match codec {
        Compression::None if input.len() > limit => Err(RecordsError::TooLarge { codec, limit }),
        Compression::None => Ok(input.to_vec()),
        Compression::Gzip => gunzip(input, limit),
        Compression::Snappy => xerial::decompress(input, limit),
        Compression::Lz4 => lz4_frame::decompress(input, magic == MAGIC_V0, limit),
        Compression::Zstd => unzstd(input, limit),
    }
}

fn gzip(level: i32, input: &[u8]) -> io::Result<Vec<u8>> {
    let level = u32::try_from(level).map_or_else(|_| flate2::Compression::default(), flate2::Compression::new);
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(input.len() / 2 + 32), level);
    encoder.write_all(input)?;
    encoder.finish()
}

/// Several members may follow each other. What follows the last one and is none is ignored, as by Java.
fn gunzip(input: &[u8], limit: usize) -> Result<Vec<u8>, RecordsError> {
    const MEMBER: [u8; 3] = [0x1f, 0x8b, 8];
    let mut output = Vec::new();
    let mut rest = input;
    loop {
        let mut decoder = flate2::bufread::GzDecoder::new(rest);
        read_to_limit(&mut decoder, Compression::Gzip, limit, &mut output)?;
        rest = decoder.into_inner();
        if !rest.starts_with(&MEMBER) {
            return Ok(output);
        }
    }
}

/// Grows `output` no further than to the limit, which `read_to_end` would.
fn read_to_limit(
    reader: &mut dyn Read,
    codec: Compression,
    limit: usize,
    output: &mut Vec<u8>,
) -> Result<(), RecordsError> {
    let mut chunk = [0; 8192];
    loop {
        let read = reader.read(&mut chunk).map_err(|e| RecordsError::decompress(codec, e))?;
        if read == 0 {
            return Ok(());
        }
        if output.len() + read > limit {
            return Err(RecordsError::TooLarge { codec, limit });
        }
        if output.capacity() - output.len() < read {
            let more = output.len().max(2 * chunk.len()).min(limit - output.len());
            output.reserve_exact(more);
        }
        output.extend_from_slice(chunk.get(..read).unwrap_or_default());
    }
}

/// In one step into a buffer of the right size, which needs no window: a frame may ask for a window
/// of 128 MiB, and Java's encoder at level 22 does so for any input.
fn unzstd(input: &[u8], limit: usize) -> Result<Vec<u8>, RecordsError> {
    let codec = Compression::Zstd;
    let Some(bound) = zstd::bulk::Decompressor::upper_bound(input) else {
        return Err(RecordsError::decompress(codec, "its frames or blocks are damaged or cut off"));
    };
    let mut output = Vec::with_capacity(bound.min(limit));
    let mut decoder = zstd::bulk::Decompressor::new().map_err(|e| RecordsError::decompress(codec, e))?;
    match decoder.decompress_to_buffer(input, &mut output) {
        Ok(_) => {}
        Err(e) if bound > limit && e.to_string().contains("too small") => {
            return Err(RecordsError::TooLarge { codec, limit });
        }
        Err(e) => return Err(RecordsError::decompress(codec, e)),
    }
    // The bound is generous where the frame does not tell its size.
    if output.capacity() / 2 > output.len() {
        output.shrink_to_fit();
    }
    Ok(output)
}
