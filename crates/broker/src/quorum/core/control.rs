//! The controller's turn: operations of the active one, its records, and the change of office.

use super::{Core, Leadership, WhenCommitted};
use crate::network::{self, Lane};
use ottla_base::{ErrorCode, LeaderEpoch, Time};
use ottla_metadata::controller::{Controller, Outcome};
use ottla_metadata::features::{MetadataVersion, VersionRange, supported_features};
use ottla_metadata::image::{Endpoint, VersionedRecord};
use ottla_raft::Event;
use ottla_wire::messages::controller_registration_request;
use ottla_wire::messages::{ControllerRegistrationRequest, UpdateFeaturesRequest, UpdateFeaturesResponse};
use ottla_wire::records::BatchBuilder;
use std::io;

impl Core {
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
    pub(super) fn when_committed(&mut self, done: WhenCommitted) {
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
    pub(super) fn tick_controller(&mut self, now: Time) -> bool {
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
    pub(super) fn activate_if_ready(&mut self, now: Time) {
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

    pub(super) fn lose_leadership(&mut self, epoch: LeaderEpoch, why: &str) {
        tracing::info!("this node no longer leads epoch {epoch} of the metadata quorum: {why}");
        self.leadership = Leadership::None;
        if let Some(controller) = &mut self.controller {
            controller.reset_to_committed();
        }
        for (_, done) in std::mem::take(&mut self.waiting) {
            done(Err(ErrorCode::NotController));
        }
    }

    /// Tells the active controller where this one is reached (KIP-919), once per run of the node.
    pub(super) fn register_controller(&mut self, now: Time) {
        let image = self.loader.image();
        let settings = &self.settings;
        let known = image.cluster.controllers.get(&settings.raft.local.id);
        let is_registered = known.is_some_and(|known| known.incarnation_id == settings.incarnation_id);
        let version = image.features.metadata_version;
        let is_supported = version.is_some_and(|version| version >= MetadataVersion::CONTROLLER_REGISTRATION);
        if is_registered || !is_supported || self.controller.is_none() {
            return;
        }
        let request = self.registration();
        if matches!(self.leadership, Leadership::Active { .. }) {
            return self.control(now, move |controller, _| controller.register_controller(&request), |_| {});
        }
        let Some(quorum) = self.handle.upgrade().filter(|_| !self.is_registering) else { return };
        let Some(address) = quorum.controller_address() else { return };
        self.is_registering = true;
        let timeout_ms = settings.raft.request_timeout_ms;
        network::call(&*self.network, &address, Lane::Lifecycle, request, timeout_ms, move |_| {
            // The record comes with the log; without it, the next image makes us try again.
            quorum.submit(|core, _| core.is_registering = false);
        });
    }

    fn registration(&self) -> ControllerRegistrationRequest {
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
        ControllerRegistrationRequest {
            controller_id: self.settings.raft.local.id,
            incarnation_id: self.settings.incarnation_id,
            listeners: self.settings.controller_listeners.iter().map(listener).collect(),
            features: supported_features(false).into_iter().map(feature).collect(),
            ..Default::default()
        }
    }
}
