//! One partition of which this broker has a replica.

use super::waiters::Waiters;
use ottla_base::{ErrorCode, LeaderEpoch, NodeId, Offset, Time, Uuid};
use ottla_log::{AppendInfo, AppendOptions, Log, LogError};
use ottla_metadata::image;
use ottla_replication::Followers;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the metadata says of the partition.
#[derive(Clone, Debug)]
struct Role {
    leader: NodeId,
    leader_epoch: LeaderEpoch,
    partition_epoch: i32,
    replicas: image::ReplicaList,
    isr: image::ReplicaList,
    is_leader: bool,
}

/// What a leader knows beside the metadata.
struct Leading {
    followers: Followers,
    /// Where the leader's epoch begins.
    epoch_start: Offset,
    /// The in-sync replicas that were proposed to the controller, and not answered yet.
    proposed: Option<Vec<NodeId>>,
}

pub struct Partition {
    me: NodeId,
    pub topic: Arc<str>,
    pub topic_id: Uuid,
    pub id: i32,
    pub log: Arc<Log>,
    role: RwLock<Role>,
    /// `None` until a leader's first use, so that idle partitions stay closed and small.
    leading: Mutex<Option<Box<Leading>>>,
    begun: AtomicBool,
    /// Fetches that wait for records, and writes that wait for replicas.
    pub waiters: Waiters,
}

/// Who leads, for a client that asked the wrong broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentLeader {
    pub id: NodeId,
    pub epoch: LeaderEpoch,
}

