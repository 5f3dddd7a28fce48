//! All connections of a client, and how it finds the broker that a request must go to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ottla_base::{ErrorCode, NodeId};
use ottla_wire::messages::metadata_request::MetadataRequestTopic;
use ottla_wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataResponse};
use parking_lot::Mutex;

use crate::config::{ClientConfig, Role};
use crate::connection::Connection;
use crate::error::{Error, Result, check_with};
use crate::metadata::Metadata;
use crate::random;

/// What a coordinator is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CoordinatorType {
    Group = 0,
    Transaction = 1,
    Share = 2,
}

/// Which topics a refresh is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topics {
    None,
    All,
    Named(Vec<String>),
}

/// The place of one node's connection. Its lock is held while connecting, so that one does it for all.
#[derive(Default)]
struct Slot {
    connection: Option<Arc<Connection>>,
    /// In a row.
    failures: u32,
    retry_at: Option<Instant>,
}

#[derive(Default)]
struct State {
    metadata: Arc<Metadata>,
    slots: HashMap<(NodeId, Purpose), Arc<tokio::sync::Mutex<Slot>>>,
    coordinators: HashMap<(CoordinatorType, String), NodeId>,
}

/// A broker answers a connection's requests one after the other, and joining a group takes long: coordinators get
/// connections of their own, so that other requests do not wait behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    Anything,
    Coordinator,
}

pub struct Cluster {
    pub config: ClientConfig,
    state: Mutex<State>,
}

/// Bootstrap servers have ids of their own, as in Kafka's log lines: -1, -2, …
fn bootstrap_id(index: usize) -> NodeId {
    -1 - index as NodeId
}

impl Cluster {
    pub fn new(config: ClientConfig) -> Cluster {
        Cluster { config, state: Mutex::default() }
    }

    pub fn metadata(&self) -> Arc<Metadata> {
        self.state.lock().metadata.clone()
    }

    fn address(&self, node: NodeId) -> Result<(String, u16)> {
        if node < 0 {
            let index = (-1 - node) as usize;
            return self.config.bootstrap.get(index).cloned().ok_or_else(|| unknown_node(node));
        }
        let metadata = self.metadata();
        let broker = metadata.brokers.get(&node).ok_or_else(|| unknown_node(node))?;
        Ok((broker.host.clone(), broker.port))
    }

    /// The connection to a node, made when there is none.
    pub async fn node(&self, node: NodeId) -> Result<Arc<Connection>> {
        self.node_for(node, Purpose::Anything).await
    }

