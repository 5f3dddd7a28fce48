//! From one image to the next, and what lies between them.

use super::replay::Observer;
use super::{ConfigResource, MetadataImage, Partition, Provenance, QuotaEntity, ReplayError, TopicImage};
use ottla_base::{NodeId, Uuid};
use ottla_wire::metadata_records::MetadataRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What records touched; compare the two images to see how.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Touched partitions of topics that exist afterwards; new topics are here even without partitions.
    pub topics: BTreeMap<Uuid, BTreeSet<i32>>,
    /// Of the topics that were there before.
    pub deleted_topics: BTreeMap<Uuid, Arc<str>>,
    pub brokers: BTreeSet<NodeId>,
    pub controllers: BTreeSet<NodeId>,
    pub configs: BTreeSet<ConfigResource>,
    pub features: BTreeSet<String>,
    pub producer_ids: bool,
    pub quotas: BTreeSet<QuotaEntity>,
    pub acls: BTreeSet<Uuid>,
    /// Mechanism and user.
    pub scram: BTreeSet<(i8, String)>,
    pub delegation_tokens: BTreeSet<String>,
}

/// Records over an image, on the way to the next. The image itself does not change.
pub struct MetadataDelta {
    base: Arc<MetadataImage>,
    next: MetadataImage,
    changes: Changes,
    is_snapshot: bool,
}

/// A topic that is new or has touched partitions.
#[derive(Clone, Debug)]
pub struct TopicChange<'a> {
    pub topic: &'a Arc<TopicImage>,
    pub is_new: bool,
    pub partitions: Vec<PartitionChange<'a>>,
}

#[derive(Clone, Debug)]
pub struct PartitionChange<'a> {
    pub id: i32,
    /// `None`: the partition is new.
    pub before: Option<&'a Partition>,
    pub after: &'a Partition,
}

struct Recorder<'a> {
    base: &'a MetadataImage,
    changes: &'a mut Changes,
}

impl Observer for Recorder<'_> {
    fn topic_created(&mut self, id: Uuid, _name: &str) {
        self.changes.topics.entry(id).or_default();
    }

    fn topic_removed(&mut self, topic: &TopicImage) {
        self.changes.topics.remove(&topic.id);
        if self.base.topics.by_id(topic.id).is_some() {
            self.changes.deleted_topics.insert(topic.id, topic.name.clone());
        }
    }

    fn partition(&mut self, topic: Uuid, id: i32, _before: Option<&Partition>, _after: &Partition) {
        self.changes.topics.entry(topic).or_default().insert(id);
    }

    fn broker(&mut self, id: NodeId) {
        self.changes.brokers.insert(id);
    }

    fn controller(&mut self, id: NodeId) {
        self.changes.controllers.insert(id);
    }

    fn config(&mut self, resource: &ConfigResource) {
        if !self.changes.configs.contains(resource) {
            self.changes.configs.insert(resource.clone());
        }
    }

    fn feature(&mut self, name: &str) {
        self.changes.features.insert(name.to_owned());
    }

    fn producer_ids(&mut self) {
        self.changes.producer_ids = true;
    }

    fn quota(&mut self, entity: QuotaEntity) {
        self.changes.quotas.insert(entity);
    }

    fn acl(&mut self, id: Uuid) {
        self.changes.acls.insert(id);
    }

    fn scram(&mut self, mechanism: i8, user: &str) {
        self.changes.scram.insert((mechanism, user.to_owned()));
    }

    fn delegation_token(&mut self, id: &str) {
        self.changes.delegation_tokens.insert(id.to_owned());
    }
}

impl MetadataDelta {
    pub fn new(base: &Arc<MetadataImage>) -> MetadataDelta {
        let next = (**base).clone();
        MetadataDelta { base: base.clone(), next, changes: Changes::default(), is_snapshot: false }
    }

    /// For the records of a snapshot, which say everything: what they don't mention is gone.
    pub fn from_snapshot(base: &Arc<MetadataImage>) -> MetadataDelta {
        let next = MetadataImage::default();
        MetadataDelta { base: base.clone(), next, changes: Changes::default(), is_snapshot: true }
    }

    pub fn replay(&mut self, record: &MetadataRecord) -> Result<(), ReplayError> {
        let MetadataDelta { base, next, changes, .. } = self;
        next.replay(record, &mut Recorder { base, changes })
    }

    /// The next image. The delta stays, to be asked what changed.
    pub fn apply(&mut self, provenance: Provenance) -> Arc<MetadataImage> {
        if self.is_snapshot {
            self.mark_absent();
            self.is_snapshot = false;
        }
        self.next.provenance = provenance;
        Arc::new(self.next.clone())
    }

    fn mark_absent(&mut self) {
        let MetadataDelta { base, next, changes, .. } = self;
        for topic in base.topics.iter().filter(|topic| next.topics.by_id(topic.id).is_none()) {
            changes.deleted_topics.insert(topic.id, topic.name.clone());
        }
        changes.brokers.extend(base.cluster.brokers.keys());
        changes.controllers.extend(base.cluster.controllers.keys());
        changes.configs.extend(base.configs.iter().map(|(resource, _)| resource.clone()));
        changes.features.extend(base.features.all().into_keys());
        changes.producer_ids |= base.next_producer_id != next.next_producer_id;
        changes.quotas.extend(base.client_quotas.iter().map(|(entity, _)| entity.clone()));
        changes.acls.extend(base.acls.keys());
        changes.scram.extend(base.scram.keys().cloned());
        changes.delegation_tokens.extend(base.delegation_tokens.keys().cloned());
    }

    /// What it was made from.
    pub fn base(&self) -> &Arc<MetadataImage> {
        &self.base
    }

    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// New topics and those with touched partitions.
    pub fn changed_topics(&self) -> impl Iterator<Item = TopicChange<'_>> {
        self.changes.topics.iter().filter_map(|(id, partitions)| {
            let topic = self.next.topics.by_id(*id)?;
            let before = self.base.topics.by_id(*id);
            let change = |id: &i32| {
                let before = before.and_then(|topic| topic.partitions.get(*id));
                Some(PartitionChange { id: *id, before, after: topic.partitions.get(*id)? })
            };
            Some(TopicChange {
                topic,
                is_new: before.is_none(),
                partitions: partitions.iter().filter_map(change).collect(),
            })
        })
    }

    pub fn created_topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        let created = |id: &&Uuid| self.base.topics.by_id(**id).is_none();
        self.changes.topics.keys().filter(created).filter_map(|id| self.next.topics.by_id(*id))
    }

    /// As they were.
    pub fn deleted_topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.changes.deleted_topics.keys().filter_map(|id| self.base.topics.by_id(*id))
    }
}
