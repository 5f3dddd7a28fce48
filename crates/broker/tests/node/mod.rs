//! Combined nodes in memory: disks, a clock, a network, and threads that are nothing but calls.

#![allow(dead_code)] // Each test file uses its part.

use bytes::Bytes;
use ottla_base::{Clock, Disk, ErrorCode, MemDisk, NodeId, Rng, SeededRng, Time};
use ottla_broker::Node;
use ottla_broker::broker::{Background, Broker, BrokerParts};
use ottla_broker::lifecycle::Phase;
use ottla_broker::network::{Address, Call, CallDone, Lane, Network};
use ottla_broker::quorum::{MetadataLog, MetadataLogConfig, Quorum, Retention, Settings};
use ottla_broker::replicas::Replicas;
use ottla_broker::request::{Connection, encode_request};
use ottla_config::{BrokerConfig, Properties};
use ottla_coordinator::group::GroupConfig;
use ottla_log::{LogManager, LogManagerConfig};
use ottla_metadata::bootstrap::BootstrapMetadata;
use ottla_metadata::controller::Controller;
use ottla_metadata::features::MetadataVersion;
use ottla_metadata::image::Endpoint;
use ottla_raft::{Endpoints, ReplicaKey, VoterSet};
use ottla_storage::format::{Identity, format_dirs};
use ottla_wire::data::ResponseHeader;
use ottla_wire::{Message, Reader, Request, Segment};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

const DATA: &str = "/data";
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qk";

fn broker_port(id: NodeId) -> u16 {
    9000 + id as u16
}

fn controller_port(id: NodeId) -> u16 {
    9500 + id as u16
}

fn properties(id: NodeId, voters: &[NodeId]) -> Properties {
    let voters: Vec<String> = voters.iter().map(|id| format!("{id}@localhost:{}", controller_port(*id))).collect();
    let text = format!(
        "process.roles=broker,controller
node.id={id}
listeners=PLAINTEXT://localhost:{},CONTROLLER://localhost:{}
controller.listener.names=CONTROLLER
controller.quorum.voters={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
group.initial.rebalance.delay.ms=0
log.dirs={DATA}
",
        broker_port(id),
        controller_port(id),
        voters.join(",")
    );
    Properties::parse(text.as_bytes(), "test").unwrap()
}

/// Moves only when told to.
pub struct HandClock(AtomicU64);

impl HandClock {
    pub fn new() -> Arc<HandClock> {
        Arc::new(HandClock(AtomicU64::new(1_000_000)))
    }

    pub fn pass_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Time {
        let mono_ms = self.0.load(Ordering::Relaxed);
        Time { mono_ms, wall_ms: 1_700_000_000_000 + mono_ms as i64 }
    }
}

/// Brings requests to the nodes that are plugged in, by the ports of their listeners.
#[derive(Default)]
pub struct Fabric(Mutex<HashMap<u16, Arc<Node>>>);

impl Fabric {
    pub fn unplug(&self, id: NodeId) {
        let mut nodes = self.0.lock().unwrap();
        nodes.remove(&controller_port(id));
        nodes.remove(&broker_port(id));
    }
}

/// Answers even when the other side goes away.
struct Caller(Option<CallDone>);

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(ErrorCode::NetworkException));
        }
    }
}

impl Network for Fabric {
    fn call(&self, to: &Address, _lane: Lane, call: Call) {
        let node = self.0.lock().unwrap().get(&to.port).cloned();
        let mut caller = Caller(Some(call.done));
        let Some(node) = node else { return };
        let (api, version) = (call.api, call.max_version);
        let frame = (call.encode)(version, 1).unwrap();
        let sink = Box::new(move |segments: Option<Vec<Segment>>| {
            let mut reader = Reader::new(whole(segments.unwrap()).slice(4..));
            ResponseHeader::decode(&mut reader, api.response_header_version(version)).unwrap();
            if let Some(done) = caller.0.take() {
                done(Ok((version, reader)));
            }
        });
        // A request that is refused leaves the sink, and with it the caller, to be dropped.
        let is_controller = to.port >= controller_port(0);
        let listener = if is_controller { "CONTROLLER" } else { "PLAINTEXT" };
        let _refused = node.handle(&connection(listener, is_controller), whole(frame).slice(4..), sink);
    }
}

