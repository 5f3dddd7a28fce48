//! Puts a node together from its configuration.

use crate::clock::{OsRng, SystemClock};
use crate::error::StartError;
use crate::identity::{self, Identity};
use crate::net::acceptor::{self, ListenerSettings};
use crate::net::outgoing::TcpNetwork;
use crate::running::Server;
use crate::settings;
use crate::threads::{BlockingTasks, Failed, Threads};
use ottla_base::{Clock, Disk, DiskLock, Rng};
use ottla_broker::Node;
use ottla_broker::broker::{Broker, BrokerParts};
use ottla_broker::network::Network;
use ottla_broker::quorum::{MetadataLog, Quorum, Settings};
use ottla_broker::replicas::Replicas;
use ottla_config::{BrokerConfig, Listener};
use ottla_disk::RealDisk;
use ottla_log::LogManager;
use ottla_metadata::bootstrap::BootstrapMetadata;
use ottla_metadata::controller::Controller;
use ottla_metadata::features::MetadataVersion;
use ottla_metadata::image::Endpoint;
use ottla_raft::{Endpoint as RaftEndpoint, Endpoints};
use ottla_storage::format::read_bootstrap;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What does not work, and where.
fn at<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> StartError {
    move |error| StartError::new(format!("{what}: {error}"))
}

type Bound = (TcpListener, Arc<ListenerSettings>);

/// Everything that the parts are made of.
struct Ground {
    config: Arc<BrokerConfig>,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    network: Arc<dyn Network>,
    identity: Identity,
}

/// Must be called in a tokio runtime. When it returns, the listeners are open; a broker may still be
/// on its way to be unfenced (see [`Server::wait_until_ready`]).
pub async fn start(config: BrokerConfig) -> Result<Server, StartError> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let config = Arc::new(config);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    refuse_what_would_not_protect(&config)?;
    let (clock, rng) = (Arc::new(SystemClock::new()), Arc::new(OsRng));
    let identity = identity::check(&*disk, &config, &*rng, clock.now().wall_ms)?;
    let ground =
        Ground { disk, clock, rng, network: TcpNetwork::new(tokio::runtime::Handle::current()), identity, config };
    let locks = lock_extra_dirs(&ground)?;
    let logs = if ground.config.roles().broker { Some(start_logs(&ground)?) } else { None };
    let bound = bind_all(&ground.config)?;
    let ports: Vec<(String, u16)> = bound
        .iter()
        .map(|(listener, settings)| (settings.name.clone(), listener.local_addr().map_or(0, |addr| addr.port())))
        .collect();
    let quorum = start_quorum(&ground, &ports)?;
    let (failure, failed) = failure_channel();
    let threads = Threads::default();
    threads.drive_quorum(&quorum, ground.clock.clone(), failure.clone()).map_err(at("a thread cannot be started"))?;
    let broker = match logs {
        Some(logs) => Some(start_broker(&ground, logs, &quorum, &ports, &threads, failure)?),
        None => None,
    };
    let node = Arc::new(Node { quorum, broker, clock: ground.clock.clone() });
    let (stop, stopping) = watch::channel(false);
    for (listener, settings) in bound {
        tokio::spawn(acceptor::serve(listener, settings, node.clone(), stopping.clone()));
    }
    Ok(Server::new(node, threads, stop, failed, locks, ports))
}

/// Who names an authorizer relies on it: to go on without one would be worse than not to start.
fn refuse_what_would_not_protect(config: &BrokerConfig) -> Result<(), StartError> {
    match config.optional_string("authorizer.class.name").filter(|name| !name.is_empty()) {
        None => Ok(()),
        Some(name) => Err(StartError::new(format!(
            "authorizer.class.name is {name}, but Ottla has no authorizer yet: everybody could do everything. Remove the setting if that is what you want."
        ))),
    }
}

/// The metadata log may have a directory of its own, and a controller has nothing but that.
fn lock_extra_dirs(ground: &Ground) -> Result<Vec<Box<dyn DiskLock>>, StartError> {
    let config = &ground.config;
    let managed = if config.roles().broker { identity::log_dirs(config) } else { vec![] };
    let mut locks = vec![];
    for dir in ground.identity.all_dirs.iter().filter(|dir| !managed.contains(dir)) {
        let lock = ground.disk.lock(&dir.join(".lock")).map_err(|error| {
            StartError::new(format!(
                "Failed to acquire lock on file .lock in {}. A Kafka instance in another process or thread is using this directory. ({error})",
                dir.display()
            ))
        })?;
        locks.push(lock);
    }
    Ok(locks)
}

fn start_logs(ground: &Ground) -> Result<Arc<LogManager>, StartError> {
    let config = settings::log_manager_config(&ground.config, settings::max_open_log_files())?;
    let now_ms = ground.clock.now().wall_ms;
    let logs = LogManager::start(ground.disk.clone(), ground.rng.clone(), config, now_ms);
    logs.map(Arc::new).map_err(|error| StartError::new(error.to_string()))
}

