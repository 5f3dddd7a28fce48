//! A segment: a file of batches and its indexes.

mod lookup;
mod recovery;
mod scanner;

pub(crate) use lookup::SegmentRead;
pub use lookup::TimestampAndOffset;
pub(crate) use recovery::{Replay, marker_of};
pub(crate) use scanner::{Located, SCAN_CHUNK, Scanner};

use crate::cached_file::{CachedFile, FileCache, LogDir};
use crate::config::LogConfig;
use crate::index::{AbortedTxn, OffsetIndex, TimeIndex, TimestampOffset, TxnIndex};
use crate::names::FileKind;
use ottla_base::{Offset, TimestampMs};
use ottla_wire::records::headers;
use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// So many of the latest batches are found without touching a file: where consumers and followers at
/// the end of the log read.
const TAIL_BATCHES: usize = 32;

/// A batch near the end.
#[derive(Clone, Copy)]
struct TailBatch {
    base_offset: Offset,
    last_offset: Offset,
    position: u64,
    size: u64,
}

/// What is known of a segment besides its bytes; loaded when first needed.
struct Indexes {
    offset: OffsetIndex,
    time: TimeIndex,
    txn: TxnIndex,
    /// The largest timestamp so far.
    max_timestamp: TimestampOffset,
    first_batch_timestamp: Option<TimestampMs>,
    bytes_since_entry: u64,
    /// The latest batches without a gap; empty when nothing was appended since opening.
    tail: VecDeque<TailBatch>,
}

/// One segment. Appends and truncations come from the log, which lets only one happen at a time; lookups may
/// come from any thread.
pub(crate) struct Segment {
    base_offset: Offset,
    cache: Arc<FileCache>,
    dir: Arc<LogDir>,
    file: Arc<CachedFile>,
    size: AtomicU64,
    created_ms: AtomicI64,
    /// Subtracted from `segment.ms`, so that not all partitions roll at once.
    roll_jitter_ms: i64,
    /// Whether what is in the files may not be on disk yet.
    opened_dirty: bool,
    indexes: Mutex<Option<Box<Indexes>>>,
}

pub(crate) struct RollCheck {
    pub(crate) bytes: u64,
    pub(crate) max_timestamp: TimestampMs,
    pub(crate) last_offset: Offset,
    pub(crate) now_ms: TimestampMs,
}

impl Segment {
    /// A segment whose file of `size` bytes exists. `dirty` after an unclean shutdown.
    pub(crate) fn open(
        cache: &Arc<FileCache>,
        dir: &Arc<LogDir>,
        base_offset: Offset,
        size: u64,
        config: &LogConfig,
        now_ms: TimestampMs,
        dirty: bool,
    ) -> Segment {
        Segment {
            base_offset,
            cache: cache.clone(),
            dir: dir.clone(),
            file: CachedFile::new(cache, dir, base_offset, FileKind::Log, dirty),
            size: AtomicU64::new(size),
            created_ms: AtomicI64::new(now_ms),
            roll_jitter_ms: roll_jitter(&dir.path().to_string_lossy(), base_offset, config),
            opened_dirty: dirty,
            indexes: Mutex::new(None),
        }
    }

    /// A new and empty segment.
    pub(crate) fn create(
        cache: &Arc<FileCache>,
        dir: &Arc<LogDir>,
        base_offset: Offset,
        config: &LogConfig,
        now_ms: TimestampMs,
    ) -> io::Result<Segment> {
        let segment = Segment::open(cache, dir, base_offset, 0, config, now_ms, true);
        segment.file.set_len(if config.preallocate { config.segment_bytes.max(0) as u64 } else { 0 })?;
        let indexes = segment.new_indexes()?;
        *segment.indexes.lock() = Some(indexes);
        Ok(segment)
    }

    fn index_file(&self, kind: FileKind) -> Arc<CachedFile> {
        CachedFile::new(&self.cache, &self.dir, self.base_offset, kind, self.opened_dirty)
    }

    fn new_indexes(&self) -> io::Result<Box<Indexes>> {
        Ok(Box::new(Indexes {
            offset: OffsetIndex::create(self.index_file(FileKind::OffsetIndex), self.base_offset)?,
            time: TimeIndex::create(self.index_file(FileKind::TimeIndex), self.base_offset)?,
            txn: TxnIndex::create(self.index_file(FileKind::TxnIndex))?,
            max_timestamp: TimestampOffset { timestamp: -1, offset: self.base_offset },
            first_batch_timestamp: None,
            bytes_since_entry: 0,
            tail: VecDeque::new(),
        }))
    }

