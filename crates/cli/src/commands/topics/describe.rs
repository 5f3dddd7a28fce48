//! `--describe`: which topics and partitions are shown, and how.

use std::collections::BTreeMap;
use std::fmt::Write;

use ottla_base::Uuid;
use ottla_client::{Admin, ConfigResource, PartitionDescription, ResourceType, TopicDescription};
use ottla_wire::messages::describe_configs_response::DescribeConfigsResult;
use ottla_wire::messages::list_partition_reassignments_response::OngoingPartitionReassignment;

use crate::options::Options;
use crate::stop::Failure;

/// Which partitions are asked for; without any, all topics with all theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub under_replicated: bool,
    pub unavailable: bool,
    pub under_min_isr: bool,
    pub at_min_isr: bool,
    pub overrides_only: bool,
}

impl Filter {
    pub fn of(options: &Options) -> Filter {
        Filter {
            under_replicated: options.has("under-replicated-partitions"),
            unavailable: options.has("unavailable-partitions"),
            under_min_isr: options.has("under-min-isr-partitions"),
            at_min_isr: options.has("at-min-isr-partitions"),
            overrides_only: options.has("topics-with-overrides"),
        }
    }

    fn shows_topics(&self) -> bool {
        !(self.under_replicated || self.unavailable || self.under_min_isr || self.at_min_isr)
    }
}

type Reassignments = BTreeMap<(String, i32), OngoingPartitionReassignment>;

pub async fn describe(admin: &Admin, topics: &[TopicDescription], filter: Filter) -> Result<String, Failure> {
    let resource = |topic: &TopicDescription| ConfigResource::new(ResourceType::Topic, &*topic.name);
    let resources: Vec<ConfigResource> = topics.iter().map(resource).collect();
    let configs = admin.describe_configs(&resources, false, false).await?;
    let live = admin.describe_cluster().await?.brokers;
    let live: Vec<i32> = live.iter().map(|broker| broker.broker_id).collect();
    let reassignments = reassignments(admin, topics).await?;
    let mut out = String::new();
    for topic in topics {
        let config = configs.iter().find(|config| config.resource_name == topic.name);
        render(&mut out, topic, config, &reassignments, &live, filter);
    }
    Ok(out)
}

async fn reassignments(admin: &Admin, topics: &[TopicDescription]) -> Result<Reassignments, Failure> {
    let partition = |topic: &TopicDescription| {
        let name: std::sync::Arc<str> = topic.name.as_str().into();
        let of = move |p: &PartitionDescription| ottla_base::TopicPartition::new(name.clone(), p.index);
        topic.partitions.iter().map(of).collect::<Vec<_>>()
    };
    let partitions: Vec<_> = topics.iter().flat_map(partition).collect();
    let response = match admin.list_reassignments(Some(&partitions)).await {
        Ok(response) => response,
        // Who may not know is told what he may know.
        Err(error) if matches!(error.class, "UnsupportedVersionException" | "ClusterAuthorizationException") => {
            return Ok(Reassignments::new());
        }
        Err(error) => return Err(error.into()),
    };
    let of_topic = |topic: ottla_wire::messages::list_partition_reassignments_response::OngoingTopicReassignment| {
        let name = topic.name;
        topic.partitions.into_iter().map(move |partition| ((name.clone(), partition.partition_index), partition))
    };
    Ok(response.topics.into_iter().flat_map(of_topic).collect())
}

const DEFAULT_CONFIG: i8 = 5;

fn render(
    out: &mut String,
    topic: &TopicDescription,
    config: Option<&DescribeConfigsResult>,
    reassignments: &Reassignments,
    live: &[i32],
    filter: Filter,
) {
    let mut partitions: Vec<&PartitionDescription> = topic.partitions.iter().collect();
    partitions.sort_by_key(|partition| partition.index);
    let reassignment = |partition: &PartitionDescription| reassignments.get(&(topic.name.clone(), partition.index));
    let entries = config.map(|config| config.configs.as_slice()).unwrap_or_default();
    let own = entries.iter().filter(|entry| entry.config_source != DEFAULT_CONFIG);
    let overrides: Vec<String> =
        own.map(|entry| format!("{}={}", entry.name, entry.value.as_deref().unwrap_or("null"))).collect();
    if filter.shows_topics()
        && (!filter.overrides_only || !overrides.is_empty())
        && let Some(first) = partitions.first()
    {
        out.push_str(&topic_line(topic, replication_factor(first, reassignment(first)), &overrides));
    }
    if filter.overrides_only {
        return;
    }
    let min_isr = entries.iter().find(|entry| entry.name == "min.insync.replicas");
    let min_isr = min_isr.and_then(|entry| entry.value.as_deref()?.parse::<usize>().ok()).unwrap_or(1);
    for partition in partitions {
        let moving = reassignment(partition);
        let leaderless = partition.leader.is_none();
        let shown = filter.shows_topics()
            || filter.under_replicated && replication_factor(partition, moving) > partition.isr.len()
            || filter.unavailable && partition.leader.is_none_or(|leader| !live.contains(&leader))
            || filter.under_min_isr && (leaderless || partition.isr.len() < min_isr)
            || filter.at_min_isr && partition.isr.len() == min_isr;
        if shown {
            out.push_str(&partition_line(&topic.name, partition, moving));
        }
    }
}

