//! What all handlers of a broker share.

use crate::groups::Groups;
use crate::lifecycle::{Lifecycle, Phase};
use crate::network::Network;
use crate::producer_ids::ProducerIds;
use crate::quorum::{Publisher, Quorum};
use crate::replicas::{Fetchers, Replicas, isr};
use crate::timers::Timers;
use crate::topic_creation::TopicCreation;
use ottla_base::{Clock, NodeId, Rng, Time, Uuid};
use ottla_config::BrokerConfig;
use ottla_coordinator::group::GroupConfig;
use ottla_metadata::image::{Endpoint, MetadataDelta, MetadataImage};
use ottla_replication::{FetchSessions, SessionLimits};
use parking_lot::Mutex;
use std::sync::Arc;

pub const OFFSETS_TOPIC: &str = "__consumer_offsets";
pub const TRANSACTION_STATE_TOPIC: &str = "__transaction_state";
pub const SHARE_STATE_TOPIC: &str = "__share_group_state";

/// Topics that only coordinators write to.
pub fn is_internal_topic(name: &str) -> bool {
    matches!(name, OFFSETS_TOPIC | TRANSACTION_STATE_TOPIC | SHARE_STATE_TOPIC)
}

/// Settings that are looked at for every request, taken out of the configuration once.
pub struct BrokerSettings {
    /// Where clients and brokers reach us, by listener.
    pub advertised: Vec<Endpoint>,
    pub rack: Option<String>,
    /// `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    pub unstable_api_versions: bool,
    /// `max.request.partition.size.limit`.
    pub max_request_partitions: usize,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: usize,
    /// `default.replication.factor` and `num.partitions`.
    pub default_replication_factor: i16,
    pub num_partitions: i32,
    /// `offsets.topic.*`.
    pub offsets_topic_partitions: i32,
    pub offsets_topic_replication_factor: i16,
    pub offsets_topic_segment_bytes: i32,
    /// `broker.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: u64,
    /// `replica.lag.time.max.ms`, `replica.socket.timeout.ms` and `replica.fetch.*`.
    pub replica_lag_max_ms: u64,
    pub replica_socket_timeout_ms: u64,
    pub replica_fetch_wait_max_ms: i32,
    pub replica_fetch_min_bytes: i32,
    pub replica_fetch_max_bytes: i32,
    pub replica_fetch_response_max_bytes: i32,
    pub replica_fetch_backoff_ms: u64,
}

impl BrokerSettings {
    pub fn new(config: &BrokerConfig, advertised: Vec<Endpoint>) -> BrokerSettings {
        BrokerSettings {
            advertised,
            rack: config.optional_string("broker.rack").map(str::to_owned),
            auto_create_topics: config.boolean("auto.create.topics.enable"),
            unstable_api_versions: config.boolean("unstable.api.versions.enable"),
            max_request_partitions: config.int("max.request.partition.size.limit").max(1) as usize,
            fetch_max_bytes: config.int("fetch.max.bytes").max(1024) as usize,
            default_replication_factor: config.int("default.replication.factor") as i16,
            num_partitions: config.int("num.partitions"),
            offsets_topic_partitions: config.int("offsets.topic.num.partitions"),
            offsets_topic_replication_factor: config.int("offsets.topic.replication.factor") as i16,
            offsets_topic_segment_bytes: config.int("offsets.topic.segment.bytes"),
            heartbeat_interval_ms: config.int("broker.heartbeat.interval.ms").max(1) as u64,
            replica_lag_max_ms: config.long("replica.lag.time.max.ms").max(1) as u64,
            replica_socket_timeout_ms: config.int("replica.socket.timeout.ms").max(1) as u64,
            replica_fetch_wait_max_ms: config.int("replica.fetch.wait.max.ms"),
            replica_fetch_min_bytes: config.int("replica.fetch.min.bytes"),
            replica_fetch_max_bytes: config.int("replica.fetch.max.bytes"),
            replica_fetch_response_max_bytes: config.int("replica.fetch.response.max.bytes"),
            replica_fetch_backoff_ms: config.int("replica.fetch.backoff.ms").max(1) as u64,
        }
    }
}

