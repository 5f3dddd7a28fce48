//! The commands of the scenarios.
//!
//! ```text
//! > cluster voters=1,2,3 observers=4 static      nodes; dynamic voters unless `static`
//! > run 2000                                     time passes, messages take a millisecond
//! > tick 1000                                    time passes, messages wait
//! > messages                                     what waits
//! > deliver from=1 to=2                          what waits between these (either may be left out)
//! > drop from=1 to=2                             … is lost
//! > cut 1 / > cut 1 2 / > heal                   nothing between node 1 and all or one arrives / everything does
//! > crash 1 / > start 1                          what is not flushed is lost
//! > propose 1 3                                  the leader appends 3 records
//! > hold-flush 1 / > flush 1                     appends are not durable until told so
//! > snapshot 1 / > trim 1                        of all that is committed / up to the latest snapshot
//! > add-voter 1 3 / > remove-voter 1 3           node 1 is asked to
//! > resign 1 / > shutdown 1 5000
//! > upgrade 1 1                                  node 1 is to set kraft.version to 1
//! > wipe 1                                       a crash that takes the disk with it
//! > move 1                                       it gets another endpoint, for when it is started
//! > show vote                                    write down delivered messages with this word
//! > state                                        of all nodes
//! ```

use super::cluster::{Cluster, LISTENER, Membership, directory, key, listeners};
use super::disk::Disk;
use super::node::{Message, Payload};
use super::show;
use ottla_base::{NodeId, Rng};
use ottla_raft::{AddVoterRequest, Endpoints, Event, RemoveVoterRequest, ReplicaKey, Request};
use std::sync::Arc;

/// Always the same, so that a reader can follow the timeouts: node 2 waits 200 ms longer than the least.
struct Fixed(u64);

impl Rng for Fixed {
    fn next_u64(&self) -> u64 {
        self.0
    }
}

#[derive(Default)]
pub struct Script {
    cluster: Cluster,
    trace: Vec<String>,
    shown: Option<String>,
}

type Words<'a> = std::str::SplitWhitespace<'a>;

fn ids(text: &str) -> Result<Vec<NodeId>, String> {
    text.split(',').map(|id| id.parse().map_err(|_| format!("{id} is not a node id"))).collect()
}

fn number<T: std::str::FromStr>(words: &mut Words) -> Result<T, String> {
    let word = words.next().ok_or("a number is missing")?;
    word.parse().map_err(|_| format!("{word} is not a number"))
}

impl Script {
    pub fn run(&mut self, line: &str) -> Result<Vec<String>, String> {
        let line = line.strip_prefix("> ").ok_or("a command starts with '> '")?;
        let mut words = line.split_whitespace();
        let command = words.next().ok_or("no command")?;
        let now_ms = self.cluster.now_ms;
        match command {
            "cluster" => self.build(words)?,
            "run" => {
                let ms: u64 = number(&mut words)?;
                self.pass(ms, true);
            }
            "tick" => {
                let ms: u64 = number(&mut words)?;
                self.pass(ms, false);
            }
            "messages" => return Ok(self.cluster.network.iter().map(|(_, message)| show::message(message)).collect()),
            "deliver" | "drop" => self.pick(words, command == "deliver")?,
            "cut" => {
                let id: NodeId = number(&mut words)?;
                let others = match words.next() {
                    Some(other) => ids(other)?,
                    None => self.cluster.nodes.keys().copied().collect(),
                };
                self.cluster.cut.extend(others.iter().map(|other| (id.min(*other), id.max(*other))));
            }
            "show" => self.shown = words.next().map(str::to_owned),
            "heal" => self.cluster.cut.clear(),
            "state" => return Ok(self.cluster.nodes.values().map(|node| node.describe()).collect()),
            _ => {
                let id: NodeId = number(&mut words)?;
                self.node_command(command, id, &mut words, now_ms)?;
            }
        }
        self.note();
        Ok(std::mem::take(&mut self.trace))
    }

    fn build(&mut self, words: Words) -> Result<(), String> {
        let (mut voters, mut observers, mut brokers) = (vec![], vec![], vec![]);
        let (mut membership, mut auto_join) = (Membership::Dynamic, false);
        for word in words {
            match word.split_once('=') {
                Some(("voters", list)) => voters = ids(list)?,
                Some(("observers", list)) => observers = ids(list)?,
                Some(("brokers", list)) => brokers = ids(list)?,
                None if word == "static" => membership = Membership::Static,
                None if word == "auto-join" => auto_join = true,
                _ => return Err(format!("what is {word}?")),
            }
        }
        let controllers: Vec<NodeId> = voters.iter().chain(&observers).copied().collect();
        for id in controllers.iter().chain(&brokers) {
            let rng = Arc::new(Fixed(*id as u64 * 100));
            self.cluster.add(*id, &voters, membership, &controllers, rng);
            self.cluster.node(*id).config.auto_join = auto_join;
        }
        Ok(())
    }

