//! Formatted storage: checkpoints of the metadata log.
//!
//! Invariant: all files are reached through `base::Disk`.

pub mod checkpoint;
pub mod format;
