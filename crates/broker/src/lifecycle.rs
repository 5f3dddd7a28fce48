//! A broker's life as the controller sees it: registration, heartbeats, unfencing, and the
//! controlled shutdown at the end (KIP-631, KIP-841).

use crate::broker::Broker;
use crate::forward::ControllerRequest;
use crate::network::{self, Lane};
use crate::request::{Connection, RequestContext};
use ottla_base::{ErrorCode, Time, Uuid};
use ottla_metadata::features::supported_features;
use ottla_wire::ApiKey;
use ottla_wire::messages::broker_registration_request::{Feature, Listener};
use ottla_wire::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse,
};
use parking_lot::Mutex;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

const REQUEST_TIMEOUT_MS: u64 = 4_500;
const RETRY_AFTER_MS: u64 = 50;
/// The session of another incarnation takes seconds to end.
const RETRY_DUPLICATE_AFTER_MS: u64 = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not registered yet.
    Starting,
    /// Registered, and fenced until it has caught up.
    Fenced,
    Running,
    /// Waits for its leaderships to move away.
    ShuttingDown,
    /// May go.
    Stopped,
}

struct State {
    phase: Phase,
    epoch: i64,
    /// A heartbeat or registration is under way.
    busy: bool,
    /// Something changed meanwhile: beat again at once.
    again: bool,
    /// Which of the scheduled beats is the valid one.
    generation: u64,
    /// Why the last registration was refused: said once.
    refusal: Option<ErrorCode>,
    fatal: Option<String>,
}

pub struct Lifecycle {
    state: Mutex<State>,
    incarnation_id: Uuid,
    /// From the clean shutdown file; -1 when the last stop was not clean.
    previous_epoch: i64,
    interval_ms: u64,
}

impl Lifecycle {
    pub fn new(incarnation_id: Uuid, previous_epoch: i64, interval_ms: u64) -> Self {
        let state = State {
            phase: Phase::Starting,
            epoch: -1,
            busy: false,
            again: false,
            generation: 0,
            refusal: None,
            fatal: None,
        };
        Lifecycle { state: Mutex::new(state), incarnation_id, previous_epoch, interval_ms }
    }

    pub fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    /// The broker epoch; -1 before the registration.
    pub fn epoch(&self) -> i64 {
        self.state.lock().epoch
    }

    /// Why the controller will never have us.
    pub fn fatal(&self) -> Option<String> {
        self.state.lock().fatal.clone()
    }

    /// Asks the controller to let us go; [`Phase::Stopped`] when it does.
    pub fn begin_shutdown(&self, broker: &Arc<Broker>) {
        {
            let mut state = self.state.lock();
            match state.phase {
                Phase::Starting => {
                    state.phase = Phase::Stopped;
                    return;
                }
                Phase::Stopped => return,
                _ => state.phase = Phase::ShuttingDown,
            }
        }
        self.beat(broker);
    }

    /// Registers, or sends a heartbeat, now; and goes on by itself.
    pub fn beat(&self, broker: &Arc<Broker>) {
        let phase = {
            let mut state = self.state.lock();
            if state.phase == Phase::Stopped || state.fatal.is_some() {
                return;
            }
            if std::mem::replace(&mut state.busy, true) {
                state.again = true;
                return;
            }
            state.again = false;
            state.generation += 1;
            state.phase
        };
        match phase {
            Phase::Starting => register(broker),
            _ => heartbeat(broker, phase == Phase::ShuttingDown),
        }
    }

    fn finished(&self, broker: &Arc<Broker>, wait_ms: u64) {
        let (at_once, generation) = {
            let mut state = self.state.lock();
            state.busy = false;
            (state.again, state.generation)
        };
        if at_once {
            return self.beat(broker);
        }
        let again = broker.clone();
        broker.timers.at(broker.clock.now().mono_ms + wait_ms, move |_| {
            // A beat in between has scheduled its own successor.
            if again.lifecycle.state.lock().generation == generation {
                again.lifecycle.beat(&again);
            }
        });
    }
}

fn register(broker: &Arc<Broker>) {
    let lifecycle = &broker.lifecycle;
    let listeners = broker.settings.advertised.iter().map(|listener| Listener {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: listener.security_protocol,
        ..Default::default()
    });
    let features = supported_features(false).into_iter().map(|(name, range)| Feature {
        name: name.to_owned(),
        min_supported_version: range.min,
        max_supported_version: range.max,
        ..Default::default()
    });
    let mut log_dirs = broker.replicas.directory_ids();
    log_dirs.sort();
    let request = BrokerRegistrationRequest {
        broker_id: broker.node_id,
        cluster_id: broker.cluster_id.clone(),
        incarnation_id: lifecycle.incarnation_id,
        listeners: listeners.collect(),
        features: features.collect(),
        rack: broker.settings.rack.clone(),
        log_dirs,
        previous_broker_epoch: lifecycle.previous_epoch,
        ..Default::default()
    };
    let asker = broker.clone();
    to_controller(broker, request, move |answer| registered(&asker, answer));
}

