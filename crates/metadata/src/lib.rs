//! A cluster's metadata: the image that its log amounts to, and the controller that decides what is written to that log.
//!
//! Invariant: no I/O, no clock, no randomness of its own. Records come in and go out; the driver appends them to
//! `__cluster_metadata`, commits them, and passes the time in.

pub mod acl;
pub mod bootstrap;
pub mod controller;
mod describe;
pub mod features;
pub mod image;
mod pmap;
pub mod scram;
#[cfg(test)]
mod show;

pub use pmap::PMap;
