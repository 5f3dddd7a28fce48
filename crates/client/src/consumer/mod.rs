//! A consumer: positions in partitions, chosen by hand or by a group, and records fetched from them.

mod assignor;
mod committed;
mod config;
mod fetched;
mod fetcher;
mod group;
mod group_consumer;
mod membership;
mod offsets;
mod protocol;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ottla_base::{ErrorCode, LeaderEpoch, NodeId, Offset, TopicPartition};
use tokio::task::{JoinHandle, JoinSet};

pub use config::{ConsumerConfig, OffsetReset, Strategy};
pub use fetched::ConsumerRecord;
pub use offsets::*;

use crate::cluster::{Cluster, Topics};
use crate::config::{Settings, invalid};
use crate::error::{Error, Result, class};
use crate::random;
use committed::Offsets;
use fetched::Fetched;
use fetcher::FetchOutcome;
use group::{Group, Joined};

/// Nothing that has no event of its own waits longer than this.
const TICK: Duration = Duration::from_millis(200);
const LOGGER: &str = "org.apache.kafka.clients.consumer.internals.ConsumerCoordinator";

/// Where to start in a partition that is assigned by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    Beginning,
    End,
    Offset(Offset),
    /// Where the group left off, or else where `auto.offset.reset` says.
    Committed,
}

enum Subscription {
    None,
    ByHand,
    Topics(Vec<String>),
    Pattern(Box<dyn Fn(&str) -> bool + Send>),
}

#[derive(Debug, Default)]
struct PartitionState {
    /// Of the next record; `None` until it is found out.
    position: Option<Offset>,
    /// Of the last record consumed, -1 when there is none.
    epoch: LeaderEpoch,
    /// Where to look for the position, when not at the committed offset.
    reset: Option<OffsetReset>,
    is_fetching: bool,
    is_buffered: bool,
    /// After an error.
    paused_until: Option<Instant>,
}

pub struct Consumer {
    config: Arc<ConsumerConfig>,
    cluster: Arc<Cluster>,
    subscription: Subscription,
    group: Option<Arc<Group>>,
    joining: Option<JoinHandle<Result<Joined>>>,
    /// The outcome of `joining`, not yet looked at.
    joined: Option<Result<Joined>>,
    is_member: bool,
    /// What the group's leader counted when it shared the partitions.
    counted: Option<BTreeMap<String, i32>>,
    partitions: BTreeMap<TopicPartition, PartitionState>,
    ready: VecDeque<(TopicPartition, Fetched)>,
    fetches: JoinSet<FetchOutcome>,
    fetching_nodes: HashSet<NodeId>,
    commits: JoinSet<()>,
    last_commit: Instant,
    needs_metadata: bool,
    metadata_failures: u32,
    next_metadata: Option<Instant>,
    /// After a failed attempt to find positions.
    positions_after: Option<Instant>,
}

impl Consumer {
    /// Needs a tokio runtime around it. Connects when it is polled.
    pub fn new(settings: &Settings) -> Result<Consumer> {
        let mut config = ConsumerConfig::new(settings)?;
        config.client = config.client.resolved()?;
        let cluster = Arc::new(Cluster::new(config.client.clone()));
        let config = Arc::new(config);
        let id = config.group_id.clone();
        let group = id.map(|id| Arc::new(Group::new(cluster.clone(), config.clone(), id)));
        Ok(Consumer {
            config,
            cluster,
            subscription: Subscription::None,
            group,
            joining: None,
            joined: None,
            is_member: false,
            counted: None,
            partitions: BTreeMap::new(),
            ready: VecDeque::new(),
            fetches: JoinSet::new(),
            fetching_nodes: HashSet::new(),
            commits: JoinSet::new(),
            last_commit: Instant::now(),
            needs_metadata: true,
            metadata_failures: 0,
            next_metadata: None,
            positions_after: None,
        })
    }

    pub fn config(&self) -> &ConsumerConfig {
        &self.config
    }

    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// Reads these partitions, without a group's help.
    pub fn assign(&mut self, partitions: &[(TopicPartition, StartAt)]) {
        self.subscription = Subscription::ByHand;
        let state = |start: StartAt| PartitionState {
            position: if let StartAt::Offset(offset) = start { Some(offset) } else { None },
            reset: match start {
                StartAt::Beginning => Some(OffsetReset::Earliest),
                StartAt::End => Some(OffsetReset::Latest),
                _ => None,
            },
            epoch: -1,
            ..PartitionState::default()
        };
        self.partitions = partitions.iter().map(|(partition, start)| (partition.clone(), state(*start))).collect();
        self.needs_metadata = true;
    }

    pub fn subscribe(&mut self, topics: Vec<String>) -> Result<()> {
        self.require_group()?;
        self.subscription = Subscription::Topics(topics);
        Ok(())
    }

    /// All topics, now and later, whose names match.
    pub fn subscribe_matching(&mut self, matches: Box<dyn Fn(&str) -> bool + Send>) -> Result<()> {
        self.require_group()?;
        self.subscription = Subscription::Pattern(matches);
        Ok(())
    }