    fn node_command(&mut self, command: &str, id: NodeId, words: &mut Words, now_ms: u64) -> Result<(), String> {
        let node = self.cluster.nodes.get_mut(&id).ok_or(format!("there is no node {id}"))?;
        match command {
            "crash" => node.crash(0),
            "start" => node.start(now_ms),
            "propose" => {
                let count: u64 = number(words)?;
                let values: Vec<u64> = (0..count).collect();
                if !node.propose(&values, now_ms) {
                    self.trace.push(format!("n{id} is not the leader"));
                }
            }
            "hold-flush" => node.auto_flush = false,
            "flush" => node.flush(now_ms),
            "snapshot" => {
                let snapshot = node.snapshot(now_ms).ok_or("nothing is committed")?;
                self.trace.push(format!("n{id}: snapshot {snapshot}"));
            }
            "trim" => node.trim(now_ms),
            "add-voter" => {
                let voter: NodeId = number(words)?;
                let (voter, listeners) = (key(voter), listeners(voter));
                node.ask(Request::AddVoter(AddVoterRequest { voter, listeners, ack_when_committed: true }), now_ms);
            }
            "remove-voter" => {
                let voter = key(number(words)?);
                node.ask(Request::RemoveVoter(RemoveVoterRequest { voter }), now_ms);
            }
            "resign" => {
                let epoch = node.raft.as_ref().ok_or("it is down")?.epoch();
                node.step(Event::Resign { epoch }, Payload::None, now_ms);
            }
            "shutdown" => {
                let timeout_ms: u64 = number(words)?;
                node.step(Event::Shutdown { timeout_ms }, Payload::None, now_ms);
            }
            "upgrade" => {
                let version: i16 = number(words)?;
                self.trace.push(match node.upgrade(version, now_ms) {
                    Ok(changed) => format!("n{id}: upgrade changed={changed}"),
                    Err(error) => format!("n{id}: upgrade failed: {error}"),
                });
            }
            "move" => node.config.listeners = Endpoints::single(LISTENER, "elsewhere", id as u16),
            "wipe" => {
                node.crash(0);
                node.disk = Disk::default();
                node.config.local = ReplicaKey::new(id, directory(2));
            }
            _ => return Err("no such command".to_owned()),
        }
        Ok(())
    }

    /// Lets time pass, with or without the messages.
    fn pass(&mut self, ms: u64, with_messages: bool) {
        let end_ms = self.cluster.now_ms + ms;
        loop {
            self.note();
            let timers = self.cluster.nodes.values().filter_map(|node| node.deadline_ms()).min();
            let next = if with_messages { self.cluster.next_ms() } else { timers };
            let Some(next_ms) = next.filter(|next_ms| *next_ms <= end_ms) else { break };
            self.cluster.now_ms = self.cluster.now_ms.max(next_ms);
            match with_messages.then(|| self.cluster.deliver_next()).flatten() {
                Some(message) => self.show(&message),
                None => self.cluster.tick_due(),
            }
        }
        self.cluster.now_ms = end_ms;
    }

    fn pick(&mut self, words: Words, deliver: bool) -> Result<(), String> {
        let (mut from, mut to) = (None, None);
        for word in words {
            match word.split_once('=') {
                Some(("from", id)) => from = ids(id)?.pop(),
                Some(("to", id)) => to = ids(id)?.pop(),
                _ => return Err(format!("what is {word}?")),
            }
        }
        let (picked, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.cluster.network).into_iter().partition(|(_, message)| {
                from.is_none_or(|from| from == message.from) && to.is_none_or(|to| to == message.to)
            });
        self.cluster.network = rest;
        for (_, message) in picked {
            self.trace.push(format!("{} {}", if deliver { ">>" } else { "xx" }, show::message(&message)));
            if deliver {
                self.cluster.deliver(message);
                self.note();
            }
        }
        Ok(())
    }

    fn show(&mut self, message: &Message) {
        let text = show::message(message);
        let arrives = !self.cluster.is_cut(message.from, message.to);
        if arrives && self.shown.as_ref().is_some_and(|word| text.contains(word.as_str())) {
            self.trace.push(format!("{:>6} {text}", self.cluster.now_ms));
        }
    }

    /// Writes down what happened, and sends what is to be sent.
    fn note(&mut self) {
        let now_ms = self.cluster.now_ms;
        for node in self.cluster.nodes.values_mut() {
            for action in std::mem::take(&mut node.actions) {
                if let Some(text) = show::action(&action) {
                    self.trace.push(format!("{now_ms:>6} n{}: {text}", node.id));
                }
            }
        }
        self.cluster.collect(|_| Some(now_ms + 1));
    }
}