    /// Runs `f` on the indexes, which are loaded if they are not yet.
    fn with_indexes<T>(&self, f: impl FnOnce(&mut Indexes) -> io::Result<T>) -> io::Result<T> {
        let mut slot: MutexGuard<'_, Option<Box<Indexes>>> = self.indexes.lock();
        let indexes = match &mut *slot {
            Some(indexes) => indexes,
            empty => {
                let time = TimeIndex::open(self.index_file(FileKind::TimeIndex), self.base_offset)?;
                empty.insert(Box::new(Indexes {
                    offset: OffsetIndex::open(self.index_file(FileKind::OffsetIndex), self.base_offset)?,
                    txn: TxnIndex::open(self.index_file(FileKind::TxnIndex), self.base_offset)?,
                    // A segment that is closed ends its time index with its largest timestamp.
                    max_timestamp: time.last(),
                    time,
                    first_batch_timestamp: None,
                    bytes_since_entry: 0,
                    tail: VecDeque::new(),
                }))
            }
        };
        f(indexes)
    }

    pub(crate) fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// In bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn file(&self) -> &Arc<CachedFile> {
        &self.file
    }

    fn scanner(&self, start: u64, chunk: usize) -> io::Result<Scanner> {
        Ok(Scanner::new(self.file.get()?, start, self.size(), chunk))
    }

    /// The batches from `start` on, for reading all of them.
    pub(crate) fn scan(&self, start: u64) -> io::Result<Scanner> {
        self.scanner(start, SCAN_CHUNK)
    }

    /// Whether the indexes can hold this offset.
    pub(crate) fn takes_offset(&self, offset: Offset) -> bool {
        offset >= self.base_offset && offset - self.base_offset <= i64::from(i32::MAX)
    }

    pub(crate) fn should_roll(&self, config: &LogConfig, check: &RollCheck) -> io::Result<bool> {
        let size = self.size();
        if size + check.bytes > config.segment_bytes.max(0) as u64 || !self.takes_offset(check.last_offset) {
            return Ok(true);
        }
        let full = self.with_indexes(|indexes| {
            Ok(indexes.offset.entries() >= config.max_offset_index_entries()
                || indexes.time.entries() + 1 >= config.max_time_index_entries())
        })?;
        if full || size == 0 {
            return Ok(full);
        }
        let waited = match self.first_batch_timestamp()? {
            Some(first) if first >= 0 => check.max_timestamp.saturating_sub(first),
            _ => check.now_ms.saturating_sub(self.created_ms.load(Ordering::Relaxed)),
        };
        Ok(waited > config.max_segment_ms() - self.roll_jitter_ms)
    }

    /// The largest timestamp of the first batch.
    pub(crate) fn first_batch_timestamp(&self) -> io::Result<Option<TimestampMs>> {
        if let Some(known) = self.with_indexes(|indexes| Ok(indexes.first_batch_timestamp))? {
            return Ok(Some(known));
        }
        let first = self.scanner(0, scanner::LOOKUP_CHUNK)?.next()?.map(|found| found.header.max_timestamp);
        self.with_indexes(|indexes| {
            indexes.first_batch_timestamp = first;
            Ok(first)
        })
    }

    /// Appends whole batches, whose offsets all fit in.
    pub(crate) fn append(&self, bytes: &[u8], index_interval_bytes: u64) -> io::Result<()> {
        let start = self.size();
        self.file.write_at(bytes, start)?;
        self.with_indexes(|indexes| {
            let mut position = start;
            for found in headers(bytes) {
                let Ok((header, _)) = found else { break };
                let found = Located { header, position };
                indexes.note_batch(&found, index_interval_bytes)?;
                position = found.end();
            }
            Ok(())
        })?;
        self.size.store(start + bytes.len() as u64, Ordering::Release);
        Ok(())
    }

    pub(crate) fn append_aborted(&self, txn: AbortedTxn) -> io::Result<()> {
        self.with_indexes(|indexes| indexes.txn.append(txn))
    }

    /// -1 when the segment has none.
    pub(crate) fn max_timestamp(&self) -> io::Result<TimestampMs> {
        self.with_indexes(|indexes| Ok(indexes.max_timestamp.timestamp))
    }

    /// By which retention judges; without timestamps, that is when the segment was first seen.
    pub(crate) fn largest_timestamp(&self) -> io::Result<TimestampMs> {
        let timestamp = self.max_timestamp()?;
        Ok(if timestamp >= 0 { timestamp } else { self.created_ms.load(Ordering::Relaxed) })
    }

    /// No more appends will come.
    pub(crate) fn become_inactive(&self) -> io::Result<()> {
        self.with_indexes(|indexes| {
            indexes.time.maybe_append(indexes.max_timestamp)?;
            indexes.offset.trim()?;
            indexes.time.trim()?;
            indexes.tail = VecDeque::new();
            Ok(())
        })?;
        // A file that was allocated in full is cut to what was used.
        if self.file.get()?.len()? != self.size() {
            self.file.set_len(self.size())?;
        }
        Ok(())
    }

    /// Everything appended before the call is on disk when this returns. Holds no lock while it waits.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let index_files = {
            let mut slot = self.indexes.lock();
            match &mut *slot {
                Some(indexes) => {
                    indexes.offset.write()?;
                    indexes.time.write()?;
                    vec![indexes.offset.file().clone(), indexes.time.file().clone(), indexes.txn.file().clone()]
                }
                None => Vec::new(),
            }
        };
        self.file.sync()?;
        for file in index_files {
            if file.get_existing()?.is_some() {
                file.sync()?;
            }
        }
        Ok(())
    }

    /// Leaves the files as a clean shutdown does, and gives up all handles.
    pub(crate) fn close(&self) -> io::Result<()> {
        let loaded = self.indexes.lock().is_some();
        if loaded {
            self.become_inactive()?;
            self.flush()?;
        }
        self.release();
        Ok(())
    }

    /// Gives up handles and memory. Only what is flushed survives.
    pub(crate) fn release(&self) {
        if let Some(indexes) = self.indexes.lock().take() {
            indexes.offset.file().close();
            indexes.time.file().close();
            indexes.txn.file().close();
        }
        self.file.close();
    }

    /// Cuts off the batch with `offset` and all that follow. Returns the bytes cut.
    pub(crate) fn truncate_to(&self, offset: Offset) -> io::Result<u64> {
        let size = self.size();
        let new_size = self.locate(offset)?.map_or(size, |found| found.position);
        // Readers must not look for what is going to disappear.
        self.size.store(new_size, Ordering::Release);
        self.with_indexes(|indexes| {
            indexes.offset.truncate_to(offset)?;
            indexes.time.truncate_to(offset)?;
            indexes.txn.truncate_to(offset)?;
            indexes.tail.clear();
            indexes.bytes_since_entry = 0;
            if new_size == 0 {
                indexes.first_batch_timestamp = None;
            }
            Ok(())
        })?;
        self.file.set_len(new_size)?;
        self.reload_max_timestamp()?;
        Ok(size - new_size)
    }

    /// From the time index, and the batches after its last entry.
    fn reload_max_timestamp(&self) -> io::Result<()> {
        let (mut max, start) = self.with_indexes(|indexes| {
            let last = indexes.time.last();
            Ok((last, indexes.offset.lookup(last.offset)?.position))
        })?;
        let mut scanner = self.scanner(u64::from(start), scanner::LOOKUP_CHUNK)?;
        while let Some(found) = scanner.next()? {
            if found.header.max_timestamp > max.timestamp {
                max = TimestampOffset { timestamp: found.header.max_timestamp, offset: found.header.last_offset() };
            }
        }
        self.with_indexes(|indexes| {
            indexes.max_timestamp = max;
            Ok(())
        })
    }

    /// Marks the files for deletion. Those who read them may finish.
    pub(crate) fn rename_to_deleted(&self) -> io::Result<()> {
        self.release_indexes();
        self.file.rename_to_deleted()?;
        for kind in [FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex] {
            self.index_file(kind).rename_to_deleted()?;
        }
        Ok(())
    }

    /// Gives up handles and memory of a segment whose directory is going to be deleted.
    pub(crate) fn discard(&self) {
        self.release_indexes();
        self.file.discard();
    }

    fn release_indexes(&self) {
        *self.indexes.lock() = None;
    }
}

