//! Kafka's wire protocol: a bounded codec, every message and record of Kafka 4.3, record batches
//! and their compression.
//!
//! Invariant: this crate knows bytes and nothing else. No I/O, no clock, no state of a broker.

mod api;
pub mod codec;
mod framing;
#[allow(clippy::all)]
mod generated;
pub mod records;
pub mod schema;

pub use api::{APIS, ApiInfo, ApiKey, Listeners, Request};
pub use codec::{Message, Reader, RecordsData, Segment, UnknownTags, WireError, Writer};
pub use generated::api_table::KAFKA_VERSION;
pub use generated::{data, group_records, messages, metadata_records, share_records, transaction_records};
