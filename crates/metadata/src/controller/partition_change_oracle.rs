//! A thousand random partitions and changes, with the records that the `PartitionChangeBuilder` of Apache Kafka 4.3.1 makes
//! of them.
//!
//! A line: metadata.version, ELR (1 on), min.insync.replicas; the partition's replicas, ISR, ELR, last known ELR, leader,
//! removing, adding, recovery state; the wanted ISR, replicas, removing, adding, election (0 preferred, 1 online, 2 unclean),
//! the replica that stopped uncleanly, the recovery state; the brokers that may lead; `=`; and the record's ISR, leader,
//! replicas, removing, adding, recovery state, ELR, last known ELR, directories and version. `-` is "not set", `e` an empty
//! list. The directory of broker n is n sixteen times.

use super::partition_change::{Election, PartitionChangeBuilder, Surroundings};
use crate::features::MetadataVersion;
use crate::image::{LeaderRecoveryState, NO_LEADER, Partition};
use ottla_base::Uuid;
use ottla_wire::metadata_records::{PartitionChangeRecord, PartitionRecord};

fn list(text: &str) -> Option<Vec<i32>> {
    match text {
        "-" => None,
        "e" => Some(Vec::new()),
        text => Some(text.split(',').map(|id| id.parse().unwrap()).collect()),
    }
}

fn shown(list: Option<&Vec<i32>>) -> String {
    match list {
        None => "-".to_owned(),
        Some(list) if list.is_empty() => "e".to_owned(),
        Some(list) => list.iter().map(i32::to_string).collect::<Vec<_>>().join(","),
    }
}

fn result(record: Option<PartitionChangeRecord>, version: MetadataVersion) -> String {
    let Some(r) = record else { return "none".to_owned() };
    let directories = r.directories.map(|dirs| dirs.iter().map(|dir| i32::from(dir.0[15])).collect());
    [
        shown(r.isr.as_ref()),
        r.leader.to_string(),
        shown(r.replicas.as_ref()),
        shown(r.removing_replicas.as_ref()),
        shown(r.adding_replicas.as_ref()),
        r.leader_recovery_state.to_string(),
        shown(r.eligible_leader_replicas.as_ref()),
        shown(r.last_known_elr.as_ref()),
        shown(directories.as_ref()),
        version.partition_record_version().to_string(),
    ]
    .join(" ")
}

fn run(line: &str) -> String {
    let fields: Vec<&str> = line.split(' ').collect();
    let number = |i: usize| fields[i].parse::<i32>().unwrap();
    let ids = |i: usize| list(fields[i]).unwrap_or_default();
    let version = MetadataVersion::from_level(number(0) as i16).unwrap();
    let with_directories = version >= MetadataVersion::DIRECTORY_ASSIGNMENT;
    let directory = |id: i32| if with_directories { Uuid([id as u8; 16]) } else { Uuid::ZERO };
    let partition = Partition::from_record(&PartitionRecord {
        replicas: ids(3),
        directories: ids(3).into_iter().map(directory).collect(),
        isr: ids(4),
        eligible_leader_replicas: Some(ids(5)),
        last_known_elr: Some(ids(6)),
        leader: number(7),
        removing_replicas: ids(8),
        adding_replicas: ids(9),
        leader_recovery_state: number(10) as i8,
        ..PartitionRecord::default()
    })
    .unwrap();
    let alive = ids(18);
    let around = Surroundings {
        version,
        elr_enabled: number(1) == 1,
        min_isr: number(2) as usize,
        is_acceptable_leader: &|id| alive.contains(&id),
        default_directory: &directory,
    };
    let mut builder = PartitionChangeBuilder::new(&partition, &around);
    let set = |target: &mut Vec<i32>, i: usize| {
        if let Some(wanted) = list(fields[i]) {
            *target = wanted;
        }
    };
    set(&mut builder.isr, 11);
    set(&mut builder.replicas, 12);
    set(&mut builder.removing, 13);
    set(&mut builder.adding, 14);
    builder.election = [Election::Preferred, Election::Online, Election::Unclean][number(15) as usize];
    builder.unclean_replica = Some(number(16)).filter(|id| *id != NO_LEADER);
    builder.leader_recovery_state = LeaderRecoveryState::from_code(number(17) as i8).unwrap();
    result(builder.build(Uuid::ONE, 0), version)
}

#[test]
fn as_kafka_decides() {
    let mut cases = 0;
    for line in include_str!("../../tests/data/partition-changes-4.3.1.txt").lines() {
        let (input, expect) = line.split_once(" = ").unwrap();
        assert_eq!(run(input), expect, "{input}");
        cases += 1;
    }
    assert_eq!(cases, 1000);
}
