//! What a fetch brought for one partition: records are decoded when they are wanted.

use std::collections::HashSet;

use bytes::Bytes;
use ottla_base::{LeaderEpoch, Offset, TimestampMs, TopicPartition};
use ottla_wire::messages::fetch_response::AbortedTransaction;
use ottla_wire::records::{
    Batch, BatchHeader, BatchIter, ControlType, Header, RecordIter, RecordsError, TimestampType, batches,
};

use crate::error::{Error, Result, class};

/// A record as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerRecord {
    pub partition: TopicPartition,
    pub offset: Offset,
    /// -1 in old formats.
    pub leader_epoch: LeaderEpoch,
    pub timestamp: TimestampMs,
    pub timestamp_type: TimestampType,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
}

pub(super) struct Fetched {
    partition: TopicPartition,
    batches: BatchIter,
    current: Option<(BatchHeader, RecordIter)>,
    /// Of the next record wanted.
    pub next_offset: Offset,
    /// Of the last record taken.
    pub last_epoch: LeaderEpoch,
    check_crcs: bool,
    /// `None` when aborted records are wanted too. By first offset, the last being the first.
    aborted: Option<Vec<AbortedTransaction>>,
    /// Producers whose transaction is known to be aborted, here where the batches are.
    aborting: HashSet<i64>,
}

impl Fetched {
    pub fn new(
        partition: TopicPartition,
        offset: Offset,
        records: Bytes,
        aborted: Option<Vec<AbortedTransaction>>,
        check_crcs: bool,
    ) -> Fetched {
        let newest_first = |mut list: Vec<AbortedTransaction>| {
            list.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
            list
        };
        Fetched {
            partition,
            batches: batches(records),
            current: None,
            next_offset: offset,
            last_epoch: -1,
            check_crcs,
            aborted: aborted.map(newest_first),
            aborting: HashSet::new(),
        }
    }

    /// Up to `max` records; fewer only at the end.
    pub fn take(&mut self, max: usize, into: &mut Vec<ConsumerRecord>) -> Result<()> {
        let mut taken = 0;
        while taken < max {
            let Some((header, records)) = &mut self.current else {
                if !self.open_batch()? {
                    return Ok(());
                }
                continue;
            };
            let Some(record) = records.next() else {
                self.next_offset = self.next_offset.max(header.next_offset());
                self.current = None;
                continue;
            };
            let record = record.map_err(|error| invalid(&self.partition, self.next_offset, &error))?;
            if record.offset < self.next_offset {
                continue;
            }
            self.next_offset = record.offset + 1;
            self.last_epoch = header.partition_leader_epoch;
            taken += 1;
            into.push(ConsumerRecord {
                partition: self.partition.clone(),
                offset: record.offset,
                leader_epoch: header.partition_leader_epoch,
                timestamp: record.timestamp,
                timestamp_type: header.timestamp_type(),
                key: record.key,
                value: record.value,
                headers: record.headers,
            });
        }
        Ok(())
    }

    /// Goes to the next batch with records for the application; false at the end.
    fn open_batch(&mut self) -> Result<bool> {
        while let Some(batch) = self.batches.next() {
            let batch = batch.map_err(|error| invalid(&self.partition, self.next_offset, &error))?;
            if self.check_crcs {
                batch.verify_crc().map_err(|error| invalid(&self.partition, batch.header.base_offset, &error))?;
            }
            if batch.header.last_offset() < self.next_offset {
                self.is_hidden(&batch)?;
                continue;
            }
            if self.is_hidden(&batch)? {
                self.next_offset = batch.header.next_offset();
                continue;
            }
            let records = batch.records().map_err(|error| invalid(&self.partition, self.next_offset, &error))?;
            self.current = Some((batch.header, records));
            return Ok(true);
        }
        Ok(false)
    }

