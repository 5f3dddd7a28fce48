//! The request path of a broker and of a controller, without sockets and without threads: one
//! handler file per API, on shared state that any thread may call into.
//!
//! What must wait (acks=all, long polls, group joins) is parked with its [`request::Reply`], and
//! completed by whoever changes the state it waits for, or by a timer ([`timers::Timers`]).
//!
//! Invariant: no socket, no file but through `base::Disk`, no clock, no thread, no async. The server
//! and the simulator drive this crate alike.

pub mod broker;
mod dispatch;
mod forward;
mod groups;
mod handlers;
pub mod lifecycle;
pub mod network;
mod node;
mod producer_ids;
pub mod quorum;
pub mod replicas;
pub mod request;
pub mod timers;
mod topic_creation;

pub use node::Node;
