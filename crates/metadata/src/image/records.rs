//! An image as the records of a snapshot.

use super::{ConfigResource, MetadataImage, TopicImage};
use crate::features::MetadataVersion;
use ottla_wire::metadata_records::{
    ConfigRecord, FeatureLevelRecord, MetadataRecord, PartitionRecord, ProducerIdsRecord, TopicRecord,
};

/// A record and the version in which it is to be written.
pub type VersionedRecord = (MetadataRecord, i16);

pub(crate) fn feature_record(name: &str, level: i16) -> VersionedRecord {
    let record = FeatureLevelRecord { name: name.to_owned(), feature_level: level, ..FeatureLevelRecord::default() };
    (MetadataRecord::FeatureLevel(record), 0)
}

pub(crate) fn config_record(resource: &ConfigResource, key: &str, value: Option<&str>) -> VersionedRecord {
    let record = ConfigRecord {
        resource_type: resource.resource_type.id(),
        resource_name: resource.name.clone(),
        name: key.to_owned(),
        value: value.map(str::to_owned),
        ..ConfigRecord::default()
    };
    (MetadataRecord::Config(record), 0)
}

pub(crate) fn partition_record((record, version): (PartitionRecord, i16)) -> VersionedRecord {
    (MetadataRecord::Partition(record), version)
}

impl MetadataImage {
    /// Replayed from nothing, they give this image again (less what its `metadata.version` cannot express). The level
    /// of `metadata.version` comes first, because it may decide how to read what follows.
    pub fn to_records(&self) -> Vec<VersionedRecord> {
        let version = self.metadata_version();
        let mut out = Vec::new();
        out.extend(
            self.features.metadata_version.map(|version| feature_record(MetadataVersion::NAME, version.level())),
        );
        out.extend(self.features.finalized.iter().map(|(name, level)| feature_record(name, *level)));
        for broker in self.cluster.brokers.values() {
            let (record, record_version) = broker.to_record(version);
            out.push((MetadataRecord::RegisterBroker(record), record_version));
        }
        if version >= MetadataVersion::CONTROLLER_REGISTRATION {
            let controllers = self.cluster.controllers.values().map(|controller| controller.to_record());
            out.extend(controllers.map(|record| (MetadataRecord::RegisterController(record), 0)));
        }
        for topic in self.topics.iter() {
            self.topic_records(topic, version, &mut out);
        }
        for (resource, map) in self.configs.iter() {
            out.extend(map.iter().map(|(key, value)| config_record(resource, key, Some(value))));
        }
        out.extend(self.client_quotas.records().map(|record| (MetadataRecord::ClientQuota(record), 0)));
        if self.next_producer_id >= 0 {
            let record = ProducerIdsRecord {
                broker_id: -1,
                broker_epoch: -1,
                next_producer_id: self.next_producer_id,
                ..ProducerIdsRecord::default()
            };
            out.push((MetadataRecord::ProducerIds(record), 0));
        }
        self.security_records(version, &mut out);
        out
    }

    fn topic_records(&self, topic: &TopicImage, version: MetadataVersion, out: &mut Vec<VersionedRecord>) {
        let record = TopicRecord { name: topic.name.to_string(), topic_id: topic.id, ..TopicRecord::default() };
        out.push((MetadataRecord::Topic(record), 0));
        // The record's version may have no field for them.
        let elr = self.features.is_elr_enabled() && version >= MetadataVersion::ELR;
        let partitions = topic.partitions.iter().map(|(id, partition)| partition.to_record(topic.id, id, version, elr));
        out.extend(partitions.map(partition_record));
    }

    fn security_records(&self, version: MetadataVersion, out: &mut Vec<VersionedRecord>) {
        let acls = self.acls.values().map(|record| MetadataRecord::AccessControlEntry((**record).clone()));
        out.extend(acls.map(|record| (record, 0)));
        if version >= MetadataVersion::SCRAM {
            let users = self.scram.values().map(|record| MetadataRecord::UserScramCredential((**record).clone()));
            out.extend(users.map(|record| (record, 0)));
        }
        if version >= MetadataVersion::DELEGATION_TOKENS {
            let tokens = self.delegation_tokens.values();
            out.extend(tokens.map(|record| (MetadataRecord::DelegationToken((**record).clone()), 0)));
        }
    }
}
