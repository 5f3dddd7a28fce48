//! Formatted storage: which log directories are formatted and for whom, formatting them, and checkpoints of the
//! metadata log.
//!
//! Invariant: all files are reached through `base::Disk`.

pub mod checkpoint;
pub mod ensemble;
pub mod format;
pub mod formatter;
pub mod voters;
