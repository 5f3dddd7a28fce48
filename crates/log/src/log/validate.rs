//! What the leader checks of produced batches, and does to them, before they get their offsets.

use crate::config::{CompressionType, LogConfig};
use crate::error::{LogError, RecordError, Result};
use crate::producer::AppendOrigin;
use bytes::Bytes;
use ottla_base::{ErrorCode, TimestampMs, TopicPartition};
use ottla_wire::records::{
    Batch, BatchBuilder, BatchHeader, Compression, RECORD_BATCH_OVERHEAD, RecordView, RecordsError, RecordsSummary,
    TimestampType, check_batch, check_client_header, decompress, headers, record_views, set_max_timestamp, verify_crc,
};
use std::borrow::Cow;

/// What a batch may decompress to while it is checked, in bytes, however small it is.
const MIN_DECOMPRESSED_LIMIT: usize = 256 << 20;
/// The same, in multiples of `max.message.bytes`.
const DECOMPRESSED_FACTOR: usize = 16;

/// A batch that can be appended once its base offset and leader epoch are set.
pub(super) struct Validated<'a> {
    pub(super) bytes: BatchBytes<'a>,
    pub(super) header: BatchHeader,
    pub(super) source_compression: Compression,
}

pub(super) enum BatchBytes<'a> {
    /// As it came.
    Given(&'a mut [u8]),
    Rebuilt(Vec<u8>),
}

impl BatchBytes<'_> {
    pub(super) fn get_mut(&mut self) -> &mut [u8] {
        match self {
            BatchBytes::Given(bytes) => bytes,
            BatchBytes::Rebuilt(bytes) => bytes,
        }
    }
}

pub(super) struct Validator<'a> {
    pub(super) partition: &'a TopicPartition,
    pub(super) config: &'a LogConfig,
    pub(super) origin: AppendOrigin,
    pub(super) now_ms: TimestampMs,
}