    /// Control batches always are, aborted data only from those who asked for committed records.
    fn is_hidden(&mut self, batch: &Batch) -> Result<bool> {
        let header = &batch.header;
        let is_control = header.is_control();
        let Some(aborted) = &mut self.aborted else { return Ok(is_control) };
        while let Some(next) = aborted.pop_if(|next| next.first_offset <= header.last_offset()) {
            self.aborting.insert(next.producer_id);
        }
        if is_control {
            let control = batch.control_type().map_err(|error| invalid(&self.partition, header.base_offset, &error))?;
            if control == Some(ControlType::Abort) {
                self.aborting.remove(&header.producer_id);
            }
            return Ok(true);
        }
        Ok(header.is_transactional() && self.aborting.contains(&header.producer_id))
    }
}

fn invalid(partition: &TopicPartition, offset: Offset, error: &RecordsError) -> Error {
    Error::new(
        class::KAFKA,
        format!(
            "Received exception when fetching the next record from {partition} at offset {offset}. If needed, please seek past the record to continue consumption. Cause: {error}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_wire::records::{BatchBuilder, end_txn_batch, set_base_offset};

    fn batch(offset: i64, values: &[&str], transaction: Option<i64>) -> Vec<u8> {
        let mut builder = BatchBuilder::new(offset).leader_epoch(7);
        if let Some(producer) = transaction {
            builder = builder.producer(producer, 0, 0).transactional(true);
        }
        for value in values {
            builder.append(5, None, Some(value.as_bytes()), &[]).unwrap();
        }
        builder.build().to_vec()
    }

    fn end(offset: i64, producer: i64, commit: bool) -> Vec<u8> {
        let mut bytes = end_txn_batch(5, producer, 0, commit, 0).unwrap().to_vec();
        set_base_offset(&mut bytes, offset);
        bytes
    }

    fn check(offset: i64, aborted: Option<Vec<AbortedTransaction>>, expected: &[(i64, &str)], next_offset: i64) {
        let log = [
            batch(0, &["a", "b"], None),
            batch(2, &["bad"], Some(1)),
            batch(3, &["good"], Some(2)),
            end(4, 1, false),
            batch(5, &["later"], Some(1)),
            end(6, 2, true),
            end(7, 1, true),
        ];
        let mut fetched = Fetched::new(TopicPartition::new("t", 0), offset, log.concat().into(), aborted, true);
        let mut records = Vec::new();
        // In small steps, to come to every edge.
        while {
            let before = records.len();
            fetched.take(1, &mut records).unwrap();
            records.len() > before
        } {}
        let shown: Vec<(i64, String)> = records
            .iter()
            .map(|r| (r.offset, String::from_utf8_lossy(r.value.as_ref().unwrap()).into_owned()))
            .collect();
        let expected: Vec<(i64, String)> =
            expected.iter().map(|(offset, value)| (*offset, (*value).to_owned())).collect();
        assert_eq!(shown, expected);
        assert_eq!(fetched.next_offset, next_offset);
    }

    #[test]
    fn aborted_records_are_hidden_from_who_reads_committed() {
        let aborted = || vec![AbortedTransaction { producer_id: 1, first_offset: 2, ..Default::default() }];
        let all = [(0, "a"), (1, "b"), (2, "bad"), (3, "good"), (5, "later")];
        check(0, None, &all, 8);
        check(1, None, &all[1..], 8);
        check(0, Some(aborted()), &[(0, "a"), (1, "b"), (3, "good"), (5, "later")], 8);
        check(3, Some(aborted()), &[(3, "good"), (5, "later")], 8);
        check(0, Some(Vec::new()), &all, 8);
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let mut bytes = batch(4, &["x"], None);
        *bytes.last_mut().unwrap() ^= 1;
        let mut fetched = Fetched::new(TopicPartition::new("t", 3), 4, bytes.into(), None, true);
        let error = fetched.take(1, &mut Vec::new()).unwrap_err();
        assert!(error.message.contains("t-3 at offset 4"), "{error}");
    }
}
