//! Three nodes with one metadata log: they elect a leader, go on without the one that dies, and
//! take it back.

mod node;

use node::{Fabric, HandClock, TestNode, formatted};
use ottla_base::{MemDisk, NodeId};
use ottla_broker::lifecycle::Phase;
use ottla_wire::messages::CreateTopicsRequest;
use ottla_wire::messages::create_topics_request::CreatableTopic;
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
        let topic =
            CreatableTopic { name: name.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
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
