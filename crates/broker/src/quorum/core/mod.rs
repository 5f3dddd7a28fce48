//! The metadata event loop: everything that touches the metadata log, raft, the controller and the
//! image happens in [`Core`], one thing after the other.
//!
//! Jobs come in through the inbox ([`super::Quorum::submit`]). A turn of the loop ([`Core::turn`])
//! runs them all, makes what they appended durable with one sync, tells raft, applies what became
//! committed, publishes the new image, and answers whoever waited for it.

mod control;
mod snapshots;

use super::control_records;
use super::log_store::MetadataLog;
use super::state_file;
use super::{Job, Publisher, QuorumStatus, Settings};
use crate::network::{Address, Network};
use ottla_base::{ErrorCode, LeaderEpoch, NodeId, Offset, Time};
use ottla_metadata::controller::Controller;
use ottla_metadata::image::{BatchInfo, MetadataDelta, MetadataLoader, Published, VersionedRecord};
use ottla_raft::{Action, ControlEntry, Event, Raft, Response, Token};
use ottla_wire::metadata_records::MetadataRecord;
use ottla_wire::records::Batch;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

/// Called with the offset's fate: committed, or why it may never be.
pub type WhenCommitted = Box<dyn FnOnce(Result<(), ErrorCode>) + Send>;
type RaftReply = Box<dyn FnOnce(&Core, Response) + Send>;

/// What a fetch of the metadata log brought, until raft says what to append.
pub(super) struct Fetched {
    pub correlation: u64,
    pub records: bytes::Bytes,
}

/// What a leader must have seen before its controller may act.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leadership {
    None,
    /// Waits until everything before its own epoch is applied.
    Claimed {
        epoch: LeaderEpoch,
        start_offset: Offset,
    },
    Active {
        epoch: LeaderEpoch,
    },
}

pub struct Core {
    pub settings: Arc<Settings>,
    pub raft: Raft,
    pub log: MetadataLog,
    pub(super) network: Arc<dyn Network>,
    pub(super) handle: std::sync::Weak<super::Quorum>,
    /// Only a node with the controller's role has one.
    controller: Option<Controller>,
    leadership: Leadership,
    loader: MetadataLoader,
    /// A snapshot that was loaded, and not published yet.
    loaded: Option<Published>,
    /// All before this offset is loaded.
    applied: Offset,
    high_watermark: Offset,
    waiting: VecDeque<(Offset, WhenCommitted)>,
    raft_replies: HashMap<Token, RaftReply>,
    next_token: Token,
    pub(super) fetched: Option<Fetched>,
    pub(super) snapshot_chunk: Option<(u64, bytes::Bytes)>,
    publishers: Vec<Arc<dyn Publisher>>,
    needs_flush: bool,
    is_registering: bool,
    actions: Vec<Action>,
    bytes_since_snapshot: u64,
    last_snapshot_ms: i64,
    fatal: Option<String>,
}

impl Core {
    pub(super) fn start(
        settings: Arc<Settings>,
        log: MetadataLog,
        network: Arc<dyn Network>,
        controller: Option<Controller>,
        handle: std::sync::Weak<super::Quorum>,
        now: Time,
    ) -> io::Result<Core> {
        let state = state_file::read(log.disk(), log.dir())?;
        let log_state = log.state()?;
        let mut actions = vec![];
        let raft =
            Raft::start(settings.raft.clone(), settings.rng.clone(), state, log_state, now.mono_ms, &mut actions)
                .map_err(io::Error::other)?;
        let mut core = Core {
            raft,
            network,
            handle,
            controller,
            leadership: Leadership::None,
            loader: MetadataLoader::default(),
            loaded: None,
            applied: 0,
            high_watermark: 0,
            waiting: VecDeque::new(),
            raft_replies: HashMap::new(),
            next_token: 1,
            fetched: None,
            snapshot_chunk: None,
            publishers: vec![],
            needs_flush: false,
            is_registering: false,
            actions: vec![],
            bytes_since_snapshot: 0,
            last_snapshot_ms: now.wall_ms,
            fatal: None,
            settings,
            log,
        };
        core.load_latest_snapshot()?;
        core.carry_out(actions, now);
        Ok(core)
    }

    /// Runs jobs until there are none left. Returns when to be called again, on the monotonic clock.
    pub(super) fn turn(&mut self, mut next_job: impl FnMut() -> Option<Job>, now: Time) -> Option<u64> {
        loop {
            let mut worked = false;
            self.log.saw_time(now);
            while let Some(job) = next_job() {
                job(self, now);
                worked = true;
            }
            if self.raft.next_deadline_ms().is_some_and(|at| at <= now.mono_ms) {
                self.step(Event::Tick, now);
                worked = true;
            }
            worked |= self.tick_controller(now);
            self.flush(now);
            self.apply_committed(now);
            self.publish(now);
            if !worked {
                break;
            }
        }
        let controller = self.active_controller().and_then(|c| c.next_tick_ms());
        [self.raft.next_deadline_ms(), controller].into_iter().flatten().min()
    }

