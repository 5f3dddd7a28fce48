//! Membership by the protocol of KIP-848: the coordinator shares the partitions out, heartbeats carry everything.

use std::sync::Arc;
use std::time::Duration;

use ottla_base::{ErrorCode, TopicPartition, Uuid};
use ottla_wire::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_wire::messages::consumer_group_heartbeat_response::Assignment;
use ottla_wire::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};

use super::group::Group;
use super::{Consumer, random_id};
use crate::cluster::Topics;
use crate::error::{Result, check_with};
use crate::group_by_topic;

const JOIN_EPOCH: i32 = 0;
const LEAVE_EPOCH: i32 = -1;
/// A static member that will come back.
const LEAVE_STATIC_EPOCH: i32 = -2;

/// What the consumer and its heartbeats tell each other.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub topics: Vec<String>,
    pub owned: Vec<TopicPartition>,
    /// What we are to have, when that changed.
    pub target: Option<Vec<TopicPartition>>,
    /// What the coordinator knows of us; a heartbeat carries only what is new.
    told_topics: Option<Vec<String>>,
    told_owned: Option<Vec<TopicPartition>>,
}

impl Group {
    /// For as long as we are a member.
    async fn heartbeat_forever(&self) {
        let mut failures = 0;
        loop {
            let pause = match self.exchange().await {
                Ok(interval) => {
                    failures = 0;
                    interval
                }
                Err(error) => match error.code {
                    ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch => {
                        self.start_over();
                        Duration::ZERO
                    }
                    _ if error.is_retriable() => {
                        self.forget_coordinator();
                        failures += 1;
                        self.cluster.retry_backoff(failures - 1)
                    }
                    _ => {
                        self.place.lock().fatal = Some(error);
                        self.changed.notify_one();
                        return;
                    }
                },
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.news.notified() => {}
            }
        }
    }

    /// We were put out: everything is given up, and we join as if new.
    fn start_over(&self) {
        self.place.lock().generation = JOIN_EPOCH;
        let mut exchange = self.exchange.lock();
        exchange.target = Some(Vec::new());
        exchange.told_topics = None;
        exchange.told_owned = None;
        self.changed.notify_one();
    }

    /// One heartbeat; returns when the next is due.
    async fn exchange(&self) -> Result<Duration> {
        let connection = self.coordinator().await?;
        let request = self.heartbeat_request();
        let (topics, owned) = (request.subscribed_topic_names.clone(), self.exchange.lock().owned.clone());
        let response: ConsumerGroupHeartbeatResponse = connection.call(&request).await?;
        check_with(response.error_code, response.error_message.as_deref())?;
        {
            let mut place = self.place.lock();
            if let Some(member_id) = response.member_id {
                place.member_id = member_id;
            }
            place.generation = response.member_epoch;
        }
        {
            let mut exchange = self.exchange.lock();
            if topics.is_some() {
                exchange.told_topics = topics;
            }
            exchange.told_owned = Some(owned);
        }
        if let Some(assignment) = response.assignment {
            let target = self.by_name(assignment).await?;
            self.exchange.lock().target = Some(target);
            self.changed.notify_one();
        }
        Ok(Duration::from_millis(u64::from(response.heartbeat_interval_ms.unsigned_abs())))
    }

    fn heartbeat_request(&self) -> ConsumerGroupHeartbeatRequest {
        let metadata = self.cluster.metadata();
        let exchange = self.exchange.lock();
        let place = self.place.lock();
        let joins = place.generation == JOIN_EPOCH;
        let owned = (joins || exchange.told_owned.as_ref() != Some(&exchange.owned)).then(|| {
            let topic = |(name, partitions): (Arc<str>, Vec<i32>)| TopicPartitions {
                topic_id: metadata.topic(&name).map(|topic| topic.id).unwrap_or_default(),
                partitions,
                ..Default::default()
            };
            group_by_topic(&exchange.owned).into_iter().map(topic).collect()
        });
        let tells_topics = joins || exchange.told_topics.as_ref() != Some(&exchange.topics);
        ConsumerGroupHeartbeatRequest {
            group_id: self.id.clone(),
            member_id: place.member_id.clone(),
            member_epoch: place.generation,
            instance_id: self.config.group_instance_id.clone(),
            rack_id: Some(self.config.client_rack.clone()).filter(|rack| joins && !rack.is_empty()),
            rebalance_timeout_ms: if joins { self.config.max_poll_interval.as_millis() as i32 } else { -1 },
            subscribed_topic_names: tells_topics.then(|| exchange.topics.clone()),
            server_assignor: self.config.remote_assignor.clone().filter(|_| joins),
            topic_partitions: owned,
            ..Default::default()
        }
    }

    /// The coordinator speaks of topics by their ids.
    async fn by_name(&self, assignment: Assignment) -> Result<Vec<TopicPartition>> {
        let mut metadata = self.cluster.metadata();
        let ids: Vec<Uuid> = assignment.topic_partitions.iter().map(|topic| topic.topic_id).collect();
        if ids.iter().any(|id| metadata.topic_by_id(*id).is_none()) {
            let topics = self.exchange.lock().topics.clone();
            metadata = self.cluster.refresh(&Topics::Named(topics)).await?;
        }
        let mut partitions = Vec::new();
        for topic in assignment.topic_partitions {
            // One that we don't see yet comes again with a later heartbeat.
            let Some(info) = metadata.topic_by_id(topic.topic_id) else { continue };
            let of_topic = |partition: &i32| TopicPartition { topic: info.name.clone(), partition: *partition };
            partitions.extend(topic.partitions.iter().map(of_topic));
        }
        partitions.sort();
        Ok(partitions)
    }

    pub(super) async fn say_farewell(&self) {
        let (member_id, epoch) = {
            let place = self.place.lock();
            (place.member_id.clone(), place.generation)
        };
        if member_id.is_empty() || epoch < 0 {
            return;
        }
        let is_static = self.config.group_instance_id.is_some();
        let request = ConsumerGroupHeartbeatRequest {
            group_id: self.id.clone(),
            member_id,
            member_epoch: if is_static { LEAVE_STATIC_EPOCH } else { LEAVE_EPOCH },
            instance_id: self.config.group_instance_id.clone(),
            ..Default::default()
        };
        let left = async { self.coordinator().await?.call(&request).await };
        if let Err(error) = left.await {
            tracing::debug!("{}Leaving the group failed: {error}", self.log_prefix());
        }
    }
}

impl Consumer {
    pub(super) async fn keep_membership_by_heartbeats(&mut self, group: &Arc<Group>) -> Result<()> {
        let topics = self.topics();
        if group.exchange.lock().topics != topics {
            group.exchange.lock().topics = topics;
            group.news.notify_one();
        }
        if !self.is_member {
            self.is_member = true;
            {
                let mut place = group.place.lock();
                place.member_id = random_id();
                place.generation = JOIN_EPOCH;
            }
            let member = group.clone();
            group.keep_task(tokio::spawn(async move { member.heartbeat_forever().await }).abort_handle());
        }
        let target = group.exchange.lock().target.take();
        let Some(target) = target else { return Ok(()) };
        if self.partitions.keys().any(|partition| !target.contains(partition)) {
            self.commits.shutdown().await;
            self.commit_before_change().await;
        }
        self.take_over(&target);
        group.exchange.lock().owned = target;
        // Others may wait for what we gave up.
        group.news.notify_one();
        Ok(())
    }
}
