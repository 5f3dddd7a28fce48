//! How the leader of a classic group shares partitions among its members.

use std::collections::{BTreeMap, BTreeSet};

use ottla_base::TopicPartition;

use super::config::Strategy;

/// What the leader knows of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub id: String,
    pub instance_id: Option<String>,
    pub topics: Vec<String>,
    pub owned: Vec<TopicPartition>,
    /// In which it owned them; claims of an earlier one are stale.
    pub generation: i32,
}

pub(super) type Assignment = BTreeMap<String, Vec<TopicPartition>>;

/// `partitions` counts those of every topic that exists.
pub(super) fn assign(strategy: Strategy, members: &[Member], partitions: &BTreeMap<String, i32>) -> Assignment {
    let mut assignment = match strategy {
        Strategy::Range => range(members, partitions),
        Strategy::RoundRobin => round_robin(members, partitions),
        Strategy::Sticky | Strategy::CooperativeSticky => sticky(members, partitions),
    };
    if strategy == Strategy::CooperativeSticky {
        withhold_moving(members, &mut assignment);
    }
    assignment
}

/// Static members come first, each kind in the order of its ids, as in Kafka.
fn in_order(members: &[Member]) -> Vec<&Member> {
    let mut sorted: Vec<&Member> = members.iter().collect();
    sorted.sort_by_key(|member| {
        (member.instance_id.is_none(), member.instance_id.as_deref().unwrap_or_default(), member.id.as_str())
    });
    sorted
}

fn nothing_for(members: &[Member]) -> Assignment {
    members.iter().map(|member| (member.id.clone(), Vec::new())).collect()
}

fn give(assignment: &mut Assignment, member: &str, partition: TopicPartition) {
    assignment.entry(member.to_owned()).or_default().push(partition);
}

fn of_topic(topic: &str, partitions: &BTreeMap<String, i32>) -> impl Iterator<Item = TopicPartition> {
    let name: std::sync::Arc<str> = topic.into();
    let count = partitions.get(topic).copied().unwrap_or(0);
    (0..count).map(move |partition| TopicPartition { topic: name.clone(), partition })
}

fn subscribed_topics(members: &[Member]) -> BTreeSet<&String> {
    members.iter().flat_map(|member| &member.topics).collect()
}

/// Of each topic, a run of partitions for each member.
fn range(members: &[Member], partitions: &BTreeMap<String, i32>) -> Assignment {
    let mut assignment = nothing_for(members);
    for topic in subscribed_topics(members) {
        let takers: Vec<&Member> =
            in_order(members).into_iter().filter(|member| member.topics.contains(topic)).collect();
        let all: Vec<TopicPartition> = of_topic(topic, partitions).collect();
        let (each, extra) = (all.len() / takers.len(), all.len() % takers.len());
        let mut rest = all.into_iter();
        for (index, member) in takers.iter().enumerate() {
            for partition in rest.by_ref().take(each + usize::from(index < extra)) {
                give(&mut assignment, &member.id, partition);
            }
        }
    }
    assignment
}

/// Partitions of all topics, one after the other, to whoever of the circle wants the topic.
fn round_robin(members: &[Member], partitions: &BTreeMap<String, i32>) -> Assignment {
    let mut assignment = nothing_for(members);
    let circle = in_order(members);
    let mut next = 0;
    for topic in subscribed_topics(members) {
        for partition in of_topic(topic, partitions) {
            let turn = (0..circle.len()).map(|i| (next + i) % circle.len()).find(|i| circle[*i].topics.contains(topic));
            if let Some(turn) = turn {
                give(&mut assignment, &circle[turn].id, partition);
                next = turn + 1;
            }
        }
    }
    assignment
}

