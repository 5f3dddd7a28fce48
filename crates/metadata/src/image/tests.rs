//! From batches to images and to what changed between them.

use super::*;
use ottla_wire::metadata_records::*;

fn id(n: u8) -> Uuid {
    Uuid([n; 16])
}

fn topic(n: u8) -> MetadataRecord {
    TopicRecord { name: format!("t{n}"), topic_id: id(n), ..Default::default() }.into()
}

fn partition(n: u8, partition_id: i32) -> MetadataRecord {
    let record = PartitionRecord {
        partition_id,
        topic_id: id(n),
        replicas: vec![1, 2],
        isr: vec![1, 2],
        leader: 1,
        ..Default::default()
    };
    record.into()
}

fn leader(n: u8, partition_id: i32, leader: i32) -> MetadataRecord {
    PartitionChangeRecord { partition_id, topic_id: id(n), leader, ..Default::default() }.into()
}

fn remove(n: u8) -> MetadataRecord {
    RemoveTopicRecord { topic_id: id(n), ..Default::default() }.into()
}

fn config(name: &str, value: Option<&str>) -> MetadataRecord {
    let record = ConfigRecord {
        resource_type: 2,
        resource_name: name.to_owned(),
        name: "retention.ms".to_owned(),
        value: value.map(str::to_owned),
        ..Default::default()
    };
    record.into()
}

fn begin() -> MetadataRecord {
    BeginTransactionRecord::default().into()
}

fn end() -> MetadataRecord {
    EndTransactionRecord::default().into()
}

fn abort() -> MetadataRecord {
    AbortTransactionRecord::default().into()
}

struct Log {
    loader: MetadataLoader,
    next: i64,
}

impl Log {
    fn new() -> Log {
        Log { loader: MetadataLoader::default(), next: 0 }
    }

    fn batch(&mut self, records: Vec<MetadataRecord>) -> Result<(), ReplayError> {
        self.next += records.len() as i64;
        let batch = BatchInfo { last_offset: self.next - 1, epoch: 1, timestamp: 0 };
        self.loader.load_batch(batch, records)
    }

    /// The offset of the published image and the names of its topics.
    fn flushed(&mut self) -> String {
        let Some(published) = self.loader.flush() else { return "nothing new".to_owned() };
        let names: Vec<_> = published.image.topics.names().map(|(name, _)| name.to_string()).collect();
        format!("{} {}", published.image.provenance.offset, names.join(","))
    }
}

#[test]
fn transactions_are_seen_whole_or_not_at_all() {
    let mut log = Log::new();
    log.batch(vec![topic(1), begin(), topic(2)]).unwrap();
    assert_eq!(log.flushed(), "0 t1");
    assert_eq!(log.flushed(), "nothing new");
    log.batch(vec![topic(3)]).unwrap();
    assert_eq!(log.flushed(), "nothing new");
    log.batch(vec![end(), topic(4), begin(), topic(5)]).unwrap();
    assert_eq!(log.flushed(), "5 t1,t2,t3,t4");
    log.batch(vec![abort(), topic(6)]).unwrap();
    assert_eq!(log.flushed(), "9 t1,t2,t3,t4,t6");
    // A control batch moves the offset only.
    log.next += 1;
    log.batch(vec![]).unwrap();
    assert_eq!(log.flushed(), "10 t1,t2,t3,t4,t6");
}

