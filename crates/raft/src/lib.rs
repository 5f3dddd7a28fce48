//! KRaft: the quorum that replicates the metadata log (KIP-595, KIP-630, KIP-853, KIP-996), as a
//! state machine without I/O.
//!
//! [`Raft::start`] is given what is on disk, [`Raft::step`] takes one [`Event`] and the time and says
//! with [`Action`]s what to do. The core never waits, never fails, and holds no records: only where
//! the log starts and ends, where its epochs start, and what its control records say of the voters.
//!
//! # The driver's part
//! - Carry out the actions of a step in their order, all before the next step. What they ask for
//!   (an append, a truncation, a durable write of the quorum state) is done when the next action is.
//! - Step [`Event::FetchedAppended`] and [`Event::SnapshotInstalled`] at once when their action is done.
//! - Report every append of its own ([`Event::Appended`]) before anything else; flush when it likes, and
//!   report it ([`Event::Flushed`]): a leader counts itself only up to there.
//! - Step [`Event::Tick`] when [`Raft::next_deadline_ms`] is reached.
//! - Answer each request with what [`Action::Respond`] says. Fetches that wait for news wait in here.
//!
//! # Where it differs from Apache Kafka
//! On the wire and on disk it does not. Inside:
//! - A leader counts its own log only as far as it is flushed; Kafka flushes in the same thread, right after.
//! - Voters do not all stand at the same moment when the leader is gone: the fetch timeout varies by an eighth.
//! - A voter that hears `EndQuorumEpoch` grants pre-votes from then on.
//! - A node whose removal may not be committed yet may still be elected (Ongaro's thesis, 4.2.2).
//! - An answer that leads nowhere is followed by the retry backoff: Kafka asks again without a pause
//!   when a leader has resigned, or when a voter has another disk.
//! - What Kafka's raft thread dies of (a second leader in an epoch, an invalid request) is answered
//!   or ignored; [`Action::Fault`] is left for what only a person can put right.
//!
//! Where to look: one file per role in `role/`, what each of them does with the messages in `vote.rs`,
//! `begin_end.rs`, `fetch_leader.rs`, `fetch_follower.rs` and `voter_change.rs`.
//!
//! Invariant: no file, socket, clock, thread or global randomness in this crate, and no panic on
//! anything that comes from a disk or a network; assertions are for the contract with the driver.

mod begin_end;
mod config;
mod connections;
mod describe;
mod election;
mod fetch_follower;
mod fetch_leader;
mod history;
mod io;
mod key;
mod log_view;
mod message;
mod raft;
mod role;
mod send;
mod upgrade;
mod vote;
mod voter_change;
mod voters;

pub use config::{Config, LogState};
pub use describe::{QuorumDescription, ReplicaDescription};
pub use io::{Action, Correlation, Event, LossReason, QuorumState, Token};
pub use key::{Endpoint, Endpoints, OffsetAndEpoch, ReplicaKey};
pub use log_view::LogView;
pub use message::{
    AddVoterRequest, BeginQuorumEpochRequest, ControlEntry, ControlRecord, EndQuorumEpochRequest, EpochStart,
    FetchOutcome, FetchRequest, FetchResponse, FetchSnapshotRequest, FetchSnapshotResponse, Header, RemoveVoterRequest,
    Request, Response, UpdateVoterRequest, VoteRequest,
};
pub use raft::{Raft, StartError};
pub use role::RoleName;
pub use upgrade::UpgradeError;
pub use voters::{VersionRange, VoterNode, VoterSet};
