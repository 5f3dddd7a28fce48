//! Decides what is written to the metadata log: a request and the working state in, records and a response out.
//!
//! One [`Controller`] lives in every controller node. It follows the log everywhere ([`Controller::replay`]), and where the
//! node leads the quorum it also answers requests. What an operation returns has to be appended and replayed at once,
//! before the next operation is called, and the response held back until the records are committed:
//!
//! ```text
//! let outcome = controller.create_topics(&context, &request);
//! for batch in outcome.batches() {
//!     let base = raft.append(batch);                  // at controller.next_offset()
//!     controller.replay(base, epoch, batch)?;
//! }
//! // … later, the high watermark moves:
//! controller.committed(high_watermark - 1);           // then answer what waited for this offset
//! ```

mod acl_control;
mod activation;
mod alter_partition;
mod broker_control;
mod config_control;
mod election_control;
mod error;
mod feature_control;
mod heartbeats;
mod lookup;
mod partition_change;
#[cfg(test)]
mod partition_change_oracle;
mod placement;
mod producer_id_control;
mod quota_control;
#[cfg(test)]
mod random;
mod reassignment_control;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod scenarios_admin;
#[cfg(test)]
mod scenarios_config;
mod scram_control;
mod state;
#[cfg(test)]
mod testing;
mod tick;
mod token_control;
mod topic_control;
mod topic_creation;

pub use feature_control::FeaturesUpdate;
pub use token_control::{Principal, token_hmac};

use crate::image::{MetadataImage, Provenance, ReplayError, VersionedRecord};
use heartbeats::Heartbeats;
use ottla_base::{LeaderEpoch, NodeId, Offset, Rng, Time};
use ottla_config::BrokerConfig;
use ottla_wire::metadata_records::MetadataRecord;
use state::State;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tick::Schedule;

/// More records than this are never one batch of the log.
pub const MAX_RECORDS_PER_BATCH: usize = 10_000;

/// What an operation wants to write, and its answer once that is committed.
#[derive(Clone, Debug)]
pub struct Outcome<R> {
    pub records: Vec<VersionedRecord>,
    /// To be sent when the records are committed; when there are none, when everything appended before is.
    pub response: R,
    /// All records in one batch. Otherwise they may be split.
    pub atomic: bool,
}

impl<R> Outcome<R> {
    fn atomic(records: Vec<VersionedRecord>, response: R) -> Outcome<R> {
        Outcome { records, response, atomic: true }
    }

    fn splittable(records: Vec<VersionedRecord>, response: R) -> Outcome<R> {
        Outcome { records, response, atomic: false }
    }

    fn answer(response: R) -> Outcome<R> {
        Outcome::atomic(Vec::new(), response)
    }

    fn without_records_if(mut self, validate_only: bool) -> Outcome<R> {
        if validate_only {
            self.records.clear();
        }
        self
    }

    /// What to append, one batch after the other.
    pub fn batches(&self) -> impl Iterator<Item = &[VersionedRecord]> {
        let size = if self.atomic { usize::MAX } else { MAX_RECORDS_PER_BATCH };
        self.records.chunks(size)
    }
}

/// How a request came.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestContext {
    pub api_version: i16,
    /// By a broker, in an Envelope, rather than by the client itself.
    pub forwarded: bool,
}

pub struct Controller {
    config: Arc<BrokerConfig>,
    /// What `server.properties` says, as text: the settings behind those of topics.
    static_config: BTreeMap<String, String>,
    cluster_id: String,
    rng: Arc<dyn Rng>,
    /// Of `kraft.version`, which lives in control records that the driver reads.
    kraft_version: i16,
    /// The other members of the quorum.
    voters: Vec<NodeId>,
    working: State,
    /// The state after each batch that is not committed yet, the committed one first. Empty while nothing is pending.
    snapshots: VecDeque<(Offset, State)>,
    active: Option<Active>,
}

/// What only the leader of the quorum has.
struct Active {
    epoch: LeaderEpoch,
    next_offset: Offset,
    heartbeats: Heartbeats,
    schedule: Schedule,
}

impl Controller {
    pub fn new(config: Arc<BrokerConfig>, cluster_id: impl Into<String>, rng: Arc<dyn Rng>) -> Controller {
        let voters = config.voters().iter().map(|voter| voter.id).collect();
        Controller {
            static_config: config.originals().to_map(),
            config,
            cluster_id: cluster_id.into(),
            rng,
            kraft_version: 0,
            voters,
            working: State::default(),
            snapshots: VecDeque::new(),
            active: None,
        }
    }

    pub fn node_id(&self) -> NodeId {
        self.config.node_id()
    }

