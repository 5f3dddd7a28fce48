//! A shard with a log, a clock and a high watermark.

use crate::print;
use crate::requests::{Words, request};
use bytes::Bytes;
use ottla_base::{ErrorCode, SeededRng, Time};
use ottla_coordinator::group::{Action, ClassicGroup, Group, GroupConfig, GroupShard, RequestContext, Response};
use ottla_coordinator::runtime::{Append, AppendKind, Record};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

pub const START_MS: i64 = 1_000_000;

enum Entry {
    Record { producer_id: i64, key: Bytes, value: Option<Bytes> },
    Marker { producer_id: i64, commit: bool },
}

pub struct World {
    shard: GroupShard,
    config: GroupConfig,
    now: Time,
    log: Vec<Entry>,
    hold_high_watermark: bool,
    hold_appends: bool,
    held: Vec<Append>,
    fail_next: Option<ErrorCode>,
    has_failed: bool,
    labels: BTreeMap<u64, String>,
    next_token: u64,
    high_watermark: i64,
    pub names: Names,
    pub output: String,
}

/// Short names for member ids: `a#1` for the first id that was made for client or instance `a`.
#[derive(Default)]
pub struct Names {
    short_of: BTreeMap<String, String>,
    counts: BTreeMap<String, usize>,
}

impl Names {
    pub fn short(&mut self, id: &str) -> String {
        const UUID_LEN: usize = 36;
        if let Some(short) = self.short_of.get(id) {
            return short.clone();
        }
        let Some(prefix_len) = id.len().checked_sub(UUID_LEN + 1).filter(|len| id.is_char_boundary(*len)) else {
            return if id.is_empty() { "-".to_owned() } else { id.to_owned() };
        };
        let prefix = id[..prefix_len].to_owned();
        let count = self.counts.entry(prefix.clone()).or_default();
        *count += 1;
        let short = format!("{prefix}#{count}");
        self.short_of.insert(id.to_owned(), short.clone());
        short
    }

    pub fn all(&self) -> Vec<String> {
        self.short_of.values().cloned().collect()
    }

    pub fn long(&self, short: &str) -> String {
        let found = self.short_of.iter().find(|(_, known)| *known == short);
        found.map_or_else(|| short.to_owned(), |(id, _)| id.clone())
    }
}

fn new_shard(config: &GroupConfig) -> GroupShard {
    GroupShard::new(config.clone(), Arc::new(SeededRng::new(7)))
}

impl World {
    pub fn new() -> World {
        let config = GroupConfig::default();
        let now = Time { wall_ms: START_MS, mono_ms: 50_000 };
        let mut shard = new_shard(&config);
        shard.loaded(now, &mut Vec::new());
        World {
            shard,
            config,
            now,
            log: Vec::new(),
            hold_high_watermark: false,
            hold_appends: false,
            held: Vec::new(),
            fail_next: None,
            has_failed: false,
            labels: BTreeMap::new(),
            next_token: 1,
            high_watermark: 0,
            names: Names::default(),
            output: String::new(),
        }
    }

    pub fn event(&mut self, line: &str) {
        writeln!(self.output, "{line}").unwrap();
        let words = Words::new(line);
        if let Some(label) = words.label() {
            return self.request(label, &words);
        }
        match words.command() {
            "config" => self.configure(&words),
            "wait" => self.wait(words.number(1)),
            "hold-hw" => self.hold_high_watermark = true,
            "release-hw" => {
                self.hold_high_watermark = false;
                self.commit_all();
            }
            "hold-appends" => self.hold_appends = true,
            "release-appends" => {
                self.hold_appends = false;
                for append in std::mem::take(&mut self.held) {
                    self.append(append);
                }
            }
            "fail" => self.fail_next = Some(words.error(1)),
            "topics-deleted" => {
                let id = words.uuid("id");
                let mut actions = Vec::new();
                self.shard.on_topics_deleted(vec![(words.word(1).to_owned(), id)], self.now, &mut actions);
                self.act(actions);
            }
            "resign" => {
                let mut actions = Vec::new();
                self.shard.resign(&mut actions);
                self.act(actions);
            }
            "restart" => {
                self.shard = self.reload();
                let mut actions = Vec::new();
                self.shard.loaded(self.now, &mut actions);
                self.act(actions);
                self.commit_all();
            }
            "loading" => self.shard = new_shard(&self.config),
            "show" => self.show(),
            other => panic!("unknown event {other}"),
        }
    }

