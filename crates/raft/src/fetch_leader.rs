//! `Fetch` and `FetchSnapshot` as the leader sees them: they move the high watermark, and wait for news.

use crate::io::Token;
use crate::key::OffsetAndEpoch;
use crate::log_view::Validity;
use crate::message::{
    FetchOutcome, FetchRequest, FetchResponse, FetchSnapshotRequest, FetchSnapshotResponse, Request, Response,
};
use crate::raft::Raft;
use crate::role::Role;
use crate::voter_change::VoterChange;
use ottla_base::{ErrorCode, Offset};

/// More fetches than this do not wait. A replica waits with one at most.
const MAX_PARKED_FETCHES: usize = 10_000;

/// A fetch that found nothing new.
#[derive(Debug)]
pub(crate) struct ParkedFetch {
    token: Token,
    request: FetchRequest,
    /// When it came in.
    high_watermark: Option<Offset>,
    pub deadline_ms: u64,
}

impl Raft {
    pub(crate) fn on_fetch_request(&mut self, token: Token, request: FetchRequest) {
        let is_possible = request.max_wait_ms >= 0
            && request.fetch_offset >= 0
            && request.last_fetched_epoch >= 0
            && request.last_fetched_epoch <= request.epoch;
        if !is_possible {
            return self.refuse_fetch(token, ErrorCode::InvalidRequest);
        }
        self.serve_fetch(token, request, true);
    }

    fn refuse_fetch(&mut self, token: Token, error: ErrorCode) {
        self.respond_fetch(token, error, None, FetchOutcome::Empty);
    }

    fn respond_fetch(&mut self, token: Token, error: ErrorCode, high_watermark: Option<Offset>, outcome: FetchOutcome) {
        let header = self.header(error);
        let log_start_offset = self.log.start_offset();
        self.respond(token, Response::Fetch(FetchResponse { header, high_watermark, log_start_offset, outcome }));
    }

    fn serve_fetch(&mut self, token: Token, request: FetchRequest, may_wait: bool) {
        if let Err(error) = self.check_leader_request(request.epoch) {
            return self.refuse_fetch(token, error);
        }
        if request.replica.id == self.config.local.id {
            return self.refuse_fetch(token, ErrorCode::UnknownServerError);
        }
        let outcome = match self.validate_fetch(request.fetch_offset, request.last_fetched_epoch) {
            Validity::Diverging(end) => FetchOutcome::Diverging(end),
            Validity::Snapshot(id) => FetchOutcome::Snapshot(id),
            Validity::Valid => {
                self.replica_fetched(&request);
                if request.fetch_offset < self.log.end_offset() { FetchOutcome::Records } else { FetchOutcome::Empty }
            }
        };
        let high_watermark = self.high_watermark;
        let is_news = outcome != FetchOutcome::Empty || request.high_watermark < high_watermark.unwrap_or(-1);
        if may_wait && !is_news && request.max_wait_ms > 0 {
            self.park_fetch(token, request);
        } else {
            self.respond_fetch(token, ErrorCode::None, high_watermark, outcome);
        }
    }

    /// An empty log is filled faster by a snapshot than by records.
    fn validate_fetch(&self, offset: Offset, epoch: i32) -> Validity {
        match self.log.latest_snapshot() {
            Some(id) if offset == 0 && id != OffsetAndEpoch::BOOTSTRAP_SNAPSHOT => Validity::Snapshot(id),
            _ => self.log.validate(offset, epoch),
        }
    }

    /// Whoever fetches from an offset has all before it.
    fn replica_fetched(&mut self, request: &FetchRequest) {
        let (now_ms, end_offset) = (self.now_ms, self.log.end_offset());
        let Role::Leader(leader) = &mut self.role else { return };
        if request.replica.id < 0 {
            return;
        }
        leader.replicas.fetched(&request.replica, request.fetch_offset, end_offset, now_ms);
        let is_voter = leader.replicas.is_voter(&request.replica);
        self.voter_fetched(&request.replica);
        if is_voter {
            self.update_high_watermark();
        }
    }

