//! A node: its part in the metadata quorum, and a broker if it has that role.

use crate::broker::Broker;
use crate::dispatch;
use crate::quorum::Quorum;
use crate::request::{BadRequest, Connection, Sink};
use bytes::Bytes;
use ottla_base::{Clock, Time};
use std::sync::Arc;

pub struct Node {
    pub quorum: Arc<Quorum>,
    /// `None` on a node that is a controller only.
    pub broker: Option<Arc<Broker>>,
    pub clock: Arc<dyn Clock>,
}

impl Node {
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Takes one request, without the frame's length in front. The answer goes to `sink`, now or
    /// later; an error means that the connection is to be closed.
    pub fn handle(self: &Arc<Self>, connection: &Arc<Connection>, frame: Bytes, sink: Sink) -> Result<(), BadRequest> {
        dispatch::dispatch(self, connection, frame, sink)
    }

    /// Nobody is there any more to hear answers.
    pub fn connection_closed(&self, connection: &Connection) {
        tracing::trace!("connection {} closed", connection.id);
    }
}
