//! One partition of which this broker has a replica.

use super::waiters::Waiters;
use ottla_base::{ErrorCode, LeaderEpoch, NodeId, Offset, Time, Uuid};
use ottla_log::{AppendInfo, AppendOptions, Log, LogError};
use ottla_metadata::image;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the metadata says of the partition.
#[derive(Clone, Debug)]
struct Role {
    leader: NodeId,
    leader_epoch: LeaderEpoch,
    isr: image::ReplicaList,
    is_leader: bool,
}

pub struct Partition {
    pub topic: Arc<str>,
    pub topic_id: Uuid,
    pub id: i32,
    pub log: Arc<Log>,
    role: RwLock<Role>,
    /// The log knows of the leader's epoch; done on first use, so that idle partitions stay closed.
    begun: AtomicBool,
    /// Fetches that wait for records.
    pub waiters: Waiters,
}

/// Who leads, for a client that asked the wrong broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentLeader {
    pub id: NodeId,
    pub epoch: LeaderEpoch,
}

impl Partition {
    pub(super) fn new(
        me: NodeId,
        topic: Arc<str>,
        topic_id: Uuid,
        id: i32,
        log: Arc<Log>,
        from: &image::Partition,
    ) -> Partition {
        Partition {
            topic,
            topic_id,
            id,
            log,
            role: RwLock::new(role(me, from)),
            begun: AtomicBool::new(false),
            waiters: Waiters::default(),
        }
    }

    /// Follows a change of the metadata. True when this broker's leadership began or ended.
    pub(super) fn update(&self, me: NodeId, from: &image::Partition) -> bool {
        let mut current = self.role.write();
        let next = role(me, from);
        let changed = current.is_leader != next.is_leader || current.leader_epoch != next.leader_epoch;
        *current = next;
        if changed {
            self.begun.store(false, Ordering::Release);
        }
        changed
    }

    pub fn current_leader(&self) -> CurrentLeader {
        let role = self.role.read();
        CurrentLeader { id: role.leader, epoch: role.leader_epoch }
    }

    pub fn is_leader(&self) -> bool {
        self.role.read().is_leader
    }

    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.role.read().leader_epoch
    }

    /// The leader's epoch, when this broker leads and the request was meant for this epoch (KIP-320).
    /// `asked` is -1 when the request does not say.
    pub fn check_leader(&self, asked: LeaderEpoch) -> Result<LeaderEpoch, ErrorCode> {
        let role = self.role.read();
        check_epoch(asked, role.leader_epoch)?;
        if !role.is_leader {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        Ok(role.leader_epoch)
    }

    /// As [`Partition::check_leader`], but any replica will do.
    pub fn check_replica(&self, asked: LeaderEpoch) -> Result<(), ErrorCode> {
        check_epoch(asked, self.role.read().leader_epoch)
    }

    /// The log, ready for a leader: it knows the epoch, and of a partition without followers in
    /// sync all is committed that is written.
    pub fn leader_log(&self, asked: LeaderEpoch) -> Result<&Log, LogError> {
        let epoch = self.check_leader(asked).map_err(|code| LogError::new(code, self.not_led_here()))?;
        self.begin(epoch)?;
        Ok(&self.log)
    }

    fn begin(&self, epoch: LeaderEpoch) -> Result<(), LogError> {
        if self.begun.load(Ordering::Acquire) {
            return Ok(());
        }
        let end = self.log.log_end_offset()?;
        self.log.assign_epoch_start_offset(epoch, end)?;
        if self.is_alone_in_sync() {
            self.log.maybe_increment_high_watermark(end)?;
        }
        self.begun.store(true, Ordering::Release);
        Ok(())
    }

    fn not_led_here(&self) -> String {
        let leader = self.current_leader();
        format!("partition {}-{} is led by broker {} in epoch {}", self.topic, self.id, leader.id, leader.epoch)
    }

    fn is_alone_in_sync(&self) -> bool {
        self.role.read().isr.as_slice().len() <= 1
    }

    fn in_sync(&self) -> usize {
        self.role.read().isr.as_slice().len()
    }

    /// Appends what a client or a coordinator sent, and lets waiting fetches see it.
    pub fn append(
        &self,
        records: &mut [u8],
        acks: i16,
        now: Time,
        options: impl FnOnce(LeaderEpoch, i64) -> AppendOptions,
    ) -> Result<AppendInfo, LogError> {
        let epoch = self.check_leader(-1).map_err(|code| LogError::new(code, self.not_led_here()))?;
        self.begin(epoch)?;
        let min_in_sync = self.log.config().min_insync_replicas.max(1) as usize;
        if acks == -1 && self.in_sync() < min_in_sync {
            return Err(LogError::new(
                ErrorCode::NotEnoughReplicas,
                format!(
                    "The size of the current ISR : {} is insufficient to satisfy the min.isr requirement of {min_in_sync} for partition {}-{}",
                    self.in_sync(),
                    self.topic,
                    self.id
                ),
            ));
        }
        let info = self.log.append_as_leader(records, &options(epoch, now.wall_ms))?;
        if info.last_offset >= 0 && self.is_alone_in_sync() {
            self.advance_high_watermark(info.last_offset + 1, now)?;
        }
        Ok(info)
    }

    fn advance_high_watermark(&self, to: Offset, now: Time) -> Result<(), LogError> {
        if self.log.maybe_increment_high_watermark(to)?.is_some() {
            self.waiters.wake(now);
        }
        Ok(())
    }
}

fn role(me: NodeId, from: &image::Partition) -> Role {
    Role { leader: from.leader, leader_epoch: from.leader_epoch, isr: from.isr.clone(), is_leader: from.leader == me }
}

fn check_epoch(asked: LeaderEpoch, ours: LeaderEpoch) -> Result<(), ErrorCode> {
    match asked {
        -1 => Ok(()),
        _ if asked < ours => Err(ErrorCode::FencedLeaderEpoch),
        _ if asked > ours => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}
