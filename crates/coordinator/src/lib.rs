//! The coordinators: state machines over the records of a partition.
//!
//! A coordinator's shard is the state of one partition of its topic (`__consumer_offsets` for groups). A request
//! goes in with the time, records to append and replies come out; a reply that promises something durable is
//! held until the high watermark has passed the records that make it so.
//!
//! Invariant: nothing here waits, reads a clock, draws a random number of its own or does I/O. The same events
//! at the same times give the same actions.

pub mod group;
pub mod runtime;
