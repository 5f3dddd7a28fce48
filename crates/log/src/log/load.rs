//! Opening a log: taking stock of its directory, and recovery after a crash.

use super::{Log, LogParams, OffsetMetadata, OpenLog};
use crate::epochs::LeaderEpochs;
use crate::error::{Context, Result};
use crate::files::checkpoint;
use crate::names::{self, FileKind};
use crate::producer::ProducerStates;
use crate::segment::{Replay, Segment, marker_of};
use ottla_base::{DirEntry, LeaderEpoch, Offset};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// Opens the log of an existing directory, or makes one.
pub(super) fn load(log: &Log, params: &LogParams) -> Result<OpenLog> {
    let dir = log.dir.path();
    let mut loader = Loader { log, params, entries: Vec::new(), last_epoch: -1 };
    loader.load().doing("loading the log in", &dir)
}

struct Loader<'a> {
    log: &'a Log,
    params: &'a LogParams,
    entries: Vec<DirEntry>,
    /// Of the last batch that recovery read.
    last_epoch: LeaderEpoch,
}

impl Loader<'_> {
    fn load(&mut self) -> io::Result<OpenLog> {
        let dir = self.log.dir.path();
        self.entries = match self.log.disk().read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.log.disk().create_dir_all(&dir)?;
                if let Some(parent) = dir.parent() {
                    self.log.disk().sync_dir(parent)?;
                }
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        self.tidy_up()?;
        let mut open = self.empty_log()?;
        self.find_segments(&mut open)?;
        if !self.params.clean_shutdown {
            self.recover_unflushed(&mut open)?;
        }
        self.find_end(&mut open)?;
        open.recovery_point = match self.params.clean_shutdown {
            true => open.end_offset,
            false => self.params.recovery_point.min(open.end_offset),
        };
        // The file may stay as it is: this happens at every start, and with the next epoch it is written anew.
        open.epochs.truncate_from_end(open.end_offset);
        open.epochs.truncate_from_start(self.params.log_start_offset);
        let bases: BTreeSet<Offset> = open.segments.iter().map(|segment| segment.base_offset()).collect();
        open.producers = self.new_producers()?;
        open.producers.remove_stray_snapshots(self.log.disk(), &self.log.dir, &bases)?;
        rebuild_producers(self.log, &mut open, self.params.clean_shutdown)?;
        open.set_high_watermark(self.params.high_watermark);
        let start = open.log_start_offset;
        open.set_log_start_offset(start);
        Ok(open)
    }

    fn empty_log(&self) -> io::Result<OpenLog> {
        let log = self.log;
        let path = log.dir.file(names::LEADER_EPOCH_CHECKPOINT);
        let epochs = LeaderEpochs::from_entries(checkpoint::read_epochs(log.disk(), &path)?);
        let now_ms = log.context.now_ms();
        Ok(OpenLog {
            config: self.params.config.clone(),
            segments: Vec::new(),
            log_start_offset: self.params.log_start_offset,
            end_offset: 0,
            recovery_point: 0,
            high_watermark: OffsetMetadata { offset: 0, location: None },
            first_unstable: None,
            epochs,
            // Kafka has this file in every directory.
            epochs_dirty: !self.entries.iter().any(|entry| entry.name == names::LEADER_EPOCH_CHECKPOINT),
            producers: ProducerStates::new(log.context.producers, BTreeSet::new()),
            unsynced_snapshots: Vec::new(),
            deletions: Vec::new(),
            last_flush_ms: now_ms,
            last_used_ms: now_ms,
            rolled_unflushed: false,
            truncations: 0,
            failed: None,
        })
    }

    /// With the snapshots that are there now: recovery makes some, and deletes some.
    fn new_producers(&self) -> io::Result<ProducerStates> {
        let mut snapshots: BTreeSet<Offset> = BTreeSet::new();
        for entry in self.log.disk().read_dir(&self.log.dir.path())? {
            snapshots.extend(names::parse_file_name(&entry.name, FileKind::Snapshot));
        }
        Ok(ProducerStates::new(self.log.context.producers, snapshots))
    }

    // --- leftovers ---

    fn remove(&self, name: &str) -> io::Result<()> {
        tracing::info!("{}: removing left-over file {name}", self.log.dir.path().display());
        self.log.disk().remove_file(&self.log.dir.file(name))
    }

    /// Finishes what a crash interrupted: deletions are carried out, the replacement of segments by compacted ones
    /// is completed if it had got as far as `.swap`, and undone if it had not.
    fn tidy_up(&mut self) -> io::Result<()> {
        let mut min_cleaned = Offset::MAX;
        let mut swaps = Vec::new();
        let mut cleaned = Vec::new();
        let mut kept = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            let offset = names::parse_offset(&entry.name).map(|(offset, _)| offset);
            if entry.is_dir {
                continue;
            } else if entry.name.ends_with(names::DELETED) && !entry.name.ends_with(names::DELETED_CHECKPOINT) {
                self.remove(&entry.name)?;
            } else if entry.name.ends_with(names::CLEANED) {
                min_cleaned = min_cleaned.min(offset.unwrap_or(Offset::MAX));
                cleaned.push(entry.name);
            } else if entry.name.ends_with(names::SWAP) {
                swaps.push(entry);
            } else {
                kept.push(entry);
            }
        }
        self.entries = kept;
        // A segment was being split, and not all parts of it got their place: the original is still there.
        let (swaps, invalid): (Vec<DirEntry>, Vec<DirEntry>) = swaps
            .into_iter()
            .partition(|entry| names::parse_offset(&entry.name).is_some_and(|(offset, _)| offset < min_cleaned));
        for name in invalid.iter().map(|entry| &entry.name).chain(&cleaned) {
            self.remove(name)?;
        }
        if swaps.is_empty() { Ok(()) } else { self.complete_swap(swaps) }
    }

    fn complete_swap(&mut self, swaps: Vec<DirEntry>) -> io::Result<()> {
        let (mut min, mut max) = (Offset::MAX, Offset::MIN);
        let mut renamed = Vec::new();
        for mut entry in swaps {
            let name = entry.name.trim_end_matches(names::SWAP).to_owned();
            if let Some(base_offset) = names::parse_file_name(&name, FileKind::Log) {
                min = min.min(base_offset);
                max = max.max(self.next_offset_of(&entry, base_offset)?);
            }
            renamed.push((entry.name.clone(), name.clone()));
            entry.name = name;
            self.entries.push(entry);
        }
        let replaced = |name: &str| {
            names::parse_offset(name).is_some_and(|(offset, _)| (min..max).contains(&offset))
                && !renamed.iter().any(|(_, to)| to == name)
        };
        let (gone, kept) = std::mem::take(&mut self.entries).into_iter().partition(|entry| replaced(&entry.name));
        self.entries = kept;
        let gone: Vec<DirEntry> = gone;
        for entry in &gone {
            self.remove(&entry.name)?;
        }
        for (from, to) in &renamed {
            self.log.disk().rename(&self.log.dir.file(from), &self.log.dir.file(to))?;
        }
        // Of files that were there under both names, what was swapped in counts.
        let mut seen = BTreeSet::new();
        self.entries.reverse();
        self.entries.retain(|entry| seen.insert(entry.name.clone()));
        Ok(())
    }

    /// The offset after the last record of a segment whose file is not in place yet.
    fn next_offset_of(&self, entry: &DirEntry, base_offset: Offset) -> io::Result<Offset> {
        let file = self.log.disk().open(&self.log.dir.file(&entry.name), ottla_base::OpenMode::Read)?;
        let mut scanner = crate::segment::Scanner::new(file, 0, entry.len, crate::segment::SCAN_CHUNK);
        let mut next = base_offset;
        while let Some(found) = scanner.next()? {
            next = found.header.next_offset();
        }
        Ok(next)
    }

    // --- segments ---

    fn find_segments(&mut self, open: &mut OpenLog) -> io::Result<()> {
        let mut segments: Vec<(Offset, u64)> = self
            .entries
            .iter()
            .filter_map(|entry| Some((names::parse_file_name(&entry.name, FileKind::Log)?, entry.len)))
            .collect();
        segments.sort_unstable();
        let names: BTreeSet<String> = self.entries.iter().map(|entry| entry.name.clone()).collect();
        for name in &names {
            let index_of = [FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TxnIndex]
                .into_iter()
                .find_map(|kind| names::parse_file_name(name, kind));
            if index_of.is_some_and(|offset| segments.binary_search_by_key(&offset, |(base, _)| *base).is_err()) {
                self.remove(name)?;
            }
        }
        let log = self.log;
        let dirty = !self.params.clean_shutdown;
        for (base_offset, len) in &segments {
            if *len > i32::MAX as u64 {
                let name = names::file_name(*base_offset, FileKind::Log);
                let path = log.dir.file(&name);
                let what = format!("{} has {len} bytes; a segment has at most {}", path.display(), i32::MAX);
                return Err(crate::error::invalid_data(what));
            }
            let now_ms = log.context.now_ms();
            let segment = Segment::open(&log.context.files, &log.dir, *base_offset, *len, &open.config, now_ms, dirty);
            open.segments.push(Arc::new(segment));
        }
        let first_unflushed = self.first_unflushed(open);
        for (at, (base_offset, len)) in segments.iter().enumerate() {
            let has_index = names.contains(&names::file_name(*base_offset, FileKind::OffsetIndex));
            let will_be_read = dirty && at >= first_unflushed;
            if !has_index && *len > 0 && !will_be_read {
                tracing::warn!("{}: segment {base_offset} has no index, making it anew", log.dir.path().display());
                self.recover_segment(open, at)?;
            }
        }
        Ok(())
    }

    /// The first segment that may have records beyond the recovery point.
    fn first_unflushed(&self, open: &OpenLog) -> usize {
        open.segments.partition_point(|s| s.base_offset() <= self.params.recovery_point).saturating_sub(1)
    }

    fn recover_unflushed(&mut self, open: &mut OpenLog) -> io::Result<()> {
        let mut at = self.first_unflushed(open);
        while at < open.segments.len() {
            if self.recover_segment(open, at)? > 0 || self.gap_after(open, at)? {
                // What follows a damaged batch does not follow the log's end.
                for segment in open.segments.split_off(at + 1) {
                    tracing::warn!(
                        "{}: removing segment {}, as what came before it is not complete",
                        self.log.dir.path().display(),
                        segment.base_offset()
                    );
                    segment.rename_to_deleted()?;
                    crate::segment::delete_marked(&self.log.context.files, &self.log.dir, segment.base_offset())?;
                }
            }
            at += 1;
        }
        Ok(())
    }

    /// Whether the end of this segment, or the next one, did not get to the disk, though a later one did. In a
    /// compacted log there may always be gaps.
    fn gap_after(&self, open: &OpenLog, at: usize) -> io::Result<bool> {
        match (open.segments.get(at), open.segments.get(at + 1)) {
            (Some(segment), Some(next)) if !open.config.cleanup_policy.compact => {
                Ok(segment.next_offset()? != next.base_offset())
            }
            _ => Ok(false),
        }
    }

    /// Reads one segment through. Returns the bytes that had to be cut off.
    fn recover_segment(&mut self, open: &mut OpenLog, at: usize) -> io::Result<u64> {
        let Some(segment) = open.segments.get(at).cloned() else { return Ok(0) };
        tracing::info!("{}: recovering segment {}", self.log.dir.path().display(), segment.base_offset());
        let later = open.segments.split_off(at);
        open.producers = self.new_producers()?;
        let end = segment.base_offset();
        rebuild_to(self.log, open, end, false)?;
        open.segments.extend(later);
        let mut replay = Replay {
            partition: &self.log.partition,
            epochs: &mut open.epochs,
            producers: &mut open.producers,
            last_epoch: self.last_epoch,
        };
        let interval = open.config.index_interval_bytes.max(0) as u64;
        let before = replay.epochs.entries().to_vec();
        let cut = segment.recover(interval, &mut replay)?;
        if cut > 0 || segment.size() > 0 {
            // After the next crash nobody may look at it again: what was cut off must not come back, and the new
            // index must be whole.
            segment.flush()?;
        }
        self.last_epoch = replay.last_epoch;
        open.epochs_dirty |= open.epochs.entries() != before;
        // So that the next segment's recovery need not read this one.
        open.producers.take_snapshot(self.log.disk(), &self.log.dir)?;
        Ok(cut)
    }

    fn find_end(&self, open: &mut OpenLog) -> io::Result<()> {
        let log = self.log;
        let start = self.params.log_start_offset;
        if let Some(last) = open.segments.last() {
            let end = last.next_offset()?;
            if end < start {
                tracing::warn!(
                    "{}: the log ends at {end}, below its start {start}: files must have been removed; beginning anew",
                    log.dir.path().display()
                );
                for segment in std::mem::take(&mut open.segments) {
                    segment.rename_to_deleted()?;
                    crate::segment::delete_marked(&log.context.files, &log.dir, segment.base_offset())?;
                }
                open.epochs_dirty |= open.epochs.clear();
            }
            open.end_offset = end;
        }
        if open.segments.is_empty() {
            let now_ms = log.context.now_ms();
            let segment = Segment::create(&log.context.files, &log.dir, start, &open.config, now_ms)?;
            open.segments.push(Arc::new(segment));
            open.end_offset = start;
        }
        let first = open.segments.first().map_or(start, |segment| segment.base_offset());
        open.log_start_offset = start.max(first);
        Ok(())
    }
}

