//! The node's part in the metadata quorum: the metadata log, raft, the controller (where the node
//! has that role), and the image that everything else reads.

mod control_records;
mod core;
mod log_store;
mod settings;
mod state_file;
mod wire_client;

pub use self::core::{Core, WhenCommitted};
pub use log_store::{METADATA_TOPIC, MetadataLog, MetadataLogConfig};
pub use settings::{Retention, Settings};

use crate::network::{Address, Network};
use arc_swap::ArcSwap;
use ottla_base::{LeaderEpoch, NodeId, Offset, Time};
use ottla_metadata::controller::Controller;
use ottla_metadata::image::{MetadataDelta, MetadataImage};
use ottla_raft::Endpoints;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

/// Something to be done by the metadata event loop.
pub type Job = Box<dyn FnOnce(&mut Core, Time) + Send>;

/// Who is told of each new image, on the event loop. Must not wait.
pub trait Publisher: Send + Sync {
    fn publish(&self, delta: &MetadataDelta, image: &Arc<MetadataImage>, now: Time);
}

/// What this node believes about the quorum's leader.
#[derive(Clone, Debug, Default)]
pub struct QuorumStatus {
    pub epoch: LeaderEpoch,
    pub leader: Option<NodeId>,
    pub endpoints: Endpoints,
}

/// The handle that the rest of the node has.
pub struct Quorum {
    settings: Arc<Settings>,
    core: Mutex<Option<Core>>,
    inbox: Mutex<VecDeque<Job>>,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
    status: ArcSwap<QuorumStatus>,
    image: ArcSwap<MetadataImage>,
    applied: AtomicI64,
    kraft_version: AtomicI64,
    stopped: AtomicBool,
}

impl Quorum {
    /// Opens the metadata log. A node that is the only voter leads when this returns.
    pub fn start(
        settings: Settings,
        log: MetadataLog,
        network: Arc<dyn Network>,
        controller: Option<Controller>,
        now: Time,
    ) -> io::Result<Arc<Quorum>> {
        let settings = Arc::new(settings);
        let quorum = Arc::new(Quorum {
            settings: settings.clone(),
            core: Mutex::new(None),
            inbox: Mutex::default(),
            wake: OnceLock::new(),
            status: ArcSwap::default(),
            image: ArcSwap::default(),
            applied: AtomicI64::new(0),
            kraft_version: AtomicI64::new(0),
            stopped: AtomicBool::new(false),
        });
        let core = Core::start(settings, log, network, controller, Arc::downgrade(&quorum), now)?;
        *quorum.core.lock() = Some(core);
        Ok(quorum)
    }

    /// The driver's part, once: how to be told that [`Quorum::turn`] has something to do.
    pub fn on_work(&self, wake: Box<dyn Fn() + Send + Sync>) {
        let _already_set = self.wake.set(wake);
    }

    /// Has the event loop do something. Never waits.
    pub fn submit(&self, job: impl FnOnce(&mut Core, Time) + Send + 'static) {
        self.inbox.lock().push_back(Box::new(job));
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }

    /// One turn of the event loop. Returns when to be called again, on the monotonic clock; an
    /// error when the node must stop.
    pub fn turn(&self, now: Time) -> Result<Option<u64>, String> {
        let mut core = self.core.lock();
        let Some(core) = core.as_mut() else { return Ok(None) };
        let next = core.turn(|| self.inbox.lock().pop_front(), now);
        match core.fatal() {
            Some(message) => Err(message.to_owned()),
            None => Ok(next),
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn image(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// The level of `kraft.version`.
    pub fn kraft_version(&self) -> i16 {
        self.kraft_version.load(Ordering::Relaxed) as i16
    }

    pub fn status(&self) -> Arc<QuorumStatus> {
        self.status.load_full()
    }

    /// All before this offset is in the image.
    pub fn applied_offset(&self) -> Offset {
        self.applied.load(Ordering::Acquire)
    }

    /// Where the active controller listens, if it is another node and known.
    pub fn controller_address(&self) -> Option<Address> {
        let status = self.status();
        let endpoint = status.endpoints.get(&self.settings.raft.default_listener)?;
        Some(Address { host: endpoint.host.clone(), port: endpoint.port })
    }

    pub fn is_leader(&self) -> bool {
        self.status().leader == Some(self.settings.raft.local.id)
    }

    pub fn subscribe(&self, publisher: Arc<dyn Publisher>) {
        self.submit(move |core, now| core.add_publisher(publisher, now));
    }

    /// Hands over leadership; [`Quorum::is_stopped`] says when that is done.
    pub fn shut_down(&self, timeout_ms: u64) {
        self.submit(move |core, now| core.step(ottla_raft::Event::Shutdown { timeout_ms }, now));
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Closes the metadata log; the loop does nothing from here on.
    pub fn close(&self, now: Time) -> io::Result<()> {
        match self.core.lock().take() {
            Some(core) => core.log.close(now),
            None => Ok(()),
        }
    }

    fn set_status(&self, status: QuorumStatus) {
        self.status.store(Arc::new(status));
    }

    fn set_stopped(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    fn set_image(&self, image: Arc<MetadataImage>, applied: Offset, kraft_version: i16) {
        self.image.store(image);
        self.kraft_version.store(i64::from(kraft_version), Ordering::Relaxed);
        self.applied.store(applied, Ordering::Release);
    }
}
