//! InitProducerId: ids for idempotent producers (KIP-98, KIP-360).

use crate::broker::Broker;
use crate::producer_ids::ProducerIds;
use crate::request::{Reply, RequestContext};
use ottla_base::ErrorCode;
use ottla_wire::messages::{InitProducerIdRequest, InitProducerIdResponse};
use std::sync::Arc;

pub fn handle(
    broker: &Arc<Broker>,
    _context: RequestContext,
    request: InitProducerIdRequest,
    reply: Reply<InitProducerIdResponse>,
) {
    let failed = |error: ErrorCode| InitProducerIdResponse {
        error_code: error.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    if request.transactional_id.is_some() {
        // There is no transaction coordinator yet.
        return reply.send(&failed(ErrorCode::UnsupportedVersion));
    }
    // Without a transactional id nobody can prove that an old id was his: he gets a fresh one.
    ProducerIds::next(broker, move |result| match result {
        Ok(producer_id) => {
            reply.send(&InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() });
        }
        Err(error) => reply.send(&failed(error)),
    });
}
