//! Sockets: accepting, reading frames, writing answers, and calling other nodes.

pub mod acceptor;
mod connection;
pub mod outgoing;
mod send;
