//! Leader: appends, counts how far the voters have come, and steps down when it has lost touch with them.

use super::Role;
use super::replicas::Replicas;
use crate::fetch_leader::ParkedFetch;
use crate::io::{Action, LossReason};
use crate::key::ReplicaKey;
use crate::message::{BeginQuorumEpochRequest, ControlRecord, Request};
use crate::raft::{NEVER_MS, Raft};
use crate::voter_change::VoterChange;
use crate::voters::VoterSet;
use ottla_base::{LeaderEpoch, NodeId, Offset};
use std::collections::BTreeSet;

pub(crate) struct Leader {
    pub epoch: LeaderEpoch,
    pub epoch_start_offset: Offset,
    pub replicas: Replicas,
    pub parked: Vec<ParkedFetch>,
    pub voter_change: Option<VoterChange>,
    /// With kraft.version 0: what the voters said of themselves, to be written when it becomes 1.
    pub volatile_voters: Option<VoterSet>,
    pub resign: Option<LossReason>,
    /// The voters that fetched since the deadline was last set.
    fetched_voters: BTreeSet<NodeId>,
    /// The voter set that `replicas` has.
    voters_offset: Option<Offset>,
    check_quorum_deadline_ms: u64,
    begin_epoch_deadline_ms: u64,
}

impl Raft {
    pub(crate) fn become_leader(&mut self) {
        let Role::Candidate(candidate) = &self.role else { return };
        assert!(candidate.election.is_won());
        let granting_voters = candidate.election.granting();
        let local = self.config.local;

        self.leader = Some(local.id);
        self.leader_endpoints = self.config.listeners.clone();
        self.voted = None;
        // What was committed before is only known to be so again when a record of the new epoch is.
        self.high_watermark = None;
        let epoch_start_offset = self.log.end_offset();
        let voters = self.history.last_voters();
        let role = Leader {
            epoch: self.epoch,
            epoch_start_offset,
            replicas: Replicas::new(local, voters),
            parked: Vec::new(),
            voter_change: None,
            volatile_voters: self.volatile_voters_at_start(),
            resign: None,
            fetched_voters: BTreeSet::new(),
            voters_offset: self.history.last_voters_offset(),
            check_quorum_deadline_ms: self.now_ms.saturating_add(self.check_quorum_timeout_ms()),
            begin_epoch_deadline_ms: self.now_ms,
        };
        self.set_role(Role::Leader(Box::new(role)));
        self.persist();
        self.connections.reset_all();
        self.out.push(Action::BecameLeader { epoch: self.epoch, epoch_start_offset });
        self.append_start_of_epoch(granting_voters);
    }

    /// Only a record of its own epoch lets a leader commit what is before it. If the log does not
    /// have the voters yet, or not this node as it is, they are written as well.
    fn append_start_of_epoch(&mut self, granting_voters: Vec<NodeId>) {
        let voters = self.history.last_voters();
        let change = ControlRecord::LeaderChange {
            leader: self.config.local.id,
            voters: voters.ids().collect(),
            granting_voters,
        };
        let mut records = vec![change];
        let version = self.kraft_version();
        let local = self.config.local_voter();
        let is_in_log = self.history.last_voters_offset().is_some_and(|offset| offset >= 0);
        if version > 0
            && (!is_in_log || voters.needs_update(&local))
            && let Some(updated) = voters.with_updated(local)
        {
            records.push(ControlRecord::KRaftVersion(version));
            records.push(ControlRecord::Voters(updated));
        }
        self.append_control(records);
    }

    /// Returns the offset of the last record.
    pub(crate) fn append_control(&mut self, records: Vec<ControlRecord>) -> Offset {
        let base_offset = self.log.end_offset();
        let end_offset = base_offset + records.len() as Offset;
        for (offset, record) in (base_offset..).zip(&records) {
            self.history.add(offset, record);
        }
        self.out.push(Action::AppendControl { epoch: self.epoch, base_offset, records });
        self.log.append(self.epoch, end_offset);
        self.update_local_progress();
        end_offset - 1
    }

    pub(crate) fn on_appended(&mut self, end_offset: Offset) {
        assert!(matches!(self.role, Role::Leader(_)), "an append to {end_offset} by a node that is not the leader");
        self.log.append(self.epoch, end_offset);
        self.update_local_progress();
    }

    pub(crate) fn on_flushed(&mut self, offset: Offset) {
        self.log.flushed(offset);
        self.update_local_progress();
    }

