//! A consumer as a member of its group: when to join anew, and what to do with what it is given.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use ottla_base::{ErrorCode, TopicPartition};

use super::config::Strategy;
use super::group::Joined;
use super::{Consumer, PartitionState, Subscription};
use crate::error::Result;

impl Consumer {
    /// Members keep their partitions while they join anew, and give up only what moves (KIP-429).
    fn is_cooperative(&self) -> bool {
        self.config.strategies.iter().all(|strategy| *strategy == Strategy::CooperativeSticky)
    }

    /// What we subscribe to, as far as it exists.
    pub(super) fn topics(&self) -> Vec<String> {
        match &self.subscription {
            Subscription::Topics(topics) => topics.clone(),
            Subscription::Pattern(matches) => {
                let metadata = self.cluster.metadata();
                let wanted = metadata
                    .topics
                    .values()
                    .filter(|topic| !(self.config.exclude_internal_topics && topic.is_internal))
                    .map(|topic| topic.name.to_string());
                wanted.filter(|name| matches(name)).collect()
            }
            Subscription::None | Subscription::ByHand => Vec::new(),
        }
    }

    fn is_subscribed(&self) -> bool {
        matches!(self.subscription, Subscription::Topics(_) | Subscription::Pattern(_))
    }

    pub(super) async fn keep_membership(&mut self) -> Result<()> {
        let Some(group) = self.group.clone().filter(|_| self.is_subscribed()) else { return Ok(()) };
        group.polled();
        if let Some(error) = group.place.lock().fatal.take() {
            return Err(error);
        }
        if self.config.consumer_protocol {
            return self.keep_membership_by_heartbeats(&group).await;
        }
        if let Some(joined) = self.joined.take() {
            self.install(joined?);
            group.start_heartbeats();
        }
        self.notice_new_partitions();
        let wants = !self.is_member || group.place.lock().rejoin;
        if wants && self.joining.is_none() && self.cluster.metadata().fetched_at.is_some() {
            self.begin_join().await;
        }
        Ok(())
    }

    async fn begin_join(&mut self) {
        let Some(group) = self.group.clone() else { return };
        if self.is_member {
            self.commits.shutdown().await;
            self.commit_before_change().await;
        }
        if !self.is_cooperative() {
            self.keep_only(&[]);
        }
        self.is_member = true;
        let (topics, owned) = (self.topics(), self.assignment());
        self.joining = Some(tokio::spawn(async move { group.join(&topics, &owned).await }));
    }

    fn keep_only(&mut self, partitions: &[TopicPartition]) {
        self.partitions.retain(|partition, _| partitions.contains(partition));
        self.ready.retain(|(partition, _)| partitions.contains(partition));
    }

    /// Returns whether we had to give something up.
    pub(super) fn take_over(&mut self, partitions: &[TopicPartition]) -> bool {
        let before = self.partitions.len();
        self.keep_only(partitions);
        let gave_up = self.partitions.len() < before;
        for partition in partitions {
            let fresh = || PartitionState { epoch: -1, ..PartitionState::default() };
            self.partitions.entry(partition.clone()).or_insert_with(fresh);
        }
        let metadata = self.cluster.metadata();
        self.needs_metadata |= partitions.iter().any(|partition| metadata.partition(partition).is_none());
        gave_up
    }

    fn install(&mut self, joined: Joined) {
        let gave_up = self.take_over(&joined.partitions);
        self.counted = joined.counted;
        self.last_commit = Instant::now();
        if gave_up
            && self.is_cooperative()
            && let Some(group) = &self.group
        {
            // Others wait for what we gave up.
            group.place.lock().rejoin = true;
        }
    }

    /// The leader looks for partitions that came since it shared them out; everybody for topics that match.
    fn notice_new_partitions(&self) {
        let (Some(group), Some(counted)) = (&self.group, &self.counted) else { return };
        let metadata = self.cluster.metadata();
        let count = |topic: &String| {
            let info = metadata.topic(topic).filter(|info| info.error == ErrorCode::None)?;
            Some((topic.clone(), info.partitions.len() as i32))
        };
        let topics: BTreeSet<String> = self.topics().into_iter().chain(counted.keys().cloned()).collect();
        let now: BTreeMap<String, i32> = topics.iter().filter_map(count).collect();
        if now != *counted && self.joining.is_none() {
            group.place.lock().rejoin = true;
        }
    }
}
