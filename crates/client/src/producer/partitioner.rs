//! Which partition a record goes to, when nobody says.

use std::collections::HashMap;
use std::sync::Arc;

use crate::metadata::TopicInfo;
use crate::random;

/// Records without a key stick to one partition until a batch's worth of bytes went there.
#[derive(Debug, Default)]
pub struct Partitioner {
    topics: HashMap<Arc<str>, Sticky>,
}

#[derive(Debug, Default)]
struct Sticky {
    partition: i32,
    bytes: usize,
    /// For the round-robin partitioner.
    next: usize,
}

impl Partitioner {
    /// Partitions with a leader are preferred, as nothing can be sent to the others.
    pub fn without_key(&mut self, topic: &TopicInfo, record_bytes: usize, batch_bytes: usize) -> i32 {
        let sticky = match self.topics.get_mut(&topic.name) {
            Some(sticky) => sticky,
            None => {
                let first = Sticky { partition: any_partition(topic), ..Sticky::default() };
                self.topics.entry(topic.name.clone()).or_insert(first)
            }
        };
        if sticky.bytes >= batch_bytes {
            sticky.partition = any_partition(topic);
            sticky.bytes = 0;
        }
        sticky.bytes += record_bytes;
        sticky.partition
    }

    pub fn round_robin(&mut self, topic: &TopicInfo) -> i32 {
        let sticky = self.topics.entry(topic.name.clone()).or_default();
        let available = available(topic);
        let turn = sticky.next;
        sticky.next = sticky.next.wrapping_add(1);
        match available.len() {
            0 => (turn % topic.partitions.len().max(1)) as i32,
            count => available[turn % count],
        }
    }
}

fn available(topic: &TopicInfo) -> Vec<i32> {
    topic.partitions.iter().filter(|partition| partition.leader >= 0).map(|partition| partition.index).collect()
}

fn any_partition(topic: &TopicInfo) -> i32 {
    let available = available(topic);
    match available.len() {
        0 => random::below(topic.partitions.len().max(1)) as i32,
        count => available[random::below(count)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::PartitionInfo;
    use ottla_base::{ErrorCode, Uuid};

    fn topic(leaders: &[i32]) -> TopicInfo {
        let partition = |(index, leader): (i32, &i32)| PartitionInfo {
            error: ErrorCode::None,
            index,
            leader: *leader,
            leader_epoch: 0,
            replicas: Vec::new(),
            isr: Vec::new(),
            offline: Vec::new(),
        };
        let partitions = (0..).zip(leaders).map(partition).collect();
        TopicInfo { error: ErrorCode::None, name: "t".into(), id: Uuid::ZERO, is_internal: false, partitions }
    }

    #[test]
    fn records_without_a_key_stick_for_a_batch() {
        let (mut partitioner, topic) = (Partitioner::default(), topic(&[1, 1, 1, 1]));
        let first = partitioner.without_key(&topic, 60, 100);
        assert_eq!(partitioner.without_key(&topic, 60, 100), first);
        let mut seen: Vec<i32> = (0..200).map(|_| partitioner.without_key(&topic, 100, 100)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen, [0, 1, 2, 3]);
    }

    #[test]
    fn partitions_without_a_leader_are_avoided() {
        let (mut partitioner, topic) = (Partitioner::default(), topic(&[-1, 1, -1]));
        assert!((0..50).all(|_| partitioner.without_key(&topic, 1, 1) == 1));
        assert!((0..5).all(|_| partitioner.round_robin(&topic) == 1));
    }

    #[test]
    fn round_robin_takes_turns() {
        let (mut partitioner, topic) = (Partitioner::default(), topic(&[1, 1]));
        let turns: Vec<i32> = (0..4).map(|_| partitioner.round_robin(&topic)).collect();
        assert_eq!(turns, [0, 1, 0, 1]);
    }
}