pub struct Broker {
    pub node_id: NodeId,
    pub cluster_id: String,
    pub config: Arc<BrokerConfig>,
    pub settings: BrokerSettings,
    pub quorum: Arc<Quorum>,
    pub network: Arc<dyn Network>,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
    pub background: Arc<dyn Background>,
    pub timers: Timers,
    pub replicas: Replicas,
    pub fetchers: Fetchers,
    pub groups: Groups,
    pub sessions: Mutex<FetchSessions>,
    pub lifecycle: Lifecycle,
    pub producer_ids: ProducerIds,
    pub(crate) topic_creation: TopicCreation,
    me: std::sync::Weak<Broker>,
}

/// For work that takes long or waits for a disk: the server has threads for it.
pub trait Background: Send + Sync {
    fn run(&self, task: Box<dyn FnOnce() + Send>);
}

/// What a broker is made of.
pub struct BrokerParts {
    pub config: Arc<BrokerConfig>,
    pub cluster_id: String,
    pub advertised: Vec<Endpoint>,
    pub quorum: Arc<Quorum>,
    pub network: Arc<dyn Network>,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
    pub background: Arc<dyn Background>,
    pub replicas: Replicas,
    pub group_config: GroupConfig,
    /// From the clean shutdown file; -1 when the last stop was not clean.
    pub previous_epoch: i64,
}

impl Broker {
    pub fn new(parts: BrokerParts) -> Arc<Broker> {
        let BrokerParts { config, cluster_id, advertised, quorum, network, clock, rng, background, replicas, .. } =
            parts;
        let settings = BrokerSettings::new(&config, advertised);
        let limits = SessionLimits {
            slots: config.int("max.incremental.fetch.session.cache.slots").max(0) as usize,
            eviction_ms: 120_000,
        };
        let interval_ms = settings.heartbeat_interval_ms;
        Arc::new_cyclic(|me| Broker {
            node_id: config.node_id(),
            cluster_id,
            lifecycle: Lifecycle::new(rng.next_uuid(), parts.previous_epoch, interval_ms),
            fetchers: Fetchers::default(),
            groups: Groups::new(parts.group_config),
            sessions: Mutex::new(FetchSessions::new(limits)),
            producer_ids: ProducerIds::default(),
            topic_creation: TopicCreation::default(),
            timers: Timers::default(),
            config,
            settings,
            quorum,
            network,
            clock,
            rng,
            background,
            replicas,
            me: me.clone(),
        })
    }

    /// Follows the metadata, and registers with the controller.
    pub fn start(self: &Arc<Self>) {
        self.quorum.subscribe(self.clone());
        self.lifecycle.beat(self);
        isr::watch(self);
    }

    pub fn me(&self) -> Option<Arc<Broker>> {
        self.me.upgrade()
    }

    /// What Kafka tells clients to be the controller: any broker will do, as all pass requests on.
    pub fn some_alive_broker(&self, image: &MetadataImage) -> NodeId {
        let alive: Vec<NodeId> = image.cluster.unfenced().map(|broker| broker.id).collect();
        match alive.len() {
            0 => -1,
            count => alive[self.rng.next_u64() as usize % count],
        }
    }

    /// Asks the controller for a topic with the defaults. Nobody waits for it: clients ask again.
    pub fn create_topic_in_background(&self, name: &str) {
        if let Some(me) = self.me() {
            TopicCreation::request(&me, name);
        }
    }

    /// Where a broker is reached through the listener.
    pub fn endpoint_of(image: &MetadataImage, id: NodeId, listener: &str) -> Option<Endpoint> {
        let broker = image.cluster.broker(id).filter(|broker| !broker.fenced)?;
        broker.endpoint(listener).cloned()
    }
}

impl Publisher for Broker {
    fn publish(&self, delta: &MetadataDelta, image: &Arc<MetadataImage>, now: Time) {
        let Some(me) = self.me() else { return };
        self.replicas.apply(self.node_id, delta, image, &self.fetchers, now);
        Fetchers::run(&me);
        self.groups.apply(&me, delta, now);
        if matches!(self.lifecycle.phase(), Phase::Starting | Phase::Fenced) {
            self.lifecycle.beat(&me);
        }
    }
}

/// The id of the topic of that name; zero when there is none.
pub fn topic_id_of(image: &MetadataImage, name: &str) -> Uuid {
    image.topics.id_of(name).unwrap_or(Uuid::ZERO)
}
