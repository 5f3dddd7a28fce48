//! Appending.

use super::validate::Validator;
use super::{Log, OpenLog};
use crate::error::{Context, LogError, Result};
use crate::index::AbortedTxn;
use crate::producer::{AppendOrigin, CompletedTxn, ProducerAppend, TxnStart, TxnVersion, VerificationGuard};
use crate::segment::{RollCheck, marker_of};
use ottla_base::{ErrorCode, LeaderEpoch, Offset, TimestampMs};
use ottla_wire::records::{
    BatchHeader, Compression, TimestampType, headers, set_base_offset, set_partition_leader_epoch, verify_crc,
};
use std::collections::BTreeMap;

/// How a leader's append is to be done.
#[derive(Clone, Copy, Debug)]
pub struct AppendOptions {
    pub leader_epoch: LeaderEpoch,
    pub origin: AppendOrigin,
    pub now_ms: TimestampMs,
    /// For the first batch of a transaction (KIP-890).
    pub guard: VerificationGuard,
    /// For transaction markers.
    pub txn_version: TxnVersion,
}

impl AppendOptions {
    pub fn client(leader_epoch: LeaderEpoch, now_ms: TimestampMs) -> Self {
        AppendOptions {
            leader_epoch,
            origin: AppendOrigin::Client,
            now_ms,
            guard: VerificationGuard::NONE,
            txn_version: TxnVersion::UNKNOWN,
        }
    }

    pub fn coordinator(leader_epoch: LeaderEpoch, now_ms: TimestampMs) -> Self {
        AppendOptions { origin: AppendOrigin::Coordinator, ..Self::client(leader_epoch, now_ms) }
    }
}

/// What came of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    /// -1 when nothing was appended.
    pub first_offset: Offset,
    pub last_offset: Offset,
    pub max_timestamp: TimestampMs,
    /// -1 unless the topic stamps records itself, or the batch is a duplicate.
    pub log_append_time_ms: TimestampMs,
    pub log_start_offset: Offset,
    /// Of the last batch.
    pub leader_epoch: LeaderEpoch,
    pub source_compression: Compression,
    /// As appended.
    pub size_in_bytes: usize,
    pub records_count: i32,
    /// The batch was there already; the offsets are those of the first time.
    pub duplicate: bool,
    /// A segment was closed, which wants to be flushed: see [`Log::flush_rolled`].
    pub rolled: bool,
}

/// Batches whose offsets are final.
struct Placed<'a> {
    bytes: &'a [u8],
    first_offset: Offset,
    last_offset: Offset,
    max_timestamp: TimestampMs,
}

impl Log {
    /// Appends the one batch in `records` at the end, as Kafka's leader does: checks it, and sets offsets, leader
    /// epoch and timestamps in place. Where the topic wants another compression the batch is written anew.
    pub fn append_as_leader(&self, records: &mut [u8], options: &AppendOptions) -> Result<AppendInfo> {
        if options.origin == AppendOrigin::RaftLeader {
            return self.append_raft(records, options.leader_epoch, options.now_ms);
        }
        self.context.saw_time(options.now_ms);
        self.persist_topic_id()?;
        let config = self.config();
        let validator =
            Validator { partition: &self.partition, config: &config, origin: options.origin, now_ms: options.now_ms };
        let Some(mut validated) = validator.validate(records)? else {
            return self.with_writable(|open| Ok(AppendInfo::nothing(open)));
        };
        let bytes = validated.bytes.get_mut();
        set_partition_leader_epoch(bytes, options.leader_epoch);
        let info = self.with_writable(|open| {
            if let Some(duplicate) = self.find_duplicate(open, &validated.header, options) {
                return Ok(duplicate);
            }
            let first_offset = open.end_offset;
            set_base_offset(bytes, first_offset);
            let placed = Placed {
                bytes,
                first_offset,
                last_offset: first_offset + i64::from(validated.header.last_offset_delta),
                max_timestamp: validated.header.max_timestamp,
            };
            let rolled = self.append_placed(open, &placed, options)?;
            Ok(AppendInfo {
                first_offset,
                last_offset: placed.last_offset,
                max_timestamp: placed.max_timestamp,
                log_append_time_ms: match config.message_timestamp_type {
                    TimestampType::LogAppendTime => options.now_ms,
                    _ => -1,
                },
                log_start_offset: open.log_start_offset,
                leader_epoch: options.leader_epoch,
                source_compression: validated.source_compression,
                size_in_bytes: placed.bytes.len(),
                records_count: validated.header.records_count,
                duplicate: false,
                rolled,
            })
        })?;
        self.after_append(options.now_ms)?;
        Ok(info)
    }

    /// Appends batches as the leader sent them. Where batches carry a higher epoch than `leader_epoch`, which
    /// the follower knows to be the current one, it stops: they are not from the leader it believes in.
    pub fn append_as_follower(
        &self,
        records: &[u8],
        leader_epoch: LeaderEpoch,
        now_ms: TimestampMs,
    ) -> Result<AppendInfo> {
        self.append_given(records, leader_epoch, AppendOrigin::Replication, now_ms)
    }

