//! Walking the records of a compressed batch while it is being decompressed, in little memory: the
//! broker checks what clients produce this way, and a client may well compress a thousandfold.

use super::decoder::Decoder;
use super::header::BatchHeader;
use super::record::RecordView;
use super::varint::{read_varint, read_varlong};
use super::{Compression, RecordsError};

/// Larger records, in bytes, are skipped through instead of being held as a whole.
const LARGE: usize = 64 * 1024;
/// Of any number.
const MAX_VARINT: usize = 10;

/// What matters of a record without its contents.
pub(super) struct Outline {
    pub(super) offset_delta: i32,
    pub(super) timestamp_delta: i64,
    pub(super) has_key: bool,
}

impl From<RecordView<'_>> for Outline {
    fn from(view: RecordView<'_>) -> Outline {
        Outline { offset_delta: view.offset_delta, timestamp_delta: view.timestamp_delta, has_key: view.key.is_some() }
    }
}

pub(super) struct RecordStream<'a> {
    base_offset: i64,
    decoder: Decoder<'a>,
    buffer: &'a mut Vec<u8>,
    pos: usize,
    ended: bool,
}

impl<'a> RecordStream<'a> {
    /// `buffer` is working space; its capacity is worth keeping.
    pub(super) fn new(
        header: &BatchHeader,
        codec: Compression,
        payload: &'a [u8],
        buffer: &'a mut Vec<u8>,
        limit: usize,
    ) -> Result<RecordStream<'a>, RecordsError> {
        buffer.clear();
        let decoder = Decoder::new(header.magic, codec, payload, limit, false)?;
        Ok(RecordStream { base_offset: header.base_offset, decoder, buffer, pos: 0, ended: false })
    }

    /// What is ready: at least `size` bytes, unless the records end before.
    fn ready(&mut self, size: usize) -> Result<&[u8], RecordsError> {
        if self.buffer.len() - self.pos < size && !self.ended {
            self.buffer.drain(..self.pos);
            self.pos = 0;
            while self.buffer.len() < size && !self.ended {
                self.ended = !self.decoder.fill(self.buffer)?;
            }
        }
        Ok(self.buffer.get(self.pos..).unwrap_or_default())
    }

    fn invalid(&self, reason: &str) -> RecordsError {
        RecordsError::invalid(self.base_offset, reason)
    }

    pub(super) fn next_record(&mut self) -> Result<Outline, RecordsError> {
        let mut pos = 0;
        let size = read_varint(self.ready(MAX_VARINT)?, &mut pos);
        let size = size.ok_or_else(|| self.invalid("the records end before their count is reached"))?;
        let size = usize::try_from(size).map_err(|_| self.invalid("a record has a negative size"))?;
        if size > LARGE {
            self.pos += pos;
            return self.large_record(size);
        }
        let mut read = 0;
        let outline = RecordView::parse(self.ready(pos + size)?, &mut read).map(Outline::from);
        self.pos += read;
        outline.map_err(|reason| self.invalid(reason))
    }

    fn large_record(&mut self, mut left: usize) -> Result<Outline, RecordsError> {
        self.skip(1, &mut left)?;
        let timestamp_delta = self.number(read_varlong, &mut left)?;
        let offset_delta = self.number(read_varint, &mut left)?;
        let has_key = self.skip_nullable(&mut left)?;
        self.skip_nullable(&mut left)?;
        let headers = self.number(read_varint, &mut left)?;
        if headers < 0 {
            return Err(self.invalid("a record counts its headers negative"));
        }
        for _ in 0..headers {
            let size = self.number(read_varint, &mut left)?;
            let size = usize::try_from(size).map_err(|_| self.invalid("a header has a negative size"))?;
            self.skip(size, &mut left)?;
            self.skip_nullable(&mut left)?;
        }
        if left != 0 {
            return Err(self.invalid("a record is larger than its fields"));
        }
        Ok(Outline { offset_delta, timestamp_delta, has_key })
    }

    fn number<T>(&mut self, read: fn(&[u8], &mut usize) -> Option<T>, left: &mut usize) -> Result<T, RecordsError> {
        let ready = self.ready(MAX_VARINT.min(*left))?;
        let mut size = 0;
        let value = read(ready.get(..*left).unwrap_or(ready), &mut size);
        self.pos += size;
        *left -= size;
        value.ok_or_else(|| self.invalid("a record's fields do not fit into its size"))
    }

    /// Whether it was there.
    fn skip_nullable(&mut self, left: &mut usize) -> Result<bool, RecordsError> {
        let size = self.number(read_varint, left)?;
        if let Ok(size) = usize::try_from(size) {
            self.skip(size, left)?;
        }
        Ok(size >= 0)
    }

    fn skip(&mut self, mut size: usize, left: &mut usize) -> Result<(), RecordsError> {
        *left = left.checked_sub(size).ok_or_else(|| self.invalid("a record's fields do not fit into its size"))?;
        while size > 0 {
            let step = self.ready(1)?.len().min(size);
            if step == 0 {
                return Err(self.invalid("a record is larger than the rest of its batch"));
            }
            self.pos += step;
            size -= step;
        }
        Ok(())
    }

    /// To be called after the last record. Returns the decompressed size in bytes.
    pub(super) fn finish(mut self) -> Result<usize, RecordsError> {
        if !self.ready(1)?.is_empty() {
            return Err(self.invalid("bytes remain after the last record"));
        }
        Ok(self.decoder.produced())
    }
}