struct AtOnce;

impl Background for AtOnce {
    fn run(&self, task: Box<dyn FnOnce() + Send>) {
        task();
    }
}

pub struct TestNode {
    pub node: Arc<Node>,
    clock: Arc<HandClock>,
    connection: Arc<Connection>,
    controller_connection: Arc<Connection>,
}

/// What became of a request.
#[derive(Debug)]
pub enum Answer<R> {
    Response(R),
    Nothing,
    /// The connection would have been closed.
    Closed,
    /// Not yet.
    Waiting(mpsc::Receiver<Option<Vec<Segment>>>),
}

impl<R> Answer<R> {
    pub fn response(self) -> R {
        match self {
            Answer::Response(response) => response,
            Answer::Nothing => panic!("there was no answer"),
            Answer::Closed => panic!("the connection was closed"),
            Answer::Waiting(_) => panic!("the request is still waiting"),
        }
    }
}

/// An empty disk, as `kafka-storage.sh format` leaves it.
pub fn formatted(id: NodeId) -> MemDisk {
    let disk = MemDisk::new();
    let identity = Identity { cluster_id: CLUSTER_ID, node_id: id };
    let bootstrap = BootstrapMetadata::with_defaults(MetadataVersion::LATEST_PRODUCTION);
    format_dirs(&disk, &[PathBuf::from(DATA)], &identity, &bootstrap, &SeededRng::new(100 + id as u64), 0).unwrap();
    disk
}

fn connection(listener: &str, is_controller_listener: bool) -> Arc<Connection> {
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Arc::new(Connection { id: 1, listener: listener.into(), is_controller_listener, peer })
}

impl TestNode {
    /// A new cluster of one.
    pub fn new() -> TestNode {
        let test = Self::start(1, &[1], &formatted(1), Arc::default(), HandClock::new());
        test.settle();
        assert_eq!(test.phase(), Phase::Running);
        test
    }