impl Validator<'_> {
    /// Checks the one batch in `bytes`, and stamps it. `None` when there is no whole batch.
    pub(super) fn validate<'b>(&self, bytes: &'b mut [u8]) -> Result<Option<Validated<'b>>> {
        let Some(header) = self.single_batch(bytes)? else { return Ok(None) };
        let bytes = bytes.get_mut(..header.size_in_bytes()).unwrap_or_default();
        if self.origin == AppendOrigin::Client {
            check_client_header(&header).map_err(|error| self.refuse(&error))?;
        }
        let source = header.compression().map_err(|error| self.refuse(&error))?;
        // Piece by piece: what a small batch decompresses to never has to fit into memory.
        let summary = check_batch(&header, bytes, &mut Vec::new(), self.decompressed_limit());
        let summary = summary.map_err(|error| self.refuse(&error))?;
        self.check_each_record(&header, &summary, bytes)?;

        let target = self.target_compression(source);
        // Control records stay readable without a decompressor, unless their writer wanted otherwise.
        let as_is = header.is_control() && source == Compression::None;
        let uncompressed = source == Compression::None && target == Compression::None;
        let in_place = as_is || uncompressed || (source == target && summary.consecutive_offsets);
        let (bytes, header) = if in_place {
            self.stamp(bytes, &summary);
            let header = BatchHeader::parse(bytes).map_err(|error| self.refuse(&error))?;
            (BatchBytes::Given(bytes), header)
        } else {
            let rebuilt = self.rebuild(&header, bytes, target)?;
            let header = BatchHeader::parse(&rebuilt).map_err(|error| self.refuse(&error))?;
            self.check_size(header.size_in_bytes())?;
            (BatchBytes::Rebuilt(rebuilt), header)
        };
        Ok(Some(Validated { bytes, header, source_compression: source }))
    }

    fn refuse(&self, error: &RecordsError) -> LogError {
        LogError::new(error.error_code(), format!("{error} (partition {})", self.partition))
    }

    fn invalid(&self, what: String) -> LogError {
        LogError::new(ErrorCode::InvalidRecord, format!("{what} (partition {})", self.partition))
    }

    /// A request carries exactly one batch per partition since format 2.
    fn single_batch(&self, bytes: &[u8]) -> Result<Option<BatchHeader>> {
        let mut single = None;
        for found in headers(bytes) {
            let (header, batch) = found.map_err(|error| self.refuse(&error))?;
            if self.origin == AppendOrigin::Client && header.base_offset != 0 {
                return Err(
                    self.invalid(format!("the base offset of a produced batch must be 0, not {}", header.base_offset))
                );
            }
            self.check_size(batch.len())?;
            verify_crc(&header, batch).map_err(|error| self.refuse(&error))?;
            if single.replace(header).is_some() {
                return Err(self.invalid("more than one batch".to_owned()));
            }
        }
        Ok(single)
    }

    fn check_size(&self, size: usize) -> Result<()> {
        let limit = self.config.max_message_bytes.max(0) as usize;
        if size <= limit {
            return Ok(());
        }
        Err(LogError::new(
            ErrorCode::MessageTooLarge,
            format!("a batch of {size} bytes exceeds max.message.bytes={limit} of partition {}", self.partition),
        ))
    }

    fn decompressed_limit(&self) -> usize {
        let relative = self.config.max_message_bytes.max(0) as usize * DECOMPRESSED_FACTOR;
        MIN_DECOMPRESSED_LIMIT.max(relative)
    }

    fn payload<'b>(&self, header: &BatchHeader, batch: &'b [u8]) -> Result<Cow<'b, [u8]>> {
        let records = batch.get(RECORD_BATCH_OVERHEAD..).unwrap_or_default();
        match header.compression().map_err(|error| self.refuse(&error))? {
            Compression::None => Ok(Cow::Borrowed(records)),
            codec => {
                let records = decompress(codec, records, self.decompressed_limit());
                records.map(Cow::Owned).map_err(|error| self.refuse(&error))
            }
        }
    }

    fn target_compression(&self, source: Compression) -> Compression {
        match self.config.compression_type {
            CompressionType::Producer => source,
            CompressionType::Uncompressed => Compression::None,
            CompressionType::Gzip => Compression::Gzip,
            CompressionType::Snappy => Compression::Snappy,
            CompressionType::Lz4 => Compression::Lz4,
            CompressionType::Zstd => Compression::Zstd,
        }
    }

    fn level(&self, codec: Compression) -> Option<i32> {
        match codec {
            Compression::Gzip => Some(self.config.compression_gzip_level),
            Compression::Lz4 => Some(self.config.compression_lz4_level),
            Compression::Zstd => Some(self.config.compression_zstd_level),
            Compression::None | Compression::Snappy => None,
        }
    }

    /// Sets timestamp type and largest timestamp as the topic wants them.
    fn stamp(&self, batch: &mut [u8], summary: &RecordsSummary) {
        match self.config.message_timestamp_type {
            TimestampType::LogAppendTime => set_max_timestamp(batch, TimestampType::LogAppendTime, self.now_ms),
            _ => set_max_timestamp(batch, TimestampType::CreateTime, summary.max_timestamp),
        }
    }

    /// The same records in a new batch, with offsets without gaps and the topic's compression.
    fn rebuild(&self, header: &BatchHeader, bytes: &[u8], target: Compression) -> Result<Vec<u8>> {
        let mut builder = BatchBuilder::new(0)
            .compression(target, self.level(target))
            .producer(header.producer_id, header.producer_epoch, header.base_sequence)
            .transactional(header.is_transactional());
        if self.config.message_timestamp_type == TimestampType::LogAppendTime {
            builder = builder.log_append_time(self.now_ms);
        }
        let batch = Batch { header: *header, bytes: Bytes::copy_from_slice(bytes) };
        for record in batch.records().map_err(|error| self.refuse(&error))? {
            let record = record.map_err(|error| self.refuse(&error))?;
            builder
                .append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers)
                .map_err(|error| self.refuse(&error))?;
        }
        Ok(builder.build().into())
    }

    // --- rules for single records ---

    fn create_time(&self) -> bool {
        self.config.message_timestamp_type != TimestampType::LogAppendTime
    }

    fn timestamp_out_of_range(&self, timestamp: TimestampMs) -> bool {
        let age = self.now_ms.saturating_sub(timestamp);
        age > self.config.message_timestamp_before_max_ms
            || age.saturating_neg() > self.config.message_timestamp_after_max_ms
    }

    /// The summary tells whether anything can be wrong; only then are the records looked at once more.
    fn check_each_record(&self, header: &BatchHeader, summary: &RecordsSummary, batch: &[u8]) -> Result<()> {
        let out_of_range = self.create_time()
            && summary.min_timestamp != -1
            && (self.timestamp_out_of_range(summary.min_timestamp)
                || self.timestamp_out_of_range(summary.max_timestamp));
        let keyless = self.config.cleanup_policy.compact && summary.first_without_key.is_some();
        if !out_of_range && !keyless && header.timestamp_type() != TimestampType::LogAppendTime {
            return Ok(());
        }
        let mut record_errors = Vec::new();
        let mut code = ErrorCode::InvalidRecord;
        let payload = self.payload(header, batch)?;
        for (index, view) in record_views(header, &payload).enumerate() {
            let view = view.map_err(|error| self.refuse(&error))?;
            if let Some((record_code, message)) = self.record_error(header, &view) {
                if record_code == ErrorCode::InvalidTimestamp {
                    code = record_code;
                }
                record_errors.push(RecordError { batch_index: index as i32, message });
            }
        }
        let Some(first) = record_errors.first() else { return Ok(()) };
        let message = format!("{} records were rejected, the first because: {}", record_errors.len(), first.message);
        Err(LogError { code, message, record_errors })
    }

    fn record_error(&self, header: &BatchHeader, view: &RecordView<'_>) -> Option<(ErrorCode, String)> {
        if self.config.cleanup_policy.compact && view.key.is_none() {
            let what = format!("compacted topic cannot accept message without key in partition {}", self.partition);
            return Some((ErrorCode::InvalidRecord, what));
        }
        let timestamp = view.timestamp(header);
        if self.create_time() && timestamp != -1 {
            return self.timestamp_out_of_range(timestamp).then(|| {
                let earliest = self.now_ms.saturating_sub(self.config.message_timestamp_before_max_ms);
                let latest = self.now_ms.saturating_add(self.config.message_timestamp_after_max_ms);
                let what = format!("timestamp {timestamp} is out of range, it should be within [{earliest}, {latest}]");
                (ErrorCode::InvalidTimestamp, what)
            });
        }
        (header.timestamp_type() == TimestampType::LogAppendTime).then(|| {
            let what = "a producer must not set the timestamp type to LogAppendTime".to_owned();
            (ErrorCode::InvalidTimestamp, what)
        })
    }
}
