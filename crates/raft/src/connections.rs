//! Which nodes a request can be sent to: one in flight each, with a timeout and a pause after a failure.

use crate::io::Correlation;
use ottla_base::NodeId;
use std::collections::BTreeMap;

#[derive(Debug)]
enum State {
    AwaitingResponse { correlation: Correlation, until_ms: u64 },
    BackingOff { until_ms: u64 },
}

/// A node without an entry is ready.
#[derive(Debug)]
pub(crate) struct Connections {
    states: BTreeMap<NodeId, State>,
    request_timeout_ms: u64,
    retry_backoff_ms: u64,
    next_correlation: Correlation,
}

impl Connections {
    pub fn new(request_timeout_ms: u64, retry_backoff_ms: u64) -> Self {
        Connections { states: BTreeMap::new(), request_timeout_ms, retry_backoff_ms, next_correlation: 1 }
    }

    pub fn is_ready(&self, node: NodeId, now_ms: u64) -> bool {
        self.busy_until(node).is_none_or(|until_ms| until_ms <= now_ms)
    }

    /// When the node's request times out or its pause ends; `None` when it has neither.
    pub fn busy_until(&self, node: NodeId) -> Option<u64> {
        match self.states.get(&node)? {
            State::AwaitingResponse { until_ms, .. } | State::BackingOff { until_ms } => Some(*until_ms),
        }
    }

    pub fn is_backing_off(&self, node: NodeId, now_ms: u64) -> bool {
        matches!(self.states.get(&node), Some(State::BackingOff { until_ms }) if *until_ms > now_ms)
    }

    pub fn has_timed_out(&self, node: NodeId, now_ms: u64) -> bool {
        matches!(self.states.get(&node), Some(State::AwaitingResponse { until_ms, .. }) if *until_ms <= now_ms)
    }

    /// The earliest time at which a request in flight to any node times out.
    pub fn in_flight_until(&self, now_ms: u64) -> Option<u64> {
        let waiting = self.states.values().filter_map(|state| match state {
            State::AwaitingResponse { until_ms, .. } if *until_ms > now_ms => Some(*until_ms),
            _ => None,
        });
        waiting.min()
    }

    /// The name of the request that is being sent.
    pub fn send(&mut self, node: NodeId, now_ms: u64) -> Correlation {
        let correlation = self.next_correlation;
        self.next_correlation += 1;
        let until_ms = now_ms.saturating_add(self.request_timeout_ms);
        self.states.insert(node, State::AwaitingResponse { correlation, until_ms });
        correlation
    }

    pub fn is_expected(&self, node: NodeId, correlation: Correlation) -> bool {
        matches!(self.states.get(&node), Some(State::AwaitingResponse { correlation: sent, .. }) if *sent == correlation)
    }

    /// The response was handled; `ok` makes the node ready, else it must pause.
    pub fn on_result(&mut self, node: NodeId, correlation: Correlation, ok: bool, now_ms: u64) {
        if !self.is_expected(node, correlation) {
            return;
        }
        if ok {
            self.states.remove(&node);
        } else {
            self.pause(node, now_ms);
        }
    }

    /// A node whose answer led nowhere is not asked again at once.
    pub fn pause(&mut self, node: NodeId, now_ms: u64) {
        let until_ms = now_ms.saturating_add(self.retry_backoff_ms);
        self.states.insert(node, State::BackingOff { until_ms });
    }

    pub fn reset(&mut self, node: NodeId) {
        self.states.remove(&node);
    }

    /// In a new role the answers to old questions are of no interest.
    pub fn reset_all(&mut self) {
        self.states.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_at_a_time_and_a_pause_after_a_failure() {
        let mut connections = Connections::new(100, 20);
        let first = connections.send(1, 0);
        assert!(!connections.is_ready(1, 99));
        assert_eq!(connections.in_flight_until(50), Some(100));
        connections.on_result(1, first, false, 50);
        assert!(connections.is_backing_off(1, 69) && !connections.is_ready(1, 69));
        assert!(connections.is_ready(1, 70));

        let second = connections.send(1, 70);
        assert!(!connections.is_expected(1, first));
        assert!(connections.has_timed_out(1, 170) && connections.is_ready(1, 170));
        connections.on_result(1, second, true, 180);
        assert_eq!(connections.busy_until(1), None);
    }
}
