//! The batches that are being filled, wait to be sent, or wait for their answer; by partition.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use ottla_base::TopicPartition;

use super::batch::{Batch, Buffered};

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The last may still be filled.
    pub batches: VecDeque<Batch>,
    /// Came back to be sent again, by sequence.
    pub retries: VecDeque<Batch>,
    pub in_flight: usize,
    /// Of the next batch that gets one.
    pub next_sequence: i32,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.retries.is_empty() && self.in_flight == 0
    }

    /// Behind the retries that were sent before it.
    pub fn push_retry(&mut self, batch: Batch) {
        let at = self.retries.iter().position(|other| other.base_sequence > batch.base_sequence);
        self.retries.insert(at.unwrap_or(self.retries.len()), batch);
    }

    /// The first batch, when it may be sent now: `Err` says when to look again, if ever.
    pub fn ready(&self, now: Instant, linger: Duration, batch_size: usize, hurry: bool) -> Result<(), Option<Instant>> {
        if let Some(first) = self.retries.front() {
            return match first.retry_at {
                // What was sent before must be settled first, or the order is lost.
                _ if self.in_flight > 0 => Err(None),
                Some(at) if at > now => Err(Some(at)),
                _ => Ok(()),
            };
        }
        let Some(first) = self.batches.front() else { return Err(None) };
        let full = self.batches.len() > 1 || first.bytes >= batch_size;
        let due = first.created + linger;
        if full || hurry || due <= now { Ok(()) } else { Err(Some(due)) }
    }

    pub fn take_first(&mut self) -> Option<Batch> {
        self.retries.pop_front().or_else(|| self.batches.pop_front())
    }

    /// A batch that was sent before this one is to be sent again.
    pub fn has_retry_before(&self, sequence: Option<i32>) -> bool {
        self.retries.front().is_some_and(|first| first.base_sequence < sequence)
    }

    /// Numbers everything that waits anew, for a new producer id.
    pub fn renumber(&mut self) {
        self.next_sequence = 0;
        for batch in self.retries.iter_mut().chain(&mut self.batches) {
            batch.base_sequence = None;
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Accumulator {
    pub queues: BTreeMap<TopicPartition, Queue>,
    /// Who waits for memory, or for all to be delivered: nothing lingers meanwhile.
    pub waiting: usize,
}

impl Accumulator {
    /// Says whether there is now something to send that does not have to linger.
    pub fn append(&mut self, partition: &TopicPartition, record: Buffered, batch_size: usize) -> bool {
        let queue = match self.queues.get_mut(partition) {
            Some(queue) => queue,
            None => self.queues.entry(partition.clone()).or_default(),
        };
        let mut is_new = false;
        match queue.batches.back_mut().filter(|batch| batch.has_room(record.bytes, batch_size)) {
            Some(batch) => batch.push(record),
            None => {
                let mut batch = Batch::new(Instant::now());
                batch.push(record);
                queue.batches.push_back(batch);
                is_new = true;
            }
        }
        is_new || queue.batches.back().is_some_and(|batch| batch.bytes >= batch_size)
    }

    pub fn is_empty(&self) -> bool {
        self.queues.values().all(Queue::is_empty)
    }

    /// When the oldest batch that waits was begun.
    pub fn oldest(&self) -> Option<Instant> {
        let first = |queue: &Queue| queue.retries.front().or(queue.batches.front()).map(|batch| batch.created);
        self.queues.values().filter_map(first).min()
    }

    pub fn in_flight(&self) -> usize {
        self.queues.values().map(|queue| queue.in_flight).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    fn record(bytes: usize) -> Buffered {
        let (delivery, _) = oneshot::channel();
        Buffered { timestamp: 0, key: None, value: None, headers: Vec::new(), bytes, delivery }
    }

    fn numbered(sequence: i32) -> Batch {
        let mut batch = Batch::new(Instant::now());
        batch.base_sequence = Some(sequence);
        batch
    }

    #[test]
    fn a_batch_lingers_unless_it_is_full() {
        let mut accumulator = Accumulator::default();
        let partition = TopicPartition::new("t", 0);
        accumulator.append(&partition, record(100), 1000);
        let linger = Duration::from_secs(10);
        let queue = &accumulator.queues[&partition];
        let now = Instant::now();
        assert!(matches!(queue.ready(now, linger, 1000, false), Err(Some(_))));
        assert_eq!(queue.ready(now, linger, 1000, true), Ok(()));
        assert_eq!(queue.ready(now + linger, linger, 1000, false), Ok(()));
        accumulator.append(&partition, record(900), 1000);
        assert_eq!(accumulator.queues[&partition].batches.len(), 2);
        assert_eq!(accumulator.queues[&partition].ready(now, linger, 1000, false), Ok(()));
    }

    #[test]
    fn retries_keep_their_order_and_wait_for_what_is_in_flight() {
        let mut queue = Queue { in_flight: 1, ..Queue::default() };
        queue.push_retry(numbered(5));
        queue.push_retry(numbered(2));
        let now = Instant::now();
        assert_eq!(queue.ready(now, Duration::ZERO, 1, true), Err(None));
        queue.in_flight = 0;
        assert_eq!(queue.ready(now, Duration::ZERO, 1, true), Ok(()));
        assert_eq!(queue.take_first().unwrap().base_sequence, Some(2));
        assert_eq!(queue.take_first().unwrap().base_sequence, Some(5));
    }
}