/// Everyone keeps what he has, as far as the shares stay even.
fn sticky(members: &[Member], partitions: &BTreeMap<String, i32>) -> Assignment {
    let mut assignment = nothing_for(members);
    let all: BTreeSet<TopicPartition> =
        subscribed_topics(members).into_iter().flat_map(|topic| of_topic(topic, partitions)).collect();
    if members.is_empty() {
        return assignment;
    }
    let owners = current_owners(members, &all);
    let (each, mut extra) = (all.len() / members.len(), all.len() % members.len());
    for member in in_order(members) {
        let owned: Vec<&TopicPartition> =
            all.iter().filter(|partition| owners.get(*partition).is_some_and(|id| **id == member.id)).collect();
        let mut limit = each;
        if owned.len() > each && extra > 0 {
            extra -= 1;
            limit += 1;
        }
        for partition in owned.into_iter().take(limit) {
            give(&mut assignment, &member.id, partition.clone());
        }
    }
    let taken: BTreeSet<TopicPartition> = assignment.values().flatten().cloned().collect();
    for partition in all.difference(&taken) {
        let wants = |member: &&Member| member.topics.iter().any(|topic| **topic == *partition.topic);
        let takers = in_order(members).into_iter().filter(wants);
        // The poorest; of several the first.
        let poorest = takers.min_by_key(|member| assignment.get(&member.id).map_or(0, Vec::len));
        if let Some(member) = poorest {
            give(&mut assignment, &member.id, partition.clone());
        }
    }
    assignment
}

/// Who had a partition last, among those who still want its topic.
fn current_owners<'a>(
    members: &'a [Member],
    all: &BTreeSet<TopicPartition>,
) -> BTreeMap<&'a TopicPartition, &'a String> {
    let mut owners: BTreeMap<&TopicPartition, (i32, &String)> = BTreeMap::new();
    for member in members {
        for partition in &member.owned {
            let wanted = all.contains(partition) && member.topics.iter().any(|topic| **topic == *partition.topic);
            let newer = owners.get(partition).is_none_or(|(generation, _)| *generation < member.generation);
            if wanted && newer {
                owners.insert(partition, (member.generation, &member.id));
            }
        }
    }
    owners.into_iter().map(|(partition, (_, id))| (partition, id)).collect()
}

/// What somebody still owns goes to another only in the next round, when he has given it up (KIP-429).
fn withhold_moving(members: &[Member], assignment: &mut Assignment) {
    for member in members {
        for partition in &member.owned {
            for (id, assigned) in assignment.iter_mut() {
                if *id != member.id {
                    assigned.retain(|other| other != partition);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, topics: &[&str], owned: &[(&str, i32)]) -> Member {
        Member {
            id: id.to_owned(),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            owned: owned.iter().map(|(topic, partition)| TopicPartition::new(*topic, *partition)).collect(),
            generation: 1,
            ..Default::default()
        }
    }

    fn check(strategy: Strategy, members: &[Member], partitions: &[(&str, i32)], expected: &str) {
        let partitions = partitions.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect();
        let assignment = assign(strategy, members, &partitions);
        let shown: Vec<String> = assignment
            .iter()
            .map(|(id, list)| {
                let list: Vec<String> = list.iter().map(TopicPartition::to_string).collect();
                format!("{id}: {}", list.join(" "))
            })
            .collect();
        assert_eq!(shown.join(", "), expected);
    }

    #[test]
    fn range_gives_runs() {
        let members = [member("b", &["t", "u"], &[]), member("a", &["t"], &[])];
        check(Strategy::Range, &members, &[("t", 3), ("u", 1)], "a: t-0 t-1, b: t-2 u-0");
        check(Strategy::Range, &members, &[], "a: , b: ");
    }

    #[test]
    fn round_robin_goes_around() {
        let members = [member("a", &["t", "u"], &[]), member("b", &["t"], &[])];
        check(Strategy::RoundRobin, &members, &[("t", 3), ("u", 2)], "a: t-0 t-2 u-0 u-1, b: t-1");
    }

    #[test]
    fn sticky_moves_no_more_than_it_must() {
        let members = [member("a", &["t"], &[("t", 0), ("t", 1), ("t", 3)]), member("b", &["t"], &[])];
        check(Strategy::Sticky, &members, &[("t", 4)], "a: t-0 t-1, b: t-2 t-3");
        check(Strategy::CooperativeSticky, &members, &[("t", 4)], "a: t-0 t-1, b: t-2");
        let settled = [member("a", &["t"], &[("t", 0), ("t", 1)]), member("b", &["t"], &[("t", 2)])];
        check(Strategy::CooperativeSticky, &settled, &[("t", 4)], "a: t-0 t-1, b: t-2 t-3");
    }

    #[test]
    fn the_newer_claim_counts() {
        let mut stale = member("a", &["t"], &[("t", 0)]);
        stale.generation = 0;
        let members = [stale, member("b", &["t"], &[("t", 0)])];
        check(Strategy::Sticky, &members, &[("t", 2)], "a: t-1, b: t-0");
    }
}
