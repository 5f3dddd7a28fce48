//! Randomness that nobody's security depends on: jitter, and which of several equals comes first.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The standard library seeds every `RandomState` anew, from the system.
pub fn u64() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// At least 0 and less than 1.
pub fn fraction() -> f64 {
    (u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Less than `bound`, which must not be 0.
pub fn below(bound: usize) -> usize {
    (u64() % bound as u64) as usize
}

pub fn shuffle<T>(items: &mut [T]) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(i + 1));
    }
}
