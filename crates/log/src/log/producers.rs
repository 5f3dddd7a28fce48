//! The partition's producers, as the broker asks for them.

use super::Log;
use crate::error::Result;
use crate::producer::{ProducerInfo, VerificationGuard};
use ottla_base::TimestampMs;

impl Log {
    /// For DescribeProducers.
    pub fn producers(&self) -> Result<Vec<ProducerInfo>> {
        self.with_open(|open| Ok(open.producers.list()))
    }

    pub fn producer_count(&self) -> Result<usize> {
        self.with_open(|open| Ok(open.producers.len()))
    }

    pub fn has_ongoing_transaction(&self, producer_id: i64, producer_epoch: i16) -> Result<bool> {
        self.with_open(|open| Ok(open.producers.has_ongoing_transaction(producer_id, producer_epoch)))
    }

    /// Before the first append of a transaction: `Some` says that the coordinator must be asked, and that the
    /// append must bring the guard along (KIP-890). `None` that the transaction is known here.
    pub fn start_transaction_verification(
        &self,
        producer_id: i64,
        sequence: i32,
        producer_epoch: i16,
        supports_epoch_bump: bool,
        now_ms: TimestampMs,
    ) -> Result<Option<VerificationGuard>> {
        self.with_open(|open| {
            open.producers.start_verification(
                &self.partition,
                producer_id,
                sequence,
                producer_epoch,
                supports_epoch_bump,
                now_ms,
            )
        })
    }

    /// Forgets producers that wrote nothing for `producer.id.expiration.ms`.
    pub fn remove_expired_producers(&self, now_ms: TimestampMs) -> Result<()> {
        self.with_open(|open| {
            open.producers.remove_expired(now_ms);
            Ok(())
        })
    }

    /// A transaction is open longer than any may be.
    pub fn has_late_transaction(&self, now_ms: TimestampMs) -> Result<bool> {
        self.with_open(|open| Ok(open.producers.has_late_transaction(now_ms)))
    }
}
