//! Producer ids for brokers to hand out, a block at a time (KIP-730).

use super::{Controller, Outcome};
use ottla_base::ErrorCode;
use ottla_wire::messages::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use ottla_wire::metadata_records::ProducerIdsRecord;

const BLOCK_SIZE: i32 = 1000;

impl Controller {
    pub fn allocate_producer_ids(&self, request: &AllocateProducerIdsRequest) -> Outcome<AllocateProducerIdsResponse> {
        let failed = |code: ErrorCode| {
            Outcome::answer(AllocateProducerIdsResponse { error_code: code as i16, ..Default::default() })
        };
        if let Err(error) = self.check_broker_epoch(request.broker_id, request.broker_epoch) {
            return failed(error.code);
        }
        let first = self.working.image.next_producer_id.max(0);
        if first > i64::MAX - i64::from(BLOCK_SIZE) {
            return failed(ErrorCode::UnknownServerError);
        }
        let record = ProducerIdsRecord {
            broker_id: request.broker_id,
            broker_epoch: request.broker_epoch,
            next_producer_id: first + i64::from(BLOCK_SIZE),
            ..ProducerIdsRecord::default()
        };
        let response = AllocateProducerIdsResponse {
            producer_id_start: first,
            producer_id_len: BLOCK_SIZE,
            ..AllocateProducerIdsResponse::default()
        };
        Outcome::splittable(vec![(record.into(), 0)], response)
    }
}
