//! How a node reaches others: the server does it with sockets, the simulator with its own.

use bytes::Bytes;
use ottla_base::ErrorCode;
use ottla_wire::{ApiKey, Message, Reader, Request, Segment, WireError};

/// `host:port`, not resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

/// Encodes the request's frame once the version is agreed, with this correlation id.
pub type EncodeCall = Box<dyn FnOnce(i16, i32) -> Result<Vec<Segment>, WireError> + Send>;
/// The version that was agreed and the response's body, or why there is none
/// (`NETWORK_EXCEPTION`, `REQUEST_TIMED_OUT`, `UNSUPPORTED_VERSION`).
pub type CallDone = Box<dyn FnOnce(Result<(i16, Reader), ErrorCode>) + Send>;

/// A request to another node.
pub struct Call {
    pub api: ApiKey,
    /// The highest version that we want to speak.
    pub max_version: i16,
    pub encode: EncodeCall,
    pub done: CallDone,
    pub timeout_ms: u64,
}

/// Requests of one lane wait for each other; those of different lanes do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// The metadata log.
    Raft,
    /// A broker's registration, heartbeats and the like.
    Lifecycle,
    /// What a broker passes on to the active controller for its clients.
    Forward,
    /// Fetches of followers.
    Replication,
}

pub trait Network: Send + Sync {
    /// Never waits. `done` is called exactly once, on any thread.
    fn call(&self, to: &Address, lane: Lane, call: Call);
}

pub const CLIENT_ID: &str = "ottla";

/// Sends a request and hands over the decoded response.
pub fn call<Q: Request + Send + 'static>(
    network: &dyn Network,
    to: &Address,
    lane: Lane,
    request: Q,
    timeout_ms: u64,
    done: impl FnOnce(Result<(i16, Q::Response), ErrorCode>) + Send + 'static,
) {
    let encode =
        move |version, correlation_id| crate::request::encode_request(version, correlation_id, CLIENT_ID, &request);
    let decode = move |answer: Result<(i16, Reader), ErrorCode>| {
        done(answer.and_then(|(version, mut reader)| {
            let response = Q::Response::decode(&mut reader, version);
            response.map(|response| (version, response)).map_err(|error| {
                tracing::warn!("{} v{version}: the response is malformed: {error}", Q::KEY.name());
                ErrorCode::CorruptMessage
            })
        }));
    };
    let info = Q::KEY.info();
    network.call(
        to,
        lane,
        Call {
            api: Q::KEY,
            max_version: info.max_stable_version(),
            encode: Box::new(encode),
            done: Box::new(decode),
            timeout_ms,
        },
    );
}

/// The bytes of an encoded request without the frame's length, for an envelope.
pub fn without_length(frame: Vec<Segment>) -> Bytes {
    let mut whole = Vec::new();
    for segment in frame {
        if let Segment::Bytes(bytes) = segment {
            whole.extend_from_slice(&bytes);
        }
    }
    Bytes::from(whole).slice(4..)
}
