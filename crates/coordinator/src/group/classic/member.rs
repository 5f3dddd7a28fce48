//! One member of a classic group.

use crate::runtime::Token;
use bytes::Bytes;
use std::sync::Arc;

/// A JoinGroup request that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkedJoin {
    pub token: Token,
    pub api_version: i16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    pub name: String,
    pub metadata: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: Arc<str>,
    /// Of a static member (KIP-345).
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub protocol_type: String,
    /// Best first.
    pub protocols: Vec<Protocol>,
    pub assignment: Bytes,
    pub awaiting_join: Option<ParkedJoin>,
    pub awaiting_sync: Option<Token>,
    /// Has never had an answer to a JoinGroup.
    pub is_new: bool,
}

impl Member {
    /// What the member said for the protocol; nothing when it does not know it.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|known| known.name == protocol)
            .map(|known| known.metadata.clone())
            .unwrap_or_default()
    }

    /// A parked request is a sign of life, except of a member that does not know its id yet: its connection may
    /// be gone without anybody noticing.
    pub fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }
}
