//! The first thing that a new leader of the quorum does.

use super::heartbeats::Heartbeats;
use super::tick::Schedule;
use super::{Active, Controller, Outcome, mono};
use crate::bootstrap::BootstrapMetadata;
use crate::features::{ELIGIBLE_LEADER_REPLICAS_VERSION, MetadataVersion};
use crate::image::{ConfigResource, VersionedRecord, config_record};
use ottla_base::{LeaderEpoch, Offset, Time};
use ottla_wire::metadata_records::{AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord};

impl Controller {
    /// This node leads the quorum now, and everything committed has been replayed. `next_offset` is where the log ends.
    ///
    /// Returns what to write first: into an empty log what `bootstrap` says (in a transaction where that is supported), into
    /// another the end of a transaction that the last leader did not close. Must be followed by
    /// [`replay`](Self::replay) like any other operation.
    pub fn become_active(
        &mut self,
        epoch: LeaderEpoch,
        next_offset: Offset,
        now: Time,
        bootstrap: &BootstrapMetadata,
    ) -> Outcome<()> {
        let mut heartbeats = Heartbeats::new(self.config.int("broker.session.timeout.ms").max(0) as u64);
        for broker in self.working.image.cluster.brokers.values() {
            heartbeats.register(broker.id, broker.fenced);
            if !broker.fenced {
                heartbeats.contact(broker.id, broker.epoch, mono(now));
            }
        }
        let schedule = Schedule::new(&self.config, mono(now));
        self.active = Some(Active { epoch, next_offset, heartbeats, schedule });
        match self.working.stable_image().features.metadata_version {
            None => self.bootstrap_records(bootstrap),
            Some(version) => {
                tracing::info!("active controller in epoch {epoch} at metadata.version {version}");
                let open = self.working.open_transaction();
                Outcome::atomic(open.map(|_| abort_record()).into_iter().collect(), ())
            }
        }
    }

    fn bootstrap_records(&self, bootstrap: &BootstrapMetadata) -> Outcome<()> {
        let version = bootstrap.metadata_version();
        tracing::info!(
            "the metadata log is empty: writing {} bootstrap record(s) at metadata.version {version}",
            bootstrap.records().len()
        );
        let transactions = version >= MetadataVersion::TRANSACTIONS;
        let mut records = Vec::new();
        if self.working.open_transaction().is_some() {
            records.push(abort_record());
        }
        if transactions {
            let name = Some("Bootstrap records".to_owned());
            records.push((BeginTransactionRecord { name, ..Default::default() }.into(), 0));
        }
        records.extend(bootstrap.records().iter().cloned());
        if bootstrap.level(ELIGIBLE_LEADER_REPLICAS_VERSION) > 0 {
            // With ELR only a setting for the whole cluster counts; it begins with what this node's file says.
            let min_isr = self.static_min_insync_replicas();
            records.push(config_record(&ConfigResource::all_brokers(), "min.insync.replicas", Some(&min_isr)));
        }
        if transactions {
            records.push((EndTransactionRecord::default().into(), 0));
        }
        Outcome { records, response: (), atomic: !transactions }
    }

    pub(super) fn static_min_insync_replicas(&self) -> String {
        self.config.int("min.insync.replicas").to_string()
    }
}

fn abort_record() -> VersionedRecord {
    let reason = Some("Controller failover".to_owned());
    (AbortTransactionRecord { reason, ..Default::default() }.into(), 0)
}
