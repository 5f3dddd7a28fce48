//! One record after the other, into an image.

use super::cluster::RegistrationChange;
use super::configs::is_supported;
use super::{
    BrokerRegistration, ConfigResource, ControllerRegistration, MetadataImage, Partition, QuotaEntity, ReplayError,
    TopicImage,
};
use crate::features::{KRAFT_VERSION, MetadataVersion};
use ottla_base::{NodeId, Uuid};
use ottla_config::ResourceType;
use ottla_wire::metadata_records::{
    BrokerRegistrationChangeRecord, ClearElrRecord, ConfigRecord, FeatureLevelRecord, MetadataRecord,
    PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord,
};
use std::sync::Arc;

/// Told of everything that a record changes, after the fact.
pub(crate) trait Observer {
    fn topic_created(&mut self, _id: Uuid, _name: &str) {}
    fn topic_removed(&mut self, _topic: &TopicImage) {}
    fn partition(&mut self, _topic: Uuid, _id: i32, _before: Option<&Partition>, _after: &Partition) {}
    fn broker(&mut self, _id: NodeId) {}
    fn controller(&mut self, _id: NodeId) {}
    fn config(&mut self, _resource: &ConfigResource) {}
    fn feature(&mut self, _name: &str) {}
    fn producer_ids(&mut self) {}
    fn quota(&mut self, _entity: QuotaEntity) {}
    fn acl(&mut self, _id: Uuid) {}
    fn scram(&mut self, _mechanism: i8, _user: &str) {}
    fn delegation_token(&mut self, _id: &str) {}
}

