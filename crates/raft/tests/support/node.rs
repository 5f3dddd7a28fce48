//! A driver of the core: does what the actions say, on a disk in memory.

use super::disk::{Body, Disk, Record, Snapshot};
use super::show;
use ottla_base::{ErrorCode, NodeId, Offset, Rng};
use ottla_raft::{
    Action, Config, ControlEntry, Correlation, Event, FetchOutcome, OffsetAndEpoch, Raft, Request, Response, Token,
    UpgradeError, VersionRange,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How much one fetch brings.
const MAX_RECORDS: usize = 4;
const MAX_CHUNK: i64 = 3;

#[derive(Clone, Debug)]
pub enum Payload {
    None,
    Records(Vec<Record>),
    /// The whole; the position says which part counts.
    Snapshot(Snapshot),
}

#[derive(Clone, Debug)]
pub enum Content {
    Request(Request),
    Response(Response, Payload),
    Failed(ErrorCode),
}

#[derive(Clone, Debug)]
pub struct Message {
    pub from: NodeId,
    pub to: NodeId,
    /// What the sender of the request calls its receiver: negative for a bootstrap server.
    pub alias: NodeId,
    /// Which run of the node that asked: a connection does not outlive its process.
    pub run: u32,
    pub correlation: Correlation,
    pub content: Content,
}

struct Asked {
    by: NodeId,
    alias: NodeId,
    run: u32,
    correlation: Correlation,
    request: Request,
}

pub struct Node {
    pub id: NodeId,
    pub config: Config,
    pub rng: Arc<dyn Rng>,
    pub disk: Disk,
    /// `None` while it is down.
    pub raft: Option<Raft>,
    /// A leader's appends are durable at once.
    pub auto_flush: bool,
    /// A graceful shutdown is complete.
    pub finished: bool,
    pub high_watermark: Offset,
    pub outbox: Vec<Message>,
    /// What happened since it was last taken.
    pub actions: Vec<Action>,
    asked: BTreeMap<Token, Asked>,
    next_token: Token,
    run: u32,
    unfinished: Option<(OffsetAndEpoch, i64)>,
}

impl Node {
    pub fn new(config: Config, rng: Arc<dyn Rng>, disk: Disk) -> Node {
        Node {
            id: config.local.id,
            config,
            rng,
            disk,
            raft: None,
            auto_flush: true,
            finished: false,
            high_watermark: 0,
            outbox: Vec::new(),
            actions: Vec::new(),
            asked: BTreeMap::new(),
            next_token: 1,
            run: 0,
            unfinished: None,
        }
    }

    pub fn start(&mut self, now_ms: u64) {
        assert!(self.raft.is_none());
        let mut actions = Vec::new();
        // Recovery makes durable what it found; a snapshot is durable when it has its name.
        if let Some((id, snapshot)) = self.disk.snapshots.last_key_value().map(|(id, snapshot)| (*id, snapshot.clone()))
            && id.offset > self.disk.end()
        {
            self.disk.install(id, snapshot);
        }
        self.disk.flushed = self.disk.end();
        let (state, log) = (self.disk.quorum_state.clone(), self.disk.log_state());
        let raft = Raft::start(self.config.clone(), self.rng.clone(), state, log, now_ms, &mut actions);
        self.raft = Some(raft.expect("a disk that fits together"));
        self.high_watermark = 0;
        self.run += 1;
        self.carry_out(actions, Payload::None, now_ms);
        self.flush_if_auto(now_ms);
    }

    /// Some of what was not flushed is lost.
    pub fn crash(&mut self, survives: Offset) {
        self.raft = None;
        self.finished = false;
        self.asked.clear();
        self.outbox.clear();
        self.unfinished = None;
        self.disk.truncate(survives.max(self.disk.flushed).min(self.disk.end()));
    }

    pub fn is_leader(&self) -> bool {
        self.raft.as_ref().is_some_and(|raft| raft.leader_epoch().is_some())
    }

    pub fn deadline_ms(&self) -> Option<u64> {
        self.raft.as_ref()?.next_deadline_ms()
    }

    pub fn tick(&mut self, now_ms: u64) {
        self.step(Event::Tick, Payload::None, now_ms);
    }

    /// As the leader. False if it is none.
    pub fn propose(&mut self, values: &[u64], now_ms: u64) -> bool {
        let Some(epoch) = self.raft.as_ref().and_then(Raft::leader_epoch) else { return false };
        self.disk.records.extend(values.iter().map(|value| Record { epoch, body: Body::Data(*value) }));
        self.step(Event::Appended { end_offset: self.disk.end() }, Payload::None, now_ms);
        true
    }

    pub fn flush(&mut self, now_ms: u64) {
        self.disk.flushed = self.disk.end();
        self.step_once(Event::Flushed { offset: self.disk.flushed }, Payload::None, now_ms);
    }

    /// Of all that is committed here.
    pub fn snapshot(&mut self, now_ms: u64) -> Option<OffsetAndEpoch> {
        let raft = self.raft.as_ref()?;
        let offset = self.high_watermark;
        let epoch = self.disk.get(offset - 1)?.epoch;
        let id = OffsetAndEpoch::new(offset, epoch);
        let mut controls = Vec::new();
        if let Some(voters) = raft.voters_at(offset - 1) {
            let version = raft.kraft_version_at(offset - 1);
            let records =
                [ottla_raft::ControlRecord::KRaftVersion(version), ottla_raft::ControlRecord::Voters(voters.clone())];
            controls.extend(records.map(|record| ControlEntry { offset: offset - 1, record }));
        }
        let snapshot = Snapshot { controls, records: self.disk.prefix(offset) };
        self.disk.snapshots.insert(id, snapshot);
        self.step(Event::SnapshotCreated { id }, Payload::None, now_ms);
        Some(id)
    }

    pub fn trim(&mut self, now_ms: u64) {
        if let Some(start_offset) = self.disk.snapshots.keys().last().map(|id| id.offset)
            && start_offset <= self.disk.end()
        {
            self.disk.trim(start_offset);
            self.step(Event::LogStartAdvanced { start_offset }, Payload::None, now_ms);
        }
    }

    pub fn upgrade(&mut self, version: i16, now_ms: u64) -> Result<bool, UpgradeError> {
        let raft = self.raft.as_mut().expect("a node that runs");
        let mut actions = Vec::new();
        let result = raft.upgrade_kraft_version(raft.epoch(), version, false, now_ms, &mut actions);
        self.carry_out(actions, Payload::None, now_ms);
        self.flush_if_auto(now_ms);
        result
    }

    /// From a person; the answer is only in the trace.
    pub fn ask(&mut self, request: Request, now_ms: u64) {
        let content = Content::Request(request);
        self.receive(Message { from: 0, to: self.id, alias: self.id, run: 0, correlation: 0, content }, now_ms);
    }

    pub fn receive(&mut self, message: Message, now_ms: u64) {
        let Message { from, alias, run, correlation, content, .. } = message;
        match content {
            Content::Request(Request::ApiVersions) => {
                let kraft_versions = Some(VersionRange { min: 0, max: 1 });
                let response = Response::ApiVersions { error: ErrorCode::None, kraft_versions };
                let content = Content::Response(response, Payload::None);
                self.outbox.push(Message { from: self.id, to: from, alias, run, correlation, content });
            }
            Content::Request(request) => {
                let token = self.next_token;
                self.next_token += 1;
                self.asked.insert(token, Asked { by: from, alias, run, correlation, request: request.clone() });
                self.step(Event::Request { token, request }, Payload::None, now_ms);
            }
            _ if run != self.run => {}
            Content::Response(response, payload) => {
                self.step(Event::Response { from: alias, correlation, response }, payload, now_ms);
            }
            Content::Failed(error) => {
                self.step(Event::RequestFailed { from: alias, correlation, error }, Payload::None, now_ms);
            }
        }
    }

    pub fn step(&mut self, event: Event, payload: Payload, now_ms: u64) {
        self.step_once(event, payload, now_ms);
        self.flush_if_auto(now_ms);
        let deadline_ms = self.deadline_ms();
        assert!(deadline_ms.is_none_or(|at_ms| at_ms > now_ms), "node {} wants to be stepped again at once", self.id);
    }

    fn flush_if_auto(&mut self, now_ms: u64) {
        while self.auto_flush && self.is_leader() && self.disk.flushed < self.disk.end() {
            self.flush(now_ms);
        }
    }

    fn step_once(&mut self, event: Event, payload: Payload, now_ms: u64) {
        let Some(raft) = &mut self.raft else { return };
        let mut actions = Vec::new();
        raft.step(event, now_ms, &mut actions);
        self.carry_out(actions, payload, now_ms);
    }

    fn carry_out(&mut self, actions: Vec<Action>, payload: Payload, now_ms: u64) {
        let is_control = |action: &Action| !matches!(action, Action::Send { .. } | Action::Respond { .. });
        let log_may_change = actions.iter().any(is_control);
        for action in actions {
            self.actions.push(action.clone());
            if let Some(event) = self.act(action, &payload) {
                self.step_once(event, Payload::None, now_ms);
            }
        }
        let raft = self.raft.as_ref().expect("a node that runs");
        assert_eq!(raft.log().end_offset(), self.disk.end(), "node {}: the core lost track of the log", self.id);
        assert_eq!(raft.log().start_offset(), self.disk.start);
        if log_may_change {
            let expected = self.disk.last_voters().unwrap_or(&self.config.static_voters);
            assert_eq!(raft.voters(), expected, "node {}: the core lost track of the voters", self.id);
        }
    }

    /// Returns the event that is owed for the action.
    fn act(&mut self, action: Action, payload: &Payload) -> Option<Event> {
        match action {
            Action::PersistQuorumState(state) => self.disk.quorum_state = Some(state),
            Action::AppendControl { epoch, base_offset, records } => {
                assert_eq!(base_offset, self.disk.end());
                let records = records.into_iter().map(|record| Record { epoch, body: Body::Control(record) });
                self.disk.records.extend(records);
            }
            Action::AppendFetched { max_epoch, flush, .. } => {
                return Some(self.append_fetched(payload, max_epoch, flush));
            }
            Action::Flush => self.disk.flushed = self.disk.end(),
            Action::Truncate { to } => self.disk.truncate(to),
            Action::WriteSnapshotChunk { id, position, .. } => {
                let expected = if position == 0 { None } else { Some((id, position)) };
                assert!(position == 0 || self.unfinished == expected, "a gap in the snapshot");
                let Payload::Snapshot(snapshot) = payload else { panic!("a chunk of nothing") };
                self.unfinished = Some((id, (position + MAX_CHUNK).min(snapshot.size())));
            }
            Action::InstallSnapshot { id } => {
                let Payload::Snapshot(snapshot) = payload else { panic!("no snapshot") };
                assert_eq!(self.unfinished.take(), Some((id, snapshot.size())));
                self.disk.install(id, snapshot.clone());
                return Some(Event::SnapshotInstalled { id, controls: snapshot.controls.clone() });
            }
            Action::AbandonSnapshot { .. } => self.unfinished = None,
            Action::Send { to, endpoint, correlation, request } => {
                let content = Content::Request(request);
                let real = NodeId::from(endpoint.port);
                self.outbox.push(Message { from: self.id, to: real, alias: to, run: self.run, correlation, content });
            }
            Action::Respond { token, response } => self.respond(token, response),
            Action::HighWatermark { offset } => self.high_watermark = offset,
            Action::Fault { message } => panic!("node {}: {message}", self.id),
            Action::ShutdownComplete { .. } => self.finished = true,
            Action::BecameLeader { .. } | Action::LostLeadership { .. } | Action::LeaderChanged { .. } => {}
        }
        None
    }

    fn append_fetched(&mut self, payload: &Payload, max_epoch: i32, flush: bool) -> Event {
        let Payload::Records(records) = payload else { panic!("records are missing") };
        let from = self.disk.end();
        self.disk.records.extend(records.iter().take_while(|record| record.epoch <= max_epoch).cloned());
        if flush {
            self.disk.flushed = self.disk.end();
        }
        Event::FetchedAppended {
            end_offset: self.disk.end(),
            epochs: self.disk.epochs_from(from),
            controls: self.disk.controls_from(from),
        }
    }

    fn respond(&mut self, token: Token, mut response: Response) {
        let Asked { by, alias, run, correlation, request } =
            self.asked.remove(&token).unwrap_or_else(|| panic!("node {} answers {token} twice", self.id));
        let mut payload = Payload::None;
        match (&mut response, &request) {
            (Response::Fetch(response), Request::Fetch(request)) if response.outcome == FetchOutcome::Records => {
                payload = Payload::Records(self.disk.read(request.fetch_offset, MAX_RECORDS));
            }
            (Response::Vote { vote_granted: true, .. }, Request::Vote(vote)) if !vote.pre_vote => {
                let state = self.disk.quorum_state.as_ref().expect("a vote on disk");
                assert!(
                    state.epoch == vote.epoch && state.voted.is_some_and(|voted| voted.matches(&vote.candidate)),
                    "node {} granted {vote:?}, but its disk says {state:?}",
                    self.id
                );
            }
            (Response::FetchSnapshot(response), Request::FetchSnapshot(request)) => {
                if let Some(snapshot) = response.snapshot_id.and_then(|id| self.disk.snapshots.get(&id)) {
                    response.size = snapshot.size();
                    response.chunk_len = MAX_CHUNK.min(snapshot.size() - request.position);
                    payload = Payload::Snapshot(snapshot.clone());
                }
            }
            _ => {}
        }
        if by == 0 {
            return;
        }
        let content = Content::Response(response, payload);
        self.outbox.push(Message { from: self.id, to: by, alias, run, correlation, content });
    }

    pub fn describe(&self) -> String {
        match &self.raft {
            Some(raft) => show::node(self, raft),
            None => format!("n{}: down", self.id),
        }
    }
}