fn registered(broker: &Arc<Broker>, answer: Result<BrokerRegistrationResponse, ErrorCode>) {
    let error = answer.as_ref().map_or_else(|error| *error, |response| ErrorCode::from_code(response.error_code));
    match error {
        ErrorCode::None => {
            let epoch = answer.map_or(-1, |response| response.broker_epoch);
            {
                let mut state = broker.lifecycle.state.lock();
                state.epoch = epoch;
                if state.phase == Phase::Starting {
                    state.phase = Phase::Fenced;
                }
                state.again = true;
            }
            tracing::info!("registered as broker {} with epoch {epoch}", broker.node_id);
            broker.lifecycle.finished(broker, 0);
        }
        ErrorCode::InconsistentClusterId => {
            let message = format!(
                "the controllers belong to another cluster than this broker's cluster id {}: check controller.quorum.voters or controller.quorum.bootstrap.servers, and the cluster.id in meta.properties",
                broker.cluster_id
            );
            broker.lifecycle.state.lock().fatal = Some(message);
        }
        error => {
            let is_news = broker.lifecycle.state.lock().refusal.replace(error) != Some(error);
            if is_news {
                tracing::info!("registration is refused for now, trying again until it is not: {error}");
            }
            let is_duplicate = error == ErrorCode::DuplicateBrokerRegistration;
            let wait_ms = if is_duplicate { RETRY_DUPLICATE_AFTER_MS } else { RETRY_AFTER_MS };
            broker.lifecycle.finished(broker, wait_ms);
        }
    }
}

fn heartbeat(broker: &Arc<Broker>, wants_shutdown: bool) {
    let request = BrokerHeartbeatRequest {
        broker_id: broker.node_id,
        broker_epoch: broker.lifecycle.epoch(),
        current_metadata_offset: broker.quorum.applied_offset() - 1,
        want_fence: false,
        want_shut_down: wants_shutdown,
        ..Default::default()
    };
    let asker = broker.clone();
    to_controller(broker, request, move |answer| heartbeat_answered(&asker, answer));
}

fn heartbeat_answered(broker: &Arc<Broker>, answer: Result<BrokerHeartbeatResponse, ErrorCode>) {
    let error = answer.as_ref().map_or_else(|error| *error, |response| ErrorCode::from_code(response.error_code));
    let lifecycle = &broker.lifecycle;
    let mut wait_ms = lifecycle.interval_ms;
    match (error, answer) {
        (ErrorCode::None, Ok(response)) => {
            let mut state = lifecycle.state.lock();
            match state.phase {
                Phase::ShuttingDown if response.should_shut_down => state.phase = Phase::Stopped,
                Phase::ShuttingDown => wait_ms = RETRY_AFTER_MS,
                Phase::Fenced if !response.is_fenced => {
                    state.phase = Phase::Running;
                    tracing::info!("broker {} is unfenced", broker.node_id);
                    // The controller found us caught up, so what we don't know does not exist.
                    let keeper = broker.clone();
                    broker.background.run(Box::new(move || keeper.replicas.put_strays_aside()));
                }
                // A new image makes us ask again at once; this is for the case that none comes.
                Phase::Fenced => wait_ms = RETRY_AFTER_MS,
                _ => {}
            }
        }
        (ErrorCode::StaleBrokerEpoch | ErrorCode::BrokerIdNotRegistered, _) => {
            // The controller has forgotten us, or has heard of another incarnation.
            let mut state = lifecycle.state.lock();
            if state.phase != Phase::ShuttingDown {
                state.phase = Phase::Starting;
            }
            wait_ms = RETRY_AFTER_MS;
        }
        (error, _) => {
            tracing::debug!("heartbeat: {error}");
            wait_ms = RETRY_AFTER_MS;
        }
    }
    lifecycle.finished(broker, wait_ms);
}

/// Sends the broker's own request to the active controller, here or elsewhere. `NOT_CONTROLLER`
/// when none is known.
pub fn to_controller<Q>(
    broker: &Arc<Broker>,
    request: Q,
    done: impl FnOnce(Result<Q::Response, ErrorCode>) + Send + 'static,
) where
    Q: ControllerRequest,
    Q::Response: Send,
{
    if broker.quorum.is_leader() {
        let context = own_context(Q::KEY, broker.clock.now());
        broker.quorum.submit(move |core, now| request.run(core, &context, now, Box::new(done)));
        return;
    }
    let Some(address) = broker.quorum.controller_address() else { return done(Err(ErrorCode::NotController)) };
    network::call(&*broker.network, &address, Lane::Lifecycle, request, REQUEST_TIMEOUT_MS, move |answer| {
        done(answer.map(|(_, response)| response));
    });
}

/// For requests that never saw a socket.
fn own_context(api: ApiKey, now: Time) -> RequestContext {
    let connection = Connection {
        id: 0,
        listener: String::new(),
        is_controller_listener: true,
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    RequestContext {
        connection: Arc::new(connection),
        api,
        version: api.info().max_stable_version(),
        correlation_id: 0,
        client_id: Some(network::CLIENT_ID.to_owned()),
        now,
    }
}