/// While a partition is moved, the replicas that are only being added do not count.
fn replication_factor(partition: &PartitionDescription, moving: Option<&OngoingPartitionReassignment>) -> usize {
    let in_progress = |moving: &&OngoingPartitionReassignment| {
        let changing = |id: &i32| moving.removing_replicas.contains(id) || moving.adding_replicas.contains(id);
        partition.replicas.iter().any(changing)
    };
    match moving.filter(in_progress) {
        Some(moving) => moving.replicas.len().saturating_sub(moving.adding_replicas.len()),
        None => partition.replicas.len(),
    }
}

fn topic_line(topic: &TopicDescription, replication_factor: usize, overrides: &[String]) -> String {
    let mut line = format!("Topic: {}", topic.name);
    // Writing to a string does not fail, here and below.
    if topic.id != Uuid::ZERO {
        let _ = write!(line, "\tTopicId: {}", topic.id);
    }
    let _ = write!(line, "\tPartitionCount: {}", topic.partitions.len());
    let _ = writeln!(line, "\tReplicationFactor: {replication_factor}\tConfigs: {}", overrides.join(","));
    line
}

fn partition_line(
    topic: &str,
    partition: &PartitionDescription,
    moving: Option<&OngoingPartitionReassignment>,
) -> String {
    let leader = partition.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
    let mut line = format!("\tTopic: {topic}\tPartition: {}\tLeader: {leader}", partition.index);
    let _ = write!(line, "\tReplicas: {}\tIsr: {}", join(&partition.replicas), join(&partition.isr));
    if let Some(moving) = moving {
        let _ = write!(line, "\tAdding Replicas: {}", join(&moving.adding_replicas));
        let _ = write!(line, "\tRemoving Replicas: {}", join(&moving.removing_replicas));
    }
    let known = |list: &Option<Vec<i32>>| list.as_deref().map_or_else(|| "N/A".to_owned(), join);
    let _ = writeln!(line, "\tElr: {}\tLastKnownElr: {}", known(&partition.elr), known(&partition.last_known_elr));
    line
}

fn join(ids: &[i32]) -> String {
    ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::messages::describe_configs_response::DescribeConfigsResourceResult;

    fn partition(leader: Option<i32>, replicas: &[i32], isr: &[i32]) -> PartitionDescription {
        let (replicas, isr) = (replicas.to_vec(), isr.to_vec());
        PartitionDescription { index: 0, leader, replicas, isr, elr: Some(Vec::new()), last_known_elr: None }
    }

    fn check(
        partition: PartitionDescription,
        moving: Option<OngoingPartitionReassignment>,
        filter: Filter,
        expected: &str,
    ) {
        let topic =
            TopicDescription { name: "t".into(), id: Uuid::ONE, is_internal: false, partitions: vec![partition] };
        let entry = DescribeConfigsResourceResult {
            name: "min.insync.replicas".into(),
            value: Some("2".into()),
            config_source: 1,
            ..Default::default()
        };
        let config = DescribeConfigsResult { configs: vec![entry], ..Default::default() };
        let moving = moving.map(|moving| (("t".to_owned(), 0), moving)).into_iter().collect();
        let mut out = String::new();
        render(&mut out, &topic, Some(&config), &moving, &[1, 2], filter);
        assert_eq!(out, expected);
    }

    #[test]
    fn a_topic_and_its_partitions() {
        check(
            partition(None, &[1, 2], &[2]),
            None,
            Filter::default(),
            "Topic: t\tTopicId: AAAAAAAAAAAAAAAAAAAAAQ\tPartitionCount: 1\tReplicationFactor: 2\tConfigs: min.insync.replicas=2\n\
             \tTopic: t\tPartition: 0\tLeader: none\tReplicas: 1,2\tIsr: 2\tElr: \tLastKnownElr: N/A\n",
        );
    }

    #[test]
    fn replicas_that_are_being_added_do_not_count() {
        let moving = OngoingPartitionReassignment {
            replicas: vec![1, 2, 3],
            adding_replicas: vec![3],
            removing_replicas: vec![1],
            ..Default::default()
        };
        let filter = Filter { under_replicated: true, ..Filter::default() };
        check(partition(Some(1), &[1, 2, 3], &[1, 2]), Some(moving.clone()), filter, "");
        check(
            partition(Some(1), &[1, 2, 3], &[1]),
            Some(moving),
            filter,
            "\tTopic: t\tPartition: 0\tLeader: 1\tReplicas: 1,2,3\tIsr: 1\tAdding Replicas: 3\tRemoving Replicas: 1\tElr: \tLastKnownElr: N/A\n",
        );
    }

    #[test]
    fn filters_show_only_what_they_are_about() {
        let line = "\tTopic: t\tPartition: 0\tLeader: 3\tReplicas: 3,1\tIsr: 3,1\tElr: \tLastKnownElr: N/A\n";
        let dead_leader = || partition(Some(3), &[3, 1], &[3, 1]);
        check(dead_leader(), None, Filter { unavailable: true, ..Filter::default() }, line);
        check(dead_leader(), None, Filter { at_min_isr: true, ..Filter::default() }, line);
        check(dead_leader(), None, Filter { under_min_isr: true, ..Filter::default() }, "");
        check(dead_leader(), None, Filter { under_replicated: true, ..Filter::default() }, "");
    }
}
