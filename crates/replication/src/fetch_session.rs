//! Incremental fetch sessions (KIP-227): the broker remembers what a fetcher follows, so that
//! requests name only what changed, and responses only what there is news of.

use ottla_base::{ErrorCode, Offset, Uuid};
use ottla_wire::messages::FetchRequest;
use ottla_wire::messages::fetch_request::FetchPartition;
use std::collections::{BTreeMap, HashMap};

const NO_SESSION: i32 = 0;
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// `max.incremental.fetch.session.cache.slots`.
    pub slots: usize,
    /// `min.incremental.fetch.session.eviction.ms`: an older session may be displaced.
    pub eviction_ms: u64,
}

/// One partition that a request wants, by name (old versions) or by id (13 and later).
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionToFetch {
    pub topic: String,
    pub topic_id: Uuid,
    pub fetch: FetchPartition,
}

/// What a fetcher was last told of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub high_watermark: Offset,
    pub log_start_offset: Offset,
}

const NOTHING_SEEN: Seen = Seen { high_watermark: -1, log_start_offset: -1 };

/// A fetch under way.
#[derive(Clone, Debug)]
pub struct Fetching {
    /// To be put into the response; 0 where there is no session.
    pub session_id: i32,
    /// Only what has news belongs into the response.
    pub is_incremental: bool,
    /// In the order in which they share the response's bytes.
    pub partitions: Vec<PartitionToFetch>,
}

type Key = (String, Uuid, i32);

struct Followed {
    wanted: PartitionToFetch,
    seen: Seen,
}

struct Session {
    next_epoch: i32,
    uses_topic_ids: bool,
    /// Sessions of replicas are not displaced by those of consumers.
    privileged: bool,
    created_ms: u64,
    last_used_ms: u64,
    next_position: u64,
    by_position: BTreeMap<u64, Followed>,
    positions: HashMap<Key, u64>,
}

/// All sessions of a broker.
pub struct FetchSessions {
    limits: SessionLimits,
    sessions: HashMap<i32, Session>,
}

fn key_of(topic: &str, topic_id: Uuid, partition: i32) -> Key {
    (topic.to_owned(), topic_id, partition)
}

fn wanted_by(request: &FetchRequest) -> Vec<PartitionToFetch> {
    let of_topic = |topic: &ottla_wire::messages::fetch_request::FetchTopic| {
        let (name, id) = (topic.topic.clone(), topic.topic_id);
        let wanted = topic.partitions.iter().cloned();
        wanted.map(move |fetch| PartitionToFetch { topic: name.clone(), topic_id: id, fetch }).collect::<Vec<_>>()
    };
    request.topics.iter().flat_map(of_topic).collect()
}

impl Session {
    fn new(uses_topic_ids: bool, privileged: bool, now_ms: u64) -> Session {
        Session {
            next_epoch: INITIAL_EPOCH,
            uses_topic_ids,
            privileged,
            created_ms: now_ms,
            last_used_ms: now_ms,
            next_position: 0,
            by_position: BTreeMap::new(),
            positions: HashMap::new(),
        }
    }

    fn follow(&mut self, wanted: PartitionToFetch) {
        let key = key_of(&wanted.topic, wanted.topic_id, wanted.fetch.partition);
        if let Some(followed) = self.positions.get(&key).and_then(|at| self.by_position.get_mut(at)) {
            followed.wanted = wanted;
            return;
        }
        self.positions.insert(key, self.next_position);
        self.by_position.insert(self.next_position, Followed { wanted, seen: NOTHING_SEEN });
        self.next_position += 1;
    }

    fn forget(&mut self, key: &Key) {
        if let Some(position) = self.positions.remove(key) {
            self.by_position.remove(&position);
        }
    }

    fn partitions(&self) -> Vec<PartitionToFetch> {
        self.by_position.values().map(|followed| followed.wanted.clone()).collect()
    }

    /// Whoever got records goes to the end, so that all get their turn when bytes are short.
    fn move_to_end(&mut self, key: &Key) {
        let Some(position) = self.positions.get_mut(key) else { return };
        if let Some(followed) = self.by_position.remove(position) {
            *position = self.next_position;
            self.by_position.insert(self.next_position, followed);
            self.next_position += 1;
        }
    }

