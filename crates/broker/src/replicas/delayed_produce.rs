//! Writes with acks=all that wait until all in-sync replicas have them.

use super::{Partition, Waiter};
use crate::broker::Broker;
use crate::request::Reply;
use ottla_base::{ErrorCode, LeaderEpoch, Offset, Time};
use ottla_wire::messages::ProduceResponse;
use parking_lot::Mutex;
use std::sync::Arc;

/// One partition's part of the request.
pub struct Pending {
    pub partition: Arc<Partition>,
    pub epoch: LeaderEpoch,
    /// Behind the last record.
    pub end: Offset,
    /// Its places in the response.
    pub topic_index: usize,
    pub partition_index: usize,
}

struct Waiting {
    pending: Vec<Pending>,
    response: ProduceResponse,
    reply: Reply<ProduceResponse>,
}

pub struct DelayedProduce(Mutex<Option<Waiting>>);

impl DelayedProduce {
    /// Answers when everything is replicated, or at the deadline.
    pub fn park(
        broker: &Broker,
        pending: Vec<Pending>,
        response: ProduceResponse,
        reply: Reply<ProduceResponse>,
        deadline_ms: u64,
        now: Time,
    ) {
        let partitions: Vec<_> = pending.iter().map(|pending| pending.partition.clone()).collect();
        let delayed = Arc::new(DelayedProduce(Mutex::new(Some(Waiting { pending, response, reply }))));
        let waiter: Arc<dyn Waiter> = delayed.clone();
        for partition in &partitions {
            partition.waiters.add(&waiter);
        }
        if !delayed.try_complete(now) {
            broker.timers.at(deadline_ms, move |_| delayed.give_up());
        }
    }

    fn give_up(&self) {
        let taken = self.0.lock().take();
        if let Some(mut waiting) = taken {
            for pending in std::mem::take(&mut waiting.pending) {
                waiting.set_error(&pending, ErrorCode::RequestTimedOut);
            }
            waiting.reply.send(&waiting.response);
        }
    }
}

impl Waiting {
    fn set_error(&mut self, pending: &Pending, error: ErrorCode) {
        let topic = self.response.responses.get_mut(pending.topic_index);
        let partition = topic.and_then(|topic| topic.partition_responses.get_mut(pending.partition_index));
        if let Some(partition) = partition.filter(|_| error.is_error()) {
            partition.error_code = error.code();
            partition.base_offset = -1;
        }
    }
}

impl Waiter for DelayedProduce {
    fn try_complete(&self, _now: Time) -> bool {
        let mut slot = self.0.lock();
        let Some(waiting) = slot.as_mut() else { return true };
        for pending in std::mem::take(&mut waiting.pending) {
            match pending.partition.is_replicated(pending.epoch, pending.end) {
                None => waiting.pending.push(pending),
                Some(error) => waiting.set_error(&pending, error),
            }
        }
        if !waiting.pending.is_empty() {
            return false;
        }
        let taken = slot.take();
        drop(slot);
        if let Some(waiting) = taken {
            waiting.reply.send(&waiting.response);
        }
        true
    }
}