    /// What went wrong beyond repair: the node must stop.
    pub fn fatal(&self) -> Option<&str> {
        self.fatal.as_deref()
    }

    pub(super) fn fail(&mut self, message: String) {
        tracing::error!("the metadata log cannot go on: {message}");
        self.fatal.get_or_insert(message);
    }

    /// From now on told of every image; and of the current one at once.
    pub(super) fn add_publisher(&mut self, publisher: Arc<dyn Publisher>, now: Time) {
        let image = self.loader.image().clone();
        // What is there already is news to whoever comes late.
        let mut all = MetadataDelta::new(&Arc::default());
        let replayed = image.to_records().iter().try_for_each(|(record, _)| all.replay(record));
        if let Err(error) = replayed {
            return self.fail(error.to_string());
        }
        let image = all.apply(image.provenance);
        publisher.publish(&all, &image, now);
        self.publishers.push(publisher);
    }

    pub fn step(&mut self, event: Event, now: Time) {
        let mut actions = std::mem::take(&mut self.actions);
        self.raft.step(event, now.mono_ms, &mut actions);
        self.carry_out(actions, now);
    }

    fn carry_out(&mut self, mut actions: Vec<Action>, now: Time) {
        for action in actions.drain(..) {
            if let Err(error) = self.carry_out_one(action, now) {
                self.fail(error.to_string());
            }
        }
        if self.actions.capacity() == 0 {
            self.actions = actions;
        }
    }

    fn carry_out_one(&mut self, action: Action, now: Time) -> io::Result<()> {
        match action {
            Action::PersistQuorumState(state) => state_file::write(self.log.disk(), self.log.dir(), &state)?,
            Action::BecameLeader { epoch, epoch_start_offset } => {
                self.leadership = Leadership::Claimed { epoch, start_offset: epoch_start_offset };
            }
            Action::LostLeadership { epoch, reason } => self.lose_leadership(epoch, &format!("{reason:?}")),
            Action::AppendControl { epoch, base_offset, records } => {
                let version = self.raft.kraft_version();
                let batch = control_records::encode(&records, base_offset, epoch, version, now.wall_ms);
                self.append_bytes(&batch.map_err(io::Error::other)?, epoch)?;
            }
            Action::AppendFetched { correlation, base_offset, max_epoch, flush } => {
                let event = self.append_fetched(correlation, base_offset, max_epoch, flush)?;
                self.step(event, now);
            }
            Action::Flush => {
                self.log.flush()?;
            }
            Action::Truncate { to } => self.log.truncate(to)?,
            Action::WriteSnapshotChunk { correlation, id, position } => {
                self.write_snapshot_chunk(correlation, id, position)?;
            }
            Action::InstallSnapshot { id } => {
                let controls = self.install_snapshot(id)?;
                self.step(Event::SnapshotInstalled { id, controls }, now);
            }
            Action::AbandonSnapshot { id } => self.log.abandon_snapshot(id)?,
            Action::Send { to, endpoint, correlation, request } => {
                let address = Address { host: endpoint.host, port: endpoint.port };
                super::wire_client::send(self, to, address, correlation, request);
            }
            Action::Respond { token, response } => {
                if let Some(reply) = self.raft_replies.remove(&token) {
                    reply(self, response);
                }
            }
            Action::HighWatermark { offset } => {
                self.high_watermark = self.high_watermark.max(offset);
                self.log.committed(offset)?;
            }
            Action::LeaderChanged { epoch, leader, endpoints } => {
                let status = QuorumStatus { epoch, leader, endpoints };
                if let Some(quorum) = self.handle.upgrade() {
                    quorum.set_status(status);
                }
            }
            Action::Fault { message } => self.fail(message),
            Action::ShutdownComplete { .. } => {
                if let Some(quorum) = self.handle.upgrade() {
                    quorum.set_stopped();
                }
            }
        }
        Ok(())
    }

    /// Hands a raft request to raft; `reply` gets the answer, perhaps much later.
    pub fn raft_request(
        &mut self,
        request: ottla_raft::Request,
        now: Time,
        reply: impl FnOnce(&Core, Response) + Send + 'static,
    ) {
        let token = self.next_token;
        self.next_token += 1;
        self.raft_replies.insert(token, Box::new(reply));
        self.step(Event::Request { token, request }, now);
    }

