//! Random operations on a random cluster: whatever is done, the controller and the brokers agree, a snapshot loses nothing
//! (both are checked by [`Cluster::commit`]), and no partition gets into a state that it must never be in.

use super::testing::{CONTEXT, Cluster, topic};
use crate::image::{NO_LEADER, Partition};
use ottla_base::Uuid;
use ottla_wire::messages::*;
use proptest::prelude::*;

const BROKERS: i32 = 4;

/// What is done, and numbers to choose with.
#[derive(Clone, Debug)]
struct Step(u8, [u8; 4]);

fn step() -> impl Strategy<Value = Step> {
    (0u8..19, any::<[u8; 4]>()).prop_map(|(kind, numbers)| Step(kind, numbers))
}

struct Random {
    cluster: Cluster,
    incarnation: u8,
}

impl Random {
    fn pick_partition(&self, number: u8) -> Option<(Uuid, String, i32, Partition)> {
        let topics = &self.cluster.controller.working_image().topics;
        let all: Vec<_> = topics
            .names()
            .filter_map(|(_, id)| topics.by_id(id))
            .flat_map(|topic| topic.partitions.iter().map(|(id, p)| (topic.id, topic.name.to_string(), id, p.clone())))
            .collect();
        if all.is_empty() {
            return None;
        }
        all.get(usize::from(number) % all.len()).cloned()
    }

    fn run(&mut self, Step(kind, n): Step) {
        let broker = i32::from(n[0]) % BROKERS + 1;
        let registered = self.cluster.controller.working_image().cluster.broker(broker).is_some();
        let name = format!("t{}", n[1] % 4);
        match kind {
            0 | 1 => self.register(broker, n[1]),
            2..=5 if registered => drop(self.cluster.heartbeat(broker)),
            6 if registered => drop(self.cluster.heartbeat_with(broker, |r| r.want_shut_down = true)),
            7 if registered => drop(self.cluster.heartbeat_with(broker, |r| r.want_fence = true)),
            8 => {
                // All but one, or all, stay alive.
                let alive: Vec<i32> = (1..=BROKERS).filter(|id| *id != i32::from(n[2]) % 6).collect();
                let known = |id: &i32| self.cluster.controller.working_image().cluster.broker(*id).is_some();
                let alive: Vec<i32> = alive.into_iter().filter(known).collect();
                self.cluster.wait(9001, &alive);
            }
            9 | 10 => {
                let min_isr = (n[2] % 3 + 1).to_string();
                let unclean = (n[3].is_multiple_of(2)).to_string();
                let configs = [("min.insync.replicas", &*min_isr), ("unclean.leader.election.enable", &*unclean)];
                self.cluster.create(topic(&name, i32::from(n[0] % 5), i16::from(n[3] % 4), &configs));
            }
            11 => self.delete(name),
            12 | 13 => self.propose(n),
            14 => self.reassign(n),
            15 => self.add_partitions(name, n[2]),
            16 => self.set_min_isr(name, n[2]),
            17 => self.elect(n),
            18 => self.lose_leadership(name),
            _ => {}
        }
        self.check();
    }

    fn register(&mut self, broker: i32, restarts: u8) {
        if restarts.is_multiple_of(2) {
            self.incarnation = self.incarnation.wrapping_add(1);
        }
        let incarnation = self.incarnation;
        let forgets = restarts.is_multiple_of(3);
        self.cluster.register_with(broker, |request| {
            request.incarnation_id = Uuid([incarnation; 16]);
            if forgets {
                request.previous_broker_epoch = -1;
            }
        });
    }

    fn delete(&mut self, name: String) {
        let request = DeleteTopicsRequest { topic_names: vec![name], ..Default::default() };
        let outcome = self.cluster.controller.delete_topics(&CONTEXT, &request);
        self.cluster.commit(outcome);
    }

    fn propose(&mut self, n: [u8; 4]) {
        use alter_partition_request::{PartitionData, TopicData};
        let Some((topic_id, _, id, p)) = self.pick_partition(n[0]) else { return };
        if !p.has_leader() {
            return;
        }
        let chosen = |(i, broker): (usize, &i32)| (n[1] >> i & 1 == 1 || *broker == p.leader).then_some(*broker);
        let data = PartitionData {
            partition_index: id,
            leader_epoch: p.leader_epoch,
            partition_epoch: p.partition_epoch,
            new_isr: p.replicas.iter().enumerate().filter_map(chosen).collect(),
            leader_recovery_state: (n[2] % 2) as i8,
            ..Default::default()
        };
        let topics = vec![TopicData { topic_id, partitions: vec![data], ..Default::default() }];
        let broker_epoch = self.cluster.epochs[&p.leader];
        let request = AlterPartitionRequest { broker_id: p.leader, broker_epoch, topics, ..Default::default() };
        let context = super::RequestContext { api_version: 2, ..CONTEXT };
        let outcome = self.cluster.controller.alter_partition(&context, &request);
        self.cluster.commit(outcome);
    }

