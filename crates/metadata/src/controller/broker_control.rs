//! Brokers and controllers come, show that they live, and go.

use super::error::{ApiError, ApiResult};
use super::heartbeats::BrokerState;
use super::{Controller, Outcome, RequestContext, mono};
use crate::features::{KRAFT_VERSION, MetadataVersion, VersionRange};
use crate::image::VersionedRecord;
use ottla_base::{ErrorCode, NodeId, Time, Uuid};
use ottla_config::SecurityProtocol;
use ottla_wire::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse,
    ControllerRegistrationRequest, ControllerRegistrationResponse, UnregisterBrokerRequest, UnregisterBrokerResponse,
};
use ottla_wire::metadata_records::register_broker_record::{BrokerEndpoint, BrokerFeature};
use ottla_wire::metadata_records::register_controller_record::{ControllerEndpoint, ControllerFeature};
use ottla_wire::metadata_records::{RegisterBrokerRecord, RegisterControllerRecord};
use std::collections::BTreeSet;

impl Controller {
    pub fn register_broker(
        &mut self,
        context: &RequestContext,
        request: &BrokerRegistrationRequest,
        now: Time,
    ) -> Outcome<BrokerRegistrationResponse> {
        match self.try_register_broker(context, request, now) {
            Ok((records, broker_epoch)) => {
                let response = BrokerRegistrationResponse { broker_epoch, ..Default::default() };
                // The registration is last: a new leader that sees only a part of the rest does it again.
                Outcome::splittable(records, response)
            }
            Err(error) => {
                tracing::info!(
                    "refusing to register broker {}: {}",
                    request.broker_id,
                    error.message.unwrap_or_default()
                );
                let error_code = error.code as i16;
                Outcome::answer(BrokerRegistrationResponse { error_code, ..Default::default() })
            }
        }
    }

    fn try_register_broker(
        &mut self,
        context: &RequestContext,
        request: &BrokerRegistrationRequest,
        now: Time,
    ) -> ApiResult<(Vec<VersionedRecord>, i64)> {
        let id = request.broker_id;
        self.check_cluster_id(&request.cluster_id)?;
        let existing = self.broker(id).cloned();
        let same_incarnation = existing.as_ref().is_some_and(|old| old.incarnation_id == request.incarnation_id);
        if let Some(old) = &existing
            && !same_incarnation
            && self.active().heartbeats.has_session(id, old.epoch, mono(now))
        {
            return Err(ApiError::new(
                ErrorCode::DuplicateBrokerRegistration,
                "Another broker is registered with that broker id. If the broker was recently restarted this should \
                 self-resolve once the heartbeat manager expires the broker's session.",
            ));
        }
        if request.is_migrating_zk_broker {
            let message = "Controller does not support registering ZK brokers.";
            return Err(ApiError::new(ErrorCode::BrokerIdNotRegistered, message));
        }
        self.check_directories(id, &request.log_dirs)?;
        self.check_features(request)?;
        let mut record = self.registration_record(request)?;
        let mut records = Vec::new();
        match existing.as_ref().filter(|_| same_incarnation) {
            Some(old) => {
                record.fenced = old.fenced;
                record.in_controlled_shutdown = old.in_controlled_shutdown;
                record.broker_epoch = old.epoch;
            }
            None => {
                let clean = existing.as_ref().is_some_and(|old| old.epoch == request.previous_broker_epoch);
                self.broker_has_stopped(id, clean && context.api_version >= 3, &mut records);
                record.broker_epoch = self.next_offset();
            }
        }
        let epoch = record.broker_epoch;
        let fenced = record.fenced;
        records.push((record.into(), self.version().register_broker_record_version()));
        let heartbeats = &mut self.active_mut().heartbeats;
        if !same_incarnation {
            heartbeats.remove(id);
        }
        heartbeats.register(id, fenced);
        Ok((records, epoch))
    }

    fn check_cluster_id(&self, cluster_id: &str) -> ApiResult<()> {
        if self.cluster_id == cluster_id {
            return Ok(());
        }
        let message = format!("Expected cluster ID {}, but got cluster ID {cluster_id}", self.cluster_id);
        Err(ApiError::new(ErrorCode::InconsistentClusterId, message))
    }

