//! Whatever a network brings, the core neither panics nor loses track of its log.

mod support;

use ottla_base::{ErrorCode, LeaderEpoch, NodeId, Offset, Rng, SeededRng};
use ottla_raft::{
    Action, AddVoterRequest, BeginQuorumEpochRequest, Config, ControlEntry, ControlRecord, Correlation,
    EndQuorumEpochRequest, Endpoints, EpochStart, Event, FetchOutcome, FetchRequest, FetchResponse,
    FetchSnapshotRequest, FetchSnapshotResponse, Header, LogState, OffsetAndEpoch, Raft, RemoveVoterRequest,
    ReplicaKey, Request, Response, UpdateVoterRequest, VersionRange, VoteRequest,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use support::cluster::{LISTENER, directory, listeners, voter_set};

const SEEDS: u64 = 300;
const STEPS: usize = 300;

const ERRORS: [ErrorCode; 9] = [
    ErrorCode::None,
    ErrorCode::None,
    ErrorCode::None,
    ErrorCode::FencedLeaderEpoch,
    ErrorCode::UnknownLeaderEpoch,
    ErrorCode::NotLeaderOrFollower,
    ErrorCode::InvalidVoterKey,
    ErrorCode::SnapshotNotFound,
    ErrorCode::UnsupportedVersion,
];

struct Monkey {
    rng: Arc<SeededRng>,
    raft: Raft,
    now_ms: u64,
    start: Offset,
    end: Offset,
    last_epoch: LeaderEpoch,
    sent: Vec<(NodeId, Correlation)>,
    waiting: BTreeSet<u64>,
    next_token: u64,
    faults: usize,
}

impl Monkey {
    fn new(seed: u64) -> Monkey {
        let rng = Arc::new(SeededRng::new(seed));
        let local = ReplicaKey::new(1, directory(1));
        let mut config = Config::new(local, LISTENER, listeners(1));
        config.auto_join = seed.is_multiple_of(3);
        let voters = voter_set([&[1][..], &[1, 2], &[1, 2, 3], &[2, 3]][(seed % 4) as usize]);
        let records = [ControlRecord::KRaftVersion((seed % 5).min(1) as i16), ControlRecord::Voters(voters)];
        let log = LogState {
            snapshots: vec![OffsetAndEpoch::BOOTSTRAP_SNAPSHOT],
            controls: records.map(|record| ControlEntry { offset: -1, record }).to_vec(),
            ..LogState::default()
        };
        let mut actions = Vec::new();
        let raft = Raft::start(config, rng.clone(), None, log, 0, &mut actions).unwrap();
        let mut monkey = Monkey {
            rng,
            raft,
            now_ms: 0,
            start: 0,
            end: 0,
            last_epoch: 0,
            sent: Vec::new(),
            waiting: BTreeSet::new(),
            next_token: 0,
            faults: 0,
        };
        monkey.carry_out(actions);
        monkey
    }

    fn pick(&self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    fn step(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.raft.step(event, self.now_ms, &mut actions);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::AppendControl { epoch, base_offset, records } => {
                    assert_eq!(base_offset, self.end);
                    self.end += records.len() as Offset;
                    self.last_epoch = epoch;
                }
                Action::AppendFetched { base_offset, max_epoch, .. } => {
                    assert_eq!(base_offset, self.end);
                    let count = self.pick(3) as Offset;
                    let mut epochs = Vec::new();
                    if count > 0 {
                        epochs.push(EpochStart { epoch: max_epoch, start_offset: self.end });
                        self.last_epoch = max_epoch;
                    }
                    self.end += count;
                    self.step(Event::FetchedAppended { end_offset: self.end, epochs, controls: Vec::new() });
                }
                Action::Truncate { to } => {
                    assert!(to >= self.start && to < self.end);
                    self.end = to;
                }
                Action::InstallSnapshot { id } => {
                    (self.start, self.end) = (id.offset, id.offset);
                    self.step(Event::SnapshotInstalled { id, controls: Vec::new() });
                }
                Action::Send { to, correlation, .. } => self.sent.push((to, correlation)),
                Action::Respond { token, .. } => assert!(self.waiting.remove(&token), "{token} is answered twice"),
                Action::Fault { .. } => self.faults += 1,
                _ => {}
            }
        }
        assert_eq!((self.raft.log().start_offset(), self.raft.log().end_offset()), (self.start, self.end));
    }

    fn epoch(&self) -> LeaderEpoch {
        let current = self.raft.epoch();
        match self.pick(200) {
            0 => LeaderEpoch::MAX,
            1..=20 => [-1, 0, 1, LeaderEpoch::MIN][self.pick(4) as usize],
            21..=60 => current.saturating_add(1),
            61..=70 => current - 1,
            _ => current,
        }
    }

    fn offset(&self) -> Offset {
        match self.pick(20) {
            0..=4 => [-1, 0, 1, Offset::MAX, Offset::MIN][self.pick(5) as usize],
            5..=12 => self.end,
            _ => self.end.saturating_add(self.pick(7) as Offset - 3),
        }
    }

    fn place(&self) -> OffsetAndEpoch {
        OffsetAndEpoch::new(self.offset(), if self.pick(2) == 0 { self.epoch() } else { self.last_epoch })
    }

    fn id(&self) -> NodeId {
        [1, 2, 3, 4, -1, -2][self.pick(6) as usize]
    }

    fn key(&self) -> ReplicaKey {
        match self.pick(3) {
            0 => ReplicaKey::without_directory(self.id()),
            generation => ReplicaKey::new(self.id(), directory(generation as u8)),
        }
    }

    fn maybe_key(&self) -> Option<ReplicaKey> {
        (self.pick(2) == 0).then(|| self.key())
    }

    fn endpoints(&self) -> Endpoints {
        match self.pick(3) {
            0 => Endpoints::new(),
            1 => Endpoints::single("OTHER", "h", 1),
            _ => listeners(2),
        }
    }

    fn versions(&self) -> VersionRange {
        VersionRange { min: self.pick(3) as i16 - 1, max: self.pick(4) as i16 - 1 }
    }

    fn request(&self) -> Request {
        let (epoch, leader) = (self.epoch(), self.id());
        match self.pick(10) {
            0 | 1 => Request::Vote(VoteRequest {
                candidate: self.key(),
                epoch,
                voter: self.maybe_key(),
                log_end: self.place(),
                pre_vote: self.pick(2) == 0,
            }),
            2 => Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
                leader,
                epoch,
                leader_endpoints: self.endpoints(),
                voter: self.maybe_key(),
            }),
            3 => Request::EndQuorumEpoch(EndQuorumEpochRequest {
                leader,
                epoch,
                preferred_successors: (0..self.pick(70)).map(|_| self.key()).collect(),
                leader_endpoints: self.endpoints(),
            }),
            4 | 5 => Request::Fetch(FetchRequest {
                replica: self.key(),
                epoch,
                fetch_offset: self.offset(),
                last_fetched_epoch: if self.pick(2) == 0 { self.last_epoch } else { self.epoch() },
                high_watermark: self.offset(),
                max_wait_ms: [-1, 0, 500, i32::MAX][self.pick(4) as usize],
            }),
            6 => Request::FetchSnapshot(FetchSnapshotRequest {
                replica: self.key(),
                epoch,
                snapshot_id: self.place(),
                position: self.offset(),
            }),
            7 => Request::AddVoter(AddVoterRequest {
                voter: self.key(),
                listeners: self.endpoints(),
                ack_when_committed: self.pick(2) == 0,
            }),
            8 => Request::RemoveVoter(RemoveVoterRequest { voter: self.key() }),
            _ => Request::UpdateVoter(UpdateVoterRequest {
                voter: self.key(),
                epoch,
                listeners: self.endpoints(),
                kraft_versions: self.versions(),
            }),
        }
    }

    fn response(&self) -> Response {
        let error = ERRORS[self.pick(ERRORS.len() as u64) as usize];
        let leader = Some(self.id()).filter(|id| *id >= 0);
        let header = Header { error, epoch: self.epoch(), leader, leader_endpoints: self.endpoints() };
        match self.pick(12) {
            0..=2 => Response::Vote { header, vote_granted: self.pick(3) > 0 },
            3 => Response::BeginQuorumEpoch(header),
            4 => Response::EndQuorumEpoch(header),
            5..=7 => Response::Fetch(FetchResponse {
                header,
                high_watermark: Some(self.offset()).filter(|offset| *offset >= 0),
                log_start_offset: self.offset(),
                outcome: match self.pick(4) {
                    0 => FetchOutcome::Empty,
                    1 => FetchOutcome::Diverging(self.place()),
                    2 => FetchOutcome::Snapshot(self.place()),
                    _ => FetchOutcome::Records,
                },
            }),
            8 => Response::FetchSnapshot(FetchSnapshotResponse {
                header,
                snapshot_id: (self.pick(4) > 0).then(|| self.place()),
                size: self.offset(),
                position: [0, self.offset()][self.pick(2) as usize],
                chunk_len: self.offset(),
            }),
            9 => Response::AddVoter { error, message: None },
            10 => Response::UpdateVoter(header),
            _ => Response::ApiVersions { error, kraft_versions: (self.pick(4) > 0).then(|| self.versions()) },
        }
    }

    fn disturb(&mut self) {
        match self.pick(10) {
            0..=3 => {
                let (token, request) = (self.next_token, self.request());
                self.next_token += 1;
                self.waiting.insert(token);
                self.step(Event::Request { token, request });
            }
            4..=7 if !self.sent.is_empty() => {
                let (from, correlation) = self.sent.remove(self.pick(self.sent.len() as u64) as usize);
                let event = match self.pick(10) {
                    0 => Event::RequestFailed { from, correlation, error: ErrorCode::NetworkException },
                    1 => Event::RequestFailed { from, correlation, error: ErrorCode::UnsupportedVersion },
                    _ => Event::Response { from, correlation, response: self.response() },
                };
                self.step(event);
            }
            8 if self.raft.leader_epoch().is_some() => {
                self.end += 1;
                self.last_epoch = self.raft.epoch();
                self.step(Event::Appended { end_offset: self.end });
                self.step(Event::Flushed { offset: self.end });
            }
            _ => {
                self.now_ms += self.pick(1500);
                self.step(Event::Tick);
            }
        }
        // Too late to be expected.
        if self.sent.len() > 8 {
            self.sent.remove(0);
        }
    }
}

#[test]
fn nothing_from_a_network_makes_it_panic() {
    let mut leaders = 0;
    let mut faults = 0;
    for seed in 0..SEEDS {
        let mut monkey = Monkey::new(seed);
        for _ in 0..STEPS {
            monkey.disturb();
        }
        leaders += usize::from(monkey.raft.leader_epoch().is_some());
        faults += monkey.faults;
        // What waited is answered in the end.
        monkey.step(Event::Shutdown { timeout_ms: 0 });
        assert!(monkey.waiting.is_empty(), "seed {seed}: {:?} were never answered", monkey.waiting);
    }
    // It went to many places.
    assert!(leaders > 0 && faults > 0, "{leaders} leaders, {faults} faults");
}
