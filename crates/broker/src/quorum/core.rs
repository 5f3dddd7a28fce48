//! The metadata event loop: everything that touches the metadata log, raft, the controller and the
//! image happens in [`Core`], one thing after the other.
//!
//! Jobs come in through the inbox ([`super::Quorum::submit`]). A turn of the loop ([`Core::turn`])
//! runs them all, makes what they appended durable with one sync, tells raft, applies what became
//! committed, publishes the new image, and answers whoever waited for it.

use super::control_records;
use super::log_store::MetadataLog;
use super::state_file;
use super::{Job, Publisher, QuorumStatus, Settings};
use crate::network::{Address, Network};
use ottla_base::{ErrorCode, LeaderEpoch, NodeId, Offset, Time};
use ottla_metadata::controller::{Controller, Outcome};
use ottla_metadata::features::{MetadataVersion, VersionRange, supported_features};
use ottla_metadata::image::{
    BatchInfo, Endpoint, MetadataDelta, MetadataLoader, Provenance, Published, VersionedRecord,
};
use ottla_raft::{Action, ControlEntry, Event, Raft, Response, Token};
use ottla_wire::messages::controller_registration_request;
use ottla_wire::messages::{ControllerRegistrationRequest, UpdateFeaturesRequest, UpdateFeaturesResponse};
use ottla_wire::metadata_records::MetadataRecord;
use ottla_wire::records::{Batch, BatchBuilder};
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

    // ---- the controller ----

    pub fn active_controller(&self) -> Option<&Controller> {
        match self.leadership {
            Leadership::Active { .. } => self.controller.as_ref(),
            _ => None,
        }
    }

    /// Runs an operation of the active controller, and calls `done` with its response when the
    /// records it made are committed. `NOT_CONTROLLER` when this node is not the active one.
    pub fn control<R: Send + 'static>(
        &mut self,
        now: Time,
        operation: impl FnOnce(&mut Controller, Time) -> Outcome<R>,
        done: impl FnOnce(Result<R, ErrorCode>) + Send + 'static,
    ) {
        let (Leadership::Active { epoch }, Some(controller)) = (self.leadership, self.controller.as_mut()) else {
            return done(Err(ErrorCode::NotController));
        };
        let outcome = operation(controller, now);
        let appended = self.append_outcome(&outcome, epoch, now);
        let response = outcome.response;
        if let Err(error) = appended {
            self.fail(error.to_string());
            return done(Err(ErrorCode::KafkaStorageError));
        }
        self.when_committed(Box::new(move |fate| done(fate.map(|()| response))));
    }

    /// UpdateFeatures may change `kraft.version` too, which is a matter of raft's control records.
    pub fn update_features(
        &mut self,
        now: Time,
        asked: ottla_metadata::controller::RequestContext,
        request: UpdateFeaturesRequest,
        done: impl FnOnce(Result<UpdateFeaturesResponse, ErrorCode>) + Send + 'static,
    ) {
        let (Leadership::Active { epoch }, Some(controller)) = (self.leadership, self.controller.as_mut()) else {
            return done(Err(ErrorCode::NotController));
        };
        let outcome = controller.update_features(&asked, &request);
        if let Some(level) = outcome.response.kraft_version {
            let mut actions = vec![];
            let upgraded =
                self.raft.upgrade_kraft_version(epoch, level, request.validate_only, now.mono_ms, &mut actions);
            self.carry_out(actions, now);
            if let Err(refused) = upgraded {
                let (error_code, error_message) = (refused.error.code(), Some(refused.message));
                return done(Ok(UpdateFeaturesResponse { error_code, error_message, ..Default::default() }));
            }
        }
        let appended = self.append_outcome(&outcome, epoch, now);
        let response = outcome.response.response;
        if let Err(error) = appended {
            self.fail(error.to_string());
            return done(Err(ErrorCode::KafkaStorageError));
        }
        self.when_committed(Box::new(move |fate| done(fate.map(|()| response))));
    }

    /// Calls back when all that is in the log now is committed.
    fn when_committed(&mut self, done: WhenCommitted) {
        let end = self.log.end_offset();
        if end <= self.applied {
            return done(Ok(()));
        }
        self.waiting.push_back((end, done));
    }

    fn append_outcome<R>(&mut self, outcome: &Outcome<R>, epoch: LeaderEpoch, now: Time) -> io::Result<()> {
        outcome.batches().try_for_each(|records| self.append_records(records, epoch, now))
    }

    fn append_records(&mut self, records: &[VersionedRecord], epoch: LeaderEpoch, now: Time) -> io::Result<()> {
        let base_offset = self.log.end_offset();
        let mut batch = BatchBuilder::new(base_offset).leader_epoch(epoch);
        for (record, version) in records {
            let value = record.to_value(*version).map_err(io::Error::other)?;
            batch.append(now.wall_ms, None, Some(&value), &[]).map_err(io::Error::other)?;
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.append_bytes(&batch.build(), epoch)?;
        self.step(Event::Appended { end_offset: self.log.end_offset() }, now);
        match &mut self.controller {
            Some(controller) => controller.replay(base_offset, epoch, records).map_err(io::Error::other),
            None => Ok(()),
        }
    }

    /// True when there was something to do.
    fn tick_controller(&mut self, now: Time) -> bool {
        let Leadership::Active { epoch } = self.leadership else { return false };
        let Some(controller) = &mut self.controller else { return false };
        if controller.next_tick_ms().is_none_or(|at| at > now.mono_ms) {
            return false;
        }
        let Some(outcome) = controller.tick(now) else { return false };
        if let Err(error) = self.append_outcome(&outcome, epoch, now) {
            self.fail(error.to_string());
        }
        true
    }

    /// Takes office once everything of earlier epochs is applied.
    fn activate_if_ready(&mut self, now: Time) {
        let Leadership::Claimed { epoch, start_offset } = self.leadership else { return };
        let Some(controller) = &mut self.controller else { return };
        if self.applied <= start_offset {
            return;
        }
        self.leadership = Leadership::Active { epoch };
        controller.set_quorum(self.raft.kraft_version(), self.raft.voters().ids().collect());
        let outcome = controller.become_active(epoch, self.log.end_offset(), now, &self.settings.bootstrap);
        tracing::info!("this node is the active controller of epoch {epoch}");
        if let Err(error) = self.append_outcome(&outcome, epoch, now) {
            self.fail(error.to_string());
        }
        self.flush(now);
    }

    fn lose_leadership(&mut self, epoch: LeaderEpoch, why: &str) {
        tracing::info!("this node no longer leads epoch {epoch} of the metadata quorum: {why}");
        self.leadership = Leadership::None;
        if let Some(controller) = &mut self.controller {
            controller.reset_to_committed();
        }
        for (_, done) in std::mem::take(&mut self.waiting) {
            done(Err(ErrorCode::NotController));
        }
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

    /// Tells the cluster where this controller is reached (KIP-919), once per run.
    fn register_controller(&mut self, now: Time) {
        let image = self.loader.image();
        let settings = &self.settings;
        let known = image.cluster.controllers.get(&settings.raft.local.id);
        let is_registered = known.is_some_and(|known| known.incarnation_id == settings.incarnation_id);
        let version = image.features.metadata_version;
        let is_supported = version.is_some_and(|version| version >= MetadataVersion::CONTROLLER_REGISTRATION);
        if is_registered || !is_supported || !matches!(self.leadership, Leadership::Active { .. }) {
            return;
        }
        let listener = |e: &Endpoint| controller_registration_request::Listener {
            name: e.name.clone(),
            host: e.host.clone(),
            port: e.port,
            security_protocol: e.security_protocol,
            ..Default::default()
        };
        let feature = |(name, range): (&str, VersionRange)| controller_registration_request::Feature {
            name: name.to_owned(),
            min_supported_version: range.min,
            max_supported_version: range.max,
            ..Default::default()
        };
        let request = ControllerRegistrationRequest {
            controller_id: settings.raft.local.id,
            incarnation_id: settings.incarnation_id,
            listeners: settings.controller_listeners.iter().map(listener).collect(),
            features: supported_features(false).into_iter().map(feature).collect(),
            ..Default::default()
        };
        self.control(now, move |controller, _| controller.register_controller(&request), |_| {});
    }

    pub fn applied_offset(&self) -> Offset {
        self.applied
    }

    pub fn leader(&self) -> Option<NodeId> {
        self.raft.leader()
    }

    // ---- snapshots ----

    fn load_latest_snapshot(&mut self) -> io::Result<()> {
        match self.log.read_latest_snapshot()? {
            // What formatting wrote is not the cluster's yet: the first leader puts it into the log.
            Some((id, _)) if id == ottla_raft::OffsetAndEpoch::BOOTSTRAP_SNAPSHOT => Ok(()),
            Some((id, checkpoint)) => {
                self.load_snapshot(id, checkpoint.last_contained_log_timestamp, &checkpoint.records)
            }
            None => Ok(()),
        }
    }

    fn load_snapshot(
        &mut self,
        id: ottla_raft::OffsetAndEpoch,
        timestamp: i64,
        records: &[MetadataRecord],
    ) -> io::Result<()> {
        let provenance = Provenance { offset: id.offset - 1, epoch: id.epoch, timestamp };
        self.loaded = Some(self.loader.load_snapshot(provenance, records).map_err(io::Error::other)?);
        if let Some(controller) = &mut self.controller {
            controller.load_snapshot(provenance, records).map_err(io::Error::other)?;
        }
        self.applied = id.offset;
        self.high_watermark = self.high_watermark.max(id.offset);
        Ok(())
    }

    fn install_snapshot(&mut self, id: ottla_raft::OffsetAndEpoch) -> io::Result<Vec<ControlEntry>> {
        let checkpoint = self.log.install_snapshot(id)?;
        let controls = super::log_store::checkpoint_controls(id, &checkpoint);
        self.load_snapshot(id, checkpoint.last_contained_log_timestamp, &checkpoint.records)?;
        Ok(controls)
    }

    fn write_snapshot_chunk(
        &mut self,
        correlation: u64,
        id: ottla_raft::OffsetAndEpoch,
        position: i64,
    ) -> io::Result<()> {
        let chunk = self.snapshot_chunk.take().filter(|(of, _)| *of == correlation);
        let bytes = chunk.map(|(_, bytes)| bytes).unwrap_or_default();
        self.log.write_snapshot_chunk(id, position as u64, &bytes)
    }

    /// After `metadata.log.max.record.bytes.between.snapshots` bytes, or when the newest one is
    /// older than `metadata.log.max.snapshot.interval.ms` and there is something new.
    fn snapshot_if_due(&mut self, now: Time) {
        let age_ms = now.wall_ms - self.last_snapshot_ms;
        let by_size = self.bytes_since_snapshot >= self.settings.snapshot_after_bytes;
        let by_age = self.settings.snapshot_interval_ms > 0 && age_ms >= self.settings.snapshot_interval_ms;
        if !(by_size || by_age) {
            return;
        }
        self.bytes_since_snapshot = 0;
        self.last_snapshot_ms = now.wall_ms;
        // What an open transaction contains is not in the image, so the snapshot ends before it.
        let seen = self.loader.image().provenance;
        let id = ottla_raft::OffsetAndEpoch::new(seen.offset + 1, seen.epoch);
        match self.write_snapshot(id, now) {
            Ok(()) => {
                self.step(Event::SnapshotCreated { id }, now);
                self.clean(now);
            }
            Err(error) => tracing::error!("no snapshot of the metadata at {id}: {error}"),
        }
    }

    fn write_snapshot(&self, id: ottla_raft::OffsetAndEpoch, now: Time) -> io::Result<()> {
        let level = self.raft.kraft_version_at(id.offset - 1);
        let quorum = self
            .raft
            .voters_at(id.offset - 1)
            .filter(|_| level > 0)
            .map(|voters| (control_records::kraft_version_record(level), control_records::voters_record(voters)));
        let image = self.loader.image();
        self.log.write_snapshot(id, image.provenance.timestamp, now.wall_ms, quorum, image.to_records())
    }

    /// Deletes what older snapshots and segments the newest snapshot makes needless.
    fn clean(&mut self, now: Time) {
        match self.log.clean(&self.settings.retention, now) {
            Ok(Some(start_offset)) => self.step(Event::LogStartAdvanced { start_offset }, now),
            Ok(None) => {}
            Err(error) => tracing::error!("old metadata cannot be deleted: {error}"),
        }
    }
}
