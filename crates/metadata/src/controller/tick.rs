//! What the active controller does without being asked.

use super::{Controller, Outcome, mono};
use crate::image::VersionedRecord;
use ottla_base::Time;
use ottla_config::BrokerConfig;
use ottla_wire::metadata_records::NoOpRecord;

/// Before the next step of a task that has more to do.
const SOON_MS: u64 = 10;
/// Elections or expirations in one step of a task.
pub(super) const MAX_STEP: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// Something to commit, so that followers and the high watermark move on.
    WriteNoOp,
    FenceStaleBroker,
    ElectPreferred,
    ElectUnclean,
    ExpireDelegationTokens,
}

struct Entry {
    task: Task,
    period_ms: u64,
    due_ms: u64,
}

pub(super) struct Schedule(Vec<Entry>);

impl Schedule {
    pub fn new(config: &BrokerConfig, now_ms: u64) -> Schedule {
        let ms = |key: &str| config.value(key).and_then(|value| value.as_i64()).unwrap_or(0).max(1) as u64;
        let mut tasks = vec![
            (Task::FenceStaleBroker, (ms("broker.session.timeout.ms") / 8).max(1)),
            (Task::ElectUnclean, ms("unclean.leader.election.interval.ms")),
            (Task::ExpireDelegationTokens, ms("delegation.token.expiry.check.interval.ms")),
        ];
        if let Some(interval) = config.metadata_max_idle_interval_ms() {
            tasks.push((Task::WriteNoOp, interval.max(1) as u64));
        }
        if config.boolean("auto.leader.rebalance.enable") {
            tasks.push((Task::ElectPreferred, ms("leader.imbalance.check.interval.seconds") * 1000));
        }
        let entry = |(task, period_ms)| Entry { task, period_ms, due_ms: now_ms + period_ms };
        Schedule(tasks.into_iter().map(entry).collect())
    }

    fn take_due(&mut self, now_ms: u64) -> Option<Task> {
        let entry = self.0.iter_mut().filter(|entry| entry.due_ms <= now_ms).min_by_key(|entry| entry.due_ms)?;
        entry.due_ms = now_ms + entry.period_ms;
        Some(entry.task)
    }

    fn hurry(&mut self, task: Task, now_ms: u64) {
        for entry in self.0.iter_mut().filter(|entry| entry.task == task) {
            entry.due_ms = now_ms + SOON_MS;
        }
    }
}

impl Controller {
    /// The next thing that is due and has something to write. Call again, after having appended and replayed it, until there
    /// is nothing. Does nothing on a controller that is not active.
    pub fn tick(&mut self, now: Time) -> Option<Outcome<()>> {
        while let Some(active) = &mut self.active {
            let task = active.schedule.take_due(mono(now))?;
            let (records, more): (Vec<VersionedRecord>, bool) = match task {
                Task::WriteNoOp => (vec![(NoOpRecord::default().into(), 0)], false),
                Task::FenceStaleBroker => self.fence_stale_broker(now),
                Task::ElectPreferred => self.elect_preferred_leaders(),
                Task::ElectUnclean => self.elect_unclean_leaders(),
                Task::ExpireDelegationTokens => self.expire_tokens(now),
            };
            if more {
                self.active_mut().schedule.hurry(task, mono(now));
            }
            if !records.is_empty() {
                return Some(Outcome::splittable(records, ()));
            }
        }
        None
    }

    /// When to call [`tick`](Self::tick) next, on the monotonic clock.
    pub fn next_tick_ms(&self) -> Option<u64> {
        self.active.as_ref()?.schedule.0.iter().map(|entry| entry.due_ms).min()
    }
}