    fn append_bytes(&mut self, batch: &[u8], epoch: LeaderEpoch) -> io::Result<()> {
        self.bytes_since_snapshot += batch.len() as u64;
        self.log.append(batch, epoch)?;
        self.needs_flush = true;
        Ok(())
    }

    /// One sync for all that was appended in this turn.
    fn flush(&mut self, now: Time) {
        if !std::mem::take(&mut self.needs_flush) {
            return;
        }
        match self.log.flush() {
            Ok(offset) => self.step(Event::Flushed { offset }, now),
            Err(error) => self.fail(format!("{}: {error}", self.log.dir().display())),
        }
    }

    fn append_fetched(
        &mut self,
        correlation: u64,
        mut next: Offset,
        max_epoch: LeaderEpoch,
        flush: bool,
    ) -> io::Result<Event> {
        let fetched = self.fetched.take().filter(|f| f.correlation == correlation);
        let mut epochs: Vec<ottla_raft::EpochStart> = vec![];
        let mut controls: Vec<ControlEntry> = vec![];
        for batch in ottla_wire::records::batches(fetched.map(|f| f.records).unwrap_or_default()) {
            // What is damaged or from a later epoch is left out, and fetched again.
            let Ok(batch) = batch else { break };
            let epoch = batch.header.partition_leader_epoch;
            if epoch > max_epoch || batch.header.base_offset != next || batch.verify_crc().is_err() {
                break;
            }
            next = batch.header.next_offset();
            let Ok(found) = control_records::decode(&batch) else { break };
            controls.extend(found);
            if epochs.last().is_none_or(|last| last.epoch < epoch) {
                epochs.push(ottla_raft::EpochStart { epoch, start_offset: batch.header.base_offset });
            }
            self.append_bytes(&batch.bytes, epoch)?;
        }
        if flush && std::mem::take(&mut self.needs_flush) {
            self.log.flush()?;
        }
        self.needs_flush = false;
        Ok(Event::FetchedAppended { end_offset: self.log.end_offset(), epochs, controls })
    }

    // ---- applying and publishing ----

    fn apply_committed(&mut self, now: Time) {
        while self.applied < self.high_watermark {
            let batches = match self.log.batches(self.applied, self.high_watermark) {
                Ok(batches) if batches.is_empty() => break,
                Ok(batches) => batches,
                Err(error) => return self.fail(format!("{}: {error}", self.log.dir().display())),
            };
            for batch in batches {
                if let Err(error) = self.apply_batch(&batch) {
                    return self.fail(format!("offset {}: {error}", batch.header.base_offset));
                }
            }
        }
        self.activate_if_ready(now);
    }

    fn apply_batch(&mut self, batch: &Batch) -> Result<(), String> {
        let active = matches!(self.leadership, Leadership::Active { .. });
        let (base_offset, epoch) = (batch.header.base_offset, batch.header.partition_leader_epoch);
        let mut records = vec![];
        if !batch.header.is_control() {
            for record in batch.records().map_err(|error| error.to_string())? {
                let value = record.map_err(|error| error.to_string())?.value.unwrap_or_default();
                records.push(MetadataRecord::from_value(value).map_err(|error| error.to_string())?);
            }
        }
        let last_offset = batch.header.last_offset();
        if let Some(controller) = &mut self.controller {
            // The active controller has replayed its own records when it wrote them.
            if !active {
                let versioned: Vec<VersionedRecord> = records.iter().map(|record| (record.clone(), 0)).collect();
                controller.replay(base_offset, epoch, &versioned).map_err(|error| error.to_string())?;
            }
            controller.committed(last_offset);
        }
        let info = BatchInfo { last_offset, epoch, timestamp: batch.header.max_timestamp };
        self.loader.load_batch(info, records).map_err(|error| error.to_string())?;
        self.applied = last_offset + 1;
        Ok(())
    }

    fn publish(&mut self, now: Time) {
        let published = self.loaded.take().into_iter().chain(self.loader.flush());
        let published: Vec<Published> = published.collect();
        if let Some(quorum) = self.handle.upgrade() {
            let level = self.raft.kraft_version();
            quorum.set_image(self.loader.image().clone(), self.applied, level);
        }
        let any = !published.is_empty();
        for Published { image, delta } in &published {
            for publisher in self.publishers.clone() {
                publisher.publish(delta, image, now);
            }
        }
        if any {
            self.snapshot_if_due(now);
            self.register_controller(now);
        }
        while self.waiting.front().is_some_and(|(offset, _)| *offset <= self.applied) {
            if let Some((_, done)) = self.waiting.pop_front() {
                done(Ok(()));
            }
        }
    }

    pub fn applied_offset(&self) -> Offset {
        self.applied
    }

    pub fn leader(&self) -> Option<NodeId> {
        self.raft.leader()
    }
}
