//! Three nodes with one metadata log and replicated partitions: they elect leaders, go on without the
//! one that dies, and take it back.

mod node;

use node::{Fabric, HandClock, TestNode, formatted};
use ottla_base::{MemDisk, NodeId};
use ottla_broker::lifecycle::Phase;
use ottla_wire::messages::create_topics_request::CreatableTopic;
use ottla_wire::messages::{CreateTopicsRequest, ProduceRequest, produce_request};
use ottla_wire::records::BatchBuilder;
use std::collections::BTreeMap;
use std::sync::Arc;

const VOTERS: [NodeId; 3] = [1, 2, 3];

struct Cluster {
    fabric: Arc<Fabric>,
    clock: Arc<HandClock>,
    disks: BTreeMap<NodeId, MemDisk>,
    nodes: BTreeMap<NodeId, TestNode>,
}

impl Cluster {
    fn new() -> Cluster {
        let disks = VOTERS.map(|id| (id, formatted(id))).into();
        let mut cluster = Cluster { fabric: Arc::default(), clock: HandClock::new(), disks, nodes: BTreeMap::new() };
        for id in VOTERS {
            cluster.start(id);
        }
        cluster
    }

    fn start(&mut self, id: NodeId) {
        let (fabric, clock) = (self.fabric.clone(), self.clock.clone());
        self.nodes.insert(id, TestNode::start(id, &VOTERS, &self.disks[&id], fabric, clock));
    }

    /// As kill -9 does it.
    fn kill(&mut self, id: NodeId) {
        self.fabric.unplug(id);
        self.nodes.remove(&id);
        let left = self.disks[&id].after_the_process_died();
        self.disks.insert(id, left);
    }

    fn until(&self, what: &str, mut holds: impl FnMut(&Cluster) -> bool) {
        for _ in 0..3_000 {
            self.nodes.values().for_each(TestNode::settle);
            if holds(self) {
                return;
            }
            self.clock.pass_ms(10);
        }
        panic!("in 30 seconds it did not become true that {what}");
    }

    fn leader(&self) -> Option<NodeId> {
        let leads = |(id, node): (&NodeId, &TestNode)| node.node.quorum.is_leader().then_some(*id);
        self.nodes.iter().find_map(leads)
    }

    fn create(&self, through: NodeId, name: &str) {
        self.create_replicated(through, name, 1);
    }

    fn create_replicated(&self, through: NodeId, name: &str, replication_factor: i16) {
        let topic = CreatableTopic { name: name.into(), num_partitions: 1, replication_factor, ..Default::default() };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
        // The answer may have to wait for the others; the topic is what counts.
        let _answer = self.nodes[&through].ask(7, &request);
        self.until(&format!("all know of {name}"), |cluster| cluster.nodes.values().all(|node| node.has_topic(name)));
    }

    fn all_run(&self) {
        let running = |node: &TestNode| node.phase() == Phase::Running;
        self.until("all brokers run", |cluster| cluster.nodes.values().all(running));
    }
}

#[test]
fn a_leader_dies_and_comes_back() {
    let mut cluster = Cluster::new();
    cluster.all_run();
    cluster.create(1, "before");
    let first = cluster.leader().expect("somebody leads");
    cluster.kill(first);
    cluster.until("another one leads", |cluster| cluster.leader().is_some());
    let through = *cluster.nodes.keys().next().expect("two are left");
    cluster.create(through, "meanwhile");
    cluster.start(first);
    cluster.until("the one that died knows what it missed", |cluster| cluster.nodes[&first].has_topic("meanwhile"));
    cluster.all_run();
    assert!(cluster.nodes.values().all(|node| node.has_topic("before")));
}

