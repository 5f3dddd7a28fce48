//! A cluster in memory, for the scenarios and for the random test.

pub mod cluster;
pub mod disk;
pub mod node;
pub mod show;
