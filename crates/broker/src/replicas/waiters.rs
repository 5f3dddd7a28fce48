//! Who waits for news of a partition.

use ottla_base::Time;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// A parked request.
pub trait Waiter: Send + Sync {
    /// Something changed. True when the request is done, or was done already.
    fn try_complete(&self, now: Time) -> bool;
}

/// Empty on nearly all partitions, so it costs one word of memory there.
#[derive(Default)]
pub struct Waiters(Mutex<Option<Box<List>>>);

type List = Vec<Weak<dyn Waiter>>;

impl Waiters {
    /// To be woken until done. The caller must look at the state once more afterwards, for what
    /// happened between its last look and now.
    pub fn add(&self, waiter: &Arc<dyn Waiter>) {
        let mut waiting = self.0.lock();
        let list = waiting.get_or_insert_default();
        if list.len() == list.capacity() {
            // Others may have completed them through other partitions.
            list.retain(|waiter| waiter.strong_count() > 0);
        }
        list.push(Arc::downgrade(waiter));
    }

    pub fn wake(&self, now: Time) {
        let Some(waiting) = self.0.lock().take() else { return };
        let still = waiting.into_iter().filter(|waiter| match waiter.upgrade() {
            Some(waiter) => !waiter.try_complete(now),
            None => false,
        });
        // Without the lock: who completes may register elsewhere.
        let still: Vec<_> = still.collect();
        if !still.is_empty() {
            self.0.lock().get_or_insert_default().extend(still);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Countdown(AtomicUsize);

    impl Waiter for Countdown {
        fn try_complete(&self, _now: Time) -> bool {
            self.0.fetch_sub(1, Ordering::Relaxed) == 1
        }
    }

    #[test]
    fn a_waiter_is_woken_until_it_is_done() {
        let waiters = Waiters::default();
        let countdown = Arc::new(Countdown(AtomicUsize::new(2)));
        let waiter: Arc<dyn Waiter> = countdown.clone();
        waiters.add(&waiter);
        for _ in 0..3 {
            waiters.wake(Time::default());
        }
        assert_eq!(countdown.0.load(Ordering::Relaxed), 0);
    }
}