fn bind_all(config: &BrokerConfig) -> Result<Vec<Bound>, StartError> {
    let roles = config.roles();
    let brokers = config.data_plane_listeners().filter(|_| roles.broker).map(|listener| (listener, false));
    let controllers = config.controller_listeners().filter(|_| roles.controller).map(|listener| (listener, true));
    let bind = |(listener, is_controller): (&Listener, bool)| {
        if listener.security_protocol.uses_tls() || listener.security_protocol.uses_sasl() {
            return Err(StartError::new(format!(
                "Listener {} uses {}, which Ottla does not support yet: use PLAINTEXT in listener.security.protocol.map.",
                listener.name,
                listener.security_protocol.name()
            )));
        }
        let settings = Arc::new(settings::listener_settings(config, listener, is_controller));
        let host = listener.host.as_deref().unwrap_or("");
        let socket = acceptor::bind(host, listener.port, &settings).map_err(|error| {
            StartError::new(format!(
                "Socket server failed to bind to {host}:{} (listener {}): {error}. Is another server running there? Choose another port in listeners.",
                listener.port, listener.name
            ))
        })?;
        Ok((socket, settings))
    };
    brokers.chain(controllers).map(bind).collect()
}

fn start_quorum(ground: &Ground, ports: &[(String, u16)]) -> Result<Arc<Quorum>, StartError> {
    let Ground { config, disk, clock, rng, network, identity } = ground;
    let now = clock.now();
    let log_config = settings::metadata_log_config(config);
    let dir = identity.metadata_dir.display().to_string();
    let log = MetadataLog::open(disk.clone(), &identity.metadata_dir, log_config, now).map_err(at(&dir))?;
    let bootstrap = read_bootstrap(&**disk, &identity.metadata_dir).map_err(at(&dir))?;
    let controller_listeners: Vec<Endpoint> = if config.roles().controller {
        config.advertised_controller_listeners().iter().map(|l| settings::endpoint(l, ports)).collect()
    } else {
        vec![]
    };
    let endpoints: Endpoints = controller_listeners
        .iter()
        .map(|e| (e.name.clone(), RaftEndpoint { host: e.host.clone(), port: e.port }))
        .collect();
    let controller =
        config.roles().controller.then(|| Controller::new(config.clone(), identity.cluster_id.clone(), rng.clone()));
    let settings = Settings {
        cluster_id: identity.cluster_id.clone(),
        raft: settings::raft_config(config, identity.metadata_directory_id, endpoints),
        rng: rng.clone(),
        bootstrap: bootstrap.unwrap_or_else(|| BootstrapMetadata::with_defaults(MetadataVersion::LATEST_PRODUCTION)),
        snapshot_after_bytes: config.long("metadata.log.max.record.bytes.between.snapshots").max(1) as u64,
        snapshot_interval_ms: config.long("metadata.log.max.snapshot.interval.ms"),
        retention: settings::retention(config),
        incarnation_id: rng.next_uuid(),
        controller_listeners,
    };
    Quorum::start(settings, log, network.clone(), controller, now).map_err(at(&dir))
}

fn start_broker(
    ground: &Ground,
    logs: Arc<LogManager>,
    quorum: &Arc<Quorum>,
    ports: &[(String, u16)],
    threads: &Threads,
    failed: Failed,
) -> Result<Arc<Broker>, StartError> {
    let config = &ground.config;
    let advertised = config.advertised_broker_listeners().iter().map(|l| settings::endpoint(l, ports)).collect();
    let broker = Broker::new(BrokerParts {
        cluster_id: ground.identity.cluster_id.clone(),
        advertised,
        quorum: quorum.clone(),
        network: ground.network.clone(),
        clock: ground.clock.clone(),
        rng: ground.rng.clone(),
        background: Arc::new(BlockingTasks(tokio::runtime::Handle::current())),
        previous_epoch: logs.previous_broker_epoch().unwrap_or(-1),
        replicas: Replicas::new(logs, config.clone()),
        group_config: settings::group_config(config),
        config: config.clone(),
    });
    let thread_failed = at("a thread cannot be started");
    threads.drive_timers(&broker).and_then(|()| threads.keep_house(&broker, failed)).map_err(thread_failed)?;
    let logs = broker.replicas.logs.clone();
    tokio::task::spawn_blocking(move || {
        // Whoever uses a log before its turn recovers it by that.
        while logs.recover_some(64) > 0 {}
    });
    broker.start();
    Ok(broker)
}

fn failure_channel() -> (Failed, watch::Receiver<Option<String>>) {
    let (sender, receiver) = watch::channel(None);
    let failed = move |message: String| {
        sender.send_modify(|slot| {
            slot.get_or_insert(message);
        });
    };
    (Arc::new(failed), receiver)
}
