//! The system's clocks and its source of randomness.

use ottla_base::{Clock, Rng, Time};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    #[allow(clippy::new_without_default)] // A clock begins at a moment: that is no default.
    pub fn new() -> SystemClock {
        SystemClock { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Time {
            wall_ms: since_1970.map_or(0, |elapsed| elapsed.as_millis() as i64),
            // Never 0, so that "long ago" can be told from "now".
            mono_ms: self.started.elapsed().as_millis() as u64 + 1_000_000,
        }
    }
}

/// Random numbers of the operating system, by way of the seeds that every `RandomState` gets.
pub struct OsRng;

impl Rng for OsRng {
    fn next_u64(&self) -> u64 {
        use std::hash::{BuildHasher, Hasher, RandomState};
        let mut bytes = [0u8; 8];
        if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_ok_and(|n| n == 8) {
            return u64::from_ne_bytes(bytes);
        }
        RandomState::new().build_hasher().finish()
    }
}
