//! What the metadata says of one partition. Kept small: there may be a million.

use super::{ReplayError, ReplicaList};
use crate::features::MetadataVersion;
use ottla_base::{LeaderEpoch, NodeId, Uuid};
use ottla_wire::metadata_records::{PartitionChangeRecord, PartitionRecord};
use std::sync::Arc;

/// The leader of a partition without one.
pub const NO_LEADER: NodeId = -1;
/// In a PartitionChangeRecord.
pub(crate) const NO_LEADER_CHANGE: NodeId = -2;
const NO_RECOVERY_STATE_CHANGE: i8 = -1;

/// Whether a leader may still have to repair what an unclean election did (KIP-704).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum LeaderRecoveryState {
    Recovered = 0,
    Recovering = 1,
}

impl LeaderRecoveryState {
    pub fn from_code(code: i8) -> Option<LeaderRecoveryState> {
        match code {
            0 => Some(LeaderRecoveryState::Recovered),
            1 => Some(LeaderRecoveryState::Recovering),
            _ => None,
        }
    }

    pub fn code(self) -> i8 {
        self as i8
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// The first is the preferred leader.
    pub replicas: ReplicaList,
    pub isr: ReplicaList,
    /// [`NO_LEADER`] when there is none.
    pub leader: NodeId,
    pub leader_epoch: LeaderEpoch,
    /// Grows with every change of the partition.
    pub partition_epoch: i32,
    pub leader_recovery_state: LeaderRecoveryState,
    /// As many as there are replicas; `None` when all are MIGRATING.
    directories: Option<Arc<[Uuid]>>,
    rest: Option<Box<Rest>>,
}

/// What most partitions don't have most of the time.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rest {
    removing: Vec<NodeId>,
    adding: Vec<NodeId>,
    elr: Vec<NodeId>,
    last_known_elr: Vec<NodeId>,
}

impl Partition {
    /// A new partition, led by the first of its ISR.
    pub(crate) fn new(replicas: &[NodeId], directories: &[Uuid], isr: &[NodeId]) -> Partition {
        assert_eq!(replicas.len(), directories.len());
        Partition {
            replicas: replicas.into(),
            isr: isr.into(),
            leader: isr.first().copied().unwrap_or(NO_LEADER),
            leader_epoch: 0,
            partition_epoch: 0,
            leader_recovery_state: LeaderRecoveryState::Recovered,
            directories: shared_directories(directories),
            rest: None,
        }
    }

    pub(crate) fn from_record(record: &PartitionRecord) -> Result<Partition, ReplayError> {
        check_directories(&record.directories, &record.replicas)?;
        Ok(Partition {
            replicas: (&record.replicas).into(),
            isr: (&record.isr).into(),
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            leader_recovery_state: recovery_state(record.leader_recovery_state)?,
            directories: shared_directories(&record.directories),
            rest: boxed(Rest {
                removing: record.removing_replicas.clone(),
                adding: record.adding_replicas.clone(),
                elr: record.eligible_leader_replicas.clone().unwrap_or_default(),
                last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            }),
        })
    }

    /// What it is after the change.
    pub(crate) fn merge(&self, record: &PartitionChangeRecord) -> Result<Partition, ReplayError> {
        let mut next = self.clone();
        if let Some(replicas) = &record.replicas {
            next.replicas = replicas.into();
        }
        match &record.directories {
            Some(directories) => {
                check_directories(directories, &next.replicas)?;
                next.directories = shared_directories(directories);
            }
            None if self.directories.as_ref().is_some_and(|d| d.len() != next.replicas.len()) => {
                return Err(ReplayError::new("The lengths for replicas and directories do not match."));
            }
            None => {}
        }
        if let Some(isr) = &record.isr {
            next.isr = isr.into();
        }
        if record.leader != NO_LEADER_CHANGE {
            next.leader = record.leader;
            next.leader_epoch = self.leader_epoch.wrapping_add(1);
        }
        if record.leader_recovery_state != NO_RECOVERY_STATE_CHANGE {
            next.leader_recovery_state = recovery_state(record.leader_recovery_state)?;
        }
        next.partition_epoch = self.partition_epoch.wrapping_add(1);
        next.merge_rest(record);
        Ok(next)
    }

    fn merge_rest(&mut self, record: &PartitionChangeRecord) {
        let mut rest = self.rest.take().map(|rest| *rest).unwrap_or_default();
        let set = |field: &mut Vec<NodeId>, change: &Option<Vec<NodeId>>| {
            if let Some(change) = change {
                field.clone_from(change);
            }
        };
        set(&mut rest.removing, &record.removing_replicas);
        set(&mut rest.adding, &record.adding_replicas);
        set(&mut rest.elr, &record.eligible_leader_replicas);
        set(&mut rest.last_known_elr, &record.last_known_elr);
        self.rest = boxed(rest);
    }

    /// Of a reassignment under way: what goes when it is complete.
    pub fn removing_replicas(&self) -> &[NodeId] {
        self.rest.as_ref().map_or(&[], |rest| &rest.removing)
    }

    /// Of a reassignment under way: what has come for it.
    pub fn adding_replicas(&self) -> &[NodeId] {
        self.rest.as_ref().map_or(&[], |rest| &rest.adding)
    }

    /// Eligible leader replicas (KIP-966): out of the ISR, but known to have everything up to the high watermark.
    pub fn elr(&self) -> &[NodeId] {
        self.rest.as_ref().map_or(&[], |rest| &rest.elr)
    }

    /// The last leader of a partition that has none.
    pub fn last_known_elr(&self) -> &[NodeId] {
        self.rest.as_ref().map_or(&[], |rest| &rest.last_known_elr)
    }

    pub fn is_reassigning(&self) -> bool {
        !self.removing_replicas().is_empty() || !self.adding_replicas().is_empty()
    }

