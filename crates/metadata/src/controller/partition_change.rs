//! From what is wanted for a partition to the record that makes it so: elects its leader, completes its reassignment,
//! keeps its eligible leader replicas (KIP-966). Kafka's `PartitionChangeBuilder`.

use crate::features::MetadataVersion;
use crate::image::{LeaderRecoveryState, NO_LEADER, NO_LEADER_CHANGE, Partition};
use ottla_base::{NodeId, Uuid};
use ottla_wire::metadata_records::PartitionChangeRecord;
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Election {
    /// The first replica, if it is in sync.
    Preferred,
    /// Any that is in sync.
    Online,
    /// Any that is alive; what only others had is lost.
    Unclean,
}

/// What about the cluster a change depends on.
pub(super) struct Surroundings<'a> {
    pub version: MetadataVersion,
    pub elr_enabled: bool,
    pub min_isr: usize,
    pub is_acceptable_leader: &'a dyn Fn(NodeId) -> bool,
    /// The directory of a new replica on a broker.
    pub default_directory: &'a dyn Fn(NodeId) -> Uuid,
}

pub(super) struct PartitionChangeBuilder<'a> {
    partition: &'a Partition,
    around: &'a Surroundings<'a>,
    pub election: Election,
    pub isr: Vec<NodeId>,
    pub replicas: Vec<NodeId>,
    pub removing: Vec<NodeId>,
    pub adding: Vec<NodeId>,
    pub leader_recovery_state: LeaderRecoveryState,
    /// A replica that stopped uncleanly and may have lost the end of its log.
    pub unclean_replica: Option<NodeId>,
    elr: Vec<NodeId>,
    directories: Vec<(NodeId, Uuid)>,
}

impl<'a> PartitionChangeBuilder<'a> {
    pub fn new(partition: &'a Partition, around: &'a Surroundings<'a>) -> Self {
        PartitionChangeBuilder {
            partition,
            around,
            election: Election::Online,
            isr: partition.isr.to_vec(),
            replicas: partition.replicas.to_vec(),
            removing: partition.removing_replicas().to_vec(),
            adding: partition.adding_replicas().to_vec(),
            leader_recovery_state: partition.leader_recovery_state,
            unclean_replica: None,
            elr: partition.elr().to_vec(),
            directories: partition.replicas.iter().copied().zip(partition.directories()).collect(),
        }
    }

    pub fn set_directory(&mut self, broker: NodeId, directory: Uuid) {
        self.directories.retain(|(id, _)| *id != broker);
        self.directories.push((broker, directory));
    }

    /// `None` when nothing changes.
    pub fn build(mut self, topic_id: Uuid, partition_id: i32) -> Option<PartitionChangeRecord> {
        let mut record = PartitionChangeRecord { topic_id, partition_id, ..PartitionChangeRecord::default() };
        self.complete_reassignment();
        self.populate_elr();
        self.elect(&mut record);
        self.bump_epoch_for_reassignment(&mut record);
        self.update_elr(&mut record);
        // With ELR the ISR may become empty.
        let may_set = record.isr.is_none() && (!self.isr.is_empty() || self.around.elr_enabled);
        if may_set && self.isr != *self.partition.isr {
            record.isr = Some(self.isr.clone());
        }
        self.bump_epoch_for_isr_shrink(&mut record);
        self.update_last_known_leader(&mut record);
        self.set_assignment(&mut record);
        if self.leader_recovery_state != self.partition.leader_recovery_state {
            record.leader_recovery_state = self.leader_recovery_state.code();
        }
        let unchanged = PartitionChangeRecord { topic_id, partition_id, ..PartitionChangeRecord::default() };
        (record != unchanged).then_some(record)
    }

    fn complete_reassignment(&mut self) {
        if let Some((replicas, isr)) = completed_reassignment(&self.replicas, &self.isr, &self.removing, &self.adding) {
            self.replicas = replicas;
            self.isr = isr;
            self.removing.clear();
            self.adding.clear();
        }
    }

