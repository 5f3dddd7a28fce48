//! What the controller knows: an image, and a few counts that would take a walk over all partitions to find.

use crate::image::{MetadataImage, Observer, Partition, Provenance, ReplayError, TopicImage};
use crate::pmap::PMap;
use ottla_base::{LeaderEpoch, NodeId, Offset, Uuid};
use ottla_wire::metadata_records::MetadataRecord;
use std::sync::Arc;

/// A clone costs a few reference counts.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub image: MetadataImage,
    /// The offset of each broker's registration. A broker is caught up when it has seen that.
    pub registration_offsets: PMap<NodeId, Offset>,
    counts: Counts,
    transaction: Option<Arc<BeforeTransaction>>,
}

#[derive(Debug)]
struct BeforeTransaction {
    start: Offset,
    state: State,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Counts {
    /// How many partitions a broker leads; those without a leader are counted under `NO_LEADER`.
    leaderships: PMap<NodeId, u64>,
    /// Partitions that are not led by their first replica.
    imbalanced: u64,
    /// Topic names with a '.' or '_', by what metrics would make of them.
    similar_names: PMap<String, Arc<str>>,
}

impl Counts {
    fn add(&mut self, partition: &Partition) {
        match self.leaderships.get_mut(&partition.leader) {
            Some(count) => *count += 1,
            None => {
                self.leaderships.insert(partition.leader, 1);
            }
        }
        self.imbalanced += u64::from(!partition.has_preferred_leader());
    }

    fn subtract(&mut self, partition: &Partition) {
        if let Some(count) = self.leaderships.get_mut(&partition.leader) {
            *count -= 1;
            if *count == 0 {
                self.leaderships.remove(&partition.leader);
            }
        }
        self.imbalanced -= u64::from(!partition.has_preferred_leader());
    }
}

/// What a name becomes in a metric, where '.' and '_' are the same; `None` for a name without either.
fn unified_name(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

impl Observer for Counts {
    fn topic_created(&mut self, _id: Uuid, name: &str) {
        if let Some(unified) = unified_name(name) {
            self.similar_names.insert(unified, name.into());
        }
    }

    fn topic_removed(&mut self, topic: &TopicImage) {
        if let Some(unified) = unified_name(&topic.name)
            && self.similar_names.get(&unified) == Some(&topic.name)
        {
            self.similar_names.remove(&unified);
        }
        for (_, partition) in topic.partitions.iter() {
            self.subtract(partition);
        }
    }

    fn partition(&mut self, _topic: Uuid, _id: i32, before: Option<&Partition>, after: &Partition) {
        if let Some(before) = before {
            self.subtract(before);
        }
        self.add(after);
    }
}

impl State {
    pub fn replay(&mut self, offset: Offset, epoch: LeaderEpoch, record: &MetadataRecord) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::BeginTransaction(_) => {
                if let Some(open) = &self.transaction {
                    return Err(ReplayError::new(format!(
                        "Can't replay a BeginTransactionRecord at {offset} because the transaction at {} was never closed.",
                        open.start
                    )));
                }
                self.transaction = Some(Arc::new(BeforeTransaction { start: offset, state: self.clone() }));
            }
            MetadataRecord::EndTransaction(_) => {
                self.transaction.take().ok_or_else(|| no_transaction("EndTransactionRecord", offset))?;
            }
            MetadataRecord::AbortTransaction(_) => {
                let open = self.transaction.take().ok_or_else(|| no_transaction("AbortTransactionRecord", offset))?;
                *self = open.state.clone();
            }
            record => {
                self.image.replay(record, &mut self.counts)?;
                self.replay_offsets(offset, record);
            }
        }
        self.image.provenance = Provenance { offset, epoch, timestamp: self.image.provenance.timestamp };
        Ok(())
    }

    fn replay_offsets(&mut self, offset: Offset, record: &MetadataRecord) {
        match record {
            MetadataRecord::RegisterBroker(r) => {
                self.registration_offsets.insert(r.broker_id, offset);
            }
            MetadataRecord::UnregisterBroker(r) => {
                self.registration_offsets.remove(&r.broker_id);
            }
            _ => {}
        }
    }

    /// The first offset of a transaction that is open.
    pub fn open_transaction(&self) -> Option<Offset> {
        self.transaction.as_ref().map(|open| open.start)
    }

    /// Without what an open transaction may still take back.
    pub fn stable_image(&self) -> &MetadataImage {
        match &self.transaction {
            Some(open) => &open.state.image,
            None => &self.image,
        }
    }

    pub fn leaderships(&self, broker: NodeId) -> u64 {
        self.counts.leaderships.get(&broker).copied().unwrap_or(0)
    }

    pub fn imbalanced_partitions(&self) -> u64 {
        self.counts.imbalanced
    }

    /// A topic whose metrics would have the name of this one's.
    pub fn similar_topic(&self, name: &str) -> Option<&Arc<str>> {
        self.counts.similar_names.get(&unified_name(name)?)
    }

    /// That the counts are what a walk over everything finds.
    #[cfg(test)]
    pub fn check_counts(&self) {
        let mut counts = Counts::default();
        for topic in self.image.topics.iter() {
            counts.topic_created(topic.id, &topic.name);
            for (id, partition) in topic.partitions.iter() {
                counts.partition(topic.id, id, None, partition);
            }
        }
        assert_eq!(counts.leaderships, self.counts.leaderships);
        assert_eq!(counts.imbalanced, self.counts.imbalanced);
        assert!(counts.similar_names.keys().eq(self.counts.similar_names.keys()));
    }
}

fn no_transaction(what: &str, offset: Offset) -> ReplayError {
    ReplayError::new(format!("Can't replay an {what} at {offset} because there is no open transaction."))
}