    fn update_local_progress(&mut self) {
        let Role::Leader(leader) = &mut self.role else { return };
        let voters_offset = self.history.last_voters_offset();
        if leader.voters_offset != voters_offset {
            leader.voters_offset = voters_offset;
            leader.replicas.set_voters(self.history.last_voters());
        }
        leader.replicas.local_flushed(self.log.flushed_offset());
        self.update_high_watermark();
    }

    pub(crate) fn update_high_watermark(&mut self) {
        let Role::Leader(leader) = &self.role else { return };
        let Some(offset) = leader.replicas.majority_offset() else { return };
        // It can compute to less than before after the voters changed; that changes nothing.
        if offset <= leader.epoch_start_offset || self.high_watermark.is_some_and(|known| known >= offset) {
            return;
        }
        self.high_watermark = Some(offset);
        self.announce_high_watermark(offset);
        self.commit_voter_change(offset);
    }

    /// A voter was heard: with a majority of them the leader has another while.
    pub(crate) fn voter_fetched(&mut self, key: &ReplicaKey) {
        let deadline_ms = self.now_ms.saturating_add(self.check_quorum_timeout_ms());
        let is_voter = self.is_voter();
        let Role::Leader(leader) = &mut self.role else { return };
        if leader.replicas.is_voter(key) {
            leader.fetched_voters.insert(key.id);
        }
        let majority = leader.replicas.voter_count() / 2 + 1;
        // The leader is in touch with itself.
        let needed = if is_voter { majority - 1 } else { majority };
        if leader.fetched_voters.len() >= needed {
            leader.fetched_voters.clear();
            leader.check_quorum_deadline_ms = deadline_ms;
        }
    }

    /// One and a half fetch timeouts (KIP-835).
    fn check_quorum_timeout_ms(&self) -> u64 {
        self.config.fetch_timeout_ms.saturating_add(self.config.fetch_timeout_ms / 2)
    }

    pub(crate) fn request_resign(&mut self, epoch: LeaderEpoch) {
        let is_current = epoch == self.epoch;
        if let Role::Leader(leader) = &mut self.role
            && is_current
        {
            leader.resign.get_or_insert(LossReason::Requested);
        }
    }

    pub(crate) fn poll_leader(&mut self) -> u64 {
        self.expire_voter_change();
        self.answer_parked_fetches();
        let shutdown = self.shutdown_deadline_ms.map(|_| LossReason::Shutdown);
        let Role::Leader(leader) = &self.role else { return NEVER_MS };
        let check_deadline_ms =
            if leader.replicas.voter_count() == 1 { NEVER_MS } else { leader.check_quorum_deadline_ms };
        let lost_touch = (check_deadline_ms <= self.now_ms).then_some(LossReason::CheckQuorum);
        if let Some(reason) = shutdown.or(leader.resign).or(lost_touch) {
            let successors = leader.replicas.successors();
            self.become_resigned(successors, reason);
            return NEVER_MS;
        }
        let parked_ms = leader.parked.iter().map(|parked| parked.deadline_ms).min().unwrap_or(NEVER_MS);
        let change_ms = leader.voter_change.as_ref().map_or(NEVER_MS, VoterChange::deadline_ms);
        let begin_ms = self.send_begin_epoch();
        check_deadline_ms.min(parked_ms).min(change_ms).min(begin_ms)
    }

    /// Every half fetch timeout, to the voters that were not heard since.
    fn send_begin_epoch(&mut self) -> u64 {
        let period_ms = self.config.fetch_timeout_ms / 2;
        let next_ms = self.now_ms.saturating_add(period_ms);
        let now_ms = self.now_ms;
        let Role::Leader(leader) = &mut self.role else { return NEVER_MS };
        if leader.replicas.voter_count() <= 1 && leader.replicas.successors().is_empty() {
            return NEVER_MS;
        }
        if leader.begin_epoch_deadline_ms > now_ms {
            return leader.begin_epoch_deadline_ms;
        }
        leader.begin_epoch_deadline_ms = next_ms;
        for voter in leader.replicas.silent_voters(now_ms, period_ms) {
            let request = BeginQuorumEpochRequest {
                leader: self.config.local.id,
                epoch: self.epoch,
                leader_endpoints: self.config.listeners.clone(),
                voter: Some(voter),
            };
            self.send_to_voter(voter.id, || Request::BeginQuorumEpoch(request));
        }
        next_ms.max(now_ms + 1)
    }

    /// What waits for this leader waits in vain.
    pub(crate) fn leave_leader(&mut self, leader: Leader, reason: LossReason) {
        self.answer_not_leader(leader.parked, leader.voter_change);
        self.out.push(Action::LostLeadership { epoch: leader.epoch, reason });
    }
}