    pub fn start(
        id: NodeId,
        voters: &[NodeId],
        disk: &MemDisk,
        fabric: Arc<Fabric>,
        clock: Arc<HandClock>,
    ) -> TestNode {
        let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(id as u64));
        let network: Arc<dyn Network> = fabric.clone();
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let config = Arc::new(BrokerConfig::new(&properties(id, voters)).unwrap());
        let now = clock.now();
        let logs_config = LogManagerConfig::new(vec![PathBuf::from(DATA)]);
        let logs = LogManager::start(disk.clone(), rng.clone(), logs_config, now.wall_ms).unwrap();
        let directory = logs.online_directory_ids()[0];
        let at = |id: NodeId| Endpoints::single("CONTROLLER", "localhost", controller_port(id));
        let log_config = MetadataLogConfig { segment_bytes: 1 << 20, segment_ms: i64::MAX };
        let log = MetadataLog::open(disk, &PathBuf::from(DATA), log_config, now).unwrap();
        let settings = Settings {
            cluster_id: CLUSTER_ID.into(),
            raft: ottla_raft::Config {
                static_voters: VoterSet::static_voters(voters.iter().map(|id| (*id, at(*id)))),
                ..ottla_raft::Config::new(ReplicaKey::new(id, directory), "CONTROLLER", at(id))
            },
            rng: rng.clone(),
            bootstrap: BootstrapMetadata::with_defaults(MetadataVersion::LATEST_PRODUCTION),
            snapshot_after_bytes: 4096,
            snapshot_interval_ms: 0,
            retention: Retention { bytes: -1, ms: -1 },
            incarnation_id: rng.next_uuid(),
            controller_listeners: vec![],
        };
        let controller = Controller::new(config.clone(), CLUSTER_ID, rng.clone());
        let quorum = Quorum::start(settings, log, network.clone(), Some(controller), now).unwrap();
        let endpoint = Endpoint {
            name: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: broker_port(id),
            security_protocol: 0,
        };
        let broker = Broker::new(BrokerParts {
            cluster_id: CLUSTER_ID.into(),
            advertised: vec![endpoint],
            quorum: quorum.clone(),
            network,
            clock: clock.clone(),
            rng,
            background: Arc::new(AtOnce),
            replicas: Replicas::new(Arc::new(logs), config.clone()),
            group_config: GroupConfig { initial_rebalance_delay_ms: 0, ..GroupConfig::default() },
            previous_epoch: -1,
            config,
        });
        broker.start();
        let node = Arc::new(Node { quorum, broker: Some(broker), clock: clock.clone() });
        for port in [controller_port(id), broker_port(id)] {
            fabric.0.lock().unwrap().insert(port, node.clone());
        }
        TestNode {
            node,
            clock,
            connection: connection("PLAINTEXT", false),
            controller_connection: connection("CONTROLLER", true),
        }
    }

    pub fn phase(&self) -> Phase {
        self.node.broker.as_ref().unwrap().lifecycle.phase()
    }

    pub fn has_topic(&self, name: &str) -> bool {
        self.node.quorum.image().topics.by_name(name).is_some()
    }

    /// Lets everything happen that is due now.
    pub fn settle(&self) {
        for _ in 0..8 {
            self.node.quorum.turn(self.clock.now()).unwrap();
            self.node.broker.as_ref().unwrap().timers.run(self.clock.now());
        }
    }

    pub fn pass_ms(&self, ms: u64) {
        self.clock.pass_ms(ms);
        self.settle();
    }

    pub fn ask<Q: Request>(&self, version: i16, request: &Q) -> Answer<Q::Response> {
        self.ask_on(&self.connection, version, request)
    }

    pub fn ask_controller<Q: Request>(&self, version: i16, request: &Q) -> Answer<Q::Response> {
        self.ask_on(&self.controller_connection, version, request)
    }

    fn ask_on<Q: Request>(&self, connection: &Arc<Connection>, version: i16, request: &Q) -> Answer<Q::Response> {
        let frame = encode_request(version, 7, "test", request).unwrap();
        let (sink, answers) = mpsc::channel();
        let sink = Box::new(move |segments| sink.send(segments).unwrap());
        if self.node.handle(connection, whole(frame).slice(4..), sink).is_err() {
            return Answer::Closed;
        }
        self.settle();
        match answers.try_recv() {
            Ok(None) => Answer::Nothing,
            Ok(Some(segments)) => {
                let mut reader = Reader::new(whole(segments).slice(4..));
                ResponseHeader::decode(&mut reader, Q::KEY.response_header_version(version)).unwrap();
                Answer::Response(Q::Response::decode(&mut reader, version).unwrap())
            }
            Err(mpsc::TryRecvError::Disconnected) => Answer::Closed,
            Err(mpsc::TryRecvError::Empty) => Answer::Waiting(answers),
        }
    }

    /// A frame as it came in from a socket, without its length. True when there was an answer.
    pub fn raw(&self, frame: &[u8]) -> bool {
        let (sink, answers) = mpsc::channel();
        let sink = Box::new(move |segments| sink.send(segments).unwrap());
        let handled = self.node.handle(&self.connection, Bytes::copy_from_slice(frame), sink).is_ok();
        self.settle();
        handled && answers.try_recv().is_ok()
    }
}

fn whole(segments: Vec<Segment>) -> Bytes {
    let mut bytes = Vec::new();
    for segment in segments {
        match segment {
            Segment::Bytes(part) => bytes.extend_from_slice(&part),
            Segment::File(slice) => bytes.extend_from_slice(&slice.read().unwrap()),
        }
    }
    bytes.into()
}