/// Brings the producer state to the end of the log: from the latest snapshot, and the batches after it.
pub(super) fn rebuild_producers(log: &Log, open: &mut OpenLog, clean_shutdown: bool) -> io::Result<()> {
    rebuild_to(log, open, open.end_offset, clean_shutdown)?;
    open.first_unstable = open.producers.first_unstable();
    Ok(())
}

fn rebuild_to(log: &Log, open: &mut OpenLog, end: Offset, clean_shutdown: bool) -> io::Result<()> {
    let (disk, dir) = (log.disk(), &log.dir);
    let bases: Vec<Offset> = open.segments.iter().map(|segment| segment.base_offset()).collect();
    // A start after this one may find that it has to begin at the last segment, or the one before.
    let mut snapshot_at: Vec<Offset> = bases.iter().rev().take(2).copied().collect();
    snapshot_at.reverse();
    if clean_shutdown && !open.producers.has_snapshots() {
        // No snapshot after a clean shutdown: no producer ever wrote an id. Reading all of the log would show that.
        for offset in snapshot_at.into_iter().chain([end]) {
            open.producers.set_end_offset(offset);
            open.unsynced_snapshots.extend(open.producers.take_snapshot(disk, dir)?);
        }
        return Ok(());
    }
    let nothing_to_lose = open.producers.is_empty() && open.producers.end_offset() >= end;
    open.producers.truncate_and_reload(disk, dir, open.log_start_offset, end, log.context.now_ms())?;
    if end > open.producers.end_offset() && !nothing_to_lose {
        for at in 0..open.segments.len() {
            let Some(segment) = open.segments.get(at).cloned() else { break };
            let next_base = open.segments.get(at + 1).map_or(Offset::MAX, |next| next.base_offset());
            if next_base <= open.producers.end_offset() || segment.base_offset() >= end {
                continue;
            }
            let from = segment.base_offset().max(open.producers.end_offset()).max(open.log_start_offset);
            open.producers.set_end_offset(from);
            if snapshot_at.contains(&segment.base_offset()) {
                open.unsynced_snapshots.extend(open.producers.take_snapshot(disk, dir)?);
            }
            replay_segment(log, open, &segment, from, end)?;
        }
    }
    open.producers.set_end_offset(end);
    open.unsynced_snapshots.extend(open.producers.take_snapshot(disk, dir)?);
    Ok(())
}

/// Takes in the producers of the batches from `from` to `end`.
fn replay_segment(log: &Log, open: &mut OpenLog, segment: &Segment, from: Offset, end: Offset) -> io::Result<()> {
    let Some(start) = segment.locate(from)? else { return Ok(()) };
    let mut scanner = segment.scan(start.position)?;
    while let Some(found) = scanner.next()? {
        if found.header.base_offset >= end {
            break;
        }
        if !found.header.has_producer_id() {
            continue;
        }
        let bytes = if found.header.is_control() { scanner.batch_bytes(&found)? } else { &[] };
        let replayed = match marker_of(&found.header, bytes) {
            Ok(marker) => open.producers.replay(&log.partition, &found.header, marker),
            Err(what) => return Err(crate::error::invalid_data(format!("damaged control batch: {what}"))),
        };
        match replayed {
            Ok(Some(completed)) => open.producers.complete(&completed),
            Ok(None) => {}
            Err(error) => tracing::warn!("{}: {error}", segment.file().path().display()),
        }
    }
    Ok(())
}
