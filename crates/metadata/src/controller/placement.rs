//! Which brokers get the replicas of new partitions: round-robin over the racks and, in each rack, over its brokers,
//! unfenced ones first (Kafka's striped placement, KIP-36).

use super::error::{ApiError, ApiResult};
use ottla_base::{ErrorCode, NodeId, Rng};
use std::collections::BTreeMap;

pub(super) struct UsableBroker {
    pub id: NodeId,
    pub rack: Option<String>,
    pub fenced: bool,
}

/// Replica lists for `partitions` new partitions, the preferred leader first (and unfenced).
pub(super) fn place(
    partitions: i32,
    replicas: i16,
    brokers: Vec<UsableBroker>,
    rng: &dyn Rng,
) -> ApiResult<Vec<Vec<NodeId>>> {
    if replicas <= 0 {
        return Err(failed(format!("Invalid replication factor {replicas}: the replication factor must be positive.")));
    }
    let total = brokers.len();
    let mut racks = RackList::new(brokers, rng);
    if racks.unfenced == 0 {
        return Err(failed("All brokers are currently fenced, or have all their log directories cordoned."));
    }
    if usize::from(replicas.unsigned_abs()) > total {
        return Err(failed(format!(
            "The target replication factor of {replicas} cannot be reached because only {total} broker(s) are registered \
             or some brokers have all their log directories cordoned."
        )));
    }
    Ok((0..partitions).map(|_| racks.place(replicas, rng)).collect())
}

fn failed(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidReplicationFactor, message)
}

fn random_below(bound: usize, rng: &dyn Rng) -> usize {
    if bound == 0 { 0 } else { (rng.next_u64() % bound as u64) as usize }
}

fn shuffle<T>(items: &mut [T], rng: &dyn Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, random_below(i + 1, rng));
    }
}

/// Hands out each broker once per round, beginning one further in each round.
#[derive(Default)]
struct BrokerList {
    brokers: Vec<NodeId>,
    offset: usize,
    taken: usize,
    round: u64,
}

impl BrokerList {
    fn initialize(&mut self, rng: &dyn Rng) {
        self.brokers.sort_unstable();
        self.offset = random_below(self.brokers.len(), rng);
    }

    fn shuffle(&mut self, rng: &dyn Rng) {
        shuffle(&mut self.brokers, rng);
        // Rounds are counted anew. A list that was not asked since round 0 must not take the next one for that.
        self.round = u64::MAX;
    }

    fn next(&mut self, round: u64) -> Option<NodeId> {
        let len = self.brokers.len();
        if len == 0 {
            return None;
        }
        if self.round != round {
            self.round = round;
            self.taken = 0;
            self.offset = (self.offset + 1) % len;
        }
        if self.taken >= len {
            return None;
        }
        self.taken += 1;
        self.brokers.get((self.taken - 1 + self.offset) % len).copied()
    }
}

#[derive(Default)]
struct Rack {
    unfenced: BrokerList,
    fenced: BrokerList,
}

struct RackList {
    racks: Vec<Rack>,
    unfenced: usize,
    offset: usize,
    round: u64,
}

impl RackList {
    fn new(brokers: Vec<UsableBroker>, rng: &dyn Rng) -> RackList {
        let unfenced = brokers.iter().filter(|broker| !broker.fenced).count();
        // In the order of their names, no name first.
        let mut racks: BTreeMap<Option<String>, Rack> = BTreeMap::new();
        for broker in brokers {
            let rack = racks.entry(broker.rack).or_default();
            let list = if broker.fenced { &mut rack.fenced } else { &mut rack.unfenced };
            list.brokers.push(broker.id);
        }
        let mut racks: Vec<Rack> = racks.into_values().collect();
        for rack in &mut racks {
            rack.fenced.initialize(rng);
            rack.unfenced.initialize(rng);
        }
        let offset = random_below(racks.len(), rng);
        RackList { racks, unfenced, offset, round: 0 }
    }

    fn place(&mut self, replicas: i16, rng: &dyn Rng) -> Vec<NodeId> {
        // From here on the same lists would come again. (With one broker they can only be the same.)
        if self.round == self.unfenced as u64 && self.unfenced > 1 {
            shuffle(&mut self.racks, rng);
            for rack in &mut self.racks {
                rack.unfenced.shuffle(rng);
                rack.fenced.shuffle(rng);
            }
            self.round = 0;
        }
        let count = self.racks.len();
        self.offset %= count;
        let mut chosen = Vec::with_capacity(usize::from(replicas.unsigned_abs()));
        let mut leader_rack = self.offset;
        while chosen.is_empty() {
            chosen.extend(self.racks[leader_rack].unfenced.next(self.round));
            if chosen.is_empty() {
                leader_rack = (leader_rack + 1) % count;
            }
        }
        // The rack of the leader has had its turn.
        let mut skip = Some(leader_rack);
        let mut rack = self.offset;
        while chosen.len() < usize::from(replicas.unsigned_abs()) {
            if skip == Some(rack) {
                skip = None;
            } else {
                let Rack { unfenced, fenced } = &mut self.racks[rack];
                chosen.extend(unfenced.next(self.round).or_else(|| fenced.next(self.round)));
            }
            rack = (rack + 1) % count;
        }
        self.round += 1;
        self.offset += 1;
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_base::SeededRng;
    use std::collections::BTreeSet;

    fn broker(id: NodeId, rack: &str, fenced: bool) -> UsableBroker {
        UsableBroker { id, rack: (!rack.is_empty()).then(|| rack.to_owned()), fenced }
    }

    fn check_error(partitions: i32, replicas: i16, brokers: Vec<UsableBroker>, expect: &str) {
        let error = place(partitions, replicas, brokers, &SeededRng::new(1)).unwrap_err();
        assert_eq!(error.message.as_deref(), Some(expect));
    }

    #[test]
    fn errors() {
        check_error(
            1,
            3,
            vec![broker(1, "", false)],
            "The target replication factor of 3 cannot be reached because only 1 broker(s) are registered \
             or some brokers have all their log directories cordoned.",
        );
        check_error(
            1,
            1,
            vec![broker(1, "", true)],
            "All brokers are currently fenced, or have all their log directories cordoned.",
        );
    }

    #[test]
    fn leaders_and_racks_are_spread() {
        for seed in 0..50 {
            let brokers = (0..6).map(|id| broker(id, ["a", "b", "c"][id as usize % 3], id == 5)).collect();
            let placed = place(50, 3, brokers, &SeededRng::new(seed)).unwrap();
            let mut leaders = BTreeMap::new();
            for replicas in &placed {
                let racks: BTreeSet<i32> = replicas.iter().map(|id| id % 3).collect();
                assert_eq!(racks.len(), 3, "one in each rack: {replicas:?}");
                *leaders.entry(replicas[0]).or_insert(0) += 1;
            }
            assert!(!leaders.contains_key(&5), "a fenced broker leads");
            assert!(leaders.len() == 5 && leaders.values().all(|n| (5..=20).contains(n)), "{leaders:?}");
        }
    }

    #[test]
    fn every_broker_once() {
        for seed in 0..20 {
            let brokers = (0..4).map(|id| broker(id, "", id > 2)).collect();
            for replicas in place(20, 4, brokers, &SeededRng::new(seed)).unwrap() {
                assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 4);
            }
        }
    }
}