/// Another set of in-sync replicas, for the controller to agree to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsrProposal {
    pub topic_id: Uuid,
    pub partition: i32,
    pub leader_epoch: LeaderEpoch,
    pub partition_epoch: i32,
    /// With the broker epochs of their last fetches; -1 for the leader's own.
    pub isr: Vec<(NodeId, i64)>,
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
            me,
            topic,
            topic_id,
            id,
            log,
            role: RwLock::new(role(me, from)),
            leading: Mutex::new(None),
            begun: AtomicBool::new(false),
            waiters: Waiters::default(),
        }
    }

    /// Follows a change of the metadata.
    pub(super) fn update(&self, from: &image::Partition, now: Time) {
        {
            let mut current = self.role.write();
            let next = role(self.me, from);
            if current.is_leader != next.is_leader || current.leader_epoch != next.leader_epoch {
                self.begun.store(false, Ordering::Release);
                *self.leading.lock() = None;
            } else if let Some(leading) = self.leading.lock().as_mut() {
                // Whatever was proposed has been decided, or is out of date.
                leading.proposed = None;
            }
            *current = next;
        }
        // A smaller set of in-sync replicas may have more in common; a new leader ends all waiting.
        if let Err(error) = self.commit(now) {
            tracing::debug!("{}-{}: {error}", self.topic, self.id);
        }
        self.waiters.wake(now);
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
    pub fn leader_log(&self, asked: LeaderEpoch, now: Time) -> Result<&Log, LogError> {
        let epoch = self.check_leader(asked).map_err(|code| LogError::new(code, self.not_led_here()))?;
        self.begin(epoch, now)?;
        Ok(&self.log)
    }

    fn begin(&self, epoch: LeaderEpoch, now: Time) -> Result<(), LogError> {
        if self.begun.load(Ordering::Acquire) {
            return Ok(());
        }
        let end = self.log.log_end_offset()?;
        self.log.assign_epoch_start_offset(epoch, end)?;
        {
            let role = self.role.read();
            let others = role.replicas.as_slice().iter().copied().filter(|id| *id != self.me);
            let followers = Followers::new(others, now.mono_ms);
            let mut leading = self.leading.lock();
            leading.get_or_insert_with(|| Box::new(Leading { followers, epoch_start: end, proposed: None }));
        }
        self.begun.store(true, Ordering::Release);
        self.commit(now)
    }

    fn not_led_here(&self) -> String {
        let leader = self.current_leader();
        format!("partition {}-{} is led by broker {} in epoch {}", self.topic, self.id, leader.id, leader.epoch)
    }

    /// How many replicas must be in sync for acks=all: no more than there are (KIP-966).
    fn min_in_sync(&self) -> usize {
        let configured = self.log.config().min_insync_replicas.max(1) as usize;
        configured.min(self.role.read().replicas.as_slice().len())
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
        self.begin(epoch, now)?;
        let min_in_sync = self.min_in_sync();
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
        if info.last_offset >= 0 {
            self.commit(now)?;
            self.waiters.wake(now);
        }
        Ok(info)
    }

    /// Whether all in-sync replicas have what is before `offset`, for a write in `epoch` that wants acks=all.
    /// `None`: not yet.
    pub fn is_replicated(&self, epoch: LeaderEpoch, offset: Offset) -> Option<ErrorCode> {
        if self.check_leader(epoch).is_err() {
            return Some(ErrorCode::NotLeaderOrFollower);
        }
        if self.log.high_watermark() < offset {
            return None;
        }
        Some(if self.in_sync() < self.min_in_sync() {
            ErrorCode::NotEnoughReplicasAfterAppend
        } else {
            ErrorCode::None
        })
    }

    // ---- followers ----

    /// A follower fetches from `offset` on. Returns a proposal when it has caught up with the others.
    pub fn on_follower_fetch(
        &self,
        follower: NodeId,
        broker_epoch: i64,
        offset: Offset,
        now: Time,
    ) -> Result<Option<IsrProposal>, LogError> {
        let epoch = self.check_leader(-1).map_err(|code| LogError::new(code, self.not_led_here()))?;
        self.begin(epoch, now)?;
        let leader_end = self.log.log_end_offset()?;
        let high_watermark = self.log.high_watermark();
        let proposal = {
            let role = self.role.read();
            let mut leading = self.leading.lock();
            let Some(leading) = leading.as_mut() else { return Ok(None) };
            if !leading.followers.on_fetch(follower, offset, leader_end, broker_epoch, now.mono_ms) {
                return Err(LogError::new(ErrorCode::UnknownTopicOrPartition, String::new()));
            }
            let is_in_sync = role.isr.as_slice().contains(&follower);
            let joins = !is_in_sync
                && leading.proposed.is_none()
                && leading.followers.is_caught_up(follower, high_watermark, leading.epoch_start);
            joins.then(|| {
                let isr = role.isr.as_slice().iter().copied().chain([follower]).collect();
                self.propose(&role, leading, isr)
            })
        };
        self.commit(now)?;
        Ok(proposal)
    }

    fn propose(&self, role: &Role, leading: &mut Leading, isr: Vec<NodeId>) -> IsrProposal {
        let with_epoch = |id: &NodeId| (*id, leading.followers.broker_epoch(*id));
        let proposal = IsrProposal {
            topic_id: self.topic_id,
            partition: self.id,
            leader_epoch: role.leader_epoch,
            partition_epoch: role.partition_epoch,
            isr: isr.iter().map(with_epoch).collect(),
        };
        leading.proposed = Some(isr);
        proposal
    }

    /// Proposes to go on without those that lag for `max_lag_ms`.
    pub fn shrink(&self, max_lag_ms: u64, now: Time) -> Option<IsrProposal> {
        if !self.begun.load(Ordering::Acquire) {
            return None;
        }
        let leader_end = self.log.log_end_offset().ok()?;
        let role = self.role.read();
        let mut leading = self.leading.lock();
        let leading = leading.as_mut().filter(|leading| leading.proposed.is_none())?;
        let lagging = leading.followers.lagging(role.isr.as_slice(), leader_end, max_lag_ms, now.mono_ms);
        if lagging.is_empty() {
            return None;
        }
        tracing::info!("{}-{}: replicas {lagging:?} are not in sync any more", self.topic, self.id);
        let isr = role.isr.as_slice().iter().copied().filter(|id| !lagging.contains(id)).collect();
        Some(self.propose(&role, leading, isr))
    }

    /// The controller refused, or could not be asked.
    pub fn proposal_failed(&self) {
        if let Some(leading) = self.leading.lock().as_mut() {
            leading.proposed = None;
        }
    }

    /// Opens the log of a partition that has followers, so that those who do not come are noticed.
    pub(super) fn begin_if_replicated(&self, now: Time) {
        let epoch = {
            let role = self.role.read();
            (role.is_leader && role.isr.as_slice().len() > 1).then_some(role.leader_epoch)
        };
        if let Some(epoch) = epoch
            && let Err(error) = self.begin(epoch, now)
        {
            tracing::error!("{}-{}: {error}", self.topic, self.id);
        }
    }

    /// Raises the high watermark to what all replicas have that are in sync, or may be so by now:
    /// with a proposal under way both sets count.
    fn commit(&self, now: Time) -> Result<(), LogError> {
        if !self.begun.load(Ordering::Acquire) {
            return Ok(());
        }
        let leader_end = self.log.log_end_offset()?;
        let committed = {
            let role = self.role.read();
            let leading = self.leading.lock();
            let Some(leading) = leading.as_ref().filter(|_| role.is_leader) else { return Ok(()) };
            let min_in_sync =
                (self.log.config().min_insync_replicas.max(1) as usize).min(role.replicas.as_slice().len());
            if role.isr.as_slice().len() < min_in_sync {
                return Ok(());
            }
            let proposed = leading.proposed.iter().flatten().copied();
            leading.followers.committed(role.isr.as_slice().iter().copied().chain(proposed), leader_end)
        };
        if let Some(committed) = committed
            && self.log.maybe_increment_high_watermark(committed)?.is_some()
        {
            self.waiters.wake(now);
        }
        Ok(())
    }
}

fn role(me: NodeId, from: &image::Partition) -> Role {
    Role {
        leader: from.leader,
        leader_epoch: from.leader_epoch,
        partition_epoch: from.partition_epoch,
        replicas: from.replicas.clone(),
        isr: from.isr.clone(),
        is_leader: from.leader == me,
    }
}

fn check_epoch(asked: LeaderEpoch, ours: LeaderEpoch) -> Result<(), ErrorCode> {
    match asked {
        -1 => Ok(()),
        _ if asked < ours => Err(ErrorCode::FencedLeaderEpoch),
        _ if asked > ours => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}