impl Indexes {
    /// Takes in a batch that follows all others.
    fn note_batch(&mut self, found: &Located, index_interval_bytes: u64) -> io::Result<()> {
        let last_offset = found.header.last_offset();
        if found.header.max_timestamp > self.max_timestamp.timestamp {
            self.max_timestamp = TimestampOffset { timestamp: found.header.max_timestamp, offset: last_offset };
        }
        if found.position == 0 {
            self.first_batch_timestamp = Some(found.header.max_timestamp);
        }
        if self.bytes_since_entry > index_interval_bytes {
            self.offset.append(last_offset, found.position as u32)?;
            self.time.maybe_append(self.max_timestamp)?;
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += found.size();
        if self.tail.len() == TAIL_BATCHES {
            self.tail.pop_front();
        }
        self.tail.push_back(TailBatch {
            base_offset: found.header.base_offset,
            last_offset,
            position: found.position,
            size: found.size(),
        });
        Ok(())
    }
}

/// Differs between partitions and segments, but not from run to run.
fn roll_jitter(dir: &str, base_offset: Offset, config: &LogConfig) -> i64 {
    let limit = config.segment_jitter_ms.min(config.segment_ms);
    if limit <= 0 {
        return 0;
    }
    let seed = i64::from(ottla_base::java_string_hash(dir)) ^ base_offset.rotate_left(32);
    let mixed = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
    mixed as i64 % limit
}

/// Deletes the files of a segment that were marked for it.
pub(crate) fn delete_marked(cache: &FileCache, dir: &LogDir, base_offset: Offset) -> io::Result<()> {
    for kind in FileKind::OF_SEGMENT {
        let path = dir.file(&(crate::names::file_name(base_offset, kind) + crate::names::DELETED));
        match cache.disk.remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
