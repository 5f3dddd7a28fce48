//! What the replay of records changed, so that it can be taken back when the append fails, and so that a reader
//! can be shown the state as of the high watermark.

use super::Group;
use super::classic::{Assigned, Replaced};
use super::offsets::{At, CommittedOffset};
use super::request::Response;
use crate::runtime::{AppendId, AppendKind, Record, Token};
use ottla_base::Offset;
use std::sync::Arc;

/// The value before the change; `None` where there was none.
#[derive(Debug)]
pub enum Change {
    Offset { at: At, before: Option<CommittedOffset> },
    Pending { producer_id: i64, at: At, before: Option<CommittedOffset> },
    Group { id: Arc<str>, before: Option<Group> },
}

/// What happens when the high watermark has passed a write, or when the write has failed.
#[derive(Debug)]
pub(super) enum Completion {
    Reply {
        token: Token,
        response: Response,
    },
    /// The leader's assignment is stored: hand it to the members.
    Assigned(Assigned),
    /// The new id of a static member is stored: let it in.
    Replaced(Replaced),
}

/// Records that are collected, appended, or replicated but not yet below the high watermark.
#[derive(Debug)]
pub(super) struct Write {
    pub id: AppendId,
    pub kind: AppendKind,
    /// Taken when they are handed to the driver.
    pub records: Vec<Record>,
    pub size: usize,
    /// Known once the log has taken them.
    pub last_offset: Option<Offset>,
    pub changes: Vec<Change>,
    pub completions: Vec<Completion>,
    /// When those who wait are told that it took too long, in monotonic milliseconds.
    pub deadline_ms: u64,
}

impl Write {
    pub fn new() -> Write {
        Write {
            id: 0,
            kind: AppendKind::Plain,
            records: Vec::new(),
            size: 0,
            last_offset: None,
            changes: Vec::new(),
            completions: Vec::new(),
            deadline_ms: 0,
        }
    }

    pub fn has_work(&self) -> bool {
        !self.records.is_empty() || self.kind != AppendKind::Plain
    }

    pub fn push(&mut self, record: Record) {
        self.size += record.size();
        self.records.push(record);
    }
}
