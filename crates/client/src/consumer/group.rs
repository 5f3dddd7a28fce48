//! Membership of a classic consumer group: join, sync, heartbeat, leave.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla_base::{ErrorCode, TopicPartition};
use ottla_wire::ApiKey;
use ottla_wire::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_wire::messages::leave_group_request::MemberIdentity;
use ottla_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_wire::messages::*;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::assignor::{Member, assign};
use super::config::{ConsumerConfig, Strategy};
use super::group_consumer::Exchange;
use super::protocol;
use crate::cluster::{Cluster, CoordinatorType, Topics};
use crate::connection::Connection;
use crate::error::{Error, Result, check, class};

const PROTOCOL_TYPE: &str = "consumer";
/// Beyond the rebalance timeout, before a join that nobody answers is given up.
const JOIN_GRACE: Duration = Duration::from_secs(5);
const LOGGER: &str = "org.apache.kafka.clients.consumer.internals.ConsumerCoordinator";

#[derive(Debug, Default)]
pub(super) struct Place {
    /// Empty while we have none.
    pub member_id: String,
    /// Generation, or member epoch in the protocol of KIP-848. -1 outside the group.
    pub generation: i32,
    /// The group is being rebalanced, or we lost our place.
    pub rejoin: bool,
    pub fatal: Option<Error>,
    last_poll: Option<Instant>,
    heartbeats: Option<AbortHandle>,
}

pub(super) struct Group {
    pub cluster: Arc<Cluster>,
    pub config: Arc<ConsumerConfig>,
    pub id: String,
    pub place: Mutex<Place>,
    /// Something about our place changed.
    pub changed: Notify,
    /// For the protocol of KIP-848.
    pub exchange: Mutex<Exchange>,
    /// There is something to tell the coordinator at once.
    pub news: Notify,
}

/// What a rebalance gave us.
#[derive(Debug)]
pub(super) struct Joined {
    pub partitions: Vec<TopicPartition>,
    /// Of the group's topics, as the leader counted partitions; `None` for others than the leader.
    pub counted: Option<BTreeMap<String, i32>>,
}

impl Group {
    pub fn new(cluster: Arc<Cluster>, config: Arc<ConsumerConfig>, id: String) -> Group {
        let place = Place { generation: -1, ..Place::default() };
        let (exchange, changed, news) = (Mutex::default(), Notify::new(), Notify::new());
        Group { cluster, config, id, place: Mutex::new(place), changed, exchange, news }
    }

    pub async fn coordinator(&self) -> Result<Arc<Connection>> {
        self.cluster.coordinator(CoordinatorType::Group, &self.id).await
    }

    pub fn forget_coordinator(&self) {
        self.cluster.forget_coordinator(CoordinatorType::Group, &self.id);
    }

    pub fn polled(&self) {
        self.place.lock().last_poll = Some(Instant::now());
    }

    fn lose_place(&self) {
        let mut place = self.place.lock();
        // A static member is known by its instance id.
        place.member_id.clear();
        place.generation = -1;
        place.rejoin = true;
    }

    /// Until we have a place, or can have none.
    pub async fn join(&self, topics: &[String], owned: &[TopicPartition]) -> Result<Joined> {
        self.stop_heartbeats();
        let mut failures = 0;
        loop {
            let error = match self.try_join(topics, owned).await {
                Ok(joined) => return Ok(joined),
                Err(error) => error,
            };
            match error.code {
                ErrorCode::MemberIdRequired | ErrorCode::RebalanceInProgress => continue,
                ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => self.lose_place(),
                _ if error.is_retriable() => self.forget_coordinator(),
                _ => return Err(error),
            }
            tokio::time::sleep(self.cluster.retry_backoff(failures)).await;
            failures += 1;
        }
    }

    async fn try_join(&self, topics: &[String], owned: &[TopicPartition]) -> Result<Joined> {
        let connection = self.coordinator().await?;
        let (member_id, generation) = {
            let place = self.place.lock();
            (place.member_id.clone(), place.generation)
        };
        let metadata = protocol::subscription(topics, owned, generation)?;
        let offer = |strategy: &Strategy| JoinGroupRequestProtocol {
            name: strategy.name().to_owned(),
            metadata: metadata.clone(),
            ..Default::default()
        };
        let request = JoinGroupRequest {
            group_id: self.id.clone(),
            session_timeout_ms: millis(self.config.session_timeout),
            rebalance_timeout_ms: millis(self.config.max_poll_interval),
            member_id,
            group_instance_id: self.config.group_instance_id.clone(),
            protocol_type: PROTOCOL_TYPE.to_owned(),
            protocols: self.config.strategies.iter().map(offer).collect(),
            ..Default::default()
        };
        let version = connection.version_of(ApiKey::JoinGroup)?;
        let timeout = self.config.max_poll_interval.saturating_add(JOIN_GRACE);
        let response =
            connection.call_within(&request, version, timeout.max(self.cluster.config.request_timeout)).await?;
        if ErrorCode::from_code(response.error_code) == ErrorCode::MemberIdRequired {
            self.place.lock().member_id = response.member_id;
            return Err(ErrorCode::MemberIdRequired.into());
        }
        check(response.error_code)?;
        {
            let mut place = self.place.lock();
            place.member_id = response.member_id.clone();
            place.generation = response.generation_id;
            place.rejoin = false;
        }
        self.sync(&connection, response).await
    }