    /// While the ISR is too small, those that leave it remain eligible.
    fn populate_elr(&mut self) {
        if !self.around.elr_enabled {
            return;
        }
        if self.isr.len() >= self.around.min_isr {
            self.elr.clear();
            return;
        }
        let candidates: BTreeSet<NodeId> = self.elr.iter().chain(self.partition.isr.iter()).copied().collect();
        // Kafka 4.3 also keeps what a reassignment has taken away, and then waits for it in vain.
        let is_replica = |id: &NodeId| self.replicas.contains(id) && self.unclean_replica != Some(*id);
        let keeps = |id: &NodeId| !self.isr.contains(id) && is_replica(id);
        self.elr = candidates.into_iter().filter(keeps).collect();
    }

    /// The new leader, and whether choosing it is unclean.
    fn leader(&self) -> (NodeId, bool) {
        let preferred = self.replicas.first().copied().filter(|_| self.election == Election::Preferred);
        let current = Some(self.partition.leader);
        let candidates = preferred.into_iter().chain(current).chain(self.replicas.iter().copied());
        if let Some(leader) = candidates.into_iter().find(|id| self.is_valid_leader(*id)) {
            return (leader, false);
        }
        if let Some(leader) = self.last_known_leader() {
            return (leader, true);
        }
        if self.election == Election::Unclean
            && let Some(leader) = self.replicas.iter().find(|id| (self.around.is_acceptable_leader)(**id))
        {
            return (*leader, true);
        }
        (NO_LEADER, false)
    }

    fn is_valid_leader(&self, id: NodeId) -> bool {
        let eligible = self.isr.contains(&id) || (self.isr.is_empty() && self.elr.contains(&id));
        eligible && (self.around.is_acceptable_leader)(id)
    }

    /// When no replica is known to have everything, the one that led last has the most.
    fn last_known_leader(&self) -> Option<NodeId> {
        if !self.around.elr_enabled || !self.elr.is_empty() || !self.isr.is_empty() {
            return None;
        }
        match self.partition.last_known_elr() {
            [id] if (self.around.is_acceptable_leader)(*id) => Some(*id),
            _ => None,
        }
    }

    fn elect(&mut self, record: &mut PartitionChangeRecord) {
        let (leader, unclean) = self.leader();
        if leader == self.partition.leader {
            return;
        }
        if self.elr.contains(&leader) {
            self.isr = vec![leader];
            self.elr.retain(|id| *id != leader);
        }
        record.leader = leader;
        if unclean {
            // Nobody else has what it has.
            record.isr = Some(vec![leader]);
            if self.partition.leader_recovery_state != LeaderRecoveryState::Recovering {
                record.leader_recovery_state = LeaderRecoveryState::Recovering.code();
            }
        }
    }

    /// A replica that is taken away must notice, so the epoch grows even where the leader stays.
    fn bump_epoch_for_reassignment(&self, record: &mut PartitionChangeRecord) {
        let loses_replica = self.partition.replicas.iter().any(|id| !self.replicas.contains(id));
        if record.leader == NO_LEADER_CHANGE && loses_replica {
            record.leader = self.partition.leader;
        }
    }

    /// Brokers before 3.6 needed that (KAFKA-15021).
    fn bump_epoch_for_isr_shrink(&self, record: &mut PartitionChangeRecord) {
        if self.around.version >= MetadataVersion::NO_EPOCH_BUMP_ON_ISR_SHRINK || record.leader != NO_LEADER_CHANGE {
            return;
        }
        if let Some(isr) = &record.isr
            && self.partition.isr.iter().any(|id| !isr.contains(id))
        {
            record.leader = self.partition.leader;
        }
    }

    fn update_elr(&mut self, record: &mut PartitionChangeRecord) {
        let unclean_election = record.isr.is_some();
        if unclean_election || !self.around.elr_enabled {
            self.elr.clear();
        }
        if self.elr != self.partition.elr() {
            record.eligible_leader_replicas = Some(self.elr.clone());
        }
    }

