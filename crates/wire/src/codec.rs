//! The primitive types of Kafka's protocol, read with bounds and written as segments.
//!
//! Reading trusts nothing: a length is held against the bytes that remain, and everything that a
//! message makes the reader allocate is charged to a budget of 4 × input + 1 MiB.

use bytes::{BufMut, Bytes, BytesMut};
use ottla_base::{FileSlice, Uuid};
use std::mem::size_of;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WireError {
    #[error("the message ends before its content does")]
    UnexpectedEnd,
    #[error("length {0} is negative or larger than the bytes that remain")]
    BadLength(i64),
    #[error("the message would take more memory than four times its size plus 1 MiB")]
    TooLarge,
    #[error("a variable-length integer is longer than its type allows")]
    BadVarint,
    #[error("a string is not valid UTF-8")]
    BadUtf8,
    #[error("field {0} must not be null")]
    Null(&'static str),
    #[error("a tagged field is not as long as it says")]
    BadTag,
    #[error("version {version} of {message} is not supported")]
    UnsupportedVersion { message: &'static str, version: i16 },
    #[error("field {field} is set, but version {version} cannot carry it")]
    FieldNotInVersion { field: &'static str, version: i16 },
    #[error("version {0} cannot carry tagged fields")]
    TagsNotInVersion(i16),
    #[error("{0} bytes are left over after the message")]
    TrailingBytes(usize),
    #[error("record frame version {0} is not supported (only 1 is)")]
    BadFrameVersion(u32),
    #[error("record id {0} is not known")]
    UnknownRecord(i16),
    #[error("file cannot be read: {0}")]
    Io(String),
}

pub trait Message: Sized + Default {
    const NAME: &'static str;
    const MIN_VERSION: i16;
    const MAX_VERSION: i16;
    /// The first version with compact lengths and tagged fields; `i16::MAX` when there is none.
    const FIRST_FLEXIBLE: i16;

    fn decode(r: &mut Reader, version: i16) -> Result<Self, WireError>;
    fn encode(&self, w: &mut Writer, version: i16) -> Result<(), WireError>;

    fn check_version(version: i16) -> Result<(), WireError> {
        if (Self::MIN_VERSION..=Self::MAX_VERSION).contains(&version) {
            return Ok(());
        }
        Err(WireError::UnsupportedVersion { message: Self::NAME, version })
    }

    fn from_bytes(bytes: Bytes, version: i16) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let message = Self::decode(&mut reader, version)?;
        match reader.remaining() {
            0 => Ok(message),
            left => Err(WireError::TrailingBytes(left)),
        }
    }

    fn to_bytes(&self, version: i16) -> Result<Bytes, WireError> {
        let mut writer = Writer::new();
        self.encode(&mut writer, version)?;
        writer.into_bytes()
    }
}

/// Tagged fields that our schema does not know. They are kept, and written back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::box_collection)] // Nearly always empty: one word instead of three.
pub struct UnknownTags(Option<Box<Vec<(u32, Bytes)>>>);

impl UnknownTags {
    pub fn push(&mut self, tag: u32, content: Bytes) {
        // One is the usual number, and `TAG_COST` counts on it.
        self.0.get_or_insert_with(|| Box::new(Vec::with_capacity(1))).push((tag, content));
    }

    pub fn iter(&self) -> impl Iterator<Item = &(u32, Bytes)> {
        self.0.iter().flat_map(|tags| tags.iter())
    }

    pub fn check_none(&self, version: i16) -> Result<(), WireError> {
        match self.0 {
            None => Ok(()),
            Some(_) => Err(WireError::TagsNotInVersion(version)),
        }
    }
}

/// Record batches inside a message: in memory, or still in the log's files.
#[derive(Clone, Debug)]
pub enum RecordsData {
    Bytes(Bytes),
    Files(Vec<FileSlice>),
}

impl Default for RecordsData {
    fn default() -> Self {
        RecordsData::Bytes(Bytes::new())
    }
}

impl PartialEq for RecordsData {
    fn eq(&self, other: &Self) -> bool {
        matches!((self, other), (RecordsData::Bytes(a), RecordsData::Bytes(b)) if a == b)
    }
}

impl RecordsData {
    pub fn len(&self) -> usize {
        match self {
            RecordsData::Bytes(bytes) => bytes.len(),
            RecordsData::Files(slices) => slices.iter().map(|slice| slice.len).sum(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As they came in from the wire; `None` when they are in files.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            RecordsData::Bytes(bytes) => Some(bytes),
            RecordsData::Files(_) => None,
        }
    }
}

impl From<Bytes> for RecordsData {
    fn from(bytes: Bytes) -> Self {
        RecordsData::Bytes(bytes)
    }
}

pub(crate) fn null_only_if<T>(allowed: bool, value: Option<T>, field: &'static str) -> Result<Option<T>, WireError> {
    if value.is_none() && !allowed {
        return Err(WireError::Null(field));
    }
    Ok(value)
}

/// An unknown tag's share of a vector that doubles: while it moves, the old half and the new whole.
const TAG_COST: usize = 3 * size_of::<(u32, Bytes)>();

fn budget_of(input: usize) -> usize {
    input.saturating_mul(4).saturating_add(1 << 20)
}

pub struct Reader {
    bytes: Bytes,
    position: usize,
    /// Where the innermost tagged field ends, or all of it.
    limit: usize,
    /// What may still be allocated, in bytes.
    budget: usize,
}

impl Reader {
    pub fn new(bytes: Bytes) -> Self {
        let limit = bytes.len();
        Reader { budget: budget_of(limit), bytes, position: 0, limit }
    }

    pub fn remaining(&self) -> usize {
        self.limit - self.position
    }

    pub fn position(&self) -> usize {
        self.position
    }

    /// What has not been read yet, without a copy.
    pub fn rest(&self) -> Bytes {
        self.bytes.slice(self.position..self.limit)
    }

    /// How many bytes of memory the message takes so far, at most.
    pub fn charged(&self) -> usize {
        budget_of(self.bytes.len()) - self.budget
    }

    fn charge(&mut self, bytes: usize) -> Result<(), WireError> {
        self.budget = self.budget.checked_sub(bytes).ok_or(WireError::TooLarge)?;
        Ok(())
    }

    fn take(&mut self, len: usize) -> Result<&[u8], WireError> {
        if len > self.remaining() {
            return Err(WireError::UnexpectedEnd);
        }
        let start = self.position;
        self.position += len;
        Ok(&self.bytes[start..start + len])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub fn bool(&mut self) -> Result<bool, WireError> {
        Ok(self.array::<1>()? != [0])
    }

    pub fn i8(&mut self) -> Result<i8, WireError> {
        self.array().map(i8::from_be_bytes)
    }

    pub fn i16(&mut self) -> Result<i16, WireError> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, WireError> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, WireError> {
        self.array().map(i64::from_be_bytes)
    }

    pub fn f64(&mut self) -> Result<f64, WireError> {
        self.array().map(f64::from_be_bytes)
    }

    pub fn uuid(&mut self) -> Result<Uuid, WireError> {
        self.array().map(Uuid)
    }

    pub fn unsigned_varint(&mut self) -> Result<u32, WireError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array::<1>()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::BadVarint)
    }

    /// `None` is null.
    fn length(&mut self, flexible: bool, short: bool) -> Result<Option<usize>, WireError> {
        let length = if flexible {
            i64::from(self.unsigned_varint()?) - 1
        } else if short {
            i64::from(self.i16()?)
        } else {
            i64::from(self.i32()?)
        };
        match length {
            -1 => Ok(None),
            _ if length < 0 || length as u64 > self.remaining() as u64 => Err(WireError::BadLength(length)),
            _ => Ok(Some(length as usize)),
        }
    }

    pub fn string(&mut self, flexible: bool) -> Result<Option<String>, WireError> {
        let Some(len) = self.length(flexible, true)? else { return Ok(None) };
        self.charge(len)?;
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map(|text| Some(text.to_owned())).map_err(|_| WireError::BadUtf8)
    }

    pub fn bytes(&mut self, flexible: bool) -> Result<Option<Bytes>, WireError> {
        let Some(len) = self.length(flexible, false)? else { return Ok(None) };
        let start = self.position;
        self.position += len;
        Ok(Some(self.bytes.slice(start..start + len)))
    }

    pub fn records(&mut self, flexible: bool) -> Result<Option<RecordsData>, WireError> {
        Ok(self.bytes(flexible)?.map(RecordsData::Bytes))
    }

    /// Every element takes a byte at least, so a count above the bytes that remain is a lie.
    fn elements<T>(&mut self, flexible: bool) -> Result<Option<(usize, Vec<T>)>, WireError> {
        let Some(count) = self.length(flexible, false)? else { return Ok(None) };
        self.charge(count.saturating_mul(size_of::<T>()))?;
        Ok(Some((count, Vec::with_capacity(count))))
    }

    pub fn structs<T>(
        &mut self,
        flexible: bool,
        version: i16,
        read: fn(&mut Reader, i16) -> Result<T, WireError>,
    ) -> Result<Option<Vec<T>>, WireError> {
        let Some((count, mut items)) = self.elements(flexible)? else { return Ok(None) };
        for _ in 0..count {
            items.push(read(self, version)?);
        }
        Ok(Some(items))
    }

    pub fn scalars<T>(
        &mut self,
        flexible: bool,
        read: fn(&mut Reader) -> Result<T, WireError>,
    ) -> Result<Option<Vec<T>>, WireError> {
        let Some((count, mut items)) = self.elements(flexible)? else { return Ok(None) };
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(Some(items))
    }

    pub fn strings(&mut self, flexible: bool) -> Result<Option<Vec<String>>, WireError> {
        let Some((count, mut items)) = self.elements(flexible)? else { return Ok(None) };
        for _ in 0..count {
            items.push(self.string(flexible)?.ok_or(WireError::Null("string in an array"))?);
        }
        Ok(Some(items))
    }

    /// The byte before a nullable struct: negative for null.
    pub fn is_present(&mut self) -> Result<bool, WireError> {
        Ok(self.i8()? >= 0)
    }

    pub fn tag_count(&mut self) -> Result<u32, WireError> {
        let count = self.unsigned_varint()?;
        if count as usize > self.remaining() {
            return Err(WireError::BadLength(i64::from(count)));
        }
        Ok(count)
    }

    /// The tag, and what `end_tag` wants to know.
    pub fn begin_tag(&mut self) -> Result<(u32, usize), WireError> {
        let tag = self.unsigned_varint()?;
        let len = self.unsigned_varint()? as usize;
        if len > self.remaining() {
            return Err(WireError::BadLength(len as i64));
        }
        let outer = self.limit;
        self.limit = self.position + len;
        Ok((tag, outer))
    }

    pub fn end_tag(&mut self, outer: usize) -> Result<(), WireError> {
        if self.position != self.limit {
            return Err(WireError::BadTag);
        }
        self.limit = outer;
        Ok(())
    }

    /// The content of a tag that nobody knows, kept as it is.
    pub fn rest_of_tag(&mut self, _outer: usize) -> Result<Bytes, WireError> {
        self.charge(TAG_COST)?;
        let content = self.rest();
        self.position = self.limit;
        Ok(content)
    }
}

/// A piece of an encoded message.
#[derive(Clone, Debug)]
pub enum Segment {
    Bytes(Bytes),
    File(FileSlice),
}

impl Segment {
    pub fn len(&self) -> usize {
        match self {
            Segment::Bytes(bytes) => bytes.len(),
            Segment::File(slice) => slice.len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Byte runs shorter than this are copied: cheaper than a segment of their own.
const INLINE_LIMIT: usize = 1024;

#[derive(Default)]
pub struct Writer {
    buffer: BytesMut,
    segments: Vec<Segment>,
    /// The bytes in `segments`.
    flushed: usize,
}

impl Writer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(bytes: usize) -> Self {
        Writer { buffer: BytesMut::with_capacity(bytes), ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.flushed + self.buffer.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn push_segment(&mut self, segment: Segment) {
        if !self.buffer.is_empty() {
            let bytes = self.buffer.split().freeze();
            self.flushed += bytes.len();
            self.segments.push(Segment::Bytes(bytes));
        }
        self.flushed += segment.len();
        self.segments.push(segment);
    }

    /// Leaves room for a frame's length at the front. To be called first.
    pub fn begin_frame(&mut self) {
        self.raw(&[0; 4]);
    }

    /// All of it, with its length in the room that [`Writer::begin_frame`] left.
    pub fn into_frame(self) -> Result<Vec<Segment>, WireError> {
        let len = self.len() - 4;
        let prefix = i32::try_from(len).map_err(|_| WireError::BadLength(len as i64))?.to_be_bytes();
        let mut segments = self.into_segments();
        if let Some(Segment::Bytes(first)) = segments.first_mut() {
            // Nobody else holds these bytes yet, so this does not copy them.
            let mut bytes = BytesMut::from(std::mem::take(first));
            bytes[..4].copy_from_slice(&prefix);
            *first = bytes.freeze();
        }
        Ok(segments)
    }

    pub fn into_segments(mut self) -> Vec<Segment> {
        if !self.buffer.is_empty() {
            self.segments.push(Segment::Bytes(self.buffer.freeze()));
        }
        self.segments
    }

    /// All of it in one piece of memory; reads what is still in files.
    pub fn into_bytes(self) -> Result<Bytes, WireError> {
        if self.segments.is_empty() {
            return Ok(self.buffer.freeze());
        }
        let mut out = BytesMut::with_capacity(self.len());
        for segment in self.into_segments() {
            match segment {
                Segment::Bytes(bytes) => out.extend_from_slice(&bytes),
                Segment::File(slice) => {
                    out.extend_from_slice(&slice.read().map_err(|e| WireError::Io(e.to_string()))?);
                }
            }
        }
        Ok(out.freeze())
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub fn bool(&mut self, value: bool) {
        self.buffer.put_u8(u8::from(value));
    }

    pub fn i8(&mut self, value: i8) {
        self.buffer.put_i8(value);
    }

    pub fn i16(&mut self, value: i16) {
        self.buffer.put_i16(value);
    }

    pub fn u16(&mut self, value: u16) {
        self.buffer.put_u16(value);
    }

    pub fn u32(&mut self, value: u32) {
        self.buffer.put_u32(value);
    }

    pub fn i32(&mut self, value: i32) {
        self.buffer.put_i32(value);
    }

    pub fn i64(&mut self, value: i64) {
        self.buffer.put_i64(value);
    }

    pub fn f64(&mut self, value: f64) {
        self.buffer.put_f64(value);
    }

    pub fn uuid(&mut self, value: Uuid) {
        self.buffer.extend_from_slice(&value.0);
    }

    pub fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.buffer.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value as u8);
    }

    fn length(&mut self, flexible: bool, short: bool, length: Option<usize>) -> Result<(), WireError> {
        let too_long = |len: usize| WireError::BadLength(len as i64);
        match length {
            None if flexible => self.unsigned_varint(0),
            None if short => self.i16(-1),
            None => self.i32(-1),
            Some(len) if flexible => self.unsigned_varint(u32::try_from(len + 1).map_err(|_| too_long(len))?),
            Some(len) if short => self.i16(i16::try_from(len).map_err(|_| too_long(len))?),
            Some(len) => self.i32(i32::try_from(len).map_err(|_| too_long(len))?),
        }
        Ok(())
    }

    pub fn string(&mut self, flexible: bool, value: Option<&str>) -> Result<(), WireError> {
        // Kafka keeps to two bytes of length in the compact form too.
        if let Some(text) = value
            && text.len() > i16::MAX as usize
        {
            return Err(WireError::BadLength(text.len() as i64));
        }
        self.length(flexible, true, value.map(str::len))?;
        self.buffer.extend_from_slice(value.unwrap_or_default().as_bytes());
        Ok(())
    }

    pub fn bytes(&mut self, flexible: bool, value: Option<&Bytes>) -> Result<(), WireError> {
        self.length(flexible, false, value.map(Bytes::len))?;
        match value {
            Some(bytes) if bytes.len() >= INLINE_LIMIT => self.push_segment(Segment::Bytes(bytes.clone())),
            Some(bytes) => self.buffer.extend_from_slice(bytes),
            None => {}
        }
        Ok(())
    }

    pub fn records(&mut self, flexible: bool, value: Option<&RecordsData>) -> Result<(), WireError> {
        match value {
            Some(RecordsData::Files(slices)) => {
                self.length(flexible, false, value.map(RecordsData::len))?;
                for slice in slices {
                    self.push_segment(Segment::File(slice.clone()));
                }
                Ok(())
            }
            Some(RecordsData::Bytes(bytes)) => self.bytes(flexible, Some(bytes)),
            None => self.bytes(flexible, None),
        }
    }

    pub fn structs<T>(
        &mut self,
        flexible: bool,
        version: i16,
        items: Option<&[T]>,
        write: fn(&T, &mut Writer, i16) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        self.length(flexible, false, items.map(<[T]>::len))?;
        items.unwrap_or_default().iter().try_for_each(|item| write(item, self, version))
    }

    pub fn scalars<T: Copy>(
        &mut self,
        flexible: bool,
        items: Option<&[T]>,
        write: fn(&mut Writer, T),
    ) -> Result<(), WireError> {
        self.length(flexible, false, items.map(<[T]>::len))?;
        items.unwrap_or_default().iter().for_each(|item| write(self, *item));
        Ok(())
    }

    pub fn strings(&mut self, flexible: bool, items: Option<&[String]>) -> Result<(), WireError> {
        self.length(flexible, false, items.map(<[String]>::len))?;
        items.unwrap_or_default().iter().try_for_each(|item| self.string(flexible, Some(item)))
    }

    pub fn check_null(&self, is_wrongly_null: bool, field: &'static str) -> Result<(), WireError> {
        if is_wrongly_null { Err(WireError::Null(field)) } else { Ok(()) }
    }

    /// Known and unknown tags, in the order of their numbers.
    pub fn tags(&mut self, known: &[(u32, Bytes)], unknown: &UnknownTags) {
        let mut all: Vec<&(u32, Bytes)> = known.iter().chain(unknown.iter()).collect();
        all.sort_by_key(|(tag, _)| *tag);
        self.unsigned_varint(all.len() as u32);
        for (tag, content) in all {
            self.unsigned_varint(*tag);
            self.unsigned_varint(content.len() as u32);
            self.buffer.extend_from_slice(content);
        }
    }
}