    fn configure(&mut self, words: &Words) {
        for (key, value) in words.pairs() {
            let number: u64 = value.parse().unwrap();
            match key {
                "initial-delay" => self.config.initial_rebalance_delay_ms = number as i32,
                "max-size" => self.config.max_size = number as usize,
                "metadata-max" => self.config.offset_metadata_max_bytes = number as usize,
                "retention" => self.config.offsets_retention_ms = number as i64,
                "check-interval" => self.config.offsets_retention_check_interval_ms = number,
                "append-max" => self.config.append_max_bytes = number as usize,
                other => panic!("unknown config {other}"),
            }
        }
        self.shard = self.reload();
        self.shard.loaded(self.now, &mut Vec::new());
    }

    fn request(&mut self, label: &str, words: &Words) {
        let token = self.next_token;
        self.next_token += 1;
        self.labels.insert(token, label.to_owned());
        let context = RequestContext {
            client_id: words.get("client").unwrap_or(label).to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            api_version: words.version(),
        };
        let request = request(words, &self.names);
        let mut actions = Vec::new();
        self.shard.handle(request, context, token, self.now, &mut actions);
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Reply { token, response } => {
                    let label = self.labels.remove(&token).expect("a request is answered once");
                    let response = print::response(&response, &mut self.names);
                    writeln!(self.output, "    {label} <- {response}").unwrap();
                }
                Action::Append(append) if self.hold_appends => self.held.push(append),
                Action::Append(append) => self.append(append),
            }
        }
    }

    fn append(&mut self, append: Append) {
        let producer_id = match append.kind {
            AppendKind::Plain => -1,
            AppendKind::Transactional { producer_id, producer_epoch, .. } => {
                writeln!(self.output, "    in the transaction of producer {producer_id}, epoch {producer_epoch}:")
                    .unwrap();
                producer_id
            }
            AppendKind::Marker { producer_id, commit, coordinator_epoch, .. } => {
                let kind = if commit { "COMMIT" } else { "ABORT" };
                writeln!(
                    self.output,
                    "    append {kind} of producer {producer_id}, coordinator epoch {coordinator_epoch}"
                )
                .unwrap();
                producer_id
            }
        };
        // What is in one batch hangs below its first record.
        for (position, record) in append.records.iter().enumerate() {
            let record = print::record(record, &mut self.names);
            let verb = if position == 0 { "append" } else { "  with" };
            writeln!(self.output, "    {verb} {record}").unwrap();
        }
        let result = match self.fail_next.take() {
            Some(error) => {
                self.has_failed = true;
                writeln!(self.output, "    the append fails: {error}").unwrap();
                Err(error)
            }
            None => {
                self.extend_log(append.kind, producer_id, append.records);
                Ok(self.log.len() as i64 - 1)
            }
        };
        let mut actions = Vec::new();
        self.shard.appended(append.id, result, self.now, &mut actions);
        self.act(actions);
        if !self.hold_high_watermark {
            self.commit_all();
        }
    }

    fn extend_log(&mut self, kind: AppendKind, producer_id: i64, records: Vec<Record>) {
        if let AppendKind::Marker { commit, .. } = kind {
            self.log.push(Entry::Marker { producer_id, commit });
        }
        let entry = |record: Record| Entry::Record { producer_id, key: record.key, value: record.value };
        self.log.extend(records.into_iter().map(entry));
    }

    fn commit_all(&mut self) {
        let mut actions = Vec::new();
        self.high_watermark = self.log.len() as i64;
        self.shard.committed(self.high_watermark, self.now, &mut actions);
        self.act(actions);
    }

    /// Stops at every deadline on the way.
    fn wait(&mut self, ms: u64) {
        let end_ms = self.now.mono_ms + ms;
        while let Some(deadline_ms) = self.shard.next_deadline_ms().filter(|deadline| *deadline <= end_ms) {
            self.advance_to(deadline_ms.max(self.now.mono_ms));
            let before = self.output.len();
            let mut actions = Vec::new();
            self.shard.tick(self.now, &mut actions);
            self.act(actions);
            if self.output.len() > before {
                let at = self.now.wall_ms - START_MS;
                self.output.insert_str(before, &format!("  at {at} ms\n"));
            }
        }
        self.advance_to(end_ms);
    }

    fn advance_to(&mut self, mono_ms: u64) {
        self.now.wall_ms += (mono_ms - self.now.mono_ms) as i64;
        self.now.mono_ms = mono_ms;
    }

    fn reload(&self) -> GroupShard {
        self.load(self.log.len())
    }

    fn load(&self, end: usize) -> GroupShard {
        let mut shard = new_shard(&self.config);
        for entry in &self.log[..end] {
            match entry {
                Entry::Record { producer_id, key, value } => {
                    shard.load_record(*producer_id, key, value.as_ref()).unwrap();
                }
                Entry::Marker { producer_id, commit } => shard.load_marker(*producer_id, *commit),
            }
        }
        shard
    }

    fn show(&mut self) {
        for (_, group) in self.shard.groups() {
            let group = print::group(group, &mut self.names);
            writeln!(self.output, "    {group}").unwrap();
        }
    }

    pub fn unanswered(&self) -> usize {
        self.labels.len()
    }

    fn classic(&self, id: &str) -> Option<&ClassicGroup> {
        self.shard.groups().find(|(known, _)| *known == id).and_then(|(_, group)| match group {
            Group::Classic(group) => Some(&**group),
            Group::Modern(_) => None,
        })
    }

    pub fn generation(&self, id: &str) -> i32 {
        self.classic(id).map_or(0, |group| group.generation)
    }

    pub fn members(&self, id: &str) -> Vec<String> {
        self.classic(id).into_iter().flat_map(|group| group.members.keys()).map(|id| id.to_string()).collect()
    }

    pub fn leader(&self, id: &str) -> Option<String> {
        self.classic(id)?.leader.as_ref().map(|leader| leader.to_string())
    }

    /// What readers are told is what the log says up to the high watermark.
    pub fn check_committed(&mut self) {
        let mut replayed = self.load(self.high_watermark as usize);
        replayed.loaded(self.now, &mut Vec::new());
        for question in ["fetch g", "fetch h", "list"] {
            let words = Words::new(question);
            let ask = |shard: &mut GroupShard| {
                let context = RequestContext { client_id: String::new(), client_host: String::new(), api_version: 9 };
                let mut actions = Vec::new();
                shard.handle(request(&words, &self.names), context, u64::MAX, self.now, &mut actions);
                let replies: Vec<Response> = actions
                    .into_iter()
                    .filter_map(|action| match action {
                        Action::Reply { token: u64::MAX, response } => Some(response),
                        _ => None,
                    })
                    .collect();
                assert_eq!(replies.len(), 1, "an answer at once");
                match &replies[0] {
                    // States of a rebalance are not in the log.
                    Response::ListGroups(response) => {
                        response.groups.iter().map(|group| group.group_id.clone()).collect::<Vec<_>>().join(" ")
                    }
                    response => print::response(response, &mut Names::default()),
                }
            };
            assert_eq!(ask(&mut self.shard), ask(&mut replayed), "{question}");
        }
    }

    /// What the log says is what the shard believes, wherever it does not know more than the log.
    pub fn check_replay(&mut self) {
        let replayed = self.reload();
        let ids = |shard: &GroupShard| shard.groups().map(|(id, _)| id.to_owned()).collect::<Vec<_>>();
        assert_eq!(ids(&self.shard), ids(&replayed), "groups after the replay");
        for ((id, live), (_, replayed_group)) in self.shard.groups().zip(replayed.groups()) {
            let stored = |group: &Group| print::stored(group);
            // As in Kafka, a group lives on when the record of its last state could not be written.
            if print::is_settled(live) && !self.has_failed {
                assert_eq!(stored(live), stored(replayed_group), "group {id} after the replay");
            }
            let offsets = |shard: &GroupShard| print::offsets(shard, id);
            assert_eq!(offsets(&self.shard), offsets(&replayed), "offsets of {id} after the replay");
            assert_eq!(self.shard.has_pending_offsets(id), replayed.has_pending_offsets(id), "pending offsets of {id}");
        }
    }
}