impl MetadataImage {
    /// Does nothing for the records of metadata transactions: whether what is inside counts is not known yet.
    pub(crate) fn replay(&mut self, record: &MetadataRecord, observer: &mut dyn Observer) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::RegisterBroker(r) => self.register_broker(r, observer),
            MetadataRecord::UnregisterBroker(r) => {
                self.cluster.unregister(r.broker_id, r.broker_epoch)?;
                observer.broker(r.broker_id);
            }
            MetadataRecord::BrokerRegistrationChange(r) => self.change_broker(r, observer)?,
            MetadataRecord::FenceBroker(r) => self.set_fenced(r.id, r.epoch, true, observer)?,
            MetadataRecord::UnfenceBroker(r) => self.set_fenced(r.id, r.epoch, false, observer)?,
            MetadataRecord::RegisterController(r) => {
                let registration = ControllerRegistration::from_record(r);
                self.cluster.controllers.insert(r.controller_id, Arc::new(registration));
                observer.controller(r.controller_id);
            }
            MetadataRecord::Topic(r) => {
                self.topics.create(&r.name, r.topic_id)?;
                observer.topic_created(r.topic_id, &r.name);
            }
            MetadataRecord::RemoveTopic(r) => self.remove_topic(r.topic_id, observer)?,
            MetadataRecord::Partition(r) => self.partition(r, observer)?,
            MetadataRecord::PartitionChange(r) => self.change_partition(r, observer)?,
            MetadataRecord::ClearElr(r) => self.clear_elr(r, observer)?,
            MetadataRecord::Config(r) => self.config(r, observer),
            MetadataRecord::FeatureLevel(r) => self.feature_level(r, observer)?,
            MetadataRecord::ProducerIds(r) => {
                self.next_producer_id = r.next_producer_id;
                observer.producer_ids();
            }
            MetadataRecord::ClientQuota(r) => observer.quota(self.client_quotas.replay(r)?),
            _ => return self.replay_security(record, observer),
        }
        Ok(())
    }

    fn replay_security(&mut self, record: &MetadataRecord, observer: &mut dyn Observer) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::AccessControlEntry(r) => {
                self.acls.insert(r.id, Arc::new(r.clone()));
                observer.acl(r.id);
            }
            MetadataRecord::RemoveAccessControlEntry(r) => {
                if self.acls.remove(&r.id).is_none() {
                    return Err(ReplayError::new(format!("Failed to find existing ACL with ID {}", r.id)));
                }
                observer.acl(r.id);
            }
            MetadataRecord::UserScramCredential(r) => {
                self.scram.insert((r.mechanism, r.name.clone()), Arc::new(r.clone()));
                observer.scram(r.mechanism, &r.name);
            }
            MetadataRecord::RemoveUserScramCredential(r) => {
                self.scram.remove(&(r.mechanism, r.name.clone()));
                observer.scram(r.mechanism, &r.name);
            }
            MetadataRecord::DelegationToken(r) => {
                self.delegation_tokens.insert(r.token_id.clone(), Arc::new(r.clone()));
                observer.delegation_token(&r.token_id);
            }
            MetadataRecord::RemoveDelegationToken(r) => {
                self.delegation_tokens.remove(&r.token_id);
                observer.delegation_token(&r.token_id);
            }
            // NoOp and transaction records say nothing; ZkMigrationState is history.
            _ => {}
        }
        Ok(())
    }

    fn register_broker(&mut self, record: &RegisterBrokerRecord, observer: &mut dyn Observer) {
        self.cluster.brokers.insert(record.broker_id, Arc::new(BrokerRegistration::from_record(record)));
        observer.broker(record.broker_id);
    }

    fn change_broker(
        &mut self,
        record: &BrokerRegistrationChangeRecord,
        observer: &mut dyn Observer,
    ) -> Result<(), ReplayError> {
        let change = RegistrationChange::from_record(record)?;
        self.cluster.change(record.broker_id, record.broker_epoch, &change)?;
        observer.broker(record.broker_id);
        Ok(())
    }

    fn set_fenced(
        &mut self,
        id: NodeId,
        epoch: i64,
        fenced: bool,
        observer: &mut dyn Observer,
    ) -> Result<(), ReplayError> {
        let change = RegistrationChange { fenced: Some(fenced), ..Default::default() };
        self.cluster.change(id, epoch, &change)?;
        observer.broker(id);
        Ok(())
    }

    fn remove_topic(&mut self, id: Uuid, observer: &mut dyn Observer) -> Result<(), ReplayError> {
        let topic = self.topics.remove(id)?;
        let resource = ConfigResource::topic(&*topic.name);
        if self.configs.remove(&resource) {
            observer.config(&resource);
        }
        observer.topic_removed(&topic);
        Ok(())
    }

    fn partition(&mut self, record: &PartitionRecord, observer: &mut dyn Observer) -> Result<(), ReplayError> {
        let partition = Partition::from_record(record)?;
        self.put_partition(record.topic_id, record.partition_id, partition, observer)
    }

    fn change_partition(
        &mut self,
        record: &PartitionChangeRecord,
        observer: &mut dyn Observer,
    ) -> Result<(), ReplayError> {
        let Some(before) = self.topics.partition(record.topic_id, record.partition_id) else {
            return Err(ReplayError::new(format!(
                "Tried to change partition {}:{}, but no partition with that id was found.",
                record.topic_id, record.partition_id
            )));
        };
        let after = before.merge(record)?;
        self.put_partition(record.topic_id, record.partition_id, after, observer)
    }

    fn put_partition(
        &mut self,
        topic: Uuid,
        id: i32,
        partition: Partition,
        observer: &mut dyn Observer,
    ) -> Result<(), ReplayError> {
        observer.partition(topic, id, self.topics.partition(topic, id), &partition);
        self.topics.put_partition(topic, id, partition)
    }

    /// Of one topic, or of all.
    fn clear_elr(&mut self, record: &ClearElrRecord, observer: &mut dyn Observer) -> Result<(), ReplayError> {
        let topics: Vec<Arc<TopicImage>> = if record.topic_name.is_empty() {
            self.topics.iter().cloned().collect()
        } else {
            let Some(topic) = self.topics.by_name(&record.topic_name) else {
                return Err(ReplayError::new(format!(
                    "Unable to clear elr for topic with name {}: no such topic found.",
                    record.topic_name
                )));
            };
            vec![topic.clone()]
        };
        for topic in topics {
            for (id, partition) in topic.partitions.iter() {
                if let Some(cleared) = partition.without_elr() {
                    self.put_partition(topic.id, id, cleared, observer)?;
                }
            }
        }
        Ok(())
    }

    fn config(&mut self, record: &ConfigRecord, observer: &mut dyn Observer) {
        let supported = |kind: &ResourceType| is_supported(*kind, &record.name);
        let Some(kind) = ResourceType::from_id(record.resource_type).filter(supported) else {
            let (name, kind, resource) = (&record.name, record.resource_type, &record.resource_name);
            tracing::info!("passing over unsupported setting {name} of '{resource}' (resource type {kind})");
            return;
        };
        let resource = ConfigResource::new(kind, &record.resource_name);
        observer.config(&resource);
        self.configs.set(resource, &record.name, record.value.as_deref());
    }

    fn feature_level(&mut self, record: &FeatureLevelRecord, observer: &mut dyn Observer) -> Result<(), ReplayError> {
        let features = Arc::make_mut(&mut self.features);
        if record.name == MetadataVersion::NAME {
            let version = MetadataVersion::from_level(record.feature_level).map_err(|error| {
                ReplayError::new(format!(
                    "Unsupported metadata version - if you are upgrading from Kafka 3.2 or older, set metadata.version to {} or \
                     higher with kafka-features.sh before changing the software. ({error})",
                    MetadataVersion::MINIMUM
                ))
            })?;
            features.metadata_version = Some(version);
        } else if record.name == KRAFT_VERSION {
            // Written by mistake to some logs (KAFKA-18979); what counts is in the control records.
            return Ok(());
        } else if record.feature_level == 0 {
            features.finalized.remove(&record.name);
        } else {
            features.finalized.insert(record.name.clone(), record.feature_level);
        }
        observer.feature(&record.name);
        Ok(())
    }
}
