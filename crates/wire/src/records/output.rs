//! Where decompressed bytes go, and how many may.

use super::{Compression, RecordsError};

/// A buffer that grows no further than its limit, counted from the start of the data, even when parts
/// of it have been taken out in between.
pub(super) struct Output<'a> {
    buffer: &'a mut Vec<u8>,
    codec: Compression,
    limit: usize,
    produced: usize,
}

impl<'a> Output<'a> {
    /// Goes on behind what was `produced` before.
    pub(super) fn new(buffer: &'a mut Vec<u8>, codec: Compression, limit: usize, produced: usize) -> Output<'a> {
        Output { buffer, codec, limit, produced }
    }

    pub(super) fn room(&self) -> usize {
        self.limit - self.produced
    }

    pub(super) fn produced(&self) -> usize {
        self.produced
    }

    pub(super) fn too_large(&self) -> RecordsError {
        RecordsError::TooLarge { codec: self.codec, limit: self.limit }
    }

    /// `size` more bytes, to be written.
    pub(super) fn claim(&mut self, size: usize) -> Result<&mut [u8], RecordsError> {
        if size > self.room() {
            return Err(self.too_large());
        }
        let start = self.buffer.len();
        if self.buffer.capacity() - start < size {
            // Doubling as a vector does, but not past the limit.
            self.buffer.reserve_exact(start.max(size).min(self.room()));
        }
        self.buffer.resize(start + size, 0);
        self.produced += size;
        Ok(self.buffer.get_mut(start..).unwrap_or_default())
    }

    /// Of the last claim, what remained unused.
    pub(super) fn give_back(&mut self, size: usize) {
        self.buffer.truncate(self.buffer.len() - size);
        self.produced -= size;
    }

    /// For who fills an empty buffer by himself.
    pub(super) fn whole(&mut self) -> Option<&mut Vec<u8>> {
        (self.produced == 0 && self.buffer.is_empty()).then_some(&mut *self.buffer)
    }

    pub(super) fn filled_whole(&mut self) {
        self.produced = self.buffer.len();
    }
}