    /// The level of `kraft.version` and the quorum, when a control record changes them.
    pub fn set_quorum(&mut self, kraft_version: i16, voters: Vec<NodeId>) {
        self.kraft_version = kraft_version;
        self.voters = voters;
    }

    pub fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// The epoch in which this node leads, or -1.
    pub fn active_epoch(&self) -> LeaderEpoch {
        self.active.as_ref().map_or(-1, |active| active.epoch)
    }

    /// Where the next record of the active controller goes.
    pub fn next_offset(&self) -> Offset {
        self.active.as_ref().map_or(self.working.image.provenance.offset + 1, |active| active.next_offset)
    }

    /// Everything that was replayed, committed or not.
    pub fn working_image(&self) -> &MetadataImage {
        &self.working.image
    }

    /// What is committed and no longer subject to an open transaction. A node that is a broker too may publish it instead of
    /// loading the log a second time.
    pub fn committed_image(&self) -> &MetadataImage {
        self.snapshots.front().map_or(&self.working, |(_, state)| state).stable_image()
    }

    /// One batch: on the active controller what it has just appended (at [`next_offset`](Self::next_offset)), elsewhere what
    /// is committed. An error means that the log and this software don't agree; the node has to stop.
    pub fn replay(
        &mut self,
        base_offset: Offset,
        epoch: LeaderEpoch,
        records: &[VersionedRecord],
    ) -> Result<(), ReplayError> {
        if records.is_empty() {
            return Ok(());
        }
        if self.is_active() && self.snapshots.is_empty() {
            self.snapshots.push_back((base_offset - 1, self.working.clone()));
        }
        for (offset, (record, _)) in (base_offset..).zip(records) {
            self.working.replay(offset, epoch, record)?;
            self.follow_brokers(record);
        }
        let last = base_offset + records.len() as i64 - 1;
        if let Some(active) = &mut self.active {
            active.next_offset = active.next_offset.max(last + 1);
            self.snapshots.push_back((last, self.working.clone()));
        }
        Ok(())
    }

    /// The heartbeats of brokers that a record is about.
    fn follow_brokers(&mut self, record: &MetadataRecord) {
        let Some(active) = &mut self.active else { return };
        let id = match record {
            MetadataRecord::RegisterBroker(r) => r.broker_id,
            MetadataRecord::UnregisterBroker(r) => return active.heartbeats.remove(r.broker_id),
            MetadataRecord::BrokerRegistrationChange(r) => r.broker_id,
            MetadataRecord::FenceBroker(r) => r.id,
            MetadataRecord::UnfenceBroker(r) => r.id,
            _ => return,
        };
        if let Some(broker) = self.working.image.cluster.broker(id) {
            if matches!(record, MetadataRecord::RegisterBroker(_)) {
                active.heartbeats.remove(id);
            }
            active.heartbeats.register(id, broker.fenced);
        }
    }

    /// Everything up to this offset (included) is committed.
    pub fn committed(&mut self, offset: Offset) {
        // The last state that is committed stays, to go back to.
        while self.snapshots.get(1).is_some_and(|(next, _)| *next <= offset) {
            self.snapshots.pop_front();
        }
        if self.snapshots.len() == 1 && self.snapshots.front().is_some_and(|(last, _)| *last <= offset) {
            self.snapshots.clear();
        }
    }

    /// Leadership is lost: what is not committed may never be, and is forgotten.
    pub fn reset_to_committed(&mut self) {
        self.active = None;
        if let Some((_, state)) = self.snapshots.pop_front() {
            self.working = state;
        }
        self.snapshots.clear();
    }

    /// Begins anew from a snapshot of the log. Never while active.
    pub fn load_snapshot(&mut self, provenance: Provenance, records: &[MetadataRecord]) -> Result<(), ReplayError> {
        assert!(!self.is_active(), "the leader of the quorum has no use for a snapshot");
        self.working = State::default();
        self.snapshots.clear();
        for record in records {
            self.working.replay(provenance.offset, provenance.epoch, record)?;
        }
        self.working.image.provenance = provenance;
        Ok(())
    }

    fn active(&self) -> &Active {
        match &self.active {
            Some(active) => active,
            // Invariant: only what `become_active` has made active is asked for operations (see the top of this file).
            None => panic!("an operation of the active controller was called on one that is not"),
        }
    }

    fn active_mut(&mut self) -> &mut Active {
        match &mut self.active {
            Some(active) => active,
            // Invariant: only what `become_active` has made active is asked for operations (see the top of this file).
            None => panic!("an operation of the active controller was called on one that is not"),
        }
    }
}

/// Milliseconds of the monotonic clock, in which all timeouts are measured.
fn mono(now: Time) -> u64 {
    now.mono_ms
}
