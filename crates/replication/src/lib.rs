//! What replicas and readers of a partition agree on, without I/O: fetch sessions (KIP-227), and what
//! a leader makes of its followers' fetches.
//!
//! Invariant: no file, socket, clock or thread; time is passed in.

mod fetch_session;
mod followers;

pub use fetch_session::{FetchSessions, Fetching, PartitionToFetch, Seen, SessionLimits};
pub use followers::Followers;