    fn update_last_known_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.around.elr_enabled {
            return;
        }
        let last_known = self.partition.last_known_elr();
        if record.leader == NO_LEADER && last_known.is_empty() {
            record.last_known_elr = Some(vec![self.partition.leader]);
        } else if record.leader >= 0 && !last_known.is_empty() {
            record.last_known_elr = Some(Vec::new());
        }
    }

    fn set_assignment(&self, record: &mut PartitionChangeRecord) {
        if !self.replicas.is_empty() {
            if self.around.version >= MetadataVersion::DIRECTORY_ASSIGNMENT {
                let known = |id: &NodeId| self.directories.iter().find(|(broker, _)| broker == id).map(|(_, dir)| *dir);
                let directory = |id: &NodeId| known(id).unwrap_or_else(|| (self.around.default_directory)(*id));
                let directories: Vec<Uuid> = self.replicas.iter().map(directory).collect();
                if !self.partition.directories().eq(directories.iter().copied()) {
                    record.directories = Some(directories);
                }
            }
            if self.replicas != *self.partition.replicas {
                record.replicas = Some(self.replicas.clone());
            }
        }
        if self.removing != self.partition.removing_replicas() {
            record.removing_replicas = Some(self.removing.clone());
        }
        if self.adding != self.partition.adding_replicas() {
            record.adding_replicas = Some(self.adding.clone());
        }
    }
}