    /// Appends batches of the metadata quorum's leader, which set their offsets and epoch itself.
    pub fn append_raft(&self, records: &[u8], leader_epoch: LeaderEpoch, now_ms: TimestampMs) -> Result<AppendInfo> {
        self.append_given(records, leader_epoch, AppendOrigin::RaftLeader, now_ms)
    }

    fn append_given(
        &self,
        records: &[u8],
        leader_epoch: LeaderEpoch,
        origin: AppendOrigin,
        now_ms: TimestampMs,
    ) -> Result<AppendInfo> {
        self.context.saw_time(now_ms);
        self.persist_topic_id()?;
        let options = AppendOptions { origin, ..AppendOptions::client(leader_epoch, now_ms) };
        let Some((placed, last, count)) = self.analyze_given(records, &options)? else {
            return self.with_writable(|open| Ok(AppendInfo::nothing(open)));
        };
        let info = self.with_writable(|open| {
            if placed.first_offset < open.end_offset {
                self.make_room(open, &placed, &options)?;
            }
            let rolled = self.append_placed(open, &placed, &options)?;
            Ok(AppendInfo {
                first_offset: placed.first_offset,
                last_offset: placed.last_offset,
                max_timestamp: placed.max_timestamp,
                log_append_time_ms: -1,
                log_start_offset: open.log_start_offset,
                leader_epoch: last.partition_leader_epoch,
                source_compression: last.compression().unwrap_or(Compression::None),
                size_in_bytes: placed.bytes.len(),
                records_count: count,
                duplicate: false,
                rolled,
            })
        })?;
        self.after_append(now_ms)?;
        Ok(info)
    }