    fn check_directories(&self, id: NodeId, directories: &[Uuid]) -> ApiResult<()> {
        let invalid = |message: String| Err(ApiError::new(ErrorCode::InvalidRegistration, message));
        if self.version() < MetadataVersion::DIRECTORY_ASSIGNMENT {
            return Ok(());
        }
        if directories.is_empty() {
            return invalid("No directories specified in request".to_owned());
        }
        if directories.iter().any(Uuid::is_reserved) {
            return invalid("Reserved directory ID in request".to_owned());
        }
        if directories.iter().collect::<BTreeSet<_>>().len() != directories.len() {
            return invalid("Duplicate directory ID in request".to_owned());
        }
        for broker in self.working.image.cluster.brokers.values().filter(|broker| broker.id != id) {
            if let Some(directory) = directories.iter().find(|directory| broker.directories.contains(directory)) {
                return invalid(format!("Broker {} is already registered with directory {directory}", broker.id));
            }
        }
        Ok(())
    }

    /// That the broker can do what the cluster has agreed on.
    fn check_features(&self, request: &BrokerRegistrationRequest) -> ApiResult<()> {
        let mut levels = self.working.image.features.all();
        levels.insert(KRAFT_VERSION.to_owned(), self.kraft_version);
        for feature in &request.features {
            let range = VersionRange { min: feature.min_supported_version, max: feature.max_supported_version };
            check_feature(&feature.name, range, levels.remove(&feature.name).unwrap_or(0))?;
        }
        if !request.features.iter().any(|feature| feature.name == MetadataVersion::NAME) {
            return Err(ApiError::new(
                ErrorCode::InvalidRegistration,
                format!("Request features do not contain '{}'", MetadataVersion::NAME),
            ));
        }
        for (name, level) in levels.iter().filter(|(_, level)| **level != 0) {
            check_feature(name, VersionRange::default(), *level)?;
        }
        Ok(())
    }

    fn registration_record(&self, request: &BrokerRegistrationRequest) -> ApiResult<RegisterBrokerRecord> {
        let mut end_points = Vec::new();
        for listener in &request.listeners {
            check_listener(&listener.name, &listener.host, listener.port, listener.security_protocol)?;
            end_points.push(BrokerEndpoint {
                name: listener.name.clone(),
                host: listener.host.clone(),
                port: listener.port,
                security_protocol: listener.security_protocol,
                ..BrokerEndpoint::default()
            });
        }
        let features = request.features.iter().map(|feature| BrokerFeature {
            name: feature.name.clone(),
            min_supported_version: feature.min_supported_version,
            max_supported_version: feature.max_supported_version,
            ..BrokerFeature::default()
        });
        let with_directories = self.version() >= MetadataVersion::DIRECTORY_ASSIGNMENT;
        Ok(RegisterBrokerRecord {
            broker_id: request.broker_id,
            incarnation_id: request.incarnation_id,
            end_points,
            features: features.collect(),
            rack: request.rack.clone(),
            log_dirs: if with_directories { request.log_dirs.clone() } else { Vec::new() },
            ..RegisterBrokerRecord::default()
        })
    }

    pub fn broker_heartbeat(
        &mut self,
        request: &BrokerHeartbeatRequest,
        now: Time,
    ) -> Outcome<BrokerHeartbeatResponse> {
        match self.try_heartbeat(request, now) {
            Ok((records, response)) => Outcome::splittable(records, response),
            Err(error) => {
                let error_code = error.code as i16;
                Outcome::answer(BrokerHeartbeatResponse { error_code, ..Default::default() })
            }
        }
    }

    fn try_heartbeat(
        &mut self,
        request: &BrokerHeartbeatRequest,
        now: Time,
    ) -> ApiResult<(Vec<VersionedRecord>, BrokerHeartbeatResponse)> {
        let id = request.broker_id;
        let Some(registered_at) = self.working.registration_offsets.get(&id).copied() else {
            let message = format!("Receive a heartbeat from broker {id} before registration");
            return Err(ApiError::new(ErrorCode::StaleBrokerEpoch, message));
        };
        self.check_broker_epoch(id, request.broker_epoch)?;
        self.active_mut().heartbeats.contact(id, request.broker_epoch, mono(now));
        let has_leaderships = self.working.leaderships(id) > 0;
        let (current, next) = self.active().heartbeats.next_state(request, registered_at, has_leaderships);
        let mut records = Vec::new();
        if current != next {
            match next {
                BrokerState::Fenced | BrokerState::ShutdownNow => self.fence_broker(id, &mut records),
                BrokerState::Unfenced => self.unfence_broker(id, request.broker_epoch, &mut records),
                BrokerState::ControlledShutdown => {
                    self.begin_controlled_shutdown(id, request.broker_epoch, &mut records)
                }
            }
        }
        self.active_mut().heartbeats.touch(id, next.is_fenced(), request.current_metadata_offset);
        if self.version() >= MetadataVersion::DIRECTORY_ASSIGNMENT {
            self.directories_offline(id, request.broker_epoch, &request.offline_log_dirs, &mut records);
        }
        if self.version() >= MetadataVersion::CORDONED_LOG_DIRS {
            self.directories_cordoned(id, request.broker_epoch, request.cordoned_log_dirs.as_deref(), &mut records);
        }
        if next == BrokerState::ControlledShutdown {
            let last = self.next_offset() + records.len() as i64 - 1;
            self.active_mut().heartbeats.begin_shutdown(id, last);
        }
        let response = BrokerHeartbeatResponse {
            is_caught_up: request.current_metadata_offset >= registered_at,
            is_fenced: next.is_fenced(),
            should_shut_down: next == BrokerState::ShutdownNow,
            ..BrokerHeartbeatResponse::default()
        };
        Ok((records, response))
    }

