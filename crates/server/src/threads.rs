//! The threads that drive a node: the metadata event loop, the timers, the housekeeping of logs, and
//! a few for work that waits for disks.

use ottla_base::Clock;
use ottla_broker::broker::{Background, Broker};
use ottla_broker::quorum::Quorum;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Lets one thread sleep until somebody has work for it.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    rings: Condvar,
}

impl Bell {
    fn ring(&self) {
        let mut rung = self.rung.lock();
        if !std::mem::replace(&mut *rung, true) {
            self.rings.notify_one();
        }
    }

    /// Waits for the bell, at most so long.
    fn wait(&self, at_most: Option<Duration>) {
        let mut rung = self.rung.lock();
        if !*rung {
            match at_most {
                Some(duration) => drop(self.rings.wait_for(&mut rung, duration)),
                None => self.rings.wait(&mut rung),
            }
        }
        *rung = false;
    }
}

/// Threads that end when they are told to.
#[derive(Default)]
pub struct Threads {
    stopping: Arc<AtomicBool>,
    bells: Mutex<Vec<Arc<Bell>>>,
    handles: Mutex<Vec<thread::JoinHandle<()>>>,
}

/// What went wrong beyond repair, for whoever waits for the server.
pub type Failed = Arc<dyn Fn(String) + Send + Sync>;

fn until(deadline_ms: Option<u64>, clock: &dyn Clock) -> Option<Duration> {
    deadline_ms.map(|at| Duration::from_millis(at.saturating_sub(clock.now().mono_ms)))
}

impl Threads {
    fn spawn(
        &self,
        name: &str,
        bell: Arc<Bell>,
        mut turn: impl FnMut() -> Option<Option<Duration>> + Send + 'static,
    ) -> std::io::Result<()> {
        let stopping = self.stopping.clone();
        self.bells.lock().push(bell.clone());
        let handle = thread::Builder::new().name(name.to_owned()).stack_size(1 << 20).spawn(move || {
            while !stopping.load(Ordering::Acquire) {
                let Some(wait) = turn() else { return };
                bell.wait(wait);
            }
        })?;
        self.handles.lock().push(handle);
        Ok(())
    }

    pub fn drive_quorum(&self, quorum: &Arc<Quorum>, clock: Arc<dyn Clock>, failed: Failed) -> std::io::Result<()> {
        let bell = Arc::new(Bell::default());
        let rung = bell.clone();
        quorum.on_work(Box::new(move || rung.ring()));
        let quorum = quorum.clone();
        self.spawn("metadata", bell, move || match quorum.turn(clock.now()) {
            Ok(deadline_ms) => Some(until(deadline_ms, &*clock)),
            Err(message) => {
                failed(message);
                None
            }
        })
    }

    pub fn drive_timers(&self, broker: &Arc<Broker>) -> std::io::Result<()> {
        let bell = Arc::new(Bell::default());
        let rung = bell.clone();
        broker.timers.on_earlier_deadline(Box::new(move || rung.ring()));
        let broker = broker.clone();
        self.spawn("timers", bell, move || {
            broker.timers.run(broker.clock.now());
            Some(until(broker.timers.next_deadline_ms(), &*broker.clock))
        })
    }

    pub fn keep_house(&self, broker: &Arc<Broker>, failed: Failed) -> std::io::Result<()> {
        let broker = broker.clone();
        self.spawn("logs", Arc::new(Bell::default()), move || {
            let report = broker.replicas.logs.tick(broker.clock.now().wall_ms);
            for (dir, reason) in &report.failed_dirs {
                tracing::error!("log directory {} is out of service: {reason}", dir.display());
            }
            if !report.failed_dirs.is_empty() && broker.replicas.directory_ids().is_empty() {
                failed("all log directories have failed".to_owned());
                return None;
            }
            Some(Some(Duration::from_secs(1)))
        })
    }

    /// All of them have ended when this returns.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for bell in self.bells.lock().iter() {
            bell.ring();
        }
        for handle in self.handles.lock().drain(..) {
            // A thread that panicked has said so already.
            let _panicked = handle.join();
        }
    }
}

/// Hands tasks to tokio's threads for blocking work.
pub struct BlockingTasks(pub tokio::runtime::Handle);

impl Background for BlockingTasks {
    fn run(&self, task: Box<dyn FnOnce() + Send>) {
        self.0.spawn_blocking(task);
    }
}
