//! What the parts of a shard share while they handle an event: the time, the timers, the write being collected
//! and the actions.

use super::GroupConfig;
use super::change::Write;
use super::request::{Action, Response};
use crate::runtime::{Record, Timers, Token};
use ottla_base::{ErrorCode, Rng, Time};
use ottla_wire::WireError;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerKey {
    Member { group: Arc<str>, member: Arc<str> },
    Join { group: Arc<str> },
    Sync { group: Arc<str> },
    Cleanup,
}

/// What there is to do when a timer fires, besides what its key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Member,
    /// The first rebalance of a group; `remaining_ms` may be added for members that still come.
    InitialJoin {
        delay_ms: i32,
        remaining_ms: i32,
    },
    Join,
    Sync {
        generation: i32,
    },
    Cleanup,
}

pub(super) struct Core {
    pub config: GroupConfig,
    pub rng: Arc<dyn Rng>,
    pub now: Time,
    pub timers: Timers<TimerKey, Due>,
    pub open: Write,
    pub actions: Vec<Action>,
}

impl Core {
    pub fn reply(&mut self, token: Token, response: Response) {
        self.actions.push(Action::Reply { token, response });
    }

    pub fn set_timer(&mut self, key: TimerKey, delay_ms: i32, due: Due) {
        let delay_ms = u64::try_from(delay_ms).unwrap_or(0);
        self.timers.set(key, self.now.mono_ms + delay_ms, due);
    }

    /// Adds a record to the write. Nothing is replayed: the caller keeps the state right.
    pub fn write(&mut self, record: Result<Record, WireError>) -> Result<(), ErrorCode> {
        match record {
            Ok(record) => {
                self.open.push(record);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "a record of the group coordinator cannot be written");
                Err(ErrorCode::UnknownServerError)
            }
        }
    }
}
