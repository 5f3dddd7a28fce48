//! Metadata logs that Apache Kafka wrote: what they amount to, and that our controller writes the same records, byte for
//! byte, when it is asked for the same things.

use expect_test::{Expect, expect};
use ottla_base::{SeededRng, Time, Uuid};
use ottla_config::{BrokerConfig, Properties};
use ottla_metadata::bootstrap::BootstrapMetadata;
use ottla_metadata::controller::{Controller, Outcome, RequestContext};
use ottla_metadata::features::MetadataVersion;
use ottla_metadata::image::{BatchInfo, MetadataImage, MetadataLoader, VersionedRecord};
use ottla_metadata::scram::ScramMechanism;
use ottla_wire::messages::*;
use ottla_wire::metadata_records::MetadataRecord;
use ottla_wire::records::batches;
use std::fmt::Write;
use std::sync::Arc;

struct LogBatch {
    base: i64,
    last: i64,
    epoch: i32,
    timestamp: i64,
    /// Empty for control batches.
    records: Vec<VersionedRecord>,
}

fn read_log(version: &str) -> Vec<LogBatch> {
    let path = format!("{}/tests/data/cluster-metadata-{version}.log", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let mut log = Vec::new();
    for batch in batches(bytes.into()) {
        let batch = batch.unwrap();
        let mut records = Vec::new();
        if !batch.header.is_control() {
            for record in batch.records().unwrap() {
                let value = record.unwrap().value.unwrap();
                // Frame, id and version are one byte each.
                let version = i16::from(value[2]);
                let record = MetadataRecord::from_value(value.clone()).unwrap();
                assert_eq!(record.to_value(version).unwrap(), value);
                records.push((record, version));
            }
        }
        let base = batch.header.base_offset;
        let last = base + i64::from(batch.header.last_offset_delta);
        let (epoch, timestamp) = (batch.header.partition_leader_epoch, batch.header.max_timestamp);
        log.push(LogBatch { base, last, epoch, timestamp, records });
    }
    log
}

fn load(log: &[LogBatch]) -> Arc<MetadataImage> {
    let mut loader = MetadataLoader::default();
    for batch in log {
        let records = batch.records.iter().map(|(record, _)| record.clone()).collect();
        let info = BatchInfo { last_offset: batch.last, epoch: batch.epoch, timestamp: batch.timestamp };
        loader.load_batch(info, records).unwrap();
        loader.flush();
    }
    loader.image().clone()
}

fn summary(image: &MetadataImage) -> String {
    let mut out = format!("offset {} {:?}\n", image.provenance.offset, image.features.all());
    for broker in image.cluster.brokers.values() {
        let (id, epoch, fenced, leaving) = (broker.id, broker.epoch, broker.fenced, broker.in_controlled_shutdown);
        let port = broker.endpoint("PLAINTEXT").map(|endpoint| endpoint.port);
        let _ = writeln!(out, "broker {id}@{epoch} fenced={fenced} leaving={leaving} port={port:?}");
    }
    for (name, id) in image.topics.names() {
        let topic = image.topics.by_id(id).unwrap();
        let first = topic.partitions.get(0).unwrap();
        let config = image.configs.get(&ottla_metadata::image::ConfigResource::topic(&**name));
        let _ = writeln!(
            out,
            "{name} x{} leader={} isr={:?} elr={:?} {config:?}",
            topic.partitions.len(),
            first.leader,
            first.isr,
            first.elr()
        );
    }
    let (acls, users) = (image.acls.len(), image.scram.keys().map(|(_, user)| user).collect::<Vec<_>>());
    let _ = writeln!(out, "acls={acls} scram={users:?} next producer id={}", image.next_producer_id);
    out
}

fn check(version: &str, expect: Expect) {
    let log = read_log(version);
    let image = load(&log);
    expect.assert_eq(&summary(&image));
    let records: Vec<MetadataRecord> = image.to_records().into_iter().map(|(record, _)| record).collect();
    let again = MetadataLoader::default().load_snapshot(image.provenance, &records).unwrap().image;
    assert_eq!(again, image);
    let mut controller = controller("");
    for batch in &log {
        controller.replay(batch.base, batch.epoch, &batch.records).unwrap();
    }
    let MetadataImage { topics, cluster, configs, .. } = controller.working_image();
    assert_eq!((topics, cluster, configs), (&image.topics, &image.cluster, &image.configs));
}

#[test]
fn kafka_3_3() {
    check(
        "3.3.2",
        expect![[r#"
        offset 217 {"metadata.version": 7}
        broker 1@3 fenced=true leaving=true port=Some(19192)
        __consumer_offsets x5 leader=-1 isr=[1] elr=[] {"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": "104857600"}
        __transaction_state x5 leader=-1 isr=[1] elr=[] {"cleanup.policy": "compact", "compression.type": "uncompressed", "min.insync.replicas": "1", "segment.bytes": "104857600", "unclean.leader.election.enable": "false"}
        codec-gzip x2 leader=-1 isr=[1] elr=[] {}
        codec-lz4 x2 leader=-1 isr=[1] elr=[] {}
        codec-none x2 leader=-1 isr=[1] elr=[] {}
        codec-snappy x2 leader=-1 isr=[1] elr=[] {}
        codec-zstd x2 leader=-1 isr=[1] elr=[] {}
        compacted x1 leader=-1 isr=[1] elr=[] {"cleanup.policy": "compact", "max.compaction.lag.ms": "1000", "min.cleanable.dirty.ratio": "0.01", "segment.bytes": "1048576", "segment.ms": "2000"}
        empty x3 leader=-1 isr=[1] elr=[] {"retention.ms": "12345678"}
        rolled x1 leader=-1 isr=[1] elr=[] {"index.interval.bytes": "4096", "segment.bytes": "1048576"}
        timed x1 leader=-1 isr=[1] elr=[] {"message.timestamp.type": "LogAppendTime"}
        txn x1 leader=-1 isr=[1] elr=[] {}
        acls=2 scram=[] next producer id=1000
    "#]],
    );
}

#[test]
fn kafka_3_8() {
    check(
        "3.8.1",
        expect![[r#"
        offset 196 {"metadata.version": 20}
        broker 1@6 fenced=true leaving=true port=Some(19192)
        __consumer_offsets x5 leader=-1 isr=[1] elr=[] {"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": "104857600"}
        __transaction_state x5 leader=-1 isr=[1] elr=[] {"cleanup.policy": "compact", "compression.type": "uncompressed", "min.insync.replicas": "1", "segment.bytes": "104857600", "unclean.leader.election.enable": "false"}
        codec-gzip x2 leader=-1 isr=[1] elr=[] {}
        codec-lz4 x2 leader=-1 isr=[1] elr=[] {}
        codec-none x2 leader=-1 isr=[1] elr=[] {}
        codec-snappy x2 leader=-1 isr=[1] elr=[] {}
        codec-zstd x2 leader=-1 isr=[1] elr=[] {}
        compacted x1 leader=-1 isr=[1] elr=[] {"cleanup.policy": "compact", "max.compaction.lag.ms": "1000", "min.cleanable.dirty.ratio": "0.01", "segment.bytes": "1048576", "segment.ms": "2000"}
        empty x3 leader=-1 isr=[1] elr=[] {"retention.ms": "12345678"}
        rolled x1 leader=-1 isr=[1] elr=[] {"index.interval.bytes": "4096", "segment.bytes": "1048576"}
        timed x1 leader=-1 isr=[1] elr=[] {"message.timestamp.type": "LogAppendTime"}
        txn x1 leader=-1 isr=[1] elr=[] {}
        acls=2 scram=["alice", "bob"] next producer id=1000
    "#]],
    );
}

#[test]
fn kafka_4_3() {
    check(
        "4.3.1",
        expect![[r#"
        offset 168 {"eligible.leader.replicas.version": 1, "group.version": 1, "metadata.version": 30, "share.version": 1, "streams.version": 1, "transaction.version": 2}
        broker 1@12 fenced=true leaving=true port=Some(19192)
        __consumer_offsets x5 leader=-1 isr=[] elr=[1] {"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": "104857600"}
        __transaction_state x5 leader=-1 isr=[] elr=[1] {"cleanup.policy": "compact", "compression.type": "uncompressed", "min.insync.replicas": "1", "segment.bytes": "104857600", "unclean.leader.election.enable": "false"}
        codec-gzip x2 leader=-1 isr=[] elr=[1] {}
        codec-lz4 x2 leader=-1 isr=[] elr=[1] {}
        codec-none x2 leader=-1 isr=[] elr=[1] {}
        codec-snappy x2 leader=-1 isr=[] elr=[1] {}
        codec-zstd x2 leader=-1 isr=[] elr=[1] {}
        compacted x1 leader=-1 isr=[] elr=[1] {"cleanup.policy": "compact", "max.compaction.lag.ms": "1000", "min.cleanable.dirty.ratio": "0.01", "segment.bytes": "1048576", "segment.ms": "2000"}
        empty x3 leader=-1 isr=[] elr=[1] {"retention.ms": "12345678"}
        rolled x1 leader=-1 isr=[] elr=[1] {"index.interval.bytes": "4096", "segment.bytes": "1048576"}
        timed x1 leader=-1 isr=[] elr=[1] {"message.timestamp.type": "LogAppendTime"}
        txn x1 leader=-1 isr=[] elr=[1] {}
        acls=2 scram=["alice", "bob"] next producer id=1000
    "#]],
    );
}

fn controller(extra: &str) -> Controller {
    let text = format!(
        "process.roles=controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:19193\n\
         listeners=CONTROLLER://127.0.0.1:19193\ncontroller.listener.names=CONTROLLER\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n{extra}"
    );
    let config = BrokerConfig::new(&Properties::parse(text.as_bytes(), "test").unwrap()).unwrap();
    Controller::new(Arc::new(config), "MkU3OEVBNTcwNTJENDM2Qk", Arc::new(SeededRng::new(1)))
}

const CONTEXT: RequestContext = RequestContext { api_version: 100, forwarded: true };
const NOW: Time = Time { wall_ms: 0, mono_ms: 0 };

/// Asks our controller for what Kafka's has done, and compares.
struct Replayed {
    controller: Controller,
    compared: usize,
}

impl Replayed {
    /// The records of the operation that begins with the first of these, of which as many are taken as ours has.
    fn redo(&mut self, theirs: &[VersionedRecord]) -> Option<Vec<VersionedRecord>> {
        let c = &mut self.controller;
        Some(match &theirs[0].0 {
            MetadataRecord::BeginTransaction(_) => {
                let bootstrap = BootstrapMetadata::with_defaults(MetadataVersion::LATEST_PRODUCTION);
                let (epoch, offset) = (1, c.next_offset());
                records(c.become_active(epoch, offset, NOW, &bootstrap))
            }
            MetadataRecord::RegisterController(r) => records(c.register_controller(&register_controller(r))),
            MetadataRecord::RegisterBroker(r) => {
                let request = register_broker(r);
                records(c.register_broker(&CONTEXT, &request, NOW))
            }
            MetadataRecord::BrokerRegistrationChange(r) => {
                let cordoned = match theirs.get(1) {
                    Some((MetadataRecord::BrokerRegistrationChange(next), _)) => next.cordoned_log_dirs.clone(),
                    _ => Some(vec![]),
                };
                let request = BrokerHeartbeatRequest {
                    broker_id: r.broker_id,
                    broker_epoch: r.broker_epoch,
                    current_metadata_offset: c.next_offset() - 1,
                    want_shut_down: r.fenced >= 0,
                    cordoned_log_dirs: cordoned,
                    ..Default::default()
                };
                records(c.broker_heartbeat(&request, NOW))
            }
            MetadataRecord::Topic(_) => records(c.create_topics(&CONTEXT, &create_topic(theirs))),
            MetadataRecord::ProducerIds(r) => {
                let (broker_id, broker_epoch) = (r.broker_id, r.broker_epoch);
                let request = AllocateProducerIdsRequest { broker_id, broker_epoch, ..Default::default() };
                records(c.allocate_producer_ids(&request))
            }
            MetadataRecord::RemoveTopic(r) => {
                let topic =
                    delete_topics_request::DeleteTopicState { name: None, topic_id: r.topic_id, ..Default::default() };
                records(c.delete_topics(&CONTEXT, &DeleteTopicsRequest { topics: vec![topic], ..Default::default() }))
            }
            MetadataRecord::Config(r) => records(c.incremental_alter_configs(&CONTEXT, &alter_config(r))),
            MetadataRecord::AccessControlEntry(r) => records(c.create_acls(&create_acl(r))),
            MetadataRecord::UserScramCredential(r) => records(c.alter_user_scram_credentials(&upsert_user(r))),
            MetadataRecord::NoOp(_) => return None,
            other => panic!("what would make Kafka write this? {other:?}"),
        })
    }

    fn compare(&mut self, base: i64, theirs: &[VersionedRecord]) {
        let mut rest = theirs;
        let mut offset = base;
        while !rest.is_empty() {
            let mut len = 1;
            if let Some(mut ours) = self.redo(rest) {
                len = ours.len();
                let theirs = &rest[..len];
                take_random_ids(&mut ours, theirs);
                assert_eq!(encoded(&ours), encoded(theirs), "\nours: {ours:#?}\ntheirs: {theirs:#?}");
                self.compared += len;
            }
            self.controller.replay(offset, 1, &rest[..len]).unwrap();
            self.controller.committed(offset + len as i64 - 1);
            offset += len as i64;
            rest = &rest[len..];
        }
    }
}

fn records<R>(outcome: Outcome<R>) -> Vec<VersionedRecord> {
    outcome.records
}

/// Sorted: Kafka's order of settings and features is that of a hash table.
fn encoded(records: &[VersionedRecord]) -> Vec<Vec<u8>> {
    let sort_features = |record: &VersionedRecord| {
        let mut record = record.clone();
        match &mut record.0 {
            MetadataRecord::RegisterBroker(r) => r.features.sort_by(|a, b| a.name.cmp(&b.name)),
            MetadataRecord::RegisterController(r) => r.features.sort_by(|a, b| a.name.cmp(&b.name)),
            _ => {}
        }
        record.0.to_value(record.1).unwrap().to_vec()
    };
    let mut all: Vec<_> = records.iter().map(sort_features).collect();
    all.sort();
    all
}

fn take_random_ids(ours: &mut [VersionedRecord], theirs: &[VersionedRecord]) {
    let topic = theirs.iter().find_map(|(record, _)| match record {
        MetadataRecord::Topic(r) => Some(r.topic_id),
        _ => None,
    });
    for ((ours, _), (theirs, _)) in ours.iter_mut().zip(theirs) {
        match (ours, theirs) {
            (MetadataRecord::Topic(r), _) => r.topic_id = topic.unwrap(),
            (MetadataRecord::Partition(r), _) => r.topic_id = topic.unwrap(),
            (MetadataRecord::AccessControlEntry(ours), MetadataRecord::AccessControlEntry(theirs)) => {
                ours.id = theirs.id
            }
            _ => {}
        }
    }
}

fn register_controller(r: &ottla_wire::metadata_records::RegisterControllerRecord) -> ControllerRegistrationRequest {
    use controller_registration_request::{Feature, Listener};
    ControllerRegistrationRequest {
        controller_id: r.controller_id,
        incarnation_id: r.incarnation_id,
        listeners: (r.end_points.iter())
            .map(|e| Listener { name: e.name.clone(), host: e.host.clone(), port: e.port, ..Default::default() })
            .collect(),
        features: (r.features.iter())
            .map(|f| Feature {
                name: f.name.clone(),
                min_supported_version: f.min_supported_version,
                max_supported_version: f.max_supported_version,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

fn register_broker(r: &ottla_wire::metadata_records::RegisterBrokerRecord) -> BrokerRegistrationRequest {
    use broker_registration_request::{Feature, Listener};
    BrokerRegistrationRequest {
        broker_id: r.broker_id,
        cluster_id: "MkU3OEVBNTcwNTJENDM2Qk".to_owned(),
        incarnation_id: r.incarnation_id,
        listeners: (r.end_points.iter())
            .map(|e| Listener { name: e.name.clone(), host: e.host.clone(), port: e.port, ..Default::default() })
            .collect(),
        features: (r.features.iter())
            .map(|f| Feature {
                name: f.name.clone(),
                min_supported_version: f.min_supported_version,
                max_supported_version: f.max_supported_version,
                ..Default::default()
            })
            .collect(),
        rack: r.rack.clone(),
        log_dirs: r.log_dirs.clone(),
        ..Default::default()
    }
}

/// The topic at the front, with all that belongs to it.
fn create_topic(records: &[VersionedRecord]) -> CreateTopicsRequest {
    use create_topics_request::{CreatableTopic, CreatableTopicConfig};
    let mut topic = CreatableTopic { num_partitions: 0, replication_factor: 1, ..Default::default() };
    for (record, _) in records {
        match record {
            MetadataRecord::Topic(r) if topic.name.is_empty() => topic.name = r.name.clone(),
            MetadataRecord::Config(r) => topic.configs.push(CreatableTopicConfig {
                name: r.name.clone(),
                value: r.value.clone(),
                ..Default::default()
            }),
            MetadataRecord::Partition(_) => topic.num_partitions += 1,
            MetadataRecord::ClearElr(_) => {}
            _ => break,
        }
    }
    CreateTopicsRequest { topics: vec![topic], ..Default::default() }
}

fn alter_config(r: &ottla_wire::metadata_records::ConfigRecord) -> IncrementalAlterConfigsRequest {
    use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let config = AlterableConfig { name: r.name.clone(), value: r.value.clone(), ..Default::default() };
    let resource = AlterConfigsResource {
        resource_type: r.resource_type,
        resource_name: r.resource_name.clone(),
        configs: vec![config],
        ..Default::default()
    };
    IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() }
}

fn create_acl(r: &ottla_wire::metadata_records::AccessControlEntryRecord) -> CreateAclsRequest {
    let creation = create_acls_request::AclCreation {
        resource_type: r.resource_type,
        resource_name: r.resource_name.clone(),
        resource_pattern_type: r.pattern_type,
        principal: r.principal.clone(),
        host: r.host.clone(),
        operation: r.operation,
        permission_type: r.permission_type,
        ..Default::default()
    };
    CreateAclsRequest { creations: vec![creation], ..Default::default() }
}

fn upsert_user(r: &ottla_wire::metadata_records::UserScramCredentialRecord) -> AlterUserScramCredentialsRequest {
    let mechanism = ScramMechanism::from_code(r.mechanism).unwrap();
    let salted_password = mechanism.salted_password(&format!("{}-secret", r.name), &r.salt, r.iterations);
    let upsertion = alter_user_scram_credentials_request::ScramCredentialUpsertion {
        name: r.name.clone(),
        mechanism: r.mechanism,
        iterations: r.iterations,
        salt: r.salt.clone(),
        salted_password: salted_password.into(),
        ..Default::default()
    };
    AlterUserScramCredentialsRequest { upsertions: vec![upsertion], ..Default::default() }
}

#[test]
fn the_same_requests_make_the_same_records() {
    let log = read_log("4.3.1");
    let mut replayed = Replayed { controller: controller(""), compared: 0 };
    let mut kept_ids: Vec<Uuid> = Vec::new();
    for batch in log.iter().filter(|batch| !batch.records.is_empty()) {
        // The offset at which Kafka's raft layer put its own record.
        if batch.base == 1 {
            assert_eq!(replayed.controller.next_offset(), 0);
        }
        replayed.compare(batch.base, &batch.records);
        kept_ids.extend(batch.records.iter().filter_map(|(record, _)| match record {
            MetadataRecord::Topic(r) => Some(r.topic_id),
            _ => None,
        }));
    }
    assert!(replayed.compared > 100, "{}", replayed.compared);
    let topics = &replayed.controller.working_image().topics;
    assert_eq!(kept_ids.iter().filter(|id| topics.by_id(**id).is_none()).count(), 1, "one topic was deleted");
}
