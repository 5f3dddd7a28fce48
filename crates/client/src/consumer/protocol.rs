//! What members of a classic group tell each other through the coordinator.

use bytes::Bytes;
use ottla_base::TopicPartition;
use ottla_wire::data::consumer_protocol_assignment::TopicPartition as AssignedTopic;
use ottla_wire::data::consumer_protocol_subscription::TopicPartition as OwnedTopic;
use ottla_wire::data::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use ottla_wire::{Message, Reader, WireError, Writer};

use super::assignor::Member;
use crate::group_by_topic;

const VERSION: i16 = ConsumerProtocolSubscription::MAX_VERSION;
const NAME: &str = ConsumerProtocolSubscription::NAME;

pub(super) fn subscription(topics: &[String], owned: &[TopicPartition], generation: i32) -> Result<Bytes, WireError> {
    let owned_topic = |(topic, partitions): (std::sync::Arc<str>, Vec<i32>)| OwnedTopic {
        topic: topic.to_string(),
        partitions,
        ..Default::default()
    };
    let mut topics = topics.to_vec();
    topics.sort();
    let message = ConsumerProtocolSubscription {
        topics,
        owned_partitions: group_by_topic(owned).into_iter().map(owned_topic).collect(),
        generation_id: generation,
        ..Default::default()
    };
    let mut writer = Writer::new();
    writer.i16(VERSION);
    message.encode(&mut writer, VERSION)?;
    writer.into_bytes()
}

/// The version in front; of one that we do not know yet, what the known one has is read.
fn version(reader: &mut Reader) -> Result<i16, WireError> {
    match reader.i16()? {
        version if version < 0 => Err(WireError::UnsupportedVersion { message: NAME, version }),
        version => Ok(version.min(VERSION)),
    }
}

pub(super) fn read_subscription(id: &str, instance_id: Option<&str>, bytes: Bytes) -> Result<Member, WireError> {
    let mut reader = Reader::new(bytes);
    let version = version(&mut reader)?;
    let message = ConsumerProtocolSubscription::decode(&mut reader, version)?;
    let owned = message.owned_partitions.iter();
    Ok(Member {
        id: id.to_owned(),
        instance_id: instance_id.map(str::to_owned),
        topics: message.topics,
        owned: owned.flat_map(|topic| partitions(&topic.topic, &topic.partitions)).collect(),
        generation: message.generation_id,
    })
}

pub(super) fn assignment(partitions: &[TopicPartition]) -> Result<Bytes, WireError> {
    let topic = |(topic, partitions): (std::sync::Arc<str>, Vec<i32>)| AssignedTopic {
        topic: topic.to_string(),
        partitions,
        ..Default::default()
    };
    let message = ConsumerProtocolAssignment {
        assigned_partitions: group_by_topic(partitions).into_iter().map(topic).collect(),
        ..Default::default()
    };
    let mut writer = Writer::new();
    writer.i16(VERSION);
    message.encode(&mut writer, VERSION)?;
    writer.into_bytes()
}

/// Empty bytes assign nothing.
pub(super) fn read_assignment(bytes: Bytes) -> Result<Vec<TopicPartition>, WireError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = Reader::new(bytes);
    let version = version(&mut reader)?;
    let message = ConsumerProtocolAssignment::decode(&mut reader, version)?;
    let topics = message.assigned_partitions.iter();
    Ok(topics.flat_map(|topic| partitions(&topic.topic, &topic.partitions)).collect())
}

fn partitions(topic: &str, indexes: &[i32]) -> Vec<TopicPartition> {
    let name: std::sync::Arc<str> = topic.into();
    indexes.iter().map(|index| TopicPartition { topic: name.clone(), partition: *index }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() -> Result<(), WireError> {
        let owned = [TopicPartition::new("a", 1), TopicPartition::new("a", 2), TopicPartition::new("b", 0)];
        let bytes = subscription(&["b".to_owned(), "a".to_owned()], &owned, 4)?;
        let member = read_subscription("m", Some("i"), bytes)?;
        assert_eq!((member.topics, member.generation), (vec!["a".to_owned(), "b".to_owned()], 4));
        assert_eq!(member.owned, owned);
        assert_eq!(read_assignment(assignment(&owned)?)?, owned);
        assert_eq!(read_assignment(Bytes::new())?, []);
        assert!(read_assignment(Bytes::from_static(&[0xff, 0xff, 0])).is_err());
        Ok(())
    }
}