    pub fn has_leader(&self) -> bool {
        self.leader != NO_LEADER
    }

    pub fn preferred_replica(&self) -> NodeId {
        self.replicas.first().copied().unwrap_or(NO_LEADER)
    }

    pub fn has_preferred_leader(&self) -> bool {
        self.leader == self.preferred_replica()
    }

    /// Where a replica lives on its broker; `None` for a broker that has no replica.
    pub fn directory(&self, broker: NodeId) -> Option<Uuid> {
        let index = self.replicas.iter().position(|replica| *replica == broker)?;
        match &self.directories {
            None => Some(Uuid::ZERO),
            Some(directories) => directories.get(index).copied(),
        }
    }

    /// One for each replica.
    pub fn directories(&self) -> impl Iterator<Item = Uuid> {
        (0..self.replicas.len()).map(|i| self.directories.as_ref().and_then(|d| d.get(i)).copied().unwrap_or_default())
    }

    pub(super) fn directory_list_mut(&mut self) -> Option<&mut Arc<[Uuid]>> {
        self.directories.as_mut()
    }

    pub(crate) fn without_elr(&self) -> Option<Partition> {
        if self.elr().is_empty() && self.last_known_elr().is_empty() {
            return None;
        }
        let mut next = self.clone();
        next.partition_epoch = self.partition_epoch.wrapping_add(1);
        let rest = next.rest.take().map(|rest| *rest).unwrap_or_default();
        next.rest = boxed(Rest { elr: Vec::new(), last_known_elr: Vec::new(), ..rest });
        Some(next)
    }

    /// The record that says all of this, with its version.
    pub(crate) fn to_record(
        &self,
        topic_id: Uuid,
        partition_id: i32,
        version: MetadataVersion,
        elr: bool,
    ) -> (PartitionRecord, i16) {
        let elr = |list: &[NodeId]| if elr && !list.is_empty() { Some(list.to_vec()) } else { None };
        let record = PartitionRecord {
            partition_id,
            topic_id,
            replicas: self.replicas.to_vec(),
            isr: self.isr.to_vec(),
            removing_replicas: self.removing_replicas().to_vec(),
            adding_replicas: self.adding_replicas().to_vec(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery_state.code(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: match version >= MetadataVersion::DIRECTORY_ASSIGNMENT {
                true => self.directories().collect(),
                false => Vec::new(),
            },
            eligible_leader_replicas: elr(self.elr()),
            last_known_elr: elr(self.last_known_elr()),
            ..PartitionRecord::default()
        };
        (record, version.partition_record_version())
    }
}

fn boxed(rest: Rest) -> Option<Box<Rest>> {
    if rest == Rest::default() { None } else { Some(Box::new(rest)) }
}

fn shared_directories(directories: &[Uuid]) -> Option<Arc<[Uuid]>> {
    if directories.iter().all(Uuid::is_zero) { None } else { Some(directories.into()) }
}

fn check_directories(directories: &[Uuid], replicas: &[NodeId]) -> Result<(), ReplayError> {
    if !directories.is_empty() && directories.len() != replicas.len() {
        return Err(ReplayError::new(format!(
            "The lengths for replicas ({}) and directories ({}) do not match.",
            replicas.len(),
            directories.len()
        )));
    }
    Ok(())
}

fn recovery_state(code: i8) -> Result<LeaderRecoveryState, ReplayError> {
    LeaderRecoveryState::from_code(code)
        .ok_or_else(|| ReplayError::new(format!("Value {code} is not a valid leader recovery state")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_small() {
        assert!(size_of::<Option<Partition>>() <= 72, "{}", size_of::<Option<Partition>>());
    }

    #[test]
    fn a_change_says_only_what_changes() {
        let dirs = [Uuid([7; 16]), Uuid([8; 16])];
        let partition = Partition::new(&[1, 2], &dirs, &[1, 2]);
        let shrink = PartitionChangeRecord { isr: Some(vec![2]), leader: 2, ..Default::default() };
        let next = partition.merge(&shrink).unwrap();
        assert_eq!((next.leader, next.leader_epoch, next.partition_epoch), (2, 1, 1));
        assert_eq!((&next.isr[..], &next.replicas[..]), (&[2][..], &[1, 2][..]));
        assert_eq!(next.directory(2), Some(dirs[1]));
        let elr = PartitionChangeRecord { eligible_leader_replicas: Some(vec![1]), ..Default::default() };
        let next = next.merge(&elr).unwrap();
        assert_eq!((next.elr(), next.leader_epoch, next.partition_epoch), (&[1][..], 1, 2));
        assert_eq!(next.without_elr().unwrap().elr(), &[] as &[i32]);
    }

    #[test]
    fn a_record_and_back() {
        let dirs = [Uuid([7; 16]), Uuid::ZERO, Uuid::UNASSIGNED_DIR, Uuid::LOST_DIR];
        let mut partition = Partition::new(&[4, 3, 2, 1], &dirs, &[3]);
        partition.rest = boxed(Rest { removing: vec![1], adding: vec![4], elr: vec![2], last_known_elr: vec![1] });
        let (record, version) = partition.to_record(Uuid::ONE, 3, MetadataVersion::LATEST_PRODUCTION, true);
        assert_eq!(version, 2);
        assert_eq!(Partition::from_record(&record).unwrap(), partition);
    }

    #[test]
    fn bad_records_are_errors() {
        let record = PartitionRecord { replicas: vec![1, 2], directories: vec![Uuid::ONE], ..Default::default() };
        assert!(Partition::from_record(&record).is_err());
        let record = PartitionRecord { leader_recovery_state: 9, ..Default::default() };
        assert!(Partition::from_record(&record).is_err());
    }
}