#[test]
fn a_log_that_breaks_the_rules_is_an_error() {
    let check = |records: Vec<MetadataRecord>, expect: &str| {
        let error = Log::new().batch(records).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check(vec![begin(), begin()], "already in a transaction");
    check(vec![end()], "never begun");
    check(vec![abort()], "never begun");
    check(vec![topic(1), topic(1)], "there is a topic of that name");
    check(vec![partition(1, 0)], "no topic with that ID");
    check(vec![topic(1), partition(1, -5)], "no topic with that ID");
    check(vec![topic(1), leader(1, 0, 2)], "no partition with that id");
    check(vec![remove(1)], "Can't find topic");
    check(vec![FenceBrokerRecord { id: 1, ..Default::default() }.into()], "not registered");
    check(vec![UnregisterBrokerRecord::default().into()], "not registered");
    check(vec![RemoveAccessControlEntryRecord::default().into()], "Failed to find existing ACL");
    check(vec![ClearElrRecord { topic_name: "x".to_owned(), ..Default::default() }.into()], "no such topic");
    let old = FeatureLevelRecord { name: "metadata.version".to_owned(), feature_level: 5, ..Default::default() };
    check(vec![old.into()], "Unsupported metadata version");
}

#[test]
fn what_changed() {
    let mut log = Log::new();
    log.batch(vec![topic(1), partition(1, 0), partition(1, 1), topic(2), topic(3), config("t3", Some("1"))]).unwrap();
    log.flushed();
    log.batch(vec![leader(1, 1, 2), partition(1, 2), remove(2), remove(3), topic(4), topic(5), remove(5)]).unwrap();
    log.batch(vec![config("t1", Some("5")), config("t9", None)]).unwrap();
    let Published { image, delta } = log.loader.flush().unwrap();
    let mut shown = Vec::new();
    for change in delta.changed_topics() {
        shown.push(format!("{}{}", change.topic.name, if change.is_new { " new" } else { "" }));
        for p in change.partitions {
            shown.push(format!("  {} {:?} -> {}", p.id, p.before.map(|p| p.leader), p.after.leader));
        }
    }
    assert_eq!(shown, ["t1", "  1 Some(1) -> 2", "  2 None -> 1", "t4 new"]);
    let names = |topics: Vec<&Arc<TopicImage>>| topics.iter().map(|t| t.name.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(names(delta.created_topics().collect()), "t4");
    assert_eq!(names(delta.deleted_topics().collect()), "t2,t3");
    let configs: Vec<String> = delta.changes().configs.iter().map(ConfigResource::to_string).collect();
    assert_eq!(configs, ["TOPIC:t1", "TOPIC:t3", "TOPIC:t9"]);
    assert_eq!(image.configs.get(&ConfigResource::topic("t3")).len(), 0);
    assert_eq!(delta.base().topics.len(), 3);
}

#[test]
fn a_snapshot_takes_away_what_it_does_not_mention() {
    let mut log = Log::new();
    let broker = |broker_id| RegisterBrokerRecord { broker_id, ..Default::default() }.into();
    log.batch(vec![topic(1), topic(2), config("t1", Some("1")), broker(1), broker(2)]).unwrap();
    log.flushed();
    let provenance = Provenance { offset: 50, epoch: 3, timestamp: 9 };
    let Published { image, delta } =
        log.loader.load_snapshot(provenance, &[topic(2), topic(3), partition(3, 0), broker(2)]).unwrap();
    assert_eq!((image.provenance, image.topics.len()), (provenance, 2));
    assert_eq!(delta.changes().deleted_topics.values().map(|name| &**name).collect::<Vec<_>>(), ["t1"]);
    assert_eq!(delta.created_topics().map(|t| &*t.name).collect::<Vec<_>>(), ["t3"]);
    assert!(delta.changes().brokers.contains(&1) && image.cluster.broker(1).is_none());
    assert_eq!(delta.changes().configs.len(), 1);
    assert!(image.configs.is_empty());
    log.next = 51;
    log.batch(vec![remove(2)]).unwrap();
    assert_eq!(log.flushed(), "51 t3");
}

#[test]
fn which_replicas_are_offline() {
    let broker = |broker_id, fenced, dir| {
        RegisterBrokerRecord { broker_id, fenced, log_dirs: vec![dir], ..Default::default() }.into()
    };
    let record = PartitionRecord {
        topic_id: id(1),
        partition_id: 0,
        replicas: vec![1, 2, 3, 4],
        directories: vec![id(11), id(12), id(13), id(14)],
        ..Default::default()
    };
    let mut log = Log::new();
    log.batch(vec![
        broker(1, false, id(11)),
        broker(2, true, id(12)),
        broker(3, false, id(99)),
        topic(1),
        record.into(),
    ])
    .unwrap();
    log.flushed();
    let image = log.loader.image();
    let partition = image.topics.partition(id(1), 0).unwrap();
    assert_eq!(image.offline_replicas(partition), [2, 3, 4]);
}

#[test]
fn records_that_no_longer_mean_anything_are_passed_over() {
    let mut log = Log::new();
    let gone = |kind, name: &str| {
        let record = ConfigRecord {
            resource_type: kind,
            resource_name: "t1".to_owned(),
            name: name.to_owned(),
            value: Some("1".to_owned()),
            ..Default::default()
        };
        record.into()
    };
    let kraft = FeatureLevelRecord { name: "kraft.version".to_owned(), feature_level: 1, ..Default::default() };
    log.batch(vec![
        gone(2, "message.format.version"),
        gone(64, "x"),
        ZkMigrationStateRecord::default().into(),
        NoOpRecord::default().into(),
        kraft.into(),
    ])
    .unwrap();
    assert_eq!(log.flushed(), "4 ");
    assert!(log.loader.image().is_empty());
    assert!(log.loader.image().to_records().is_empty());
}
