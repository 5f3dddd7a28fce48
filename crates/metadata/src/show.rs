//! Records as one short line each, for the expectations of tests.

use ottla_base::Uuid;
use ottla_wire::metadata_records::{
    BrokerRegistrationChangeRecord, MetadataRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord,
};
use std::fmt::Write;

fn push(out: &mut String, name: &str, value: impl std::fmt::Debug) {
    let gap = if out.is_empty() { "" } else { " " };
    let _ = write!(out, "{gap}{name}={value:?}");
}

pub(crate) fn show_record(record: &MetadataRecord) -> String {
    match record {
        MetadataRecord::PartitionChange(r) => show_change(r),
        MetadataRecord::Partition(r) => show_partition(r),
        MetadataRecord::RegisterBroker(r) => show_broker(r),
        MetadataRecord::BrokerRegistrationChange(r) => show_broker_change(r),
        MetadataRecord::Topic(r) => format!("topic {}", r.name),
        MetadataRecord::RemoveTopic(_) => "remove topic".to_owned(),
        MetadataRecord::FeatureLevel(r) => format!("feature {}={}", r.name, r.feature_level),
        MetadataRecord::Config(r) => {
            let value = r.value.as_deref().unwrap_or("(none)");
            format!("config {}:{} {}={value}", r.resource_type, r.resource_name, r.name)
        }
        MetadataRecord::BeginTransaction(r) => format!("begin {}", r.name.as_deref().unwrap_or_default()),
        MetadataRecord::EndTransaction(_) => "end".to_owned(),
        MetadataRecord::AbortTransaction(r) => format!("abort {}", r.reason.as_deref().unwrap_or_default()),
        MetadataRecord::ClearElr(r) => format!("clear elr '{}'", r.topic_name),
        MetadataRecord::NoOp(_) => "noop".to_owned(),
        MetadataRecord::UnregisterBroker(r) => format!("unregister broker {}@{}", r.broker_id, r.broker_epoch),
        MetadataRecord::ProducerIds(r) => {
            format!("producer ids broker={}@{} next={}", r.broker_id, r.broker_epoch, r.next_producer_id)
        }
        other => format!("{other:?}").replace(", unknown_tags: UnknownTags(None)", ""),
    }
}

/// One line for each, with its version where that is not 0.
pub(crate) fn show_records(records: &[(MetadataRecord, i16)]) -> String {
    let mut out = String::new();
    for (record, version) in records {
        let version = if *version == 0 { String::new() } else { format!(" v{version}") };
        let _ = writeln!(out, "{}{version}", show_record(record));
    }
    out
}

fn show_change(r: &PartitionChangeRecord) -> String {
    let mut out = String::new();
    if r.topic_id != Uuid::ONE {
        let _ = write!(out, "change {}", r.partition_id);
    }
    let mut list = |name: &str, ids: &Option<Vec<i32>>| {
        if let Some(ids) = ids {
            push(&mut out, name, ids);
        }
    };
    list("isr", &r.isr);
    if r.leader != -2 {
        push(&mut out, "leader", r.leader);
    }
    if r.leader_recovery_state != -1 {
        push(&mut out, "recovery", r.leader_recovery_state);
    }
    let mut list = |name: &str, ids: &Option<Vec<i32>>| {
        if let Some(ids) = ids {
            push(&mut out, name, ids);
        }
    };
    list("elr", &r.eligible_leader_replicas);
    list("lastKnownElr", &r.last_known_elr);
    list("replicas", &r.replicas);
    list("adding", &r.adding_replicas);
    list("removing", &r.removing_replicas);
    if let Some(directories) = &r.directories {
        push(&mut out, "dirs", directories);
    }
    out
}

fn show_partition(r: &PartitionRecord) -> String {
    let mut out = format!("partition {} replicas={:?} isr={:?} leader={}", r.partition_id, r.replicas, r.isr, r.leader);
    let mut list = |name: &str, ids: &[i32]| {
        if !ids.is_empty() {
            push(&mut out, name, ids);
        }
    };
    list("adding", &r.adding_replicas);
    list("removing", &r.removing_replicas);
    list("elr", r.eligible_leader_replicas.as_deref().unwrap_or_default());
    list("lastKnownElr", r.last_known_elr.as_deref().unwrap_or_default());
    if r.leader_recovery_state != 0 {
        push(&mut out, "recovery", r.leader_recovery_state);
    }
    if !r.directories.is_empty() {
        push(&mut out, "dirs", &r.directories);
    }
    out
}

fn show_broker(r: &RegisterBrokerRecord) -> String {
    let fenced = if r.fenced { " fenced" } else { "" };
    let shutdown = if r.in_controlled_shutdown { " leaving" } else { "" };
    let rack = r.rack.as_deref().map(|rack| format!(" rack={rack}")).unwrap_or_default();
    format!("broker {}@{}{fenced}{shutdown}{rack} dirs={:?}", r.broker_id, r.broker_epoch, r.log_dirs)
}

fn show_broker_change(r: &BrokerRegistrationChangeRecord) -> String {
    let mut out = format!("broker {}@{}", r.broker_id, r.broker_epoch);
    if r.fenced != 0 {
        push(&mut out, "fenced", r.fenced);
    }
    if r.in_controlled_shutdown != 0 {
        push(&mut out, "leaving", r.in_controlled_shutdown);
    }
    if !r.log_dirs.is_empty() {
        push(&mut out, "dirs", &r.log_dirs);
    }
    if let Some(cordoned) = &r.cordoned_log_dirs {
        push(&mut out, "cordoned", cordoned);
    }
    out
}
