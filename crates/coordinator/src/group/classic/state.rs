//! A classic group: its members and where it stands in a rebalance. No timers and no replies here.

use super::member::{Member, ParkedJoin, Protocol};
use bytes::Bytes;
use ottla_base::{ErrorCode, TimestampMs};
use ottla_wire::Message;
use ottla_wire::codec::Reader;
use ottla_wire::data::ConsumerProtocolSubscription;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The protocol type of Kafka's consumers: of it the coordinator knows what a subscription looks like.
pub const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassicState {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl ClassicState {
    pub fn name(self) -> &'static str {
        match self {
            ClassicState::Empty => "Empty",
            ClassicState::PreparingRebalance => "PreparingRebalance",
            ClassicState::CompletingRebalance => "CompletingRebalance",
            ClassicState::Stable => "Stable",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct ClassicGroup {
    pub id: Arc<str>,
    pub state: ClassicState,
    pub previous_state: ClassicState,
    /// Absent in records before version 2.
    pub state_timestamp_ms: Option<TimestampMs>,
    /// Absent as long as nobody has joined: a group that only commits offsets.
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub generation: i32,
    pub leader: Option<Arc<str>>,
    pub members: BTreeMap<Arc<str>, Member>,
    pub static_members: BTreeMap<String, Arc<str>>,
    /// Have got an id and are expected to join with it.
    pub pending_join: BTreeSet<Arc<str>>,
    /// Have joined this generation and are expected to sync.
    pub pending_sync: BTreeSet<Arc<str>>,
    /// How many members have a JoinGroup parked.
    awaiting_join: usize,
    /// How many members know a protocol.
    supported_protocols: BTreeMap<String, usize>,
    /// `None` when the coordinator cannot tell.
    pub subscribed_topics: Option<BTreeSet<String>>,
    /// The generation whose assignment is on its way to the log.
    pub storing_assignment: Option<i32>,
    /// Somebody joined since the initial delay began: it can be made longer.
    pub new_member_added: bool,
}

impl ClassicGroup {
    pub fn new(id: Arc<str>, now_ms: TimestampMs) -> ClassicGroup {
        ClassicGroup {
            id,
            state: ClassicState::Empty,
            previous_state: ClassicState::Empty,
            state_timestamp_ms: Some(now_ms),
            protocol_type: None,
            protocol_name: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_join: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            awaiting_join: 0,
            supported_protocols: BTreeMap::new(),
            subscribed_topics: None,
            storing_assignment: None,
            new_member_added: false,
        }
    }

    pub fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    pub fn is_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// Offsets only, no members ever.
    pub fn is_simple(&self) -> bool {
        self.protocol_type.is_none() && self.state == ClassicState::Empty && self.pending_join.is_empty()
    }

    pub fn transition_to(&mut self, state: ClassicState, now_ms: TimestampMs) {
        use ClassicState::*;
        let allowed: &[ClassicState] = match state {
            Empty | CompletingRebalance => &[PreparingRebalance],
            PreparingRebalance => &[Stable, CompletingRebalance, Empty],
            Stable => &[CompletingRebalance],
        };
        assert!(allowed.contains(&self.state), "group {}: {:?} cannot become {state:?}", self.id, self.state);
        self.previous_state = self.state;
        self.state = state;
        self.state_timestamp_ms = Some(now_ms);
    }

    pub fn can_rebalance(&self) -> bool {
        self.state != ClassicState::PreparingRebalance
    }

    pub fn awaiting_join(&self) -> usize {
        self.awaiting_join
    }

    pub fn has_all_joined(&self) -> bool {
        self.pending_join.is_empty() && self.awaiting_join == self.members.len()
    }

    /// Gives back what the member had parked before.
    pub fn park_join(&mut self, member_id: &str, join: ParkedJoin) -> Option<ParkedJoin> {
        let before = self.members.get_mut(member_id)?.awaiting_join.replace(join);
        self.awaiting_join += usize::from(before.is_none());
        before
    }

    pub fn take_join(&mut self, member_id: &str) -> Option<ParkedJoin> {
        let join = self.members.get_mut(member_id)?.awaiting_join.take()?;
        self.awaiting_join -= 1;
        Some(join)
    }

    /// The longest that a member asked for.
    pub fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0).max(0)
    }

    pub fn add(&mut self, member: Member) {
        if self.members.is_empty() {
            self.protocol_type = Some(member.protocol_type.clone());
        }
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), member.id.clone());
        }
        self.leader.get_or_insert_with(|| member.id.clone());
        self.pending_join.remove(&member.id);
        self.count_protocols(&member.protocols);
        self.awaiting_join += usize::from(member.awaiting_join.is_some());
        self.members.insert(member.id.clone(), member);
    }

    /// The caller has answered what the member had parked.
    pub fn remove(&mut self, member_id: &str) -> Option<Member> {
        let removed = self.members.remove(member_id);
        if let Some(member) = &removed {
            assert!(member.awaiting_join.is_none() && member.awaiting_sync.is_none(), "{member_id} still waits");
            self.discount_protocols(&member.protocols);
            if let Some(instance_id) = &member.instance_id {
                self.static_members.remove(instance_id);
            }
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending_join.remove(member_id);
        self.pending_sync.remove(member_id);
        removed
    }

    /// Gives a static member the id under which it has come back.
    pub fn rename_static(&mut self, instance_id: &str, old_id: &str, new_id: Arc<str>) {
        let Some(mut member) = self.members.remove(old_id) else { return };
        assert!(member.awaiting_join.is_none() && member.awaiting_sync.is_none(), "{old_id} still waits");
        member.id = new_id.clone();
        member.is_new = false;
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        self.pending_sync.remove(old_id);
        self.static_members.insert(instance_id.to_owned(), new_id.clone());
        self.members.insert(new_id, member);
    }

    pub fn set_protocols(&mut self, member_id: &str, protocols: Vec<Protocol>) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        let old = std::mem::replace(&mut member.protocols, protocols);
        let new = member.protocols.clone();
        self.discount_protocols(&old);
        self.count_protocols(&new);
    }

    fn count_protocols(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            *self.supported_protocols.entry(protocol.name.clone()).or_default() += 1;
        }
    }

    fn discount_protocols(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            if let Some(count) = self.supported_protocols.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.supported_protocols.remove(&protocol.name);
                }
            }
        }
    }

    /// Whether there is a protocol that all members and the new one know.
    pub fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == ClassicState::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type) && protocols.iter().any(|p| self.all_know(&p.name))
    }

    fn all_know(&self, protocol: &str) -> bool {
        self.supported_protocols.get(protocol).copied().unwrap_or(0) == self.members.len()
    }

    /// Every member votes for the first of its protocols that all know.
    pub fn select_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let vote = member.protocols.iter().find(|protocol| self.all_know(&protocol.name))?;
            *votes.entry(&vote.name).or_default() += 1;
        }
        let most = *votes.values().max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.to_owned())
    }

    /// A leader that has not joined loses the office to one that has. False when nobody has joined.
    pub fn elect_joined_leader(&mut self) -> bool {
        let Some(leader) = self.leader.as_ref().and_then(|leader| self.members.get(leader)) else { return false };
        if leader.awaiting_join.is_some() {
            return true;
        }
        match self.members.values().find(|member| member.awaiting_join.is_some()) {
            Some(joined) => {
                tracing::info!(
                    group = &*self.id,
                    old = &*leader.id,
                    new = &*joined.id,
                    "the leader did not rejoin in time"
                );
                self.leader = Some(joined.id.clone());
                true
            }
            None => false,
        }
    }

    pub fn init_next_generation(&mut self, now_ms: TimestampMs) {
        self.generation = self.generation.wrapping_add(1);
        self.protocol_name = self.select_protocol();
        self.subscribed_topics = self.compute_subscribed_topics();
        let next = if self.members.is_empty() { ClassicState::Empty } else { ClassicState::CompletingRebalance };
        self.transition_to(next, now_ms);
        self.pending_sync.clear();
    }

    pub fn compute_subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if !self.is_consumer_protocol() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol_name.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscribed_topics(member.metadata(protocol))?);
        }
        Some(topics)
    }

    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.is_consumer_protocol(),
        }
    }

    /// The member is who it says it is.
    pub fn validate_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(existing) if **existing != *member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    pub fn assignments(&self) -> BTreeMap<Arc<str>, Bytes> {
        self.members.iter().map(|(id, member)| (id.clone(), member.assignment.clone())).collect()
    }
}

/// Read as version 0, which is how every version begins.
fn subscribed_topics(metadata: Bytes) -> Option<Vec<String>> {
    let mut reader = Reader::new(metadata);
    reader.i16().ok()?;
    Some(ConsumerProtocolSubscription::decode(&mut reader, 0).ok()?.topics)
}
