//! The partitions of which this broker has a replica, as the metadata says.

mod delayed_produce;
mod fetcher;
pub(crate) mod isr;
mod log_config;
mod partition;
mod waiters;

pub use delayed_produce::{DelayedProduce, Pending};
pub use fetcher::Fetchers;
pub use log_config::log_config;
pub use partition::{CurrentLeader, IsrProposal, Partition};
pub use waiters::{Waiter, Waiters};

use ottla_base::{NodeId, Time, TopicPartition, Uuid};
use ottla_config::{BrokerConfig, DynamicBrokerConfig, ResourceType, TopicSettings};
use ottla_log::{LogConfig, LogManager};
use ottla_metadata::image::{ConfigResource, MetadataDelta, MetadataImage, TopicImage};
use parking_lot::{Mutex, RwLock};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub struct Replicas {
    pub logs: Arc<LogManager>,
    partitions: RwLock<HashMap<(Uuid, i32), Arc<Partition>>>,
    /// The broker's settings with what was altered while it runs.
    dynamic: Mutex<DynamicBrokerConfig>,
}

impl Replicas {
    pub fn new(logs: Arc<LogManager>, config: Arc<BrokerConfig>) -> Replicas {
        Replicas { logs, partitions: RwLock::default(), dynamic: Mutex::new(DynamicBrokerConfig::new(config)) }
    }

    pub fn get(&self, topic_id: Uuid, partition: i32) -> Option<Arc<Partition>> {
        self.partitions.read().get(&(topic_id, partition)).cloned()
    }

    pub fn all(&self) -> Vec<Arc<Partition>> {
        self.partitions.read().values().cloned().collect()
    }

    /// Of the log directories that work.
    pub fn directory_ids(&self) -> Vec<Uuid> {
        self.logs.online_directory_ids()
    }

    /// The settings in force now.
    pub fn with_settings<T>(&self, look: impl FnOnce(&DynamicBrokerConfig) -> T) -> T {
        look(&self.dynamic.lock())
    }

    /// Follows the metadata: settings first, as new logs are made with them.
    pub(crate) fn apply(
        &self,
        me: NodeId,
        delta: &MetadataDelta,
        image: &MetadataImage,
        fetchers: &Fetchers,
        now: Time,
    ) {
        self.apply_configs(me, delta, image);
        for topic in delta.deleted_topics() {
            for (id, _) in topic.partitions.iter() {
                fetchers.forget((topic.id, id));
            }
            self.remove_topic(topic, now);
        }
        for change in delta.changed_topics() {
            if change.is_new {
                self.configure_topic(&change.topic.name, image);
            }
            for partition in &change.partitions {
                if partition.after.replicas.as_slice().contains(&me) {
                    self.take(me, change.topic, partition.id, partition.after, fetchers, now);
                } else {
                    fetchers.forget((change.topic.id, partition.id));
                    self.drop_replica(change.topic, partition.id, now);
                }
            }
        }
    }

    fn take(
        &self,
        me: NodeId,
        topic: &TopicImage,
        id: i32,
        from: &ottla_metadata::image::Partition,
        fetchers: &Fetchers,
        now: Time,
    ) {
        if let Some(partition) = self.get(topic.id, id) {
            partition.update(from, now);
            partition.begin_if_replicated(now);
            fetchers.follow(me, &partition);
            return;
        }
        let name = TopicPartition::new(topic.name.clone(), id);
        let directory = from.directory(me).filter(|id| !id.is_reserved());
        let is_new = from.partition_epoch == 0;
        match self.logs.get_or_create(&name, Some(topic.id), is_new, directory) {
            Ok(log) => {
                let partition = Arc::new(Partition::new(me, topic.name.clone(), topic.id, id, log, from));
                self.partitions.write().insert((topic.id, id), partition.clone());
                partition.begin_if_replicated(now);
                fetchers.follow(me, &partition);
            }
            Err(error) => tracing::error!("partition {name} is offline: {error}"),
        }
    }