    /// Checks batches that have their offsets: checksums, and that offsets rise. `None` when there is nothing to
    /// append.
    fn analyze_given<'a>(
        &self,
        records: &'a [u8],
        options: &AppendOptions,
    ) -> Result<Option<(Placed<'a>, BatchHeader, i32)>> {
        let mut placed: Option<(Placed<'a>, BatchHeader, i32)> = None;
        let mut valid = 0;
        for found in headers(records) {
            let (header, batch) = found.map_err(|error| LogError::new(error.error_code(), error.to_string()))?;
            let epoch = header.partition_leader_epoch;
            if options.origin == AppendOrigin::RaftLeader && epoch != options.leader_epoch {
                let what =
                    format!("the quorum's leader appends in epoch {} a batch of epoch {epoch}", options.leader_epoch);
                return Err(LogError::new(ErrorCode::InvalidRecord, what));
            }
            if options.origin == AppendOrigin::Replication && epoch > options.leader_epoch {
                tracing::info!(
                    "partition {}: leaving out fetched batches from offset {} on: their leader epoch {epoch} is above {}",
                    self.partition,
                    header.base_offset,
                    options.leader_epoch
                );
                break;
            }
            verify_crc(&header, batch).map_err(|error| LogError::new(error.error_code(), error.to_string()))?;
            valid += batch.len();
            let (placed, last, count) = placed.get_or_insert((
                Placed { bytes: &[], first_offset: header.base_offset, last_offset: -1, max_timestamp: -1 },
                header,
                0,
            ));
            let (first, last_offset) = (header.base_offset, header.last_offset());
            if first < 0 || last_offset < first || last_offset == Offset::MAX {
                let what = format!("a batch from offset {first} to {last_offset} cannot be appended");
                return Err(LogError::new(ErrorCode::CorruptMessage, what));
            }
            if last_offset <= placed.last_offset {
                let what = format!("offset {} follows {} in an append", header.last_offset(), placed.last_offset);
                return Err(LogError::new(ErrorCode::UnknownServerError, what));
            }
            placed.last_offset = header.last_offset();
            placed.max_timestamp = placed.max_timestamp.max(header.max_timestamp);
            *last = header;
            *count += header.records_count.max(1);
        }
        if let Some((placed, ..)) = &mut placed {
            placed.bytes = records.get(..valid).unwrap_or_default();
        }
        Ok(placed)
    }

    /// A leader's log may begin in the middle of a batch (after DeleteRecords), so that the first batch a follower
    /// fetches begins before its empty log: then the log begins with that batch.
    fn make_room(&self, open: &mut OpenLog, placed: &Placed<'_>, options: &AppendOptions) -> Result<()> {
        let empty = open.log_start_offset == open.end_offset;
        if options.origin == AppendOrigin::Replication && empty && placed.last_offset >= open.end_offset {
            tracing::info!("partition {}: the empty log begins at offset {} now", self.partition, placed.first_offset);
            return self.restart_at(open, placed.first_offset, None, options.now_ms);
        }
        Err(LogError::new(
            ErrorCode::UnknownServerError,
            format!(
                "unexpected offset in an append to partition {}: the first is {} (the last {}), but the log ends at {}",
                self.partition, placed.first_offset, placed.last_offset, open.end_offset
            ),
        ))
    }

    fn find_duplicate(&self, open: &OpenLog, header: &BatchHeader, options: &AppendOptions) -> Option<AppendInfo> {
        if options.origin != AppendOrigin::Client || !header.has_producer_id() {
            return None;
        }
        let found = open.producers.find_duplicate(header)?;
        Some(AppendInfo {
            first_offset: found.first_offset(),
            last_offset: found.last_offset,
            max_timestamp: header.max_timestamp,
            log_append_time_ms: found.timestamp,
            duplicate: true,
            ..AppendInfo::nothing(open)
        })
    }

    /// Appends batches, all of them or none. True when a segment was closed for it.
    fn append_placed(&self, open: &mut OpenLog, placed: &Placed<'_>, options: &AppendOptions) -> Result<bool> {
        let segment_bytes = open.config.segment_bytes.max(0) as usize;
        if placed.bytes.len() > segment_bytes {
            return Err(LogError::new(
                ErrorCode::RecordListTooLarge,
                format!(
                    "{} bytes in an append to partition {} exceed segment.bytes={segment_bytes}",
                    placed.bytes.len(),
                    self.partition
                ),
            ));
        }
        let check = RollCheck {
            bytes: placed.bytes.len() as u64,
            max_timestamp: placed.max_timestamp,
            last_offset: placed.last_offset,
            now_ms: options.now_ms,
        };
        let dir = self.dir.path();
        let roll = open.active().should_roll(&open.config, &check).doing("looking at the active segment of", &dir)?;
        if roll {
            self.roll_locked(open, placed.first_offset, options.now_ms)?;
        }
        let (producers, completed) = self.check_producers(open, placed, options)?;
        for (header, _) in headers(placed.bytes).flatten() {
            open.assign_epoch(header.partition_leader_epoch, header.base_offset);
        }
        let interval = open.config.index_interval_bytes.max(0) as u64;
        open.active().append(placed.bytes, interval).doing("appending to", &dir)?;
        open.end_offset = placed.last_offset + 1;
        open.last_used_ms = options.now_ms;
        for producer in producers {
            open.producers.update(producer);
        }
        for completed in &completed {
            let last_stable_offset = open.producers.last_stable_offset_after(completed);
            if completed.aborted {
                let txn = AbortedTxn {
                    producer_id: completed.producer_id,
                    first_offset: completed.first_offset,
                    last_offset: completed.last_offset,
                    last_stable_offset,
                };
                open.active().append_aborted(txn).doing("appending to the transaction index of", &dir)?;
            }
            open.producers.complete(completed);
        }
        open.producers.set_end_offset(open.end_offset);
        open.first_unstable = open.producers.first_unstable();
        Ok(roll)
    }

    fn check_producers(
        &self,
        open: &mut OpenLog,
        placed: &Placed<'_>,
        options: &AppendOptions,
    ) -> Result<(Vec<ProducerAppend>, Vec<CompletedTxn>)> {
        let mut appends: BTreeMap<i64, ProducerAppend> = BTreeMap::new();
        let mut completed = Vec::new();
        let mut used = Vec::new();
        let segment = open.active().base_offset();
        let mut position = open.active().size();
        for (header, batch) in headers(placed.bytes).flatten() {
            let start = TxnStart {
                producer_id: header.producer_id,
                offset: header.base_offset,
                location: Some((segment, position)),
            };
            position += batch.len() as u64;
            if !header.has_producer_id() {
                continue;
            }
            if matches!(options.origin, AppendOrigin::Client | AppendOrigin::Coordinator) {
                open.producers.check_verified(&self.partition, &header, options.guard)?;
            }
            let marker = marker_of(&header, batch).map_err(|what| LogError::new(ErrorCode::InvalidRecord, what))?;
            let append = appends
                .entry(header.producer_id)
                .or_insert_with(|| open.producers.prepare(header.producer_id, options.origin));
            completed.extend(append.append(&self.partition, &header, marker, options.txn_version, start)?);
            used.push(header);
        }
        for header in &used {
            open.producers.verification_used(header);
        }
        Ok((appends.into_values().collect(), completed))
    }

    /// What an append leaves to be done without the lock.
    fn after_append(&self, now_ms: TimestampMs) -> Result<()> {
        let (epochs, flush) = self.with_open(|open| {
            let unflushed = open.end_offset - open.recovery_point;
            Ok((open.epochs_dirty, unflushed >= open.config.flush_messages))
        })?;
        if epochs {
            self.persist_epochs()?;
        }
        if flush { self.flush(now_ms) } else { Ok(()) }
    }
}

impl AppendInfo {
    fn nothing(open: &OpenLog) -> AppendInfo {
        AppendInfo {
            first_offset: -1,
            last_offset: -1,
            max_timestamp: -1,
            log_append_time_ms: -1,
            log_start_offset: open.log_start_offset,
            leader_epoch: -1,
            source_compression: Compression::None,
            size_in_bytes: 0,
            records_count: 0,
            duplicate: false,
            rolled: false,
        }
    }
}
