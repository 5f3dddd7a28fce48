//! Drives the group coordinator: one shard per partition of `__consumer_offsets` that this broker
//! leads, its appends, its timers, and the replies that come out.

use crate::broker::{Broker, OFFSETS_TOPIC};
use crate::replicas::{Partition, Waiter};
use crate::request::RequestContext;
use bytes::{Bytes, BytesMut};
use ottla_base::{ErrorCode, LeaderEpoch, Offset, Time, Uuid};
use ottla_coordinator::group::{self, Action, GroupConfig, GroupShard, Request, Response, partition_for};
use ottla_coordinator::runtime::{Append, AppendKind, Token};
use ottla_log::{AppendOptions, FetchIsolation};
use ottla_metadata::image::MetadataDelta;
use ottla_wire::records::{BatchBuilder, batches};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How much of a partition is read at once while it is loaded, in bytes.
const LOAD_BYTES: usize = 4 * 1024 * 1024;

type WhenReplied = Box<dyn FnOnce(Response) + Send>;

pub struct Groups {
    config: GroupConfig,
    shards: RwLock<HashMap<i32, Arc<Shard>>>,
    next_token: AtomicU64,
}

/// A partition of the offsets topic, led here.
pub struct Shard {
    broker: Arc<Broker>,
    partition: Arc<Partition>,
    epoch: LeaderEpoch,
    state: Mutex<ShardState>,
    /// The high watermark moved while somebody held the state.
    moved: AtomicBool,
}

struct ShardState {
    shard: GroupShard,
    replies: HashMap<Token, WhenReplied>,
    /// The timer that is set, on the monotonic clock.
    timer_ms: Option<u64>,
}

impl Groups {
    pub fn new(config: GroupConfig) -> Groups {
        Groups { config, shards: RwLock::default(), next_token: AtomicU64::new(1) }
    }

    /// Asks the shard of the group. `done` is called exactly once, perhaps much later.
    pub fn request(
        &self,
        broker: &Broker,
        group_id: &str,
        request: Request,
        context: &RequestContext,
        done: impl FnOnce(Response) + Send + 'static,
    ) {
        let topic = broker.quorum.image().topics.by_name(OFFSETS_TOPIC).cloned();
        let count = topic.map_or(0, |topic| topic.partitions.len() as i32);
        let shard = self.shards.read().get(&partition_for(group_id, count)).cloned();
        self.request_of(shard, request, context, done);
    }

    pub fn request_of(
        &self,
        shard: Option<Arc<Shard>>,
        request: Request,
        context: &RequestContext,
        done: impl FnOnce(Response) + Send + 'static,
    ) {
        let asker = group::RequestContext {
            client_id: context.client_id().to_owned(),
            client_host: context.client_host(),
            api_version: context.version,
        };
        let Some(shard) = shard else {
            return done(request.error_response(&asker, ErrorCode::NotCoordinator));
        };
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        shard.run(context.now, move |state, actions| {
            state.replies.insert(token, Box::new(done));
            state.shard.handle(request, asker, token, context.now, actions);
        });
    }

    /// All shards here.
    pub fn shards(&self) -> Vec<Arc<Shard>> {
        self.shards.read().values().cloned().collect()
    }

    /// Takes up partitions that are led here now, and gives up those that no longer are.
    pub(crate) fn apply(&self, broker: &Arc<Broker>, delta: &MetadataDelta, now: Time) {
        let deleted: Vec<(String, Uuid)> =
            delta.deleted_topics().map(|topic| (topic.name.to_string(), topic.id)).collect();
        if deleted.iter().any(|(name, _)| name == OFFSETS_TOPIC) {
            self.shards.write().drain().for_each(|(_, shard)| shard.resign(now));
        } else if !deleted.is_empty() {
            for shard in self.shards() {
                let deleted = deleted.clone();
                shard.run(now, |state, actions| state.shard.on_topics_deleted(deleted, now, actions));
            }
        }
        for topic in delta.changed_topics().filter(|change| &*change.topic.name == OFFSETS_TOPIC) {
            for change in &topic.partitions {
                let led_here = change.after.leader == broker.node_id;
                self.update(broker, topic.topic.id, change.id, led_here.then_some(change.after.leader_epoch), now);
            }
        }
    }

