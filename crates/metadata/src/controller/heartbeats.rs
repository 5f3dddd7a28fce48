//! Who has been heard of lately: soft state of the active controller, which begins anew with each of its terms.

use ottla_base::{NodeId, Offset};
use ottla_wire::messages::BrokerHeartbeatRequest;
use std::collections::BTreeMap;

/// Where a broker stands, and where it is sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrokerState {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

impl BrokerState {
    pub fn is_fenced(self) -> bool {
        matches!(self, BrokerState::Fenced | BrokerState::ShutdownNow)
    }
}

#[derive(Debug, Default)]
pub(super) struct Heartbeats {
    session_timeout_ms: u64,
    brokers: BTreeMap<NodeId, Tracked>,
    /// By id and epoch: the time (of the monotonic clock) of the last heartbeat.
    contacts: BTreeMap<(NodeId, i64), u64>,
}

#[derive(Debug)]
struct Tracked {
    fenced: bool,
    /// How far it has read the metadata.
    metadata_offset: Offset,
    /// Where its leaderships had been given away; -1 when it does not want to leave.
    shutdown_offset: Offset,
}

impl Heartbeats {
    pub fn new(session_timeout_ms: u64) -> Heartbeats {
        Heartbeats { session_timeout_ms, ..Heartbeats::default() }
    }

    pub fn contact(&mut self, broker: NodeId, epoch: i64, now_ms: u64) {
        self.contacts.insert((broker, epoch), now_ms);
    }

    pub fn has_session(&self, broker: NodeId, epoch: i64, now_ms: u64) -> bool {
        self.contacts.get(&(broker, epoch)).is_some_and(|at| !self.is_expired(*at, now_ms))
    }

    fn is_expired(&self, at: u64, now_ms: u64) -> bool {
        at.saturating_add(self.session_timeout_ms) < now_ms
    }

    /// Forgets and returns one broker that has been silent for too long.
    pub fn take_expired(&mut self, now_ms: u64) -> Option<(NodeId, i64)> {
        let key = *self.contacts.iter().find(|(_, at)| self.is_expired(**at, now_ms))?.0;
        self.contacts.remove(&key);
        Some(key)
    }

    pub fn remove(&mut self, broker: NodeId) {
        self.brokers.remove(&broker);
    }

    /// A record about the broker was replayed.
    pub fn register(&mut self, broker: NodeId, fenced: bool) {
        let offset = match self.brokers.get(&broker) {
            Some(tracked) if tracked.fenced != fenced => tracked.metadata_offset,
            _ => -1,
        };
        self.touch(broker, fenced, offset);
    }

    pub fn touch(&mut self, broker: NodeId, fenced: bool, metadata_offset: Offset) {
        let tracked = self.brokers.entry(broker).or_insert(Tracked { fenced, metadata_offset, shutdown_offset: -1 });
        tracked.fenced = fenced;
        tracked.metadata_offset = metadata_offset;
        if fenced {
            tracked.shutdown_offset = -1;
        }
    }

    pub fn fence(&mut self, broker: NodeId) {
        if let Some(tracked) = self.brokers.get_mut(&broker) {
            tracked.fenced = true;
        }
    }

    /// Which brokers may get replicas, and whether they are fenced.
    pub fn usable(&self) -> impl Iterator<Item = (NodeId, bool)> {
        self.brokers.iter().filter(|(_, tracked)| tracked.shutdown_offset < 0).map(|(id, t)| (*id, t.fenced))
    }

    /// The first call counts: that is where the leaderships were given away.
    pub fn begin_shutdown(&mut self, broker: NodeId, offset: Offset) {
        if let Some(tracked) = self.brokers.get_mut(&broker)
            && tracked.shutdown_offset < 0
        {
            tracked.shutdown_offset = offset;
        }
    }

    /// How far all brokers that stay have read.
    fn lowest_active_offset(&self) -> Offset {
        let active = self.brokers.values().filter(|tracked| !tracked.fenced && tracked.shutdown_offset < 0);
        active.map(|tracked| tracked.metadata_offset).min().unwrap_or(Offset::MAX)
    }

    /// Where a broker stands and what it may do now.
    pub fn next_state(
        &self,
        request: &BrokerHeartbeatRequest,
        registration_offset: Offset,
        has_leaderships: bool,
    ) -> (BrokerState, BrokerState) {
        use BrokerState::{ControlledShutdown, Fenced, ShutdownNow, Unfenced};
        let Some(tracked) = self.brokers.get(&request.broker_id) else { return (Fenced, Fenced) };
        if tracked.shutdown_offset >= 0 {
            // It must not go before those that take over know that they do.
            let waits = has_leaderships || tracked.shutdown_offset > self.lowest_active_offset();
            return (ControlledShutdown, if waits { ControlledShutdown } else { ShutdownNow });
        }
        if tracked.fenced {
            let next = match (request.want_shut_down, request.want_fence) {
                (true, _) => ShutdownNow,
                (false, false) if request.current_metadata_offset >= registration_offset => Unfenced,
                _ => Fenced,
            };
            return (Fenced, next);
        }
        let next = match (request.want_fence, request.want_shut_down) {
            (true, true) => ShutdownNow,
            (true, false) => Fenced,
            (false, true) if has_leaderships => ControlledShutdown,
            (false, true) => ShutdownNow,
            (false, false) => Unfenced,
        };
        (Unfenced, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(heartbeats: &Heartbeats, wants: (bool, bool), offset: i64, leads: bool, expect: BrokerState) {
        let request = BrokerHeartbeatRequest {
            broker_id: 1,
            want_fence: wants.0,
            want_shut_down: wants.1,
            current_metadata_offset: offset,
            ..Default::default()
        };
        assert_eq!(heartbeats.next_state(&request, 100, leads).1, expect);
    }

    #[test]
    fn from_registration_to_shutdown() {
        use BrokerState::{ControlledShutdown, Fenced, ShutdownNow, Unfenced};
        let mut heartbeats = Heartbeats::new(9000);
        heartbeats.register(1, true);
        check(&heartbeats, (false, false), 99, false, Fenced);
        check(&heartbeats, (true, false), 100, false, Fenced);
        check(&heartbeats, (false, false), 100, false, Unfenced);
        check(&heartbeats, (false, true), 0, true, ShutdownNow);
        heartbeats.register(1, false);
        check(&heartbeats, (false, true), 100, true, ControlledShutdown);
        check(&heartbeats, (false, true), 100, false, ShutdownNow);
        heartbeats.begin_shutdown(1, 150);
        heartbeats.begin_shutdown(1, 170);
        heartbeats.register(2, false);
        heartbeats.touch(2, false, 149);
        check(&heartbeats, (false, true), 200, true, ControlledShutdown);
        check(&heartbeats, (false, true), 200, false, ControlledShutdown);
        heartbeats.touch(2, false, 150);
        check(&heartbeats, (false, true), 200, false, ShutdownNow);
    }

    #[test]
    fn silence_ends_a_session() {
        let mut heartbeats = Heartbeats::new(9000);
        heartbeats.contact(1, 5, 1000);
        assert!(heartbeats.has_session(1, 5, 10_000) && !heartbeats.has_session(1, 5, 10_001));
        assert!(!heartbeats.has_session(1, 4, 1000));
        assert_eq!(heartbeats.take_expired(10_000), None);
        assert_eq!(heartbeats.take_expired(10_001), Some((1, 5)));
        assert_eq!(heartbeats.take_expired(10_001), None);
    }
}