    async fn node_for(&self, node: NodeId, purpose: Purpose) -> Result<Arc<Connection>> {
        let slot = self.state.lock().slots.entry((node, purpose)).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.connection.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        if let Some(retry_at) = slot.retry_at {
            tokio::time::sleep_until(retry_at.into()).await;
        }
        let (host, port) = self.address(node)?;
        match Connection::open(&self.config, node, &host, port).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                *slot = Slot { connection: Some(connection.clone()), ..Slot::default() };
                Ok(connection)
            }
            Err(error) => {
                slot.connection = None;
                slot.retry_at = Some(Instant::now() + self.reconnect_backoff(slot.failures));
                slot.failures = slot.failures.saturating_add(1);
                Err(error)
            }
        }
    }

    fn reconnect_backoff(&self, failures: u32) -> Duration {
        backoff(self.config.reconnect_backoff, self.config.reconnect_backoff_max, failures)
    }

    /// How long to wait before the attempt that follows `failures` failed ones.
    pub fn retry_backoff(&self, failures: u32) -> Duration {
        backoff(self.config.retry_backoff, self.config.retry_backoff_max, failures)
    }

    /// A node that is connected already, or else whichever answers first.
    pub async fn any_node(&self) -> Result<Arc<Connection>> {
        let (mut candidates, slots): (Vec<NodeId>, Vec<_>) = {
            let state = self.state.lock();
            let slots = state.slots.iter().filter(|((_, purpose), _)| *purpose == Purpose::Anything);
            (state.metadata.brokers.keys().copied().collect(), slots.map(|(_, slot)| slot.clone()).collect())
        };
        let known = slots.iter().filter_map(|slot| slot.try_lock().ok()?.connection.clone());
        let live = known.filter(|connection| !connection.is_closed());
        if let Some(connection) = live.min_by_key(|connection| (connection.in_flight(), connection.node() < 0)) {
            return Ok(connection);
        }
        random::shuffle(&mut candidates);
        let mut bootstrap: Vec<NodeId> = (0..self.config.bootstrap.len()).map(bootstrap_id).collect();
        random::shuffle(&mut bootstrap);
        candidates.extend(bootstrap);
        let mut last = unknown_node(-1);
        for node in candidates {
            match self.node(node).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub async fn controller(&self) -> Result<Arc<Connection>> {
        let mut metadata = self.metadata();
        if !metadata.brokers.contains_key(&metadata.controller) {
            metadata = self.refresh(&Topics::None).await?;
        }
        if metadata.controller < 0 {
            return Err(ErrorCode::NotController.into());
        }
        self.node(metadata.controller).await
    }

    /// Asks a broker, any of them, and keeps what it says.
    pub async fn refresh(&self, topics: &Topics) -> Result<Arc<Metadata>> {
        let connection = self.any_node().await?;
        self.refresh_from(&connection, topics, self.config.allow_auto_create_topics).await
    }

    pub async fn refresh_from(
        &self,
        connection: &Connection,
        topics: &Topics,
        allow_auto_topic_creation: bool,
    ) -> Result<Arc<Metadata>> {
        let named = |name: &String| MetadataRequestTopic { name: Some(name.clone()), ..Default::default() };
        let request = MetadataRequest {
            topics: match topics {
                Topics::All => None,
                Topics::None => Some(Vec::new()),
                Topics::Named(names) => Some(names.iter().map(named).collect()),
            },
            allow_auto_topic_creation,
            ..Default::default()
        };
        let response = connection.call(&request).await?;
        check_with(response.error_code, None)?;
        self.warn_of_topics(&response);
        Ok(self.keep(response, *topics == Topics::All))
    }

    /// Kafka's admin client keeps quiet about them.
    fn warn_of_topics(&self, response: &MetadataResponse) {
        let wrong = response.topics.iter().filter(|topic| topic.error_code != 0);
        let list: Vec<String> = wrong
            .map(|topic| {
                let name = topic.name.as_deref().unwrap_or_default();
                format!("{name}={}", ErrorCode::from_code(topic.error_code))
            })
            .collect();
        if !list.is_empty() && self.config.role != Role::Admin {
            tracing::warn!(
                target: "org.apache.kafka.clients.NetworkClient",
                "{}The metadata response from the cluster reported a recoverable issue : {{{}}}",
                self.config.log_prefix(),
                list.join(", ")
            );
            let invalid = response
                .topics
                .iter()
                .filter(|topic| ErrorCode::from_code(topic.error_code) == ErrorCode::InvalidTopicException);
            let invalid: Vec<&str> = invalid.filter_map(|topic| topic.name.as_deref()).collect();
            if !invalid.is_empty() {
                tracing::error!(
                    target: "org.apache.kafka.clients.Metadata",
                    "{}Metadata response reported invalid topics [{}]",
                    self.config.log_prefix(),
                    invalid.join(", ")
                );
            }
        }
    }

    fn keep(&self, response: MetadataResponse, all_topics: bool) -> Arc<Metadata> {
        let mut state = self.state.lock();
        let metadata = Arc::new(state.metadata.updated(response, all_topics, Instant::now()));
        // A broker that moved must not be reached at its old address.
        let old = std::mem::replace(&mut state.metadata, metadata.clone());
        let moved = |id: &NodeId| *id >= 0 && old.brokers.get(id) != metadata.brokers.get(id);
        state.slots.retain(|(id, _), _| !moved(id) || !old.brokers.contains_key(id));
        metadata
    }

    /// What is known of these topics, asked for when something is missing or too old.
    pub async fn metadata_for(&self, topics: &[String]) -> Result<Arc<Metadata>> {
        let metadata = self.metadata();
        let fresh = metadata.fetched_at.is_some_and(|at| at.elapsed() < self.config.metadata_max_age);
        let known = |topic: &String| metadata.topic(topic).is_some_and(|info| info.error == ErrorCode::None);
        if fresh && topics.iter().all(known) {
            return Ok(metadata);
        }
        self.refresh(&Topics::Named(topics.to_vec())).await
    }

    /// The coordinator of a group or transactional id.
    pub async fn coordinator(&self, kind: CoordinatorType, key: &str) -> Result<Arc<Connection>> {
        let cached = self.state.lock().coordinators.get(&(kind, key.to_owned())).copied();
        if let Some(node) = cached
            && let Ok(connection) = self.node_for(node, Purpose::Coordinator).await
        {
            return Ok(connection);
        }
        let node = self.find_coordinator(kind, key).await?;
        self.state.lock().coordinators.insert((kind, key.to_owned()), node);
        self.node_for(node, Purpose::Coordinator).await
    }

    /// After `NOT_COORDINATOR` and the like: the next call looks again.
    pub fn forget_coordinator(&self, kind: CoordinatorType, key: &str) {
        self.state.lock().coordinators.remove(&(kind, key.to_owned()));
    }

    async fn find_coordinator(&self, kind: CoordinatorType, key: &str) -> Result<NodeId> {
        let connection = self.any_node().await?;
        let version = connection.version_of(ottla_wire::ApiKey::FindCoordinator)?;
        let mut request = FindCoordinatorRequest { key_type: kind as i8, ..Default::default() };
        if version >= 4 {
            request.coordinator_keys.push(key.to_owned());
        } else {
            request.key = key.to_owned();
        }
        let response = connection.call_at(&request, version).await?;
        let node = coordinator_node(&response, version)?;
        if !self.metadata().brokers.contains_key(&node) {
            self.refresh(&Topics::None).await?;
        }
        Ok(node)
    }
}

fn coordinator_node(response: &FindCoordinatorResponse, version: i16) -> Result<NodeId> {
    if version < 4 {
        check_with(response.error_code, response.error_message.as_deref())?;
        return Ok(response.node_id);
    }
    let coordinator = response.coordinators.first().ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let message = coordinator.error_message.as_deref().filter(|text| !text.is_empty());
    check_with(coordinator.error_code, message)?;
    Ok(coordinator.node_id)
}

fn unknown_node(node: NodeId) -> Error {
    Error::disconnected(format!("Node {node} is not part of the cluster as far as its brokers say."))
}

/// Doubles each time, up to the maximum, with a fifth of jitter (KIP-580).
fn backoff(initial: Duration, max: Duration, failures: u32) -> Duration {
    let doubled = initial.saturating_mul(1 << failures.min(20));
    doubled.min(max.max(initial)).mul_f64(0.8 + 0.4 * random::fraction())
}