    /// `epoch` is `None` when another broker leads.
    fn update(&self, broker: &Arc<Broker>, topic_id: Uuid, id: i32, epoch: Option<LeaderEpoch>, now: Time) {
        let current = self.shards.read().get(&id).map(|shard| shard.epoch);
        if current == epoch {
            return;
        }
        if let Some(old) = self.shards.write().remove(&id) {
            old.resign(now);
        }
        let (Some(epoch), Some(partition)) = (epoch, broker.replicas.get(topic_id, id)) else { return };
        let state = ShardState {
            shard: GroupShard::new(self.config.clone(), broker.rng.clone()),
            replies: HashMap::new(),
            timer_ms: None,
        };
        let shard = Arc::new(Shard {
            broker: broker.clone(),
            partition,
            epoch,
            state: Mutex::new(state),
            moved: AtomicBool::new(false),
        });
        self.shards.write().insert(id, shard.clone());
        broker.background.run(Box::new(move || shard.load()));
    }
}

impl Shard {
    /// Reads the partition from its beginning. Until that is done, requests are told to wait.
    fn load(self: &Arc<Self>) {
        if let Err(error) = self.read_all() {
            tracing::error!(
                "group coordinator: partition {OFFSETS_TOPIC}-{} cannot be loaded: {error}",
                self.partition.id
            );
            return;
        }
        let waiter: Arc<dyn Waiter> = self.clone();
        self.partition.waiters.add(&waiter);
        // Sessions begin now, not when the reading began.
        let now = self.broker.clock.now();
        self.run(now, |state, actions| state.shard.loaded(now, actions));
    }

    fn read_all(&self) -> Result<(), String> {
        let log = self.partition.leader_log(-1, self.broker.clock.now()).map_err(|error| error.message)?;
        let end = log.log_end_offset().map_err(|error| error.message)?;
        let mut next = log.log_start_offset();
        while next < end {
            let found = log.read(next, LOAD_BYTES, FetchIsolation::LogEnd, true).map_err(|error| error.message)?;
            let Some(slice) = found.records else { break };
            let bytes = Bytes::from(slice.read().map_err(|error| error.to_string())?);
            let before = next;
            for batch in batches(bytes) {
                let batch = batch.map_err(|error| error.to_string())?;
                next = batch.header.next_offset();
                self.state.lock().shard.load_batch(&batch).map_err(|error| error.to_string())?;
            }
            if next == before {
                return Err(format!("the batch at offset {next} is cut off"));
            }
        }
        Ok(())
    }

    fn resign(self: &Arc<Self>, now: Time) {
        self.run(now, |state, actions| state.shard.resign(actions));
    }

    /// Does something to the shard, and all that follows from it.
    fn run(self: &Arc<Self>, now: Time, what: impl FnOnce(&mut ShardState, &mut Vec<Action>)) {
        let mut actions = vec![];
        let mut state = self.state.lock();
        what(&mut state, &mut actions);
        loop {
            let mut ready = vec![];
            self.settle(&mut state, std::mem::take(&mut actions), &mut ready, now);
            drop(state);
            for (reply, response) in ready {
                reply(response);
            }
            // Whoever moved the high watermark while we held the state left it to us.
            if !self.moved.swap(false, Ordering::AcqRel) {
                return;
            }
            state = self.state.lock();
        }
    }

    fn settle(
        self: &Arc<Self>,
        state: &mut ShardState,
        mut actions: Vec<Action>,
        ready: &mut Vec<(WhenReplied, Response)>,
        now: Time,
    ) {
        state.shard.committed(self.partition.log.high_watermark(), now, &mut actions);
        while !actions.is_empty() {
            for action in std::mem::take(&mut actions) {
                match action {
                    Action::Reply { token, response } => {
                        ready.extend(state.replies.remove(&token).map(|reply| (reply, response)));
                    }
                    Action::Append(append) => {
                        let id = append.id;
                        let result = self.append(append, now);
                        state.shard.appended(id, result, now, &mut actions);
                        state.shard.committed(self.partition.log.high_watermark(), now, &mut actions);
                    }
                }
            }
        }
        self.set_timer(state);
    }