    pub fn unregister_broker(&self, request: &UnregisterBrokerRequest) -> Outcome<UnregisterBrokerResponse> {
        let id = request.broker_id;
        let outcome = match self.broker(id) {
            Some(broker) => {
                let mut records = Vec::new();
                self.forget_broker(id, broker.epoch, &mut records);
                // Kafka bounds these, too.
                self.bounded(Outcome::atomic(records, UnregisterBrokerResponse::default()))
            }
            None => Err(ApiError::new(
                ErrorCode::BrokerIdNotRegistered,
                format!("Broker ID {id} is not currently registered"),
            )),
        };
        outcome.unwrap_or_else(|error| {
            let (error_code, error_message) = (error.code as i16, error.message);
            Outcome::answer(UnregisterBrokerResponse { error_code, error_message, ..Default::default() })
        })
    }

    pub fn register_controller(
        &self,
        request: &ControllerRegistrationRequest,
    ) -> Outcome<ControllerRegistrationResponse> {
        match self.try_register_controller(request) {
            Ok(record) => Outcome::atomic(vec![(record.into(), 0)], ControllerRegistrationResponse::default()),
            Err(error) => {
                let (error_code, error_message) = (error.code as i16, error.message);
                Outcome::answer(ControllerRegistrationResponse { error_code, error_message, ..Default::default() })
            }
        }
    }

    fn try_register_controller(&self, request: &ControllerRegistrationRequest) -> ApiResult<RegisterControllerRecord> {
        if self.version() < MetadataVersion::CONTROLLER_REGISTRATION {
            let message = "The current MetadataVersion is too old to support controller registrations.";
            return Err(ApiError::new(ErrorCode::UnsupportedVersion, message));
        }
        let mut end_points = Vec::new();
        for listener in &request.listeners {
            check_listener(&listener.name, &listener.host, listener.port, listener.security_protocol)?;
            end_points.push(ControllerEndpoint {
                name: listener.name.clone(),
                host: listener.host.clone(),
                port: listener.port,
                security_protocol: listener.security_protocol,
                ..ControllerEndpoint::default()
            });
        }
        let features = request.features.iter().map(|feature| ControllerFeature {
            name: feature.name.clone(),
            min_supported_version: feature.min_supported_version,
            max_supported_version: feature.max_supported_version,
            ..ControllerFeature::default()
        });
        Ok(RegisterControllerRecord {
            controller_id: request.controller_id,
            incarnation_id: request.incarnation_id,
            end_points,
            features: features.collect(),
            ..RegisterControllerRecord::default()
        })
    }
}

fn check_feature(name: &str, range: VersionRange, finalized: i16) -> ApiResult<()> {
    if range.contains(finalized) {
        return Ok(());
    }
    let VersionRange { min, max } = range;
    Err(ApiError::new(
        ErrorCode::UnsupportedVersion,
        format!(
            "Unable to register because the broker does not support finalized version {finalized} of {name}. The broker \
             wants a version between {min} and {max}, inclusive."
        ),
    ))
}

/// Kafka runs into these while it writes the record, and says only that something went wrong.
fn check_listener(name: &str, host: &str, port: u16, security_protocol: i16) -> ApiResult<()> {
    let what = if SecurityProtocol::from_id(security_protocol).is_none() {
        format!("unknown security protocol {security_protocol}")
    } else if name.is_empty() {
        "no name".to_owned()
    } else if host.trim().is_empty() {
        "no host".to_owned()
    } else if port == 0 {
        "port 0".to_owned()
    } else {
        return Ok(());
    };
    tracing::warn!("listener {name} of a registration has {what}");
    Err(ApiError::bare(ErrorCode::UnknownServerError))
}
