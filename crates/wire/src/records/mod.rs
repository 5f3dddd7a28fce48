//! Record batches, the unit of everything that is produced, stored and fetched, in all three formats
//! ("magic" 0, 1 and 2), and their compression.
//!
//! Reading starts at [`batches`] (owned), [`headers`] (borrowed) or [`BatchHeader::parse`] (one header),
//! writing at [`BatchBuilder`]. Bytes are taken from the wire and from disk as they come: every
//! count and size is held against what is there, decompression has a limit, and no error is a panic.

mod batch;
mod builder;
mod check;
mod compression;
mod control;
mod decoder;
mod error;
mod header;
mod legacy;
mod lz4_frame;
mod output;
mod patch;
mod record;
mod stream;
pub mod varint;
mod xerial;

pub use batch::{
    Batch, BatchIter, DEFAULT_DECOMPRESSED_LIMIT, HeaderIter, RecordIter, batches, headers, validate_batch_bytes,
    verify_crc,
};
pub use builder::{BatchBuilder, control_batch, empty_batch, end_txn_batch};
pub use check::{RecordViews, RecordsSummary, check_batch, check_client_header, check_records, record_views};
pub use compression::{Compression, compress};
pub use control::{ControlType, EndTxnMarker};
pub use decoder::{decompress, decompress_for};
pub use error::RecordsError;
pub use header::*;
pub use patch::{
    recompress, recompute_crc, set_base_offset, set_max_timestamp, set_partition_leader_epoch, set_producer,
};
pub use record::{Header, Record, RecordView, record_size};