    fn append(&self, append: Append, now: Time) -> Result<Offset, ErrorCode> {
        let mut batch = BatchBuilder::new(0);
        match append.kind {
            // Without a producer, and yet with a first sequence: so Kafka writes it.
            AppendKind::Plain => batch = batch.producer(-1, -1, 0),
            AppendKind::Transactional { producer_id, producer_epoch, .. } => {
                batch = batch.transactional(true).producer(producer_id, producer_epoch, 0);
            }
            AppendKind::Marker { producer_id, producer_epoch, coordinator_epoch, commit } => {
                batch = batch.producer(producer_id, producer_epoch, -1);
                let appended = batch.append_end_txn(now.wall_ms, commit, coordinator_epoch);
                appended.map_err(|error| error.error_code())?;
            }
        }
        for record in &append.records {
            let appended = batch.append(now.wall_ms, Some(&record.key), record.value.as_deref(), &[]);
            appended.map_err(|error| error.error_code())?;
        }
        let mut bytes = BytesMut::from(batch.build());
        let info = self.partition.append(&mut bytes, -1, now, AppendOptions::coordinator);
        info.map(|info| info.last_offset).map_err(|error| {
            tracing::warn!("{OFFSETS_TOPIC}-{}: {error}", self.partition.id);
            error.code
        })
    }

    /// Set anew only when the deadline came nearer: a timer that fires too early does no harm.
    fn set_timer(self: &Arc<Self>, state: &mut ShardState) {
        let Some(deadline) = state.shard.next_deadline_ms() else { return };
        if state.timer_ms.is_some_and(|set| set <= deadline) {
            return;
        }
        state.timer_ms = Some(deadline);
        let shard = self.clone();
        self.broker.timers.at(deadline, move |now| {
            shard.run(now, |state, actions| {
                if state.timer_ms.is_some_and(|set| set <= now.mono_ms) {
                    state.timer_ms = None;
                }
                state.shard.tick(now, actions);
            });
        });
    }
}

impl Waiter for Shard {
    /// Waits for as long as it lives.
    fn try_complete(&self, _now: Time) -> bool {
        self.moved.store(true, Ordering::Release);
        let Some(state) = self.state.try_lock() else { return false };
        drop(state);
        let shards = self.broker.groups.shards.read();
        if let Some(shard) = shards.get(&self.partition.id).filter(|shard| shard.epoch == self.epoch).cloned() {
            drop(shards);
            if self.moved.swap(false, Ordering::AcqRel) {
                let now = self.broker.clock.now();
                shard.run(now, |_, _| {});
            }
        }
        false
    }
}

/// Collects the parts of an answer that come from several groups or shards.
pub struct Gather<T> {
    state: Mutex<GatherState<T>>,
}

struct GatherState<T> {
    missing: usize,
    parts: Vec<Option<T>>,
    done: Option<Box<dyn FnOnce(Vec<T>) + Send>>,
}

impl<T: Send + 'static> Gather<T> {
    /// Calls `done` with all parts in order, once there are so many; at once when there are none.
    pub fn new(count: usize, done: impl FnOnce(Vec<T>) + Send + 'static) -> Arc<Gather<T>> {
        if count == 0 {
            done(vec![]);
            let state = GatherState { missing: 0, parts: vec![], done: None };
            return Arc::new(Gather { state: Mutex::new(state) });
        }
        let parts = (0..count).map(|_| None).collect();
        Arc::new(Gather { state: Mutex::new(GatherState { missing: count, parts, done: Some(Box::new(done)) }) })
    }

    pub fn put(&self, index: usize, part: T) {
        let finished = {
            let mut state = self.state.lock();
            match state.parts.get_mut(index) {
                Some(slot @ None) => *slot = Some(part),
                _ => return,
            }
            state.missing -= 1;
            if state.missing > 0 {
                return;
            }
            let parts = std::mem::take(&mut state.parts);
            state.done.take().map(|done| (done, parts))
        };
        if let Some((done, parts)) = finished {
            done(parts.into_iter().flatten().collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_together_in_their_order() {
        let result = Arc::new(Mutex::new(vec![]));
        let seen = result.clone();
        let gather = Gather::new(2, move |parts: Vec<&str>| *seen.lock() = parts);
        gather.put(1, "b");
        assert!(result.lock().is_empty());
        gather.put(0, "a");
        gather.put(0, "again");
        assert_eq!(*result.lock(), ["a", "b"]);
    }
}
