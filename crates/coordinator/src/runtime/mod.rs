//! What every coordinator shares: timers, and the writes that are on their way to the log.

mod timers;
mod write;

pub use timers::Timers;
pub use write::{Append, AppendKind, Record};

/// Chosen by the driver, once per request; comes back with the reply.
pub type Token = u64;
/// Names an append between the shard and its driver.
pub type AppendId = u64;