    fn reassign(&mut self, n: [u8; 4]) {
        use alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
        let Some((_, name, partition_index, _)) = self.pick_partition(n[0]) else { return };
        let replicas: Vec<i32> = (1..=BROKERS).filter(|id| n[1] >> id & 1 == 1).collect();
        let replicas = (!n[2].is_multiple_of(4)).then_some(replicas);
        let partitions = vec![ReassignablePartition { partition_index, replicas, ..Default::default() }];
        let request = AlterPartitionReassignmentsRequest {
            allow_replication_factor_change: true,
            topics: vec![ReassignableTopic { name, partitions, ..Default::default() }],
            ..Default::default()
        };
        let outcome = self.cluster.controller.alter_partition_reassignments(&request);
        self.cluster.commit(outcome);
    }

    fn add_partitions(&mut self, name: String, count: u8) {
        let topic = create_partitions_request::CreatePartitionsTopic {
            name,
            count: i32::from(count % 9),
            ..Default::default()
        };
        let request = CreatePartitionsRequest { topics: vec![topic], ..Default::default() };
        let outcome = self.cluster.controller.create_partitions(&request);
        self.cluster.commit(outcome);
    }

    fn set_min_isr(&mut self, name: String, value: u8) {
        use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
        let value = Some((value % 3 + 1).to_string());
        let config = AlterableConfig { name: "min.insync.replicas".to_owned(), value, ..Default::default() };
        let resource =
            AlterConfigsResource { resource_type: 2, resource_name: name, configs: vec![config], ..Default::default() };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
        let outcome = self.cluster.controller.incremental_alter_configs(&CONTEXT, &request);
        self.cluster.commit(outcome);
    }

    fn elect(&mut self, n: [u8; 4]) {
        let request =
            ElectLeadersRequest { election_type: (n[0] % 2) as i8, topic_partitions: None, ..Default::default() };
        let outcome = self.cluster.controller.elect_leaders(&request);
        self.cluster.commit(outcome);
    }

    /// With something appended that is never committed; then this controller leads again.
    fn lose_leadership(&mut self, name: String) {
        let before = self.cluster.controller.working_image().clone();
        let request = CreateTopicsRequest { topics: vec![topic(&name, 2, 1, &[])], ..Default::default() };
        let outcome = self.cluster.controller.create_topics(&CONTEXT, &request);
        for batch in outcome.batches() {
            self.cluster.controller.replay(self.cluster.log.len() as i64, 1, batch).unwrap();
        }
        self.cluster.controller.reset_to_committed();
        assert_eq!(self.cluster.controller.working_image(), &before);
        let bootstrap = crate::bootstrap::BootstrapMetadata::with_defaults(before.metadata_version());
        let next = self.cluster.log.len() as i64;
        let outcome = self.cluster.controller.become_active(1, next, self.cluster.now, &bootstrap);
        assert!(outcome.records.is_empty());
    }

    fn check(&self) {
        let image = self.cluster.controller.working_image();
        for topic in image.topics.iter() {
            for (id, p) in topic.partitions.iter() {
                let shown = format!("{}-{id} {p:?}", topic.name);
                let distinct =
                    |list: &[i32]| list.iter().collect::<std::collections::BTreeSet<_>>().len() == list.len();
                assert!(distinct(&p.replicas) && distinct(&p.isr) && distinct(p.elr()), "{shown}");
                assert!(p.isr.iter().all(|id| p.replicas.contains(id)), "ISR outside of the replicas: {shown}");
                assert!(p.elr().iter().all(|id| p.replicas.contains(id)), "ELR outside of the replicas: {shown}");
                assert!(p.elr().iter().all(|id| !p.isr.contains(id)), "in both ISR and ELR: {shown}");
                assert_eq!(p.directories().count(), p.replicas.len(), "{shown}");
                if p.leader != NO_LEADER {
                    assert!(p.isr.contains(&p.leader), "the leader is not in sync: {shown}");
                    assert!(image.cluster.broker(p.leader).is_some_and(|b| !b.fenced), "a fenced leader: {shown}");
                } else {
                    let could = if p.isr.is_empty() { p.elr() } else { &p.isr };
                    let could_lead = could.iter().find(|id| image.cluster.is_active(**id));
                    assert_eq!(could_lead, None, "there could be a leader: {shown}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done(release in 0usize..3, steps in proptest::collection::vec(step(), 1..120)) {
        let cluster = Cluster::new(["4.3", "4.0", "3.5"][release], "");
        let mut random = Random { cluster, incarnation: 0 };
        for id in 1..=BROKERS {
            random.cluster.register(id);
            random.cluster.heartbeat(id);
        }
        for step in steps {
            random.run(step);
        }
    }
}