/// The replicas and the ISR after a reassignment, if it can be completed with this ISR.
fn completed_reassignment(
    replicas: &[NodeId],
    isr: &[NodeId],
    removing: &[NodeId],
    adding: &[NodeId],
) -> Option<(Vec<NodeId>, Vec<NodeId>)> {
    if removing.is_empty() && adding.is_empty() {
        return None;
    }
    let stays = |id: &&NodeId| !removing.contains(id);
    let new_isr: Vec<NodeId> = isr.iter().filter(stays).copied().collect();
    let new_replicas: Vec<NodeId> = replicas.iter().filter(stays).copied().collect();
    if !removing.is_empty() && (new_isr.is_empty() || new_replicas.is_empty()) {
        return None;
    }
    let all_in_sync = |ids: &[NodeId]| ids.iter().all(|id| new_isr.contains(id));
    // With fewer replicas afterwards all of them must be in sync, or the ISR would shrink more than it has to.
    if !all_in_sync(adding) || (adding.len() < removing.len() && !all_in_sync(&new_replicas)) {
        return None;
    }
    Some((new_replicas, new_isr))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    /// Partition `[1, 2, 3]`, led by 1, `min.insync.replicas` 2, after `prepare`; then `change` with the brokers `alive`.
    fn check(
        elr_enabled: bool,
        alive: &[NodeId],
        before: PartitionChangeRecord,
        change: &dyn Fn(&mut PartitionChangeBuilder),
        expect: Expect,
    ) {
        let dir = |id: NodeId| Uuid([id as u8; 16]);
        let partition = Partition::new(&[1, 2, 3], &[dir(1), dir(2), dir(3)], &[1, 2, 3]).merge(&before).unwrap();
        let around = Surroundings {
            version: MetadataVersion::LATEST_PRODUCTION,
            elr_enabled,
            min_isr: 2,
            is_acceptable_leader: &|id| alive.contains(&id),
            default_directory: &dir,
        };
        let mut builder = PartitionChangeBuilder::new(&partition, &around);
        change(&mut builder);
        let shown = match builder.build(Uuid::ONE, 0) {
            None => "nothing".to_owned(),
            Some(record) => crate::show::show_record(&record.into()),
        };
        expect.assert_eq(&shown);
    }

    fn state(isr: &[NodeId], leader: NodeId, elr: &[NodeId], last: &[NodeId]) -> PartitionChangeRecord {
        PartitionChangeRecord {
            isr: Some(isr.to_vec()),
            leader,
            eligible_leader_replicas: Some(elr.to_vec()),
            last_known_elr: Some(last.to_vec()),
            ..Default::default()
        }
    }

    fn reassigning(replicas: &[NodeId], adding: &[NodeId], removing: &[NodeId]) -> PartitionChangeRecord {
        PartitionChangeRecord {
            replicas: Some(replicas.to_vec()),
            directories: Some(replicas.iter().map(|id| Uuid([*id as u8; 16])).collect()),
            adding_replicas: Some(adding.to_vec()),
            removing_replicas: Some(removing.to_vec()),
            ..Default::default()
        }
    }

    fn same(_: &mut PartitionChangeBuilder) {}

    #[test]
    fn a_leader_that_leaves() {
        check(true, &[2, 3], Default::default(), &|b| b.isr = vec![2, 3], expect!["isr=[2, 3] leader=2"]);
        // Below min.insync.replicas those that go stay eligible.
        check(true, &[3], state(&[2, 3], 2, &[], &[]), &|b| b.isr = vec![3], expect!["isr=[3] leader=3 elr=[2]"]);
        check(
            true,
            &[],
            state(&[3], 3, &[2], &[]),
            &|b| b.isr = vec![],
            expect![["isr=[] leader=-1 elr=[2, 3] lastKnownElr=[3]"]],
        );
        // Without ELR the last one stays in the ISR.
        check(false, &[], state(&[3], 3, &[], &[]), &|b| b.isr = vec![], expect!["leader=-1"]);
    }

    #[test]
    fn a_leader_that_comes() {
        let empty = state(&[], NO_LEADER, &[2, 3], &[3]);
        check(true, &[2], empty, &same, expect!["isr=[2] leader=2 elr=[3] lastKnownElr=[]"]);
        // 1 is no member of the ELR.
        check(true, &[1], state(&[], NO_LEADER, &[2, 3], &[3]), &same, expect!["nothing"]);
        let lost = state(&[], NO_LEADER, &[], &[3]);
        check(true, &[3], lost, &same, expect!["isr=[3] leader=3 recovery=1 lastKnownElr=[]"]);
        let unclean = |b: &mut PartitionChangeBuilder| b.election = Election::Unclean;
        check(false, &[1], state(&[3], NO_LEADER, &[], &[]), &unclean, expect!["isr=[1] leader=1 recovery=1"]);
        check(true, &[2, 3], state(&[3], 3, &[2], &[]), &|b| b.unclean_replica = Some(2), expect!["elr=[]"]);
    }

    #[test]
    fn the_preferred_leader() {
        let preferred = |b: &mut PartitionChangeBuilder| b.election = Election::Preferred;
        check(true, &[1, 2, 3], state(&[1, 2, 3], 2, &[], &[]), &preferred, expect!["leader=1"]);
        check(true, &[1, 2, 3], state(&[2, 3], 2, &[], &[]), &preferred, expect!["nothing"]);
        check(true, &[1, 2, 3], state(&[1, 2, 3], 2, &[], &[]), &same, expect!["nothing"]);
    }

    #[test]
    fn reassignments() {
        let all = &[1, 2, 3, 4, 5];
        check(
            true,
            all,
            Default::default(),
            &|b| {
                b.replicas = vec![4, 2, 3, 1];
                b.adding = vec![4];
                b.removing = vec![1];
            },
            expect![
                "replicas=[4, 2, 3, 1] adding=[4] removing=[1] dirs=[BAQEBAQEBAQEBAQEBAQEBA, AgICAgICAgICAgICAgICAg, AwMDAwMDAwMDAwMDAwMDAw, AQEBAQEBAQEBAQEBAQEBAQ]"
            ],
        );
        // Complete when 4 is in sync; the leader goes with it.
        check(
            true,
            all,
            reassigning(&[4, 2, 3, 1], &[4], &[1]),
            &|b| b.isr = vec![1, 2, 3, 4],
            expect![[
                "isr=[2, 3, 4] leader=4 replicas=[4, 2, 3] adding=[] removing=[] dirs=[BAQEBAQEBAQEBAQEBAQEBA, AgICAgICAgICAgICAgICAg, AwMDAwMDAwMDAwMDAwMDAw]"
            ]],
        );
        check(true, all, reassigning(&[4, 2, 3, 1], &[4], &[1]), &|b| b.isr = vec![1, 2], expect!["isr=[1, 2]"]);
        // Two go and one comes: 3 must be in sync too.
        let smaller = || reassigning(&[4, 3, 1, 2], &[4], &[1, 2]);
        check(true, all, smaller(), &|b| b.isr = vec![1, 2, 4], expect!["isr=[1, 2, 4]"]);
    }
}