    fn park_fetch(&mut self, token: Token, request: FetchRequest) {
        let high_watermark = self.high_watermark;
        let wait_ms = u64::try_from(request.max_wait_ms).unwrap_or(0);
        let deadline_ms = self.now_ms.saturating_add(wait_ms);
        let Role::Leader(leader) = &mut self.role else { return };
        // A replica that fetches again has given up its fetch before.
        let is_older = |parked: &mut ParkedFetch| request.replica.id >= 0 && parked.request.replica == request.replica;
        let given_up: Vec<ParkedFetch> = leader.parked.extract_if(.., is_older).collect();
        let has_room = leader.parked.len() < MAX_PARKED_FETCHES;
        if has_room {
            leader.parked.push(ParkedFetch { token, request, high_watermark, deadline_ms });
        }
        for parked in given_up {
            self.respond_fetch(parked.token, ErrorCode::None, high_watermark, FetchOutcome::Empty);
        }
        if !has_room {
            self.respond_fetch(token, ErrorCode::None, high_watermark, FetchOutcome::Empty);
        }
    }

    /// Those that have news, and those that waited long enough. An answer may move the high
    /// watermark, which is news for others.
    pub(crate) fn answer_parked_fetches(&mut self) {
        loop {
            let (now_ms, end_offset, high_watermark) = (self.now_ms, self.log.end_offset(), self.high_watermark);
            let Role::Leader(leader) = &mut self.role else { return };
            let has_news = |parked: &ParkedFetch| {
                parked.request.fetch_offset < end_offset || parked.high_watermark != high_watermark
            };
            let is_due = |parked: &mut ParkedFetch| has_news(parked) || parked.deadline_ms <= now_ms;
            let due: Vec<ParkedFetch> = leader.parked.extract_if(.., is_due).collect();
            if due.is_empty() {
                return;
            }
            for parked in due {
                if has_news(&parked) {
                    self.serve_fetch(parked.token, parked.request, false);
                } else {
                    self.respond_fetch(parked.token, ErrorCode::None, high_watermark, FetchOutcome::Empty);
                }
            }
        }
    }

    pub(crate) fn on_fetch_snapshot_request(&mut self, token: Token, request: &FetchSnapshotRequest) {
        let error = self.check_fetch_snapshot(request).err().unwrap_or(ErrorCode::None);
        if error.is_error() {
            let response = self.error_response(&Request::FetchSnapshot(request.clone()), error);
            return self.respond(token, response);
        }
        self.voter_fetched(&request.replica);
        let header = self.header(error);
        let response = FetchSnapshotResponse {
            header,
            snapshot_id: Some(request.snapshot_id),
            size: 0,
            position: request.position,
            chunk_len: 0,
        };
        self.respond(token, Response::FetchSnapshot(response));
    }

    fn check_fetch_snapshot(&self, request: &FetchSnapshotRequest) -> Result<(), ErrorCode> {
        self.check_leader_request(request.epoch)?;
        if request.replica.id == self.config.local.id {
            return Err(ErrorCode::UnknownServerError);
        }
        let id = request.snapshot_id;
        if id == OffsetAndEpoch::BOOTSTRAP_SNAPSHOT || !self.log.has_snapshot(id) {
            return Err(ErrorCode::SnapshotNotFound);
        }
        if request.position < 0 { Err(ErrorCode::PositionOutOfRange) } else { Ok(()) }
    }

    /// What waits for a leader that is one no longer.
    pub(crate) fn answer_not_leader(&mut self, parked: Vec<ParkedFetch>, change: Option<VoterChange>) {
        for fetch in parked {
            self.refuse_fetch(fetch.token, ErrorCode::NotLeaderOrFollower);
        }
        if let Some(change) = change {
            self.answer_voter_change(change, ErrorCode::NotLeaderOrFollower, None);
        }
    }

    pub(crate) fn answer_all_not_leader(&mut self) {
        if let Role::Leader(leader) = &mut self.role {
            let (parked, change) = (std::mem::take(&mut leader.parked), leader.voter_change.take());
            self.answer_not_leader(parked, change);
        }
    }
}
