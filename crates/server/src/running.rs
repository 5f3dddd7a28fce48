//! A server that runs, and how it ends.

use crate::threads::Threads;
use ottla_base::DiskLock;
use ottla_broker::Node;
use ottla_broker::lifecycle::Phase;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a shutdown waits for the controller's leave, and for the quorum.
const CONTROLLED_SHUTDOWN: Duration = Duration::from_secs(30);
const QUORUM_SHUTDOWN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(2);

pub struct Server {
    node: Arc<Node>,
    threads: Threads,
    stop_accepting: watch::Sender<bool>,
    failed: watch::Receiver<Option<String>>,
    /// Of directories that only the metadata log uses.
    _locks: Vec<Box<dyn DiskLock>>,
    ports: Vec<(String, u16)>,
}

impl Server {
    pub(crate) fn new(
        node: Arc<Node>,
        threads: Threads,
        stop_accepting: watch::Sender<bool>,
        failed: watch::Receiver<Option<String>>,
        locks: Vec<Box<dyn DiskLock>>,
        ports: Vec<(String, u16)>,
    ) -> Server {
        Server { node, threads, stop_accepting, failed, _locks: locks, ports }
    }

    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    pub fn node_id(&self) -> ottla_base::NodeId {
        self.node.quorum.settings().raft.local.id
    }

    /// The listeners, and the ports that they were bound to.
    pub fn ports(&self) -> &[(String, u16)] {
        &self.ports
    }

    /// Until clients are served: a broker is unfenced. An error when that can never be.
    pub async fn wait_until_ready(&self) -> Result<(), String> {
        let Some(broker) = &self.node.broker else { return Ok(()) };
        loop {
            if let Some(message) = self.failure() {
                return Err(message);
            }
            if broker.lifecycle.phase() == Phase::Running {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn failure(&self) -> Option<String> {
        let of_broker = self.node.broker.as_ref().and_then(|broker| broker.lifecycle.fatal());
        of_broker.or_else(|| self.failed.borrow().clone())
    }

    /// Returns when the node cannot go on, with the reason.
    pub async fn wait_for_failure(&self) -> String {
        loop {
            if let Some(message) = self.failure() {
                return message;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends in order: the controller moves our leaderships away, connections close, logs are flushed
    /// and marked as cleanly closed.
    pub async fn shut_down(self) {
        if let Some(broker) = &self.node.broker {
            broker.lifecycle.begin_shutdown(broker);
            let allowed = wait_for(CONTROLLED_SHUTDOWN, || broker.lifecycle.phase() == Phase::Stopped).await;
            if !allowed {
                tracing::warn!("the controller did not allow the shutdown in {CONTROLLED_SHUTDOWN:?}: going anyway");
            }
        }
        let _nobody_listens = self.stop_accepting.send(true);
        self.node.quorum.shut_down(QUORUM_SHUTDOWN.as_millis() as u64);
        wait_for(QUORUM_SHUTDOWN, || self.node.quorum.is_stopped()).await;
        // Blocking from here on: there is nothing left to serve.
        self.threads.stop();
        let now = self.node.now();
        if let Some(broker) = &self.node.broker
            && let Err(error) = broker.replicas.logs.shutdown(broker.lifecycle.epoch(), now.wall_ms)
        {
            tracing::error!("not all logs could be closed: {error}");
        }
        if let Err(error) = self.node.quorum.close(now) {
            tracing::error!("the metadata log could not be closed: {error}");
        }
    }
}

async fn wait_for(at_most: Duration, mut done: impl FnMut() -> bool) -> bool {
    let give_up = Instant::now() + at_most;
    while !done() {
        if Instant::now() >= give_up {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}
