//! One combined node in memory: a disk, a clock and threads that are nothing but calls.

#![allow(dead_code)] // Each test file uses its part.

use bytes::Bytes;
use ottla_base::{Clock, Disk, ErrorCode, MemDisk, Rng, SeededRng, Time};
use ottla_broker::Node;
use ottla_broker::broker::{Background, Broker, BrokerParts};
use ottla_broker::lifecycle::Phase;
use ottla_broker::network::{Address, Call, Lane, Network};
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
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

const DATA: &str = "/data";
const PROPERTIES: &str = "process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
controller.quorum.voters=1@localhost:9093
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
group.initial.rebalance.delay.ms=0
log.dirs=/data
";

pub struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Time {
        let mono_ms = self.0.load(Ordering::Relaxed);
        Time { mono_ms, wall_ms: 1_700_000_000_000 + mono_ms as i64 }
    }
}

struct Nobody;

impl Network for Nobody {
    fn call(&self, _to: &Address, _lane: Lane, call: Call) {
        (call.done)(Err(ErrorCode::NetworkException));
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

fn connection(listener: &str, is_controller_listener: bool) -> Arc<Connection> {
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Arc::new(Connection { id: 1, listener: listener.into(), is_controller_listener, peer })
}

impl TestNode {
    /// A new cluster.
    pub fn new() -> TestNode {
        let disk = MemDisk::new();
        let identity = Identity { cluster_id: "MkU3OEVBNTcwNTJENDM2Qk", node_id: 1 };
        let bootstrap = BootstrapMetadata::with_defaults(MetadataVersion::LATEST_PRODUCTION);
        format_dirs(&disk, &[PathBuf::from(DATA)], &identity, &bootstrap, &SeededRng::new(9), 0).unwrap();
        Self::start(&disk)
    }

    pub fn start(disk: &MemDisk) -> TestNode {
        let clock = Arc::new(HandClock(AtomicU64::new(1_000_000)));
        let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(1));
        let network: Arc<dyn Network> = Arc::new(Nobody);
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let properties = Properties::parse(PROPERTIES.as_bytes(), "test").unwrap();
        let config = Arc::new(BrokerConfig::new(&properties).unwrap());
        let now = clock.now();
        let logs_config = LogManagerConfig::new(vec![PathBuf::from(DATA)]);
        let logs = LogManager::start(disk.clone(), rng.clone(), logs_config, now.wall_ms).unwrap();
        let directory = logs.online_directory_ids()[0];
        let at = Endpoints::single("CONTROLLER", "localhost", 9093);
        let log_config = MetadataLogConfig { segment_bytes: 1 << 20, segment_ms: i64::MAX };
        let log = MetadataLog::open(disk, &PathBuf::from(DATA), log_config, now).unwrap();
        let settings = Settings {
            cluster_id: "MkU3OEVBNTcwNTJENDM2Qk".into(),
            raft: ottla_raft::Config {
                static_voters: VoterSet::static_voters([(1, at.clone())]),
                ..ottla_raft::Config::new(ReplicaKey::new(1, directory), "CONTROLLER", at)
            },
            rng: rng.clone(),
            bootstrap: BootstrapMetadata::with_defaults(MetadataVersion::LATEST_PRODUCTION),
            snapshot_after_bytes: 4096,
            snapshot_interval_ms: 0,
            retention: Retention { bytes: -1, ms: -1 },
            incarnation_id: rng.next_uuid(),
            controller_listeners: vec![],
        };
        let controller = Controller::new(config.clone(), "MkU3OEVBNTcwNTJENDM2Qk", rng.clone());
        let quorum = Quorum::start(settings, log, network.clone(), Some(controller), now).unwrap();
        let endpoint =
            Endpoint { name: "PLAINTEXT".into(), host: "localhost".into(), port: 9092, security_protocol: 0 };
        let broker = Broker::new(BrokerParts {
            cluster_id: "MkU3OEVBNTcwNTJENDM2Qk".into(),
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
        let node = Arc::new(Node { quorum, broker: Some(broker.clone()), clock: clock.clone() });
        let test = TestNode {
            node,
            clock,
            connection: connection("PLAINTEXT", false),
            controller_connection: connection("CONTROLLER", true),
        };
        test.settle();
        assert_eq!(broker.lifecycle.phase(), Phase::Running);
        test
    }

    /// Lets everything happen that is due now.
    pub fn settle(&self) {
        for _ in 0..8 {
            self.node.quorum.turn(self.clock.now()).unwrap();
            self.node.broker.as_ref().unwrap().timers.run(self.clock.now());
        }
    }

    pub fn pass_ms(&self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
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
