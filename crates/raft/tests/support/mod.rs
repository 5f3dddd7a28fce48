//! A cluster in memory, for the scenarios and for the random test.
// Each of the two uses its part.
#![allow(dead_code)]

pub mod cluster;
pub mod disk;
pub mod node;
pub mod script;
pub mod show;