    fn drop_replica(&self, topic: &TopicImage, id: i32, now: Time) {
        if let Some(partition) = self.partitions.write().remove(&(topic.id, id)) {
            self.delete_logs(&[TopicPartition::new(partition.topic.clone(), id)], now);
            partition.waiters.wake(now);
        }
    }

    fn remove_topic(&self, topic: &TopicImage, now: Time) {
        let mut removed = vec![];
        {
            let mut partitions = self.partitions.write();
            for (id, _) in topic.partitions.iter() {
                removed.extend(partitions.remove(&(topic.id, id)));
            }
        }
        let names: Vec<_> = removed.iter().map(|p| TopicPartition::new(p.topic.clone(), p.id)).collect();
        self.delete_logs(&names, now);
        self.logs.update_topic_config(&topic.name, None);
        for partition in removed {
            partition.waiters.wake(now);
        }
    }

    fn delete_logs(&self, names: &[TopicPartition], now: Time) {
        if let Err(error) = self.logs.delete(names, now.wall_ms) {
            tracing::error!("logs of deleted partitions cannot be put aside: {error}");
        }
    }

    /// Puts logs aside that no topic of the cluster accounts for. Only once the metadata is known
    /// to be complete.
    pub(crate) fn put_strays_aside(&self) {
        let known: HashSet<TopicPartition> =
            self.partitions.read().values().map(|p| TopicPartition::new(p.topic.clone(), p.id)).collect();
        let strays: Vec<TopicPartition> =
            self.logs.logs().iter().map(|log| log.partition().clone()).filter(|name| !known.contains(name)).collect();
        if strays.is_empty() {
            return;
        }
        tracing::warn!(
            "these partitions have data here but are no replicas of this broker, so they are put aside: {strays:?}"
        );
        if let Err(error) = self.logs.mark_stray(&strays) {
            tracing::error!("stray logs cannot be put aside: {error}");
        }
    }

    // ---- settings ----

    fn apply_configs(&self, me: NodeId, delta: &MetadataDelta, image: &MetadataImage) {
        let changed = &delta.changes().configs;
        let mut broker_changed = false;
        for resource in changed.iter().filter(|r| r.resource_type == ResourceType::Broker) {
            let mut dynamic = self.dynamic.lock();
            let settings = image.configs.get(resource);
            let warnings = if resource.name.is_empty() {
                dynamic.update_default(settings)
            } else if resource.name == me.to_string() {
                dynamic.update_broker(settings)
            } else {
                continue;
            };
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            broker_changed = true;
        }
        if broker_changed {
            self.reconfigure_all(image);
        }
        for resource in changed.iter().filter(|r| r.resource_type == ResourceType::Topic) {
            self.configure_topic(&resource.name, image);
        }
    }

    fn reconfigure_all(&self, image: &MetadataImage) {
        if let Some(config) = self.resolve(&Default::default()) {
            self.logs.update_default_config(config);
        }
        for (resource, _) in image.configs.iter().filter(|(r, _)| r.resource_type == ResourceType::Topic) {
            self.configure_topic(&resource.name, image);
        }
    }

    fn configure_topic(&self, topic: &str, image: &MetadataImage) {
        let overrides = image.configs.get(&ConfigResource::topic(topic));
        let config = if overrides.is_empty() { None } else { self.resolve(overrides) };
        self.logs.update_topic_config(topic, config);
    }

    fn resolve(&self, overrides: &ottla_metadata::image::ConfigMap) -> Option<Arc<LogConfig>> {
        let broker = self.dynamic.lock().current().clone();
        match TopicSettings::resolve(overrides, &broker) {
            Ok(settings) => Some(Arc::new(log_config(&settings))),
            Err(error) => {
                tracing::error!("{error}");
                None
            }
        }
    }
}
