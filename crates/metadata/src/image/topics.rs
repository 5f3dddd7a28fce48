//! Topics by name and by id, with their partitions.

use super::{Partition, ReplayError};
use crate::pmap::PMap;
use ottla_base::Uuid;
use std::sync::Arc;

/// Partitions that are copied together when one of them changes.
const CHUNK: i32 = 64;

type Chunk = Vec<Option<Partition>>;

/// The partitions of a topic, by id. Ids may have gaps only while records of a batch are still to come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partitions {
    /// By number: partition `i` is in chunk `i / CHUNK`.
    chunks: Vec<(i32, Arc<Chunk>)>,
    len: usize,
}

impl Partitions {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn get(&self, id: i32) -> Option<&Partition> {
        if id < 0 {
            return None;
        }
        let index = self.find(id / CHUNK).ok()?;
        let (_, chunk) = self.chunks.get(index)?;
        chunk.get((id % CHUNK) as usize)?.as_ref()
    }

    fn find(&self, number: i32) -> Result<usize, usize> {
        match self.chunks.get(number as usize) {
            Some((n, _)) if *n == number => Ok(number as usize),
            _ => self.chunks.binary_search_by_key(&number, |(n, _)| *n),
        }
    }

    /// `id` must not be negative.
    pub(super) fn insert(&mut self, id: i32, partition: Partition) {
        assert!(id >= 0);
        let number = id / CHUNK;
        let index = self.find(number).unwrap_or_else(|index| {
            if self.chunks.is_empty() {
                // Most topics stay with one.
                self.chunks.reserve_exact(1);
            }
            self.chunks.insert(index, (number, Arc::new(Vec::new())));
            index
        });
        let chunk = Arc::make_mut(&mut self.chunks[index].1);
        let slot = (id % CHUNK) as usize;
        if chunk.len() <= slot {
            // Grown by doubling in steps that waste little for the many topics with few partitions.
            chunk.reserve_exact((slot + 1).next_power_of_two() - chunk.len());
            chunk.resize(slot + 1, None);
        }
        match chunk[slot].replace(partition) {
            Some(_) => {}
            None => self.len += 1,
        }
    }

    /// In the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (i32, &Partition)> {
        self.chunks.iter().flat_map(|(number, chunk)| {
            let first = number * CHUNK;
            chunk.iter().enumerate().filter_map(move |(i, p)| Some((first + i as i32, p.as_ref()?)))
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct TopicImage {
    pub name: Arc<str>,
    pub id: Uuid,
    pub partitions: Partitions,
}

/// Lists of directories that are remembered for sharing. Far more than a cluster has, if its brokers have one directory each.
const SHARED_LISTS: usize = 10_000;

/// All topics.
#[derive(Clone, Debug, Default)]
pub struct TopicsImage {
    by_id: PMap<Uuid, Arc<TopicImage>>,
    /// The id only: a topic that both maps pointed to could not be changed in place while a log is replayed.
    by_name: PMap<Arc<str>, Uuid>,
    /// The lists of directories that partitions have: few for many partitions, so each is kept once.
    directories: PMap<Arc<[Uuid]>, Arc<[Uuid]>>,
}

impl PartialEq for TopicsImage {
    fn eq(&self, other: &Self) -> bool {
        self.by_id == other.by_id && self.by_name == other.by_name
    }
}

impl TopicsImage {
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.by_id.get(&id)
    }

    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.by_id(self.id_of(name)?)
    }

    pub fn id_of(&self, name: &str) -> Option<Uuid> {
        self.by_name.get(name).copied()
    }

    pub fn name_of(&self, id: Uuid) -> Option<&Arc<str>> {
        Some(&self.by_id(id)?.name)
    }

    pub fn partition(&self, id: Uuid, partition: i32) -> Option<&Partition> {
        self.by_id(id)?.partitions.get(partition)
    }

    /// In the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_id.values()
    }

    /// In the order of their names.
    pub fn names(&self) -> impl Iterator<Item = (&Arc<str>, Uuid)> {
        self.by_name.iter().map(|(name, id)| (name, *id))
    }

    pub fn partition_count(&self) -> usize {
        self.iter().map(|topic| topic.partitions.len()).sum()
    }

    pub(super) fn create(&mut self, name: &str, id: Uuid) -> Result<(), ReplayError> {
        if let Some(old) = self.by_name.get(name) {
            return Err(ReplayError::new(format!(
                "Found a TopicRecord for {name} with topic ID {id}, but there is a topic of that name, with topic ID {old}"
            )));
        }
        let name: Arc<str> = name.into();
        let topic = TopicImage { name: name.clone(), id, partitions: Partitions::default() };
        if self.by_id.insert(id, Arc::new(topic)).is_some() {
            return Err(ReplayError::new(format!(
                "Found a TopicRecord for {name} with the topic ID {id} of another topic"
            )));
        }
        self.by_name.insert(name, id);
        Ok(())
    }

    pub(super) fn remove(&mut self, id: Uuid) -> Result<Arc<TopicImage>, ReplayError> {
        let Some(topic) = self.by_id.remove(&id) else {
            return Err(ReplayError::new(format!("Can't find topic with ID {id} to remove.")));
        };
        self.by_name.remove(&topic.name);
        Ok(topic)
    }

    pub(super) fn put_partition(&mut self, topic: Uuid, id: i32, mut partition: Partition) -> Result<(), ReplayError> {
        if let Some(list) = partition.directory_list_mut() {
            match self.directories.get(&list[..]) {
                Some(known) => list.clone_from(known),
                None => {
                    if self.directories.len() >= SHARED_LISTS {
                        self.directories = PMap::new();
                    }
                    self.directories.insert(list.clone(), list.clone());
                }
            }
        }
        let entry = self.by_id.get_mut(&topic).filter(|_| id >= 0);
        let Some(entry) = entry else {
            return Err(ReplayError::new(format!(
                "Tried to create partition {topic}:{id}, but no topic with that ID was found."
            )));
        };
        Arc::make_mut(entry).partitions.insert(id, partition);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(leader: i32) -> Partition {
        Partition::new(&[leader], &[Uuid::ZERO], &[leader])
    }

    #[test]
    fn partitions_in_any_order() {
        let mut partitions = Partitions::default();
        let ids = [130, 0, 64, 63, 1, 2, 1_000_000_000];
        for id in ids {
            partitions.insert(id, partition(id));
        }
        partitions.insert(64, partition(7));
        assert_eq!(partitions.len(), ids.len());
        assert_eq!(partitions.get(64).map(|p| p.leader), Some(7));
        assert_eq!(partitions.get(63).map(|p| p.leader), Some(63));
        assert!(partitions.get(3).is_none() && partitions.get(-1).is_none() && partitions.get(200).is_none());
        let order: Vec<i32> = partitions.iter().map(|(id, _)| id).collect();
        assert_eq!(order, [0, 1, 2, 63, 64, 130, 1_000_000_000]);
    }

    #[test]
    fn a_clone_does_not_change() {
        let mut topics = TopicsImage::default();
        let id = Uuid([1; 16]);
        topics.create("a", id).unwrap();
        topics.put_partition(id, 0, partition(1)).unwrap();
        let before = topics.clone();
        topics.put_partition(id, 0, partition(2)).unwrap();
        assert_eq!(before.partition(id, 0).map(|p| p.leader), Some(1));
        assert!(topics.create("a", Uuid([2; 16])).is_err());
        topics.remove(id).unwrap();
        assert!(topics.by_name("a").is_none() && before.by_name("a").is_some());
        assert!(topics.remove(id).is_err());
    }
}