#[test]
fn one_of_three_decides_nothing() {
    let mut cluster = Cluster::new();
    cluster.all_run();
    cluster.kill(1);
    cluster.kill(2);
    let topic = CreatableTopic { name: "t".into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    let _waiting = cluster.nodes[&3].ask(7, &request);
    for _ in 0..500 {
        cluster.clock.pass_ms(10);
        cluster.nodes[&3].settle();
    }
    assert!(!cluster.nodes[&3].has_topic("t"));
}

impl Cluster {
    /// Leader and in-sync replicas of the only partition, as one of the nodes knows them.
    fn partition(&self, topic: &str) -> (NodeId, Vec<NodeId>) {
        let node = self.nodes.values().next().expect("a node runs");
        let image = node.node.quorum.image();
        let partition = image.topics.by_name(topic).and_then(|topic| topic.partitions.get(0)).cloned();
        let partition = partition.expect("the topic is there");
        (partition.leader, partition.isr.as_slice().to_vec())
    }

    /// What the log of a node's replica holds, byte for byte.
    fn log_of(&self, node: NodeId, topic: &str) -> Vec<u8> {
        let node = &self.nodes[&node].node;
        let id = node.quorum.image().topics.id_of(topic).expect("the topic is there");
        let partition = node.broker.as_ref().and_then(|broker| broker.replicas.get(id, 0)).expect("a replica");
        let isolation = ottla_log::FetchIsolation::LogEnd;
        let found = partition.log.read(0, 1 << 20, isolation, true).expect("the log is read");
        found.records.map_or(vec![], |slice| slice.read().expect("the file is read"))
    }

    fn high_watermark(&self, node: NodeId, topic: &str) -> i64 {
        let node = &self.nodes[&node].node;
        let id = node.quorum.image().topics.id_of(topic).expect("the topic is there");
        let broker = node.broker.as_ref().expect("the node is a broker");
        broker.replicas.get(id, 0).expect("a replica").log.high_watermark()
    }

    /// Sends one record with acks=all; the answer may be waiting.
    fn produce(&self, topic: &str, value: &str) -> node::Answer<ottla_wire::messages::ProduceResponse> {
        let mut batch = BatchBuilder::new(0);
        batch.append(1_700_000_000_000, None, Some(value.as_bytes()), &[]).expect("a small record");
        let partition =
            produce_request::PartitionProduceData { records: Some(batch.build().into()), ..Default::default() };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 60_000,
            topic_data: vec![produce_request::TopicProduceData {
                name: topic.into(),
                partition_data: vec![partition],
                ..Default::default()
            }],
            ..Default::default()
        };
        self.nodes[&self.partition(topic).0].ask(9, &request)
    }
}

#[test]
fn what_all_replicas_have_is_committed_and_survives_its_leader() {
    let mut cluster = Cluster::new();
    cluster.all_run();
    cluster.create_replicated(1, "t", 3);
    let (leader, isr) = cluster.partition("t");
    assert_eq!(isr.len(), 3);
    // Nobody has fetched it yet: the answer waits.
    let waiting = cluster.produce("t", "first");
    assert!(matches!(waiting, node::Answer::Waiting(_)), "{waiting:?}");
    cluster.until("the first record is committed", |cluster| cluster.high_watermark(leader, "t") == 1);
    let node::Answer::Waiting(answer) = waiting else { unreachable!("it was waiting") };
    assert!(answer.try_recv().is_ok(), "the write is acknowledged once it is committed");

    cluster.kill(leader);
    cluster.until("another replica leads, without the dead one", |cluster| {
        let (next, isr) = cluster.partition("t");
        next != leader && next >= 0 && !isr.contains(&leader)
    });
    let next = cluster.partition("t").0;
    let _answer = cluster.produce("t", "second");
    cluster.until("the second record is committed", |cluster| cluster.high_watermark(next, "t") == 2);

    cluster.start(leader);
    cluster.until("the old leader is in sync again", |cluster| cluster.partition("t").1.len() == 3);
    let logs: Vec<Vec<u8>> = VOTERS.iter().map(|id| cluster.log_of(*id, "t")).collect();
    assert!(!logs[0].is_empty());
    assert!(logs.iter().all(|log| *log == logs[0]), "replicas are equal byte for byte");
}

#[test]
fn without_enough_replicas_nothing_is_acknowledged() {
    let mut cluster = Cluster::new();
    cluster.all_run();
    cluster.create_replicated(1, "t", 3);
    let (leader, _) = cluster.partition("t");
    let follower = *VOTERS.iter().find(|id| **id != leader).expect("there are three");
    cluster.kill(follower);
    let waiting = cluster.produce("t", "x");
    assert!(matches!(waiting, node::Answer::Waiting(_)), "{waiting:?}");
    for _ in 0..20 {
        cluster.clock.pass_ms(10);
        cluster.nodes.values().for_each(TestNode::settle);
    }
    assert_eq!(cluster.high_watermark(leader, "t"), 0, "an in-sync replica does not have it");
    cluster.until("the dead one is out of sync", |cluster| cluster.partition("t").1.len() == 2);
    cluster.until("the others are enough", |cluster| cluster.high_watermark(leader, "t") == 1);
}
