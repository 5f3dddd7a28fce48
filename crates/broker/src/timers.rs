//! Things to do at a time. One heap for all of a broker; a waiting request costs one entry.

use ottla_base::Time;
use parking_lot::Mutex;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::OnceLock;

type Task = Box<dyn FnOnce(Time) + Send>;
type Wake = Box<dyn Fn() + Send + Sync>;

struct Entry {
    at_ms: u64,
    /// Tasks of the same time run in the order in which they came.
    sequence: u64,
    task: Task,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// Reversed: the heap's greatest is the next one due.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ms, other.sequence).cmp(&(self.at_ms, self.sequence))
    }
}

#[derive(Default)]
struct Heap {
    entries: BinaryHeap<Entry>,
    next_sequence: u64,
}

#[derive(Default)]
pub struct Timers {
    heap: Mutex<Heap>,
    /// Called when the next deadline has come nearer.
    wake: OnceLock<Wake>,
}

impl Timers {
    /// The driver's part, once: how to be told that [`Timers::next_deadline_ms`] changed.
    pub fn on_earlier_deadline(&self, wake: Wake) {
        let _already_set = self.wake.set(wake);
    }

    /// `at_ms` is on the monotonic clock ([`Time::mono_ms`]).
    pub fn at(&self, at_ms: u64, task: impl FnOnce(Time) + Send + 'static) {
        let is_next = {
            let mut heap = self.heap.lock();
            let sequence = heap.next_sequence;
            heap.next_sequence += 1;
            heap.entries.push(Entry { at_ms, sequence, task: Box::new(task) });
            heap.entries.peek().is_some_and(|first| first.sequence == sequence)
        };
        if is_next && let Some(wake) = self.wake.get() {
            wake();
        }
    }

    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.heap.lock().entries.peek().map(|entry| entry.at_ms)
    }

    /// Runs all that is due.
    pub fn run(&self, now: Time) {
        loop {
            let task = {
                let mut heap = self.heap.lock();
                match heap.entries.peek() {
                    Some(entry) if entry.at_ms <= now.mono_ms => heap.entries.pop().map(|entry| entry.task),
                    _ => None,
                }
            };
            let Some(task) = task else { return };
            task(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn tasks_run_when_due_and_in_order() {
        let timers = Timers::default();
        let ran = Arc::new(Mutex::new(vec![]));
        for (at_ms, name) in [(30, "c"), (10, "a"), (20, "b"), (10, "a2")] {
            let ran = ran.clone();
            timers.at(at_ms, move |_| ran.lock().push(name));
        }
        timers.run(Time { mono_ms: 20, wall_ms: 0 });
        assert_eq!(*ran.lock(), ["a", "a2", "b"]);
        assert_eq!(timers.next_deadline_ms(), Some(30));
    }
}
