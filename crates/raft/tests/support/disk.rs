//! What a node keeps when its process ends: quorum state, log and snapshots, all in memory.

use ottla_base::{LeaderEpoch, Offset};
use ottla_raft::{ControlEntry, ControlRecord, EpochStart, LogState, OffsetAndEpoch, QuorumState, VoterSet};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Data(u64),
    Control(ControlRecord),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub epoch: LeaderEpoch,
    pub body: Body,
}

/// The whole committed prefix, so that a test can compare it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub controls: Vec<ControlEntry>,
    pub records: Vec<Record>,
}

impl Snapshot {
    /// In pretended bytes.
    pub fn size(&self) -> i64 {
        self.records.len() as i64 + 1
    }
}

#[derive(Clone, Default)]
pub struct Disk {
    pub quorum_state: Option<QuorumState>,
    pub start: Offset,
    pub records: Vec<Record>,
    pub flushed: Offset,
    pub snapshots: BTreeMap<OffsetAndEpoch, Snapshot>,
}

impl Disk {
    pub fn end(&self) -> Offset {
        self.start + self.records.len() as Offset
    }

    pub fn get(&self, offset: Offset) -> Option<&Record> {
        self.records.get(usize::try_from(offset - self.start).ok()?)
    }

    pub fn read(&self, from: Offset, max: usize) -> Vec<Record> {
        self.records.iter().skip((from - self.start) as usize).take(max).cloned().collect()
    }

    pub fn truncate(&mut self, to: Offset) {
        self.records.truncate((to - self.start) as usize);
        self.flushed = self.flushed.min(to);
    }

    /// All records below `end`, snapshots included.
    pub fn prefix(&self, end: Offset) -> Vec<Record> {
        let mut records = match self.snapshots.range(..).rev().find(|(id, _)| id.offset <= end.max(self.start)) {
            Some((_, snapshot)) => snapshot.records.clone(),
            None => Vec::new(),
        };
        records.truncate(end as usize);
        for offset in records.len() as Offset..end {
            records.push(self.get(offset).expect("a record between snapshot and log").clone());
        }
        records
    }

    pub fn trim(&mut self, start: Offset) {
        self.records.drain(..(start - self.start) as usize);
        self.start = start;
        self.snapshots.retain(|id, _| id.offset >= start);
    }

    pub fn install(&mut self, id: OffsetAndEpoch, snapshot: Snapshot) {
        self.snapshots = BTreeMap::from([(id, snapshot)]);
        self.records.clear();
        self.start = id.offset;
        self.flushed = id.offset;
    }

    pub fn epochs_from(&self, from: Offset) -> Vec<EpochStart> {
        let mut epochs: Vec<EpochStart> = Vec::new();
        for offset in from..self.end() {
            let epoch = self.get(offset).expect("a record in the log").epoch;
            if epochs.last().is_none_or(|last| last.epoch < epoch) {
                epochs.push(EpochStart { epoch, start_offset: offset });
            }
        }
        epochs
    }

    pub fn controls_from(&self, from: Offset) -> Vec<ControlEntry> {
        let mut controls = Vec::new();
        for offset in from..self.end() {
            if let Some(Record { body: Body::Control(record), .. }) = self.get(offset) {
                controls.push(ControlEntry { offset, record: record.clone() });
            }
        }
        controls
    }

    /// As snapshot and log have them.
    pub fn last_voters(&self) -> Option<&VoterSet> {
        let in_log = self.records.iter().rev().find_map(|record| match &record.body {
            Body::Control(ControlRecord::Voters(voters)) => Some(voters),
            _ => None,
        });
        let controls = self.snapshots.values().next_back().map_or(&[][..], |snapshot| &snapshot.controls);
        let in_snapshot = controls.iter().rev().find_map(|entry| match &entry.record {
            ControlRecord::Voters(voters) => Some(voters),
            _ => None,
        });
        in_log.or(in_snapshot)
    }

    pub fn log_state(&self) -> LogState {
        let mut controls = Vec::new();
        let mut from = self.start;
        if let Some((id, snapshot)) = self.snapshots.last_key_value() {
            controls.extend(snapshot.controls.iter().cloned());
            from = id.offset;
        }
        controls.extend(self.controls_from(from));
        LogState {
            start_offset: self.start,
            end_offset: self.end(),
            epochs: self.epochs_from(self.start),
            snapshots: self.snapshots.keys().copied().collect(),
            controls,
        }
    }
}
