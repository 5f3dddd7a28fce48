//! Deadlines by name. Setting a timer that is set already moves it.

use std::collections::BTreeMap;

#[derive(Debug)]
pub struct Timers<K, V> {
    /// The number after the deadline keeps timers of one instant in the order in which they were set.
    by_deadline: BTreeMap<(u64, u64), K>,
    by_key: BTreeMap<K, (u64, u64, V)>,
    next_sequence: u64,
}

impl<K, V> Default for Timers<K, V> {
    fn default() -> Self {
        Timers { by_deadline: BTreeMap::new(), by_key: BTreeMap::new(), next_sequence: 0 }
    }
}

impl<K: Ord + Clone, V> Timers<K, V> {
    pub fn set(&mut self, key: K, deadline_ms: u64, value: V) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        if let Some((deadline, sequence, _)) = self.by_key.insert(key.clone(), (deadline_ms, sequence, value)) {
            self.by_deadline.remove(&(deadline, sequence));
        }
        self.by_deadline.insert((deadline_ms, sequence), key);
    }

    pub fn cancel(&mut self, key: &K) {
        if let Some((deadline, sequence, _)) = self.by_key.remove(key) {
            self.by_deadline.remove(&(deadline, sequence));
        }
    }

    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.by_deadline.keys().next().map(|(deadline, _)| *deadline)
    }

    /// Takes the first timer whose deadline has come.
    pub fn pop_due(&mut self, now_ms: u64) -> Option<(K, V)> {
        let entry = self.by_deadline.first_entry()?;
        if entry.key().0 > now_ms {
            return None;
        }
        let key = entry.remove();
        let (_, _, value) = self.by_key.remove(&key)?;
        Some((key, value))
    }

    pub fn clear(&mut self) {
        self.by_deadline.clear();
        self.by_key.clear();
    }

    pub fn deadline_ms(&self, key: &K) -> Option<u64> {
        self.by_key.get(key).map(|(deadline, _, _)| *deadline)
    }

    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_the_order_of_their_deadlines() {
        let mut timers = Timers::default();
        timers.set("b", 20, ());
        timers.set("a", 10, ());
        timers.set("c", 20, ());
        assert_eq!(timers.next_deadline_ms(), Some(10));
        assert_eq!(timers.pop_due(9), None);
        let fired: Vec<_> = std::iter::from_fn(|| timers.pop_due(20)).map(|(key, ())| key).collect();
        assert_eq!(fired, ["a", "b", "c"]);
        assert!(timers.is_empty());
    }

    #[test]
    fn setting_a_timer_again_moves_it() {
        let mut timers = Timers::default();
        timers.set("a", 10, 1);
        timers.set("a", 30, 2);
        assert_eq!(timers.pop_due(29), None);
        assert_eq!(timers.pop_due(30), Some(("a", 2)));
        timers.set("a", 40, 3);
        timers.cancel(&"a");
        assert_eq!(timers.next_deadline_ms(), None);
    }
}
