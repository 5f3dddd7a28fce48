//! The codecs of a batch's records, with Kafka's names, ids and levels (KIP-390).

use std::io::{self, Write};
use std::ops::RangeInclusive;

use super::header::COMPRESSION_CODEC_MASK;
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

fn gzip(level: i32, input: &[u8]) -> io::Result<Vec<u8>> {
    let level = u32::try_from(level).map_or_else(|_| flate2::Compression::default(), flate2::Compression::new);
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(input.len() / 2 + 32), level);
    encoder.write_all(input)?;
    encoder.finish()
}
