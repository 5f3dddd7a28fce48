//! A controller with a log, a clock and brokers, for tests.

use super::{Controller, Outcome, RequestContext};
use crate::bootstrap::BootstrapMetadata;
use crate::features::{MetadataVersion, supported_features};
use crate::image::{BatchInfo, MetadataImage, MetadataLoader, Provenance, VersionedRecord};
use crate::show::show_records;
use expect_test::Expect;
use ottla_base::{ErrorCode, SeededRng, Time, Uuid};
use ottla_config::{BrokerConfig, Properties};
use ottla_wire::messages::broker_registration_request::{Feature, Listener};
use ottla_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_wire::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest, CreateTopicsRequest,
};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

const CONFIG: &str = "process.roles=controller\nnode.id=100\ncontroller.quorum.voters=100@localhost:9093\n\
    listeners=CONTROLLER://localhost:9093\ncontroller.listener.names=CONTROLLER\n";

pub(super) const CONTEXT: RequestContext = RequestContext { api_version: 100, forwarded: true };

pub(super) struct Cluster {
    pub controller: Controller,
    pub now: Time,
    /// Replays the same records, as brokers do.
    pub loader: MetadataLoader,
    pub log: Vec<VersionedRecord>,
    pub epochs: BTreeMap<i32, i64>,
}

pub(super) fn config(extra: &str) -> Arc<BrokerConfig> {
    let properties = Properties::parse(format!("{CONFIG}{extra}\n").as_bytes(), "test").unwrap();
    Arc::new(BrokerConfig::new(&properties).unwrap())
}

impl Cluster {
    /// Active, with the defaults of a release. `config` is added to that of a controller with id 100.
    pub fn new(release: &str, extra: &str) -> Cluster {
        let rng = Arc::new(SeededRng::new(7));
        let mut cluster = Cluster {
            controller: Controller::new(config(extra), "cluster", rng),
            now: Time { wall_ms: 0, mono_ms: 1_000_000 },
            loader: MetadataLoader::default(),
            log: Vec::new(),
            epochs: BTreeMap::new(),
        };
        let version = MetadataVersion::parse(release, false).unwrap();
        let bootstrap = BootstrapMetadata::with_defaults(version);
        let outcome = cluster.controller.become_active(1, 0, cluster.now, &bootstrap);
        cluster.commit(outcome);
        cluster
    }

    /// With brokers 1 to `count`, unfenced.
    pub fn with_brokers(release: &str, extra: &str, count: i32) -> Cluster {
        let mut cluster = Cluster::new(release, extra);
        for id in 1..=count {
            cluster.register(id);
            cluster.heartbeat(id);
        }
        cluster
    }

    /// Appends, replays, commits and checks everything; returns the records as text, and the answer.
    pub fn commit<R>(&mut self, outcome: Outcome<R>) -> (String, R) {
        let shown = show_records(&outcome.records);
        for batch in outcome.batches() {
            self.append(batch);
        }
        self.controller.committed(self.log.len() as i64 - 1);
        self.check();
        (shown, outcome.response)
    }

    /// Not yet committed.
    pub fn append(&mut self, batch: &[VersionedRecord]) {
        let base = self.log.len() as i64;
        self.controller.replay(base, 1, batch).unwrap();
        self.log.extend(batch.iter().cloned());
        let last_offset = self.log.len() as i64 - 1;
        let records = batch.iter().map(|(record, _)| record.clone()).collect();
        self.loader.load_batch(BatchInfo { last_offset, epoch: 1, timestamp: -1 }, records).unwrap();
        self.loader.flush();
    }

    fn check(&self) {
        let image = self.controller.working_image();
        assert_eq!(image, &**self.loader.image(), "the controller and the brokers see the same");
        assert_eq!(&from_snapshot(image), image, "a snapshot loses nothing");
        assert_eq!(self.controller.committed_image(), image);
        self.controller.working.check_counts();
    }

    pub fn register(&mut self, id: i32) -> (String, ErrorCode) {
        self.register_with(id, |_| {})
    }

    pub fn register_with(&mut self, id: i32, edit: impl FnOnce(&mut BrokerRegistrationRequest)) -> (String, ErrorCode) {
        let feature = |(name, range): (&str, crate::features::VersionRange)| Feature {
            name: name.to_owned(),
            min_supported_version: range.min,
            max_supported_version: range.max,
            ..Feature::default()
        };
        let mut request = BrokerRegistrationRequest {
            broker_id: id,
            cluster_id: "cluster".to_owned(),
            incarnation_id: Uuid([id as u8; 16]),
            listeners: vec![Listener { name: "PLAINTEXT".into(), host: "h".into(), port: 9092, ..Default::default() }],
            features: supported_features(false).into_iter().map(feature).collect(),
            rack: None,
            log_dirs: vec![Uuid([id as u8; 16])],
            previous_broker_epoch: self.epochs.get(&id).copied().unwrap_or(-1),
            ..BrokerRegistrationRequest::default()
        };
        edit(&mut request);
        let outcome = self.controller.register_broker(&CONTEXT, &request, self.now);
        let (shown, response) = self.commit(outcome);
        let code = ErrorCode::from_code(response.error_code);
        if code == ErrorCode::None {
            self.epochs.insert(id, response.broker_epoch);
        }
        (shown, code)
    }

