//! What a leader knows of its followers, and what follows from it: the high watermark, and who is in
//! sync (KIP-16, KIP-497, KIP-966).

use ottla_base::{NodeId, Offset};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
struct Follower {
    /// All before it is in the follower's log; `None` until its first fetch.
    end_offset: Option<Offset>,
    last_caught_up_ms: u64,
    last_fetch_ms: u64,
    /// The end of the leader's log at the last fetch.
    leader_end_at_last_fetch: Offset,
    broker_epoch: i64,
}

/// The followers of one partition, during one leader epoch.
#[derive(Clone, Debug, Default)]
pub struct Followers {
    followers: BTreeMap<NodeId, Follower>,
}

impl Followers {
    /// A leader begins: nobody lags yet.
    pub fn new(ids: impl IntoIterator<Item = NodeId>, now_ms: u64) -> Followers {
        let fresh = Follower {
            end_offset: None,
            last_caught_up_ms: now_ms,
            last_fetch_ms: now_ms,
            leader_end_at_last_fetch: 0,
            broker_epoch: -1,
        };
        Followers { followers: ids.into_iter().map(|id| (id, fresh)).collect() }
    }

    /// A follower fetches from `offset` on, so it has all before it. False for a stranger.
    pub fn on_fetch(&mut self, id: NodeId, offset: Offset, leader_end: Offset, broker_epoch: i64, now_ms: u64) -> bool {
        let Some(follower) = self.followers.get_mut(&id) else { return false };
        if offset >= leader_end {
            follower.last_caught_up_ms = follower.last_caught_up_ms.max(now_ms);
        } else if offset >= follower.leader_end_at_last_fetch {
            // It has read all that there was when it asked last.
            follower.last_caught_up_ms = follower.last_caught_up_ms.max(follower.last_fetch_ms);
        }
        follower.end_offset = Some(offset);
        follower.last_fetch_ms = now_ms;
        follower.leader_end_at_last_fetch = leader_end;
        follower.broker_epoch = broker_epoch;
        true
    }

    /// The end of what all of these have. `None` while one of them has not been heard of.
    pub fn committed(&self, in_sync: impl IntoIterator<Item = NodeId>, leader_end: Offset) -> Option<Offset> {
        let mut committed = leader_end;
        for id in in_sync {
            if let Some(follower) = self.followers.get(&id) {
                committed = committed.min(follower.end_offset?);
            }
        }
        Some(committed)
    }

    /// Whether a follower may join the in-sync replicas: it has all that is committed, and all that
    /// was there when this leader began.
    pub fn is_caught_up(&self, id: NodeId, high_watermark: Offset, epoch_start: Offset) -> bool {
        let end = self.followers.get(&id).and_then(|follower| follower.end_offset);
        end.is_some_and(|end| end >= high_watermark && end >= epoch_start)
    }

    /// Those of the in-sync replicas that have not caught up for `max_lag_ms`.
    pub fn lagging(&self, in_sync: &[NodeId], leader_end: Offset, max_lag_ms: u64, now_ms: u64) -> Vec<NodeId> {
        let lags = |id: &&NodeId| {
            self.followers.get(id).is_some_and(|follower| {
                follower.end_offset != Some(leader_end)
                    && now_ms.saturating_sub(follower.last_caught_up_ms) > max_lag_ms
            })
        };
        in_sync.iter().filter(lags).copied().collect()
    }

    /// Of the follower's last fetch; -1 before that.
    pub fn broker_epoch(&self, id: NodeId) -> i64 {
        self.followers.get(&id).map_or(-1, |follower| follower.broker_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followers() -> Followers {
        Followers::new([2, 3], 1000)
    }

    #[test]
    fn what_all_in_sync_have_is_committed() {
        let mut f = followers();
        assert_eq!(f.committed([1, 2, 3], 10), None);
        f.on_fetch(2, 10, 10, 5, 1001);
        assert_eq!(f.committed([1, 2, 3], 10), None);
        f.on_fetch(3, 7, 10, 5, 1001);
        assert_eq!(f.committed([1, 2, 3], 10), Some(7));
        assert_eq!(f.committed([1, 2], 10), Some(10));
        assert_eq!(f.committed([1], 12), Some(12));
        assert!(!f.on_fetch(9, 0, 10, 5, 1001));
    }

    #[test]
    fn who_does_not_catch_up_lags() {
        let mut f = followers();
        f.on_fetch(2, 5, 5, 1, 2000);
        f.on_fetch(3, 5, 5, 1, 2000);
        // The second goes on, the third does not.
        f.on_fetch(2, 8, 9, 1, 3000);
        f.on_fetch(2, 9, 12, 1, 4000);
        assert_eq!(f.lagging(&[1, 2, 3], 12, 1500, 4000), [3]);
        // Whoever has everything never lags, however long ago it asked.
        f.on_fetch(3, 12, 12, 1, 4000);
        assert!(f.lagging(&[3], 12, 1500, 99_000).is_empty());
    }

    #[test]
    fn joining_needs_the_committed_and_the_epochs_beginning() {
        let mut f = followers();
        assert!(!f.is_caught_up(2, 0, 0));
        f.on_fetch(2, 5, 9, 1, 2000);
        assert!(f.is_caught_up(2, 5, 5));
        assert!(!f.is_caught_up(2, 6, 0));
        assert!(!f.is_caught_up(2, 0, 6));
    }
}
