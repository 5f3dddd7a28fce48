//! One record of format 2: borrowed for walking, owned for keeping.

use std::borrow::Cow;

use bytes::Bytes;

use super::header::{BatchHeader, NO_SEQUENCE, increment_sequence};
use super::varint::{
    read_varint, read_varlong, size_of_varint, size_of_varlong, write_unsigned_varint, write_varint, write_varlong,
};

/// A record header (KIP-82).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// UTF-8 where the producer kept to the rules; kept as it came.
    pub key: Bytes,
    pub value: Option<Bytes>,
}

impl Header {
    pub fn new(key: impl Into<Bytes>, value: Option<Bytes>) -> Header {
        Header { key: key.into(), value }
    }

    pub fn key_str(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.key)
    }
}

/// A record with what it inherits from its batch filled in. Keys and values share the batch's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub offset: i64,
    pub timestamp: i64,
    /// -1 where the batch has none.
    pub sequence: i32,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
}

/// A record in place. Everything that can be read off it was checked when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// With the size in front.
    pub size_in_bytes: usize,
    /// Unused in this format.
    pub attributes: i8,
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    headers_count: usize,
    headers: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// Reads the record at `*pos` and moves it behind. The error is the reason.
    pub fn parse(payload: &'a [u8], pos: &mut usize) -> Result<RecordView<'a>, &'static str> {
        let start = *pos;
        let size = read_varint(payload, pos).ok_or("the records end before their count is reached")?;
        let size = usize::try_from(size).map_err(|_| "a record has a negative size")?;
        let end = pos.checked_add(size).ok_or("a record has an impossible size")?;
        let body = payload.get(*pos..end).ok_or("a record is larger than the rest of its batch")?;
        *pos = end;
        let mut view = Self::parse_body(body).ok_or("a record's fields do not fit into its size")?;
        view.size_in_bytes = end - start;
        view.check_headers()?;
        Ok(view)
    }

    fn parse_body(body: &'a [u8]) -> Option<RecordView<'a>> {
        let mut pos = 1;
        Some(RecordView {
            size_in_bytes: 0,
            attributes: *body.first()? as i8,
            timestamp_delta: read_varlong(body, &mut pos)?,
            offset_delta: read_varint(body, &mut pos)?,
            key: read_nullable(body, &mut pos)?,
            value: read_nullable(body, &mut pos)?,
            headers_count: usize::try_from(read_varint(body, &mut pos)?).ok()?,
            headers: body.get(pos..)?,
        })
    }

    /// So that [`RecordView::headers`] has nothing left to fail on.
    fn check_headers(&self) -> Result<(), &'static str> {
        let mut pos = 0;
        if self.headers_count > self.headers.len() {
            return Err("a record counts more headers than it has bytes");
        }
        for _ in 0..self.headers_count {
            read_header(self.headers, &mut pos).ok_or("a record's headers do not fit into its size")?;
        }
        if pos != self.headers.len() {
            return Err("a record is larger than its fields");
        }
        Ok(())
    }

    pub fn headers_count(&self) -> usize {
        self.headers_count
    }

    /// Keys and values.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let (headers, mut pos) = (self.headers, 0);
        (0..self.headers_count).map_while(move |_| read_header(headers, &mut pos))
    }

    pub fn offset(&self, batch: &BatchHeader) -> i64 {
        batch.base_offset.wrapping_add(i64::from(self.offset_delta))
    }

    pub fn timestamp(&self, batch: &BatchHeader) -> i64 {
        batch.record_timestamp(self.timestamp_delta)
    }

    pub fn sequence(&self, batch: &BatchHeader) -> i32 {
        if batch.base_sequence < 0 {
            return NO_SEQUENCE;
        }
        increment_sequence(batch.base_sequence, self.offset_delta)
    }

    /// `payload` is what the view was parsed from.
    pub(super) fn to_record(self, batch: &BatchHeader, payload: &Bytes) -> Record {
        Record {
            offset: self.offset(batch),
            timestamp: self.timestamp(batch),
            sequence: self.sequence(batch),
            key: self.key.map(|key| payload.slice_ref(key)),
            value: self.value.map(|value| payload.slice_ref(value)),
            headers: self
                .headers()
                .map(|(key, value)| Header {
                    key: payload.slice_ref(key),
                    value: value.map(|value| payload.slice_ref(value)),
                })
                .collect(),
        }
    }
}

fn read_sized<'a>(bytes: &'a [u8], pos: &mut usize, size: i32) -> Option<&'a [u8]> {
    let end = pos.checked_add(usize::try_from(size).ok()?)?;
    let read = bytes.get(*pos..end)?;
    *pos = end;
    Some(read)
}

/// Any negative size means null, as in Kafka.
fn read_nullable<'a>(bytes: &'a [u8], pos: &mut usize) -> Option<Option<&'a [u8]>> {
    let size = read_varint(bytes, pos)?;
    if size < 0 { Some(None) } else { read_sized(bytes, pos, size).map(Some) }
}

fn read_header<'a>(bytes: &'a [u8], pos: &mut usize) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let size = read_varint(bytes, pos)?;
    Some((read_sized(bytes, pos, size)?, read_nullable(bytes, pos)?))
}

/// What a record takes in a batch, its size field included.
pub fn record_size(
    offset_delta: i32,
    timestamp_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header],
) -> usize {
    let body = body_size(offset_delta, timestamp_delta, key, value, headers);
    // Saturating serves callers that only compare with a limit.
    size_of_varint(i32::try_from(body).unwrap_or(i32::MAX)) + body
}

fn body_size(
    offset_delta: i32,
    timestamp_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header],
) -> usize {
    let headers_size: usize =
        headers.iter().map(|header| nullable_size(Some(&header.key)) + nullable_size(header.value.as_deref())).sum();
    1 + size_of_varlong(timestamp_delta)
        + size_of_varint(offset_delta)
        + nullable_size(key)
        + nullable_size(value)
        + size_of_varint(headers.len() as i32)
        + headers_size
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| size_of_varint(bytes.len() as i32) + bytes.len())
}

/// The caller has made sure that all of it fits into an `i32`.
pub(super) fn write_record(
    out: &mut Vec<u8>,
    offset_delta: i32,
    timestamp_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header],
) {
    write_varint(out, body_size(offset_delta, timestamp_delta, key, value, headers) as i32);
    out.push(0);
    write_varlong(out, timestamp_delta);
    write_varint(out, offset_delta);
    write_nullable(out, key);
    write_nullable(out, value);
    write_varint(out, headers.len() as i32);
    for header in headers {
        write_nullable(out, Some(&header.key));
        write_nullable(out, header.value.as_deref());
    }
}

fn write_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        // -1 in zigzag.
        None => write_unsigned_varint(out, 1),
        Some(bytes) => {
            write_varint(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
    }
}