    fn advance_epoch(&mut self) {
        // After the largest comes 1: 0 and -1 have a meaning of their own.
        self.next_epoch = if self.next_epoch == i32::MAX { 1 } else { self.next_epoch + 1 };
    }
}

impl FetchSessions {
    pub fn new(limits: SessionLimits) -> Self {
        FetchSessions { limits, sessions: HashMap::new() }
    }

    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// What a request wants fetched. `random` chooses the id of a new session.
    pub fn begin(
        &mut self,
        request: &FetchRequest,
        version: i16,
        privileged: bool,
        random: u64,
        now_ms: u64,
    ) -> Result<Fetching, ErrorCode> {
        let (id, epoch) = (request.session_id, request.session_epoch);
        if epoch == INITIAL_EPOCH || epoch == FINAL_EPOCH {
            self.sessions.remove(&id);
            return Ok(self.begin_full(request, version, privileged, epoch, random, now_ms));
        }
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.next_epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != (version >= 13) {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        for wanted in wanted_by(request) {
            session.follow(wanted);
        }
        for topic in &request.forgotten_topics_data {
            for partition in &topic.partitions {
                session.forget(&key_of(&topic.topic, topic.topic_id, *partition));
            }
        }
        session.last_used_ms = now_ms;
        session.advance_epoch();
        if session.positions.is_empty() {
            self.sessions.remove(&id);
            return Ok(Fetching { session_id: NO_SESSION, is_incremental: true, partitions: vec![] });
        }
        Ok(Fetching { session_id: id, is_incremental: true, partitions: session.partitions() })
    }

    fn begin_full(
        &mut self,
        request: &FetchRequest,
        version: i16,
        privileged: bool,
        epoch: i32,
        random: u64,
        now_ms: u64,
    ) -> Fetching {
        let partitions = wanted_by(request);
        let mut session_id = NO_SESSION;
        if epoch == INITIAL_EPOCH && !partitions.is_empty() && self.make_room(privileged, partitions.len(), now_ms) {
            let mut session = Session::new(version >= 13, privileged, now_ms);
            for wanted in &partitions {
                session.follow(wanted.clone());
            }
            session.advance_epoch();
            session_id = self.free_id(random);
            self.sessions.insert(session_id, session);
        }
        Fetching { session_id, is_incremental: false, partitions }
    }

    fn free_id(&self, random: u64) -> i32 {
        let mut id = (random as i32 & i32::MAX).max(1);
        while self.sessions.contains_key(&id) {
            id = if id == i32::MAX { 1 } else { id + 1 };
        }
        id
    }

    /// Whether a new session may have a slot: a free one, or that of a session that is idle for
    /// long, or of one that is older and follows less.
    fn make_room(&mut self, privileged: bool, size: usize, now_ms: u64) -> bool {
        if self.sessions.len() < self.limits.slots {
            return true;
        }
        let idle = |s: &Session| now_ms.saturating_sub(s.last_used_ms) > self.limits.eviction_ms;
        let old = |s: &Session| now_ms.saturating_sub(s.created_ms) > self.limits.eviction_ms;
        let longest_idle = self.sessions.iter().min_by_key(|(id, s)| (s.last_used_ms, **id));
        let victim = longest_idle.filter(|(_, s)| idle(s)).map(|(id, _)| *id).or_else(|| {
            let candidates = self.sessions.iter().filter(|(_, s)| old(s) && (privileged || !s.privileged));
            let smallest = candidates.min_by_key(|(id, s)| (s.privileged, s.positions.len(), **id))?;
            let (id, s) = smallest;
            (privileged && !s.privileged || s.positions.len() < size).then_some(*id)
        });
        match victim {
            Some(id) => self.sessions.remove(&id).is_some(),
            None => false,
        }
    }

    /// Whether a partition belongs into an incremental response; remembers what is told.
    /// `has_news` are records, an error, or a change that a fetcher must hear of in any case.
    pub fn report(
        &mut self,
        session_id: i32,
        wanted: &PartitionToFetch,
        now: Seen,
        has_records: bool,
        has_news: bool,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&session_id) else { return true };
        let key = key_of(&wanted.topic, wanted.topic_id, wanted.fetch.partition);
        let Some(followed) = session.positions.get(&key).and_then(|at| session.by_position.get_mut(at)) else {
            return true;
        };
        let changed = followed.seen != now;
        followed.seen = now;
        if has_news {
            // Whatever was wrong, the fetcher shall hear of it when it is right again.
            followed.seen = NOTHING_SEEN;
        }
        if has_records {
            session.move_to_end(&key);
        }
        changed || has_records || has_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::messages::fetch_request::{FetchTopic, ForgottenTopic};

    fn request(id: i32, epoch: i32, partitions: &[i32]) -> FetchRequest {
        let fetch = |partition: &i32| FetchPartition { partition: *partition, ..Default::default() };
        let topic =
            FetchTopic { topic: "t".into(), partitions: partitions.iter().map(fetch).collect(), ..Default::default() };
        let topics = if partitions.is_empty() { vec![] } else { vec![topic] };
        FetchRequest { session_id: id, session_epoch: epoch, topics, ..Default::default() }
    }

    fn sessions(slots: usize) -> FetchSessions {
        FetchSessions::new(SessionLimits { slots, eviction_ms: 100 })
    }

    fn numbers(fetching: &Fetching) -> Vec<i32> {
        fetching.partitions.iter().map(|p| p.fetch.partition).collect()
    }

    #[test]
    fn a_session_remembers_what_it_follows() {
        let mut all = sessions(10);
        let first = all.begin(&request(0, 0, &[0, 1]), 12, false, 7, 0).unwrap();
        assert_eq!((first.session_id, first.is_incremental), (7, false));
        let second = all.begin(&request(7, 1, &[2]), 12, false, 8, 0).unwrap();
        assert_eq!((numbers(&second), second.is_incremental), (vec![0, 1, 2], true));
        let mut third = request(7, 2, &[]);
        third.forgotten_topics_data =
            vec![ForgottenTopic { topic: "t".into(), partitions: vec![1], ..Default::default() }];
        assert_eq!(numbers(&all.begin(&third, 12, false, 8, 0).unwrap()), [0, 2]);
    }

    #[test]
    fn wrong_ids_and_epochs_have_their_errors() {
        let mut all = sessions(10);
        all.begin(&request(0, 0, &[0]), 12, false, 7, 0).unwrap();
        let error = |all: &mut FetchSessions, r: FetchRequest, v| all.begin(&r, v, false, 9, 0).unwrap_err();
        assert_eq!(error(&mut all, request(8, 1, &[]), 12), ErrorCode::FetchSessionIdNotFound);
        assert_eq!(error(&mut all, request(7, 2, &[]), 12), ErrorCode::InvalidFetchSessionEpoch);
        assert_eq!(error(&mut all, request(7, 1, &[]), 13), ErrorCode::FetchSessionTopicIdError);
    }

    #[test]
    fn only_news_is_told_and_who_got_records_goes_last() {
        let mut all = sessions(10);
        let first = all.begin(&request(0, 0, &[0, 1]), 12, false, 7, 0).unwrap();
        let seen = Seen { high_watermark: 5, log_start_offset: 0 };
        assert!(all.report(7, &first.partitions[0], seen, true, false));
        assert!(all.report(7, &first.partitions[1], seen, false, false));
        let second = all.begin(&request(7, 1, &[]), 12, false, 8, 0).unwrap();
        assert_eq!(numbers(&second), [1, 0]);
        assert!(!all.report(7, &second.partitions[0], seen, false, false));
        assert!(all.report(7, &second.partitions[0], Seen { high_watermark: 6, ..seen }, false, false));
    }

    #[test]
    fn a_full_cache_gives_up_idle_sessions_only() {
        let mut all = sessions(1);
        assert_eq!(all.begin(&request(0, 0, &[0]), 12, false, 7, 0).unwrap().session_id, 7);
        assert_eq!(all.begin(&request(0, 0, &[0]), 12, false, 8, 50).unwrap().session_id, 0);
        assert_eq!(all.begin(&request(0, 0, &[0]), 12, false, 9, 101).unwrap().session_id, 9);
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn the_final_epoch_ends_a_session() {
        let mut all = sessions(10);
        all.begin(&request(0, 0, &[0]), 12, false, 7, 0).unwrap();
        let last = all.begin(&request(7, -1, &[0]), 12, false, 8, 0).unwrap();
        assert_eq!((last.session_id, all.is_empty()), (0, true));
    }
}
