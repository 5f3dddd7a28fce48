//! Thousands of random schedules over a network that loses, delays, repeats and reorders, and nodes
//! that crash. What must always hold is checked after every step; at the end everything heals, and
//! the nodes must agree.
//!
//! A failure prints its seed; `RAFT_SEED=17 cargo test -p ottla-raft --test random` replays it, and
//! `RAFT_SEEDS=5000` tries more than usual.

// The seed comes from the environment.
#![allow(clippy::disallowed_methods)]

mod support;

use ottla_base::{LeaderEpoch, NodeId, Offset, Rng, SeededRng};
use ottla_raft::{Action, AddVoterRequest, Event, RemoveVoterRequest, ReplicaKey, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use support::cluster::{Cluster, Membership, key, listeners};
use support::disk::Record;
use support::node::Payload;
use support::show;

const SEEDS: u64 = 200;
const STEPS: usize = 400;
const HEAL_MS: u64 = 120_000;
/// A node that is busy without getting anywhere is a failure, too.
const MAX_HEAL_STEPS: usize = 20_000;

/// What was ever true must stay so.
#[derive(Default)]
struct Checks {
    leaders: BTreeMap<LeaderEpoch, NodeId>,
    votes: BTreeMap<(NodeId, LeaderEpoch), ReplicaKey>,
    committed: Vec<Record>,
    /// For each of these, the epoch whose leader committed it.
    committed_in: Vec<LeaderEpoch>,
    high_watermarks: BTreeMap<NodeId, Offset>,
    /// Print what happens: for one seed that is replayed.
    trace: bool,
}

impl Checks {
    fn after_step(&mut self, cluster: &mut Cluster) {
        let ids: Vec<NodeId> = cluster.nodes.keys().copied().collect();
        for id in ids {
            for action in std::mem::take(&mut cluster.node(id).actions) {
                if self.trace
                    && let Some(text) = show::action(&action)
                {
                    println!("{:>6} n{id}: {text}", cluster.now_ms);
                }
                match action {
                    Action::BecameLeader { epoch, .. } => self.became_leader(cluster, id, epoch),
                    Action::PersistQuorumState(state) => {
                        if let Some(voted) = state.voted {
                            self.votes.entry((id, state.epoch)).or_insert(voted);
                        }
                        // A leader's vote for itself goes without saying.
                        let voted = state.voted.map(|voted| voted.id).or(state.leader.filter(|leader| *leader == id));
                        if let Some(before) = self.votes.get(&(id, state.epoch)) {
                            assert_eq!(voted, Some(before.id), "node {id} changed its vote in epoch {}", state.epoch);
                        }
                    }
                    Action::HighWatermark { offset } => self.committed_up_to(cluster, id, offset),
                    Action::InstallSnapshot { id: snapshot } => {
                        let records = &cluster.node(id).disk.snapshots[&snapshot].records;
                        assert_eq!(
                            self.committed.get(..records.len()),
                            Some(&records[..]),
                            "a snapshot of other records"
                        );
                    }
                    _ => {}
                }
            }
        }
    }

    fn became_leader(&mut self, cluster: &mut Cluster, id: NodeId, epoch: LeaderEpoch) {
        let before = *self.leaders.entry(epoch).or_insert(id);
        assert_eq!(before, id, "two leaders in epoch {epoch}");
        let disk = &cluster.node(id).disk;
        for ((offset, record), committed_in) in (0..).zip(&self.committed).zip(&self.committed_in) {
            // An election may be won when a later one is over; that leader commits nothing.
            if offset >= disk.start && *committed_in < epoch {
                assert_eq!(
                    disk.get(offset),
                    Some(record),
                    "leader {id} of epoch {epoch} lacks committed offset {offset}"
                );
            }
        }
    }

    fn committed_up_to(&mut self, cluster: &mut Cluster, id: NodeId, offset: Offset) {
        let before = self.high_watermarks.insert(id, offset).unwrap_or(0);
        assert!(offset > before, "the high watermark of node {id} went from {before} to {offset}");
        let node = cluster.node(id);
        let epoch = node.raft.as_ref().map_or(0, |raft| raft.epoch());
        let disk = &node.disk;
        for at in before.max(disk.start)..offset {
            let record = disk.get(at).unwrap_or_else(|| panic!("node {id} lacks offset {at}, which is committed"));
            match self.committed.get(at as usize) {
                Some(known) => assert_eq!(known, record, "node {id} commits another record at offset {at}"),
                None => {
                    assert_eq!(self.committed.len(), at as usize);
                    self.committed.push(record.clone());
                    self.committed_in.push(epoch);
                }
            }
        }
    }

    fn restarted(&mut self, id: NodeId) {
        self.high_watermarks.remove(&id);
    }
}

struct World {
    cluster: Cluster,
    checks: Checks,
    rng: SeededRng,
    controllers: Vec<NodeId>,
    /// Per thousand.
    loss: u64,
    repeats: u64,
    chaos: u64,
    changes: u64,
    max_delay_ms: u64,
    next_value: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let rng = SeededRng::new(seed);
        let pick = |n: u64| rng.next_u64() % n;
        let voters: Vec<NodeId> = (1..=1 + pick(5) as NodeId).collect();
        let controllers: Vec<NodeId> = (1..=voters.len() as NodeId + pick(3) as NodeId).collect();
        let all = controllers.len() as NodeId + pick(3) as NodeId;
        let membership = if pick(3) == 0 { Membership::Static } else { Membership::Dynamic };
        let manual_flush = pick(2) == 0;
        let join = pick(4) == 0;
        let mut world = World {
            cluster: Cluster::default(),
            checks: Checks { trace: number("RAFT_SEED").is_some(), ..Checks::default() },
            loss: [0, 20, 150][pick(3) as usize],
            repeats: [0, 50][pick(2) as usize],
            chaos: [5, 60, 200][pick(3) as usize],
            changes: [0, 10, 80][pick(3) as usize],
            // The last is longer than a request may take.
            max_delay_ms: [2, 50, 800, 3000][pick(4) as usize],
            rng,
            controllers,
            next_value: 0,
        };
        for id in 1..=all {
            let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(seed.wrapping_mul(1000) + id as u64));
            world.cluster.add(id, &voters, membership, &world.controllers, rng);
            let node = world.cluster.node(id);
            node.config.auto_join = join;
            node.auto_flush = !manual_flush;
        }
        world
    }

    fn pick(&self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    fn some_node(&self) -> NodeId {
        1 + self.pick(self.cluster.nodes.len() as u64) as NodeId
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            if self.pick(1000) < self.chaos {
                self.disturb();
            } else if self.pick(1000) < self.changes {
                self.change_voters();
            } else if self.pick(8) == 0 {
                self.use_leader();
            } else {
                self.advance();
            }
            self.after_step();
        }
    }

    fn after_step(&mut self) {
        let (rng, now_ms) = (&self.rng, self.cluster.now_ms);
        let (loss, max_delay_ms) = (self.loss, self.max_delay_ms);
        let mut repeated = Vec::new();
        self.cluster.collect(|message| {
            let delay_ms = 1 + rng.next_u64() % max_delay_ms;
            if rng.next_u64() % 1000 < self.repeats {
                repeated.push((now_ms + delay_ms * 3, message.clone()));
            }
            (rng.next_u64() % 1000 >= loss).then_some(now_ms + delay_ms)
        });
        self.cluster.network.extend(repeated);
        self.checks.after_step(&mut self.cluster);
        for node in self.cluster.nodes.values_mut().filter(|node| node.finished) {
            node.crash(0);
        }
    }

    /// To the next arrival or timer.
    fn advance(&mut self) {
        let next_ms = self.cluster.next_ms().unwrap_or(self.cluster.now_ms + 100);
        self.cluster.now_ms = self.cluster.now_ms.max(next_ms);
        if self.cluster.deliver_next().is_none() {
            self.cluster.tick_due();
        }
    }

    fn use_leader(&mut self) {
        let now_ms = self.cluster.now_ms;
        let Some(leader) = self.cluster.leader() else { return };
        match self.pick(6) {
            0..=2 => {
                self.next_value += 2;
                let values = [self.next_value, self.next_value + 1];
                self.cluster.node(leader).propose(&values, now_ms);
            }
            _ => self.cluster.node(leader).flush(now_ms),
        }
    }

    fn disturb(&mut self) {
        let now_ms = self.cluster.now_ms;
        let id = self.some_node();
        match self.pick(12) {
            0..=2 => {
                let node = self.cluster.node(id);
                if node.raft.is_some() {
                    let unflushed = (node.disk.end() - node.disk.flushed) as u64;
                    let survives = node.disk.flushed + (self.rng.next_u64() % (unflushed + 1)) as Offset;
                    node.crash(survives);
                }
            }
            3..=5 => self.restart(id),
            6 => {
                let other = self.some_node();
                self.cluster.cut.insert((id.min(other), id.max(other)));
            }
            7 => self.cluster.cut.clear(),
            8 => {
                let node = self.cluster.node(id);
                if node.snapshot(now_ms).is_some() && self.rng.next_u64().is_multiple_of(2) {
                    node.trim(now_ms);
                }
            }
            9 => {
                if let Some(leader) = self.cluster.leader() {
                    let node = self.cluster.node(leader);
                    let epoch = node.raft.as_ref().unwrap().epoch();
                    node.step(Event::Resign { epoch }, Payload::None, now_ms);
                }
            }
            _ => {
                let timeout_ms = 500 + self.pick(3000);
                self.cluster.node(id).step(Event::Shutdown { timeout_ms }, Payload::None, now_ms);
            }
        }
    }

    fn restart(&mut self, id: NodeId) {
        let now_ms = self.cluster.now_ms;
        let node = self.cluster.node(id);
        if node.raft.is_none() {
            self.checks.restarted(id);
            node.start(now_ms);
        }
    }

    fn change_voters(&mut self) {
        let now_ms = self.cluster.now_ms;
        let Some(leader) = self.cluster.leader() else { return };
        let id = self.controllers[self.pick(self.controllers.len() as u64) as usize];
        let node = self.cluster.node(leader);
        let is_voter = node.raft.as_ref().unwrap().voters().is_voter(&key(id));
        let request = if is_voter {
            Request::RemoveVoter(RemoveVoterRequest { voter: key(id) })
        } else {
            Request::AddVoter(AddVoterRequest { voter: key(id), listeners: listeners(id), ack_when_committed: true })
        };
        node.ask(request, now_ms);
    }

    /// No more faults: everybody must come to agree, with a leader, on all that was written.
    fn heal(&mut self) {
        (self.loss, self.repeats, self.max_delay_ms) = (0, 0, 5);
        self.cluster.cut.clear();
        let ids: Vec<NodeId> = self.cluster.nodes.keys().copied().collect();
        for id in ids.iter().copied() {
            self.restart(id);
            let now_ms = self.cluster.now_ms;
            let node = self.cluster.node(id);
            node.auto_flush = true;
            node.tick(now_ms);
        }
        self.after_step();
        let end_ms = self.cluster.now_ms + HEAL_MS;
        let mut steps = 0;
        while self.cluster.now_ms < end_ms && steps < MAX_HEAL_STEPS {
            steps += 1;
            self.advance();
            self.after_step();
            if self.has_converged() {
                return;
            }
            for id in &ids {
                // Those that were shutting down.
                self.restart(*id);
            }
        }
        let nodes: Vec<String> = self.cluster.nodes.values().map(|node| node.describe()).collect();
        panic!(
            "no agreement after {} of {HEAL_MS} ms without faults, in {steps} steps:\n{}",
            (self.cluster.now_ms + HEAL_MS).saturating_sub(end_ms),
            nodes.join("\n")
        );
    }

    fn has_converged(&self) -> bool {
        let Some(leader) = self.cluster.leader() else { return false };
        let end = self.cluster.nodes[&leader].disk.end();
        let epochs: BTreeSet<LeaderEpoch> =
            self.cluster.nodes.values().filter_map(|node| node.raft.as_ref()).map(|raft| raft.epoch()).collect();
        epochs.len() == 1
            && self.cluster.nodes.values().all(|node| node.high_watermark == end && node.disk.end() == end)
    }
}

/// Prints the seed if the test fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was {0}: replay with RAFT_SEED={0}", self.0);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

#[test]
fn random_schedules_keep_the_invariants() {
    let seeds = match number("RAFT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RAFT_SEEDS").unwrap_or(SEEDS),
    };
    let mut committed = 0;
    let mut elections = 0;
    for seed in seeds.clone() {
        let _seed = Seed(seed);
        let mut world = World::new(seed);
        world.after_step();
        world.run();
        world.heal();
        committed += world.checks.committed.len();
        elections += world.checks.leaders.len();
    }
    // Otherwise the checks would have had nothing to check.
    assert!(
        elections >= seeds.clone().count() && committed > 2 * elections,
        "{elections} elections, {committed} records"
    );
}