    async fn sync(&self, connection: &Connection, joined: JoinGroupResponse) -> Result<Joined> {
        let (mut assignments, mut counted) = (Vec::new(), None);
        if joined.leader == joined.member_id && !joined.skip_assignment {
            let (list, counts) = self.lead(&joined).await?;
            (assignments, counted) = (list, Some(counts));
        }
        let request = SyncGroupRequest {
            group_id: self.id.clone(),
            generation_id: joined.generation_id,
            member_id: joined.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE.to_owned()),
            protocol_name: joined.protocol_name.clone(),
            assignments,
            ..Default::default()
        };
        let version = connection.version_of(ApiKey::SyncGroup)?;
        let timeout = self.config.max_poll_interval.saturating_add(JOIN_GRACE);
        let response = connection.call_within(&request, version, timeout).await?;
        check(response.error_code)?;
        Ok(Joined { partitions: protocol::read_assignment(response.assignment)?, counted })
    }

    /// The leader's part: who gets what.
    async fn lead(
        &self,
        joined: &JoinGroupResponse,
    ) -> Result<(Vec<SyncGroupRequestAssignment>, BTreeMap<String, i32>)> {
        let protocol = joined.protocol_name.as_deref().unwrap_or_default();
        let strategy = self.config.strategies.iter().find(|strategy| strategy.name() == protocol);
        let strategy = *strategy.ok_or_else(|| {
            Error::new(class::ILLEGAL_STATE, format!("Coordinator selected invalid assignment protocol: {protocol}"))
        })?;
        let read = |member: &join_group_response::JoinGroupResponseMember| {
            protocol::read_subscription(&member.member_id, member.group_instance_id.as_deref(), member.metadata.clone())
        };
        let members: Vec<Member> = joined.members.iter().map(read).collect::<std::result::Result<_, _>>()?;
        let mut topics: Vec<String> = members.iter().flat_map(|member| member.topics.clone()).collect();
        topics.sort();
        topics.dedup();
        let mut metadata = self.cluster.metadata();
        // What other members read may be new to us.
        if topics.iter().any(|topic| metadata.topic(topic).is_none()) {
            metadata = self.cluster.refresh(&Topics::Named(topics.clone())).await?;
        }
        let count = |topic: &String| {
            let info = metadata.topic(topic).filter(|info| info.error == ErrorCode::None)?;
            Some((topic.clone(), info.partitions.len() as i32))
        };
        let counts: BTreeMap<String, i32> = topics.iter().filter_map(count).collect();
        let encode = |(member_id, partitions): (String, Vec<TopicPartition>)| {
            let assignment: Bytes = protocol::assignment(&partitions)?;
            Ok(SyncGroupRequestAssignment { member_id, assignment, ..Default::default() })
        };
        let assignments: Result<Vec<_>> = assign(strategy, &members, &counts).into_iter().map(encode).collect();
        Ok((assignments?, counts))
    }

    fn stop_heartbeats(&self) {
        if let Some(task) = self.place.lock().heartbeats.take() {
            task.abort();
        }
    }

    pub fn start_heartbeats(self: &Arc<Self>) {
        let group = self.clone();
        let task = tokio::spawn(async move { group.keep_alive().await });
        self.keep_task(task.abort_handle());
    }

    /// It ends when we leave.
    pub fn keep_task(&self, task: AbortHandle) {
        self.place.lock().heartbeats = Some(task);
    }

    /// Until the group is rebalanced or our place is lost.
    async fn keep_alive(&self) {
        loop {
            tokio::time::sleep(self.config.heartbeat_interval).await;
            let last_poll = self.place.lock().last_poll;
            if last_poll.is_some_and(|at| at.elapsed() > self.config.max_poll_interval) {
                tracing::warn!(
                    target: LOGGER,
                    "{}consumer poll timeout has expired: the time between two polls was longer than max.poll.interval.ms.",
                    self.log_prefix()
                );
                self.leave("consumer poll timeout has expired.").await;
                self.lose_place();
                return;
            }
            let Err(error) = self.heartbeat().await else { continue };
            match error.code {
                ErrorCode::RebalanceInProgress => self.place.lock().rejoin = true,
                ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => self.lose_place(),
                _ if error.is_retriable() => {
                    self.forget_coordinator();
                    continue;
                }
                _ => self.place.lock().fatal = Some(error),
            }
            self.changed.notify_one();
            return;
        }
    }

    async fn heartbeat(&self) -> Result<()> {
        let connection = self.coordinator().await?;
        let request = {
            let place = self.place.lock();
            HeartbeatRequest {
                group_id: self.id.clone(),
                generation_id: place.generation,
                member_id: place.member_id.clone(),
                group_instance_id: self.config.group_instance_id.clone(),
                ..Default::default()
            }
        };
        check(connection.call(&request).await?.error_code)
    }

    /// Gives the place up, so that others need not wait for a timeout. A static member keeps it.
    pub async fn leave(&self, reason: &str) {
        self.stop_heartbeats();
        if self.config.consumer_protocol {
            return self.say_farewell().await;
        }
        let member_id = std::mem::take(&mut self.place.lock().member_id);
        if member_id.is_empty() || self.config.group_instance_id.is_some() {
            return;
        }
        let left = self.send_leave(member_id, reason).await;
        if let Err(error) = left {
            tracing::debug!(target: LOGGER, "{}Leaving the group failed: {error}", self.log_prefix());
        }
    }

    async fn send_leave(&self, member_id: String, reason: &str) -> Result<()> {
        let connection = self.coordinator().await?;
        let version = connection.version_of(ApiKey::LeaveGroup)?;
        let mut request = LeaveGroupRequest { group_id: self.id.clone(), ..Default::default() };
        // Since version 3 several members can leave at once.
        if version >= 3 {
            let reason = (version >= 5).then(|| reason.to_owned());
            request.members.push(MemberIdentity { member_id, reason, ..Default::default() });
        } else {
            request.member_id = member_id;
        }
        check(connection.call_at(&request, version).await?.error_code)
    }

    pub fn log_prefix(&self) -> String {
        self.config.client.log_prefix()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop_heartbeats();
    }
}

fn millis(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}
