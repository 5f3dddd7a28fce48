//! What replicas and readers of a partition agree on, without I/O. For now: fetch sessions (KIP-227).
//!
//! Invariant: no file, socket, clock or thread; time is passed in.

mod fetch_session;

pub use fetch_session::{FetchSessions, Fetching, PartitionToFetch, Seen, SessionLimits};
