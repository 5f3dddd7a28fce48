//! Messages, actions and nodes in short, for people who read scenarios.

use super::node::{Content, Message, Node, Payload};
use ottla_base::ErrorCode;
use ottla_raft::{
    Action, ControlRecord, FetchOutcome, Header, LossReason, Raft, ReplicaKey, Request, Response, VoterSet,
};

/// `3`, or `3.2` for its second directory.
pub fn key(key: &ReplicaKey) -> String {
    match key.directory_id {
        Some(directory) if directory.0[0] > 1 => format!("{}.{}", key.id, directory.0[0]),
        _ => key.id.to_string(),
    }
}

fn keys<'a>(keys: impl IntoIterator<Item = &'a ReplicaKey>) -> String {
    let keys: Vec<String> = keys.into_iter().map(key).collect();
    format!("[{}]", keys.join(" "))
}

pub fn voters(voters: &VoterSet) -> String {
    keys(&voters.keys().collect::<Vec<_>>())
}

fn option<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

fn header(header: &Header) -> String {
    let error = if header.error == ErrorCode::None { String::new() } else { format!("{} ", header.error) };
    format!("{error}epoch={} leader={}", header.epoch, option(header.leader))
}

pub fn control(record: &ControlRecord) -> String {
    match record {
        ControlRecord::LeaderChange { leader, voters, granting_voters } => {
            format!("leader-change({leader} of {voters:?} by {granting_voters:?})")
        }
        ControlRecord::KRaftVersion(version) => format!("kraft-version({version})"),
        ControlRecord::Voters(set) => format!("voters({})", voters(set)),
    }
}

pub fn request(request: &Request) -> String {
    match request {
        Request::Vote(vote) => {
            let kind = if vote.pre_vote { "pre-vote" } else { "vote" };
            format!("{kind} epoch={} end={}", vote.epoch, vote.log_end)
        }
        Request::BeginQuorumEpoch(begin) => format!("begin-epoch epoch={}", begin.epoch),
        Request::EndQuorumEpoch(end) => {
            format!("end-epoch epoch={} successors={}", end.epoch, keys(&end.preferred_successors))
        }
        Request::Fetch(fetch) => format!(
            "fetch epoch={} offset={} last-epoch={} hw={}",
            fetch.epoch, fetch.fetch_offset, fetch.last_fetched_epoch, fetch.high_watermark
        ),
        Request::FetchSnapshot(fetch) => {
            format!("fetch-snapshot epoch={} {} position={}", fetch.epoch, fetch.snapshot_id, fetch.position)
        }
        Request::AddVoter(add) => format!("add-voter {}", key(&add.voter)),
        Request::RemoveVoter(remove) => format!("remove-voter {}", key(&remove.voter)),
        Request::UpdateVoter(update) => format!("update-voter epoch={}", update.epoch),
        Request::ApiVersions => "api-versions".to_owned(),
    }
}

fn result(error: ErrorCode, message: &Option<String>) -> String {
    match message {
        Some(message) => format!("{error}: {message}"),
        None => error.to_string(),
    }
}

pub fn response(response: &Response) -> String {
    match response {
        Response::Vote { header: common, vote_granted } => {
            format!("vote {} {}", if *vote_granted { "granted" } else { "rejected" }, header(common))
        }
        Response::BeginQuorumEpoch(common) => format!("begin-epoch {}", header(common)),
        Response::EndQuorumEpoch(common) => format!("end-epoch {}", header(common)),
        Response::Fetch(fetch) => {
            let outcome = match fetch.outcome {
                FetchOutcome::Empty => "nothing".to_owned(),
                FetchOutcome::Records => "records".to_owned(),
                FetchOutcome::Diverging(end) => format!("diverging at {end}"),
                FetchOutcome::Snapshot(id) => format!("snapshot {id}"),
            };
            format!("fetch {outcome} hw={} {}", option(fetch.high_watermark), header(&fetch.header))
        }
        Response::FetchSnapshot(fetch) => format!(
            "fetch-snapshot {} position={} len={} size={} {}",
            option(fetch.snapshot_id),
            fetch.position,
            fetch.chunk_len,
            fetch.size,
            header(&fetch.header)
        ),
        Response::AddVoter { error, message } => format!("add-voter {}", result(*error, message)),
        Response::RemoveVoter { error, message } => format!("remove-voter {}", result(*error, message)),
        Response::UpdateVoter(common) => format!("update-voter {}", header(common)),
        Response::ApiVersions { error, .. } => format!("api-versions {error}"),
    }
}

pub fn message(message: &Message) -> String {
    let content = match &message.content {
        Content::Request(content) => format!("? {}", request(content)),
        Content::Response(content, payload) => {
            let count = match payload {
                Payload::Records(records) => format!(" ({} records)", records.len()),
                _ => String::new(),
            };
            format!("! {}{count}", response(content))
        }
        Content::Failed(error) => format!("! failed {error}"),
    };
    format!("n{}->n{} {content}", message.from, message.to)
}

fn reason(reason: &LossReason) -> &'static str {
    match reason {
        LossReason::NewEpoch => "new-epoch",
        LossReason::Requested => "requested",
        LossReason::Shutdown => "shutdown",
        LossReason::CheckQuorum => "check-quorum",
        LossReason::Removed => "removed",
    }
}

/// `None` for what every message does; the messages themselves are shown elsewhere.
pub fn action(action: &Action) -> Option<String> {
    Some(match action {
        Action::PersistQuorumState(state) => format!(
            "persist epoch={} leader={} voted={}",
            state.epoch,
            option(state.leader),
            option(state.voted.as_ref().map(key))
        ),
        Action::BecameLeader { epoch, epoch_start_offset } => {
            format!("became-leader epoch={epoch} start={epoch_start_offset}")
        }
        Action::LostLeadership { epoch, reason: why } => format!("lost-leadership epoch={epoch} {}", reason(why)),
        Action::AppendControl { base_offset, records, .. } => {
            let records: Vec<String> = records.iter().map(control).collect();
            format!("append {base_offset}: {}", records.join(" "))
        }
        Action::Flush => "flush".to_owned(),
        Action::Truncate { to } => format!("truncate {to}"),
        Action::InstallSnapshot { id } => format!("install-snapshot {id}"),
        Action::AbandonSnapshot { id } => format!("abandon-snapshot {id}"),
        Action::HighWatermark { offset } => format!("high-watermark {offset}"),
        Action::LeaderChanged { epoch, leader, .. } => format!("leader epoch={epoch} {}", option(*leader)),
        Action::Fault { message } => format!("FAULT {message}"),
        Action::ShutdownComplete { timed_out } => format!("shutdown-complete timed-out={timed_out}"),
        Action::Respond { response: Response::AddVoter { error, message }, .. } => {
            format!("add-voter answered {}", result(*error, message))
        }
        Action::Respond { response: Response::RemoveVoter { error, message }, .. } => {
            format!("remove-voter answered {}", result(*error, message))
        }
        Action::AppendFetched { .. }
        | Action::WriteSnapshotChunk { .. }
        | Action::Send { .. }
        | Action::Respond { .. } => return None,
    })
}

pub fn node(node: &Node, raft: &Raft) -> String {
    let log = raft.log();
    format!(
        "n{}: {} epoch={} leader={} hw={} log={}..{} last-epoch={} voters={}{}",
        node.id,
        raft.role(),
        raft.epoch(),
        option(raft.leader()),
        option(raft.high_watermark()),
        log.start_offset(),
        log.end_offset(),
        log.last_epoch(),
        voters(raft.voters()),
        if raft.is_voter() { "" } else { " observer" }
    )
}
