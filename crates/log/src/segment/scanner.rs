//! Walks the batches of a segment's file.

use crate::error::invalid_data;
use bytes::Bytes;
use ottla_base::DiskFile;
use ottla_wire::records::{
    Batch, BatchHeader, HEADER_SIZE_UP_TO_MAGIC, LENGTH_OFFSET, LOG_OVERHEAD, RECORD_BATCH_OVERHEAD,
};
use std::io;
use std::sync::Arc;

/// Read at a time where only headers matter, in bytes: about the distance between two index entries.
pub(crate) const LOOKUP_CHUNK: usize = 8 << 10;
/// Read at a time where everything is read, in bytes.
pub(crate) const SCAN_CHUNK: usize = 1 << 20;

/// A batch and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    pub(crate) header: BatchHeader,
    pub(crate) position: u64,
}

impl Located {
    pub(crate) fn size(&self) -> u64 {
        self.header.size_in_bytes() as u64
    }

    pub(crate) fn end(&self) -> u64 {
        self.position + self.size()
    }
}

/// Yields batches one by one; a batch that is cut off by the end counts as not there.
pub(crate) struct Scanner {
    file: Arc<dyn DiskFile>,
    position: u64,
    end: u64,
    chunk: usize,
    buffer: Vec<u8>,
    buffer_start: u64,
}

impl Scanner {
    pub(crate) fn new(file: Arc<dyn DiskFile>, start: u64, end: u64, chunk: usize) -> Self {
        Scanner { file, position: start, end, chunk, buffer: Vec::new(), buffer_start: 0 }
    }

    /// `len` bytes at `position`, which must lie before the end.
    fn bytes(&mut self, position: u64, len: usize) -> io::Result<&[u8]> {
        let buffered =
            position >= self.buffer_start && position + len as u64 <= self.buffer_start + self.buffer.len() as u64;
        if !buffered {
            let want = (self.end - position).min(self.chunk.max(len) as u64) as usize;
            self.buffer.resize(want, 0);
            self.buffer_start = position;
            let read = self.file.read_at(&mut self.buffer, position)?;
            self.buffer.truncate(read);
            if read < len {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let start = (position - self.buffer_start) as usize;
        self.buffer.get(start..start + len).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The next batch. An error of kind `InvalidData` says that what is there cannot be one.
    pub(crate) fn next(&mut self) -> io::Result<Option<Located>> {
        let position = self.position;
        let left = self.end.saturating_sub(position);
        if left < HEADER_SIZE_UP_TO_MAGIC as u64 {
            return Ok(None);
        }
        let available = left.min(RECORD_BATCH_OVERHEAD as u64) as usize;
        let header_bytes = self.bytes(position, available)?;
        let length = header_bytes.get(LENGTH_OFFSET..).and_then(|bytes| bytes.first_chunk().copied());
        let length = i64::from(length.map_or(0, i32::from_be_bytes));
        if length >= 0 && length as u64 + LOG_OVERHEAD as u64 > left {
            return Ok(None);
        }
        let header = BatchHeader::parse(header_bytes)
            .map_err(|error| invalid_data(format!("at position {position}: {error}")))?;
        let found = Located { header, position };
        self.position = found.end();
        Ok(Some(found))
    }

    /// All the bytes of a batch that was just found.
    pub(crate) fn batch_bytes(&mut self, found: &Located) -> io::Result<&[u8]> {
        self.bytes(found.position, found.size() as usize)
    }

    pub(crate) fn batch(&mut self, found: &Located) -> io::Result<Batch> {
        let bytes = Bytes::copy_from_slice(self.batch_bytes(found)?);
        Ok(Batch { header: found.header, bytes })
    }
}
