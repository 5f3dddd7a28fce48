//! What the fuzz targets share: the allocator that counts, and the checks.
//!
//! Invariant: nothing that is shipped depends on this crate.

#[path = "../../crates/wire/tests/support/checks.rs"]
pub mod checks;
#[path = "../../crates/wire/tests/support/counting.rs"]
mod counting;
