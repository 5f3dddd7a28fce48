//! A running node: sockets, threads, clocks and files around `ottla-broker`.
//!
//! Invariant: this is the only crate with tokio's network, threads and signals; no rule of Kafka's
//! protocol is decided here.

mod clock;
mod error;
mod identity;
mod net;
mod running;
mod settings;
mod start;
mod threads;

pub use clock::{OsRng, SystemClock};
pub use error::StartError;
pub use running::Server;
pub use start::start;