    /// Of a broker that has seen everything and wants to be unfenced.
    pub fn heartbeat(&mut self, id: i32) -> (String, BrokerHeartbeatResponse) {
        self.heartbeat_with(id, |_| {})
    }

    pub fn heartbeat_with(
        &mut self,
        id: i32,
        edit: impl FnOnce(&mut BrokerHeartbeatRequest),
    ) -> (String, BrokerHeartbeatResponse) {
        let mut request = BrokerHeartbeatRequest {
            broker_id: id,
            broker_epoch: self.epochs.get(&id).copied().unwrap_or(-1),
            current_metadata_offset: self.log.len() as i64 - 1,
            ..BrokerHeartbeatRequest::default()
        };
        edit(&mut request);
        let outcome = self.controller.broker_heartbeat(&request, self.now);
        self.commit(outcome)
    }

    /// Time passes, with a heartbeat of these brokers just before its end.
    pub fn wait(&mut self, ms: u64, alive: &[i32]) -> String {
        self.now.mono_ms += ms;
        let mut shown = String::new();
        for id in alive {
            shown += &self.heartbeat(*id).0;
        }
        while let Some(outcome) = self.controller.tick(self.now) {
            shown += &self.commit(outcome).0;
            self.now.mono_ms += 10;
        }
        shown.replace("noop\n", "")
    }

    /// One topic with a manual assignment for each partition.
    pub fn create_assigned(&mut self, name: &str, assignments: &[&[i32]]) -> String {
        use ottla_wire::messages::create_topics_request::CreatableReplicaAssignment;
        let assignment = |(id, ids): (i32, &&[i32])| CreatableReplicaAssignment {
            partition_index: id,
            broker_ids: ids.to_vec(),
            ..Default::default()
        };
        self.create(CreatableTopic {
            assignments: (0..).zip(assignments).map(assignment).collect(),
            ..topic(name, -1, -1, &[])
        })
    }

    pub fn create(&mut self, topic: CreatableTopic) -> String {
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let outcome = self.controller.create_topics(&CONTEXT, &request);
        let (shown, response) = self.commit(outcome);
        let mut out = String::new();
        for result in response.topics {
            let code = ErrorCode::from_code(result.error_code).name();
            let _ = writeln!(out, "{code} {}", result.error_message.unwrap_or_default());
        }
        out + &shown
    }

    pub fn topic_id(&self, name: &str) -> Uuid {
        self.controller.working_image().topics.id_of(name).unwrap()
    }
}

pub(super) fn topic(name: &str, partitions: i32, replicas: i16, configs: &[(&str, &str)]) -> CreatableTopic {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: name.to_string(),
        value: Some(value.to_string()),
        ..Default::default()
    };
    CreatableTopic {
        name: name.to_owned(),
        num_partitions: partitions,
        replication_factor: replicas,
        configs: configs.iter().map(config).collect(),
        ..CreatableTopic::default()
    }
}

/// The image that its own snapshot gives.
pub(super) fn from_snapshot(image: &MetadataImage) -> MetadataImage {
    let records: Vec<_> = image.to_records().into_iter().map(|(record, _)| record).collect();
    let mut loader = MetadataLoader::default();
    let provenance: Provenance = image.provenance;
    (*loader.load_snapshot(provenance, &records).unwrap().image).clone()
}

pub(super) fn check(shown: impl AsRef<str>, expect: Expect) {
    // Ids are as random as the seed: what matters is where they are the same.
    expect.assert_eq(shown.as_ref());
}

pub(super) fn code(code: i16) -> &'static str {
    ErrorCode::from_code(code).name()
}

/// The leader proposes an ISR.
pub(super) fn propose(cluster: &mut Cluster, name: &str, leader: i32, isr: &[i32]) -> String {
    use ottla_wire::messages::alter_partition_request::{BrokerState, PartitionData, TopicData};
    let topic_id = cluster.topic_id(name);
    let partition = cluster.controller.working_image().topics.partition(topic_id, 0).unwrap();
    let state = |id: &i32| BrokerState { broker_id: *id, broker_epoch: cluster.epochs[id], ..Default::default() };
    let data = PartitionData {
        leader_epoch: partition.leader_epoch,
        partition_epoch: partition.partition_epoch,
        new_isr_with_epochs: isr.iter().map(state).collect(),
        leader_recovery_state: partition.leader_recovery_state.code(),
        ..Default::default()
    };
    let topics = vec![TopicData { topic_id, partitions: vec![data], ..Default::default() }];
    let broker_epoch = cluster.epochs[&leader];
    let request =
        ottla_wire::messages::AlterPartitionRequest { broker_id: leader, broker_epoch, topics, ..Default::default() };
    let (records, response) = cluster.commit(cluster.controller.alter_partition(&CONTEXT, &request));
    let p = &response.topics[0].partitions[0];
    let records = records.split(" dirs=").next().unwrap().trim_end();
    format!("{} leader={}@{} isr={:?}\n{records}\n", code(p.error_code), p.leader_id, p.leader_epoch, p.isr)
}
