//! Finding batches and records in a segment.

use super::scanner::{LOOKUP_CHUNK, Located};
use super::{Segment, TailBatch};
use crate::error::invalid_data;
use crate::index::AbortedTxn;
use ottla_base::{LeaderEpoch, Offset, TimestampMs};
use std::io;

/// Where a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchPosition {
    pub(crate) base_offset: Offset,
    pub(crate) position: u64,
    pub(crate) size: u64,
}

/// The stretch of a segment that answers a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentRead {
    pub(crate) first: BatchPosition,
    /// In bytes.
    pub(crate) len: u64,
}

/// A record found by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampAndOffset {
    pub timestamp: TimestampMs,
    pub offset: Offset,
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Segment {
    /// The first batch that ends at `offset` or above.
    pub(crate) fn locate(&self, offset: Offset) -> io::Result<Option<BatchPosition>> {
        let (tail, start) = self.with_indexes(|indexes| {
            let tail = in_tail(indexes.tail.make_contiguous(), offset);
            let start = if tail.is_none() { indexes.offset.lookup(offset)?.position } else { 0 };
            Ok((tail, start))
        })?;
        if let Some(found) = tail {
            return Ok(found.map(|batch| BatchPosition {
                base_offset: batch.base_offset,
                position: batch.position,
                size: batch.size,
            }));
        }
        let mut scanner = self.scanner(u64::from(start), LOOKUP_CHUNK)?;
        while let Some(found) = scanner.next()? {
            if found.header.last_offset() >= offset {
                return Ok(Some(position_of(&found)));
            }
        }
        Ok(None)
    }

    /// From the batch with `offset` on, at most `max_bytes` but at least that batch if `min_one`, ending at
    /// `end_position`. `None` when there is no such batch.
    pub(crate) fn read(
        &self,
        offset: Offset,
        max_bytes: u64,
        end_position: u64,
        min_one: bool,
    ) -> io::Result<Option<SegmentRead>> {
        let Some(first) = self.locate(offset)? else { return Ok(None) };
        let max_bytes = if min_one { max_bytes.max(first.size) } else { max_bytes };
        let end = end_position.min(self.size());
        Ok(Some(SegmentRead { first, len: max_bytes.min(end.saturating_sub(first.position)) }))
    }

    /// An offset above all that a read of `len` bytes from `first` can have returned. `None` when it may reach to
    /// the end of the segment.
    pub(crate) fn upper_bound(&self, first: &BatchPosition, len: u64) -> io::Result<Option<Offset>> {
        let end = first.position + len;
        self.with_indexes(|indexes| Ok(indexes.offset.first_at_position(end)?.map(|entry| entry.offset)))
    }

    /// The offset after the last record.
    pub(crate) fn next_offset(&self) -> io::Result<Offset> {
        let start = self.with_indexes(|indexes| Ok(indexes.offset.last().map_or(0, |entry| entry.position)))?;
        let mut next = None;
        let mut scanner = self.scanner(u64::from(start), LOOKUP_CHUNK)?;
        while let Some(found) = scanner.next()? {
            next = Some(found.header.next_offset());
        }
        Ok(next.unwrap_or(self.base_offset))
    }

    /// The first record at `from_offset` or above that has at least this timestamp.
    pub(crate) fn find_timestamp(
        &self,
        timestamp: TimestampMs,
        from_offset: Offset,
    ) -> io::Result<Option<TimestampAndOffset>> {
        let start = self.with_indexes(|indexes| {
            let entry = indexes.time.lookup(timestamp)?;
            Ok(indexes.offset.lookup(entry.offset.max(from_offset))?.position)
        })?;
        let mut scanner = self.scanner(u64::from(start), LOOKUP_CHUNK)?;
        while let Some(found) = scanner.next()? {
            if found.header.max_timestamp < timestamp || found.header.last_offset() < from_offset {
                continue;
            }
            let wrong = |error| invalid_data(format!("{}: {error}", self.file.path().display()));
            for record in scanner.batch(&found)?.records().map_err(wrong)? {
                let record = record.map_err(wrong)?;
                if record.timestamp >= timestamp && record.offset >= from_offset {
                    return Ok(Some(TimestampAndOffset {
                        timestamp: record.timestamp,
                        offset: record.offset,
                        leader_epoch: epoch_of(&found),
                    }));
                }
            }
        }
        Ok(None)
    }

    /// The first record with the segment's largest timestamp.
    pub(crate) fn find_max_timestamp(&self) -> io::Result<Option<TimestampAndOffset>> {
        let (max, start) = self.with_indexes(|indexes| {
            let max = indexes.max_timestamp;
            Ok((max, indexes.offset.lookup(max.offset)?.position))
        })?;
        let mut scanner = self.scanner(u64::from(start), LOOKUP_CHUNK)?;
        while let Some(found) = scanner.next()? {
            if found.header.max_timestamp != max.timestamp {
                continue;
            }
            let wrong = |error| invalid_data(format!("{}: {error}", self.file.path().display()));
            for record in scanner.batch(&found)?.records().map_err(wrong)? {
                let record = record.map_err(wrong)?;
                if record.timestamp == max.timestamp {
                    return Ok(Some(TimestampAndOffset {
                        timestamp: record.timestamp,
                        offset: record.offset,
                        leader_epoch: epoch_of(&found),
                    }));
                }
            }
        }
        Ok(None)
    }

    /// As `TxnIndex::collect`.
    pub(crate) fn collect_aborted(&self, from: Offset, to: Offset, found: &mut Vec<AbortedTxn>) -> io::Result<bool> {
        self.with_indexes(|indexes| Ok(indexes.txn.collect(from, to, found)))
    }
}

/// The batch in the tail, `Some(None)` if the tail shows that there is none.
fn in_tail(tail: &[TailBatch], offset: Offset) -> Option<Option<TailBatch>> {
    let first = tail.first()?;
    if offset < first.base_offset {
        return None;
    }
    let at = tail.partition_point(|batch| batch.last_offset < offset);
    Some(tail.get(at).copied())
}

fn position_of(found: &Located) -> BatchPosition {
    BatchPosition { base_offset: found.header.base_offset, position: found.position, size: found.size() }
}

fn epoch_of(found: &Located) -> Option<LeaderEpoch> {
    Some(found.header.partition_leader_epoch).filter(|epoch| *epoch >= 0)
}