    fn require_group(&self) -> Result<()> {
        match &self.group {
            Some(group) if !group.id.is_empty() => Ok(()),
            Some(_) => Err(invalid("group.id", "", "an empty group id cannot subscribe to topics")),
            None => Err(Error::from_response(
                ErrorCode::InvalidGroupId,
                Some(
                    "To use the group management or offset commit APIs, you must provide a valid group.id in the consumer configuration.",
                ),
            )),
        }
    }

    /// Reads on from there.
    pub fn seek(&mut self, partition: &TopicPartition, offset: Offset) {
        if let Some(state) = self.partitions.get_mut(partition) {
            state.position = Some(offset);
            state.is_buffered = false;
            self.ready.retain(|(other, _)| other != partition);
        }
    }

    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    pub fn position(&self, partition: &TopicPartition) -> Option<Offset> {
        self.partitions.get(partition)?.position
    }

    /// Records, as soon as there are some; none when the time is over. May be dropped while it waits.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumerRecord>> {
        let deadline = Instant::now().checked_add(timeout).unwrap_or_else(far_away);
        loop {
            // What takes longer begins anew at the next poll.
            tokio::time::timeout_at(deadline.into(), self.prepare()).await.unwrap_or(Ok(()))?;
            let records = self.take_records()?;
            self.start_fetches();
            if !records.is_empty() || Instant::now() >= deadline {
                return Ok(records);
            }
            self.wait(deadline).await?;
        }
    }

    /// Everything that must be right before records can come.
    async fn prepare(&mut self) -> Result<()> {
        self.update_metadata().await?;
        self.keep_membership().await?;
        self.auto_commit();
        self.find_positions().await
    }

    async fn wait(&mut self, deadline: Instant) -> Result<()> {
        let tick = (Instant::now() + TICK).min(deadline);
        let group = self.group.clone();
        let changed = async {
            match &group {
                Some(group) => group.changed.notified().await,
                None => std::future::pending().await,
            }
        };
        let joined = async {
            match &mut self.joining {
                Some(task) => task.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(fetched) = self.fetches.join_next() => {
                if let Ok(outcome) = fetched {
                    self.handle_fetch(outcome)?;
                }
            }
            outcome = joined => {
                self.joining = None;
                self.joined = Some(outcome.unwrap_or_else(|error| Err(Error::new(class::KAFKA, error.to_string()))));
            }
            () = changed => {}
            () = tokio::time::sleep_until(tick.into()) => {}
        }
        Ok(())
    }

    /// Of all partitions, where the next poll goes on.
    fn consumed(&self) -> Offsets {
        let offset = |(partition, state): (&TopicPartition, &PartitionState)| {
            Some((partition.clone(), (state.position?, state.epoch)))
        };
        self.partitions.iter().filter_map(offset).collect()
    }

    /// Commits the positions, and waits until that is done.
    pub async fn commit(&self) -> Result<()> {
        match &self.group {
            Some(group) => group.commit(&self.consumed()).await,
            None => self.require_group(),
        }
    }

    fn auto_commit(&mut self) {
        while self.commits.try_join_next().is_some() {}
        let (Some(interval), Some(group)) = (self.config.auto_commit, &self.group) else { return };
        if self.last_commit.elapsed() < interval || !self.commits.is_empty() || self.joining.is_some() {
            return;
        }
        self.last_commit = Instant::now();
        let (group, offsets) = (group.clone(), self.consumed());
        self.commits.spawn(async move {
            if let Err(error) = group.commit(&offsets).await {
                tracing::warn!(
                    target: LOGGER,
                    "{}Asynchronous auto-commit of offsets failed: {error}",
                    group.log_prefix()
                );
            }
        });
    }

    /// Commits, where that is done automatically, and leaves the group.
    pub async fn close(mut self, timeout: Duration) {
        let Some(group) = self.group.clone() else { return };
        if let Some(joining) = self.joining.take() {
            joining.abort();
        }
        let farewell = async {
            self.commits.shutdown().await;
            self.commit_before_change().await;
            group.leave("the consumer is being closed").await;
        };
        if tokio::time::timeout(timeout, farewell).await.is_err() {
            tracing::warn!(target: LOGGER, "{}Closed without an answer of the coordinator.", group.log_prefix());
        }
    }

    /// Before partitions go to others.
    async fn commit_before_change(&self) {
        let Some(group) = self.group.as_ref().filter(|_| self.config.auto_commit.is_some()) else { return };
        let offsets = self.consumed();
        if let Err(error) = group.commit(&offsets).await {
            tracing::warn!(
                target: LOGGER,
                "{}Synchronous auto-commit of offsets failed: {error}",
                group.log_prefix()
            );
        }
    }

    async fn update_metadata(&mut self) -> Result<()> {
        let now = Instant::now();
        let metadata = self.cluster.metadata();
        let is_old = metadata.fetched_at.is_none_or(|at| at.elapsed() >= self.config.client.metadata_max_age);
        if !(is_old || self.needs_metadata) || self.next_metadata.is_some_and(|at| now < at) {
            return Ok(());
        }
        let topics = match &self.subscription {
            Subscription::None => return Ok(()),
            Subscription::Pattern(_) => Topics::All,
            Subscription::Topics(topics) => Topics::Named(topics.clone()),
            Subscription::ByHand => {
                let topics: HashSet<String> = self.partitions.keys().map(|p| p.topic.to_string()).collect();
                Topics::Named(topics.into_iter().collect())
            }
        };
        self.next_metadata = Some(now + self.cluster.retry_backoff(self.metadata_failures));
        let Ok(metadata) = self.cluster.refresh(&topics).await else {
            self.metadata_failures += 1;
            return Ok(());
        };
        let of_interest = |name: &str| match &topics {
            Topics::Named(names) => names.iter().any(|topic| topic == name),
            _ => true,
        };
        let mut all_well = true;
        for topic in metadata.topics.values().filter(|topic| of_interest(&topic.name)) {
            match topic.error {
                ErrorCode::TopicAuthorizationFailed => {
                    let message = format!("Not authorized to access topics: [{}]", topic.name);
                    return Err(Error::from_response(topic.error, Some(&message)));
                }
                ErrorCode::InvalidTopicException => {
                    let message = format!("Invalid topics: [{}]", topic.name);
                    return Err(Error::from_response(topic.error, Some(&message)));
                }
                _ => {}
            }
            all_well &= topic.error == ErrorCode::None && topic.partitions.iter().all(|p| p.leader >= 0);
        }
        self.needs_metadata = !all_well;
        self.metadata_failures = if all_well { 0 } else { self.metadata_failures + 1 };
        Ok(())
    }

    async fn find_positions(&mut self) -> Result<()> {
        let now = Instant::now();
        if self.positions_after.is_some_and(|at| now < at) {
            return Ok(());
        }
        let lost = |state: &&PartitionState| state.position.is_none();
        if !self.partitions.values().any(|state| lost(&state)) {
            return Ok(());
        }
        self.take_committed().await?;
        let mut wanted = BTreeMap::new();
        for (partition, state) in self.partitions.iter_mut().filter(|(_, state)| state.position.is_none()) {
            let reset = *state.reset.get_or_insert(self.config.reset);
            let timestamp = match reset {
                OffsetReset::Earliest => EARLIEST_TIMESTAMP,
                OffsetReset::Latest => LATEST_TIMESTAMP,
                OffsetReset::ByDuration(ago) => wall_ms() - ago.as_millis() as i64,
                OffsetReset::None => {
                    let message = format!("Undefined offset with no reset policy for partitions: [{partition}]");
                    return Err(Error::new(class::NO_OFFSET, message));
                }
            };
            wanted.insert(partition.clone(), timestamp);
        }
        for (partition, found) in self.cluster.list_offsets(&wanted, self.config.read_committed).await {
            let Some(state) = self.partitions.get_mut(&partition) else { continue };
            match found {
                // Younger than all there is: the end.
                Ok(found) if found.offset < 0 => state.reset = Some(OffsetReset::Latest),
                Ok(found) => (state.position, state.epoch) = (Some(found.offset), found.leader_epoch),
                Err(error) if error.is_retriable() => {
                    self.needs_metadata = true;
                    self.positions_after = Some(Instant::now() + self.cluster.retry_backoff(0));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Of partitions without a position, unless they are to be read from elsewhere.
    async fn take_committed(&mut self) -> Result<()> {
        let Some(group) = self.group.clone() else { return Ok(()) };
        let open = |(_, state): &(&TopicPartition, &PartitionState)| state.position.is_none() && state.reset.is_none();
        let partitions: Vec<TopicPartition> =
            self.partitions.iter().filter(open).map(|(partition, _)| partition.clone()).collect();
        if partitions.is_empty() {
            return Ok(());
        }
        let committed = match group.committed(&partitions).await {
            Ok(committed) => committed,
            // The group is being rebalanced: the partitions are about to change anyway.
            Err(error) if matches!(error.code, ErrorCode::StaleMemberEpoch | ErrorCode::UnknownMemberId) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for partition in partitions {
            let Some(state) = self.partitions.get_mut(&partition) else { continue };
            match committed.get(&partition) {
                Some((offset, epoch)) => (state.position, state.epoch) = (Some(*offset), *epoch),
                None => state.reset = Some(self.config.reset),
            }
        }
        Ok(())
    }
}

fn wall_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}

fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(100 * 365 * 24 * 3600)
}

/// For members that name themselves (KIP-848).
fn random_id() -> String {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&random::u64().to_be_bytes());
    bytes[8..].copy_from_slice(&random::u64().to_be_bytes());
    ottla_base::Uuid::random_from(bytes).to_string()
}
