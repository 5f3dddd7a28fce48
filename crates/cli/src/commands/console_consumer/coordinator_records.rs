//! Records of the coordinators' own topics as JSON.

use bytes::Bytes;
use ottla_base::Uuid;
use ottla_client::ConsumerRecord;
use ottla_wire::WireError;
use ottla_wire::group_records::{GroupMetadataValue, GroupRecordKey, GroupRecordValue, OffsetCommitValue};
use ottla_wire::transaction_records::{TransactionLogValue, TransactionRecordKey, TransactionRecordValue};

use crate::json::Json;
use crate::stop::Failure;

/// Which records are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Offsets,
    Groups,
    Transactions,
}

/// One JSON object, without a line break behind it, as the real tool has it.
pub fn write(kind: Kind, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), Failure> {
    let Some(key) = record.key.clone() else { return Ok(()) };
    let shown = match kind {
        Kind::Transactions => transaction(key, record.value.clone()),
        _ => group(kind, key, record.value.clone()),
    };
    match shown {
        Ok(Some(json)) => {
            out.extend_from_slice(json.to_string().as_bytes());
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => Err(Failure::new(
            "java.lang.RuntimeException",
            format!("Could not read record at offset {} due to: {error}", record.offset),
        )),
    }
}

fn version_of(value: &Bytes) -> i16 {
    value.first_chunk().map_or(0, |bytes| i16::from_be_bytes(*bytes))
}

fn entry(id: i16, key: Json, value: Option<(i16, Json)>) -> Json {
    let key = Json::object([("type", Json::from(id)), ("data", key)]);
    let value = value.map(|(version, data)| Json::object([("version", Json::from(version)), ("data", data)]));
    Json::object([("key", key), ("value", value.unwrap_or(Json::Null))])
}

fn group(kind: Kind, key: Bytes, value: Option<Bytes>) -> Result<Option<Json>, WireError> {
    let Some(key) = GroupRecordKey::from_key_bytes(key)? else { return Ok(None) };
    let key_json = match (&key, kind) {
        (GroupRecordKey::OffsetCommit(key), Kind::Offsets) => offset_key(&key.group, &key.topic, key.partition),
        (GroupRecordKey::LegacyOffsetCommit(key), Kind::Offsets) => offset_key(&key.group, &key.topic, key.partition),
        (GroupRecordKey::GroupMetadata(key), Kind::Groups) => Json::object([("group", Json::text(&key.group))]),
        _ => return Ok(None),
    };
    let mut value_json = None;
    if let Some(bytes) = value {
        let version = version_of(&bytes);
        value_json = match GroupRecordValue::from_value_bytes(key.id(), bytes)? {
            Some(GroupRecordValue::OffsetCommit(value)) => Some((version, offset_value(&value, version))),
            Some(GroupRecordValue::LegacyOffsetCommit(value)) => Some((
                version,
                Json::object([
                    ("offset", Json::from(value.offset)),
                    ("metadata", Json::text(&value.metadata)),
                    ("commitTimestamp", Json::from(value.commit_timestamp)),
                ]),
            )),
            Some(GroupRecordValue::GroupMetadata(value)) => Some((version, group_value(&value, version))),
            _ => None,
        };
    }
    Ok(Some(entry(key.id(), key_json, value_json)))
}

fn offset_key(group: &str, topic: &str, partition: i32) -> Json {
    Json::object([("group", Json::text(group)), ("topic", Json::text(topic)), ("partition", Json::from(partition))])
}

fn offset_value(value: &OffsetCommitValue, version: i16) -> Json {
    let mut fields = vec![("offset", Json::from(value.offset))];
    if version >= 3 {
        fields.push(("leaderEpoch", Json::from(value.leader_epoch)));
    }
    fields.push(("metadata", Json::text(&value.metadata)));
    fields.push(("commitTimestamp", Json::from(value.commit_timestamp)));
    if version == 1 {
        fields.push(("expireTimestamp", Json::from(value.expire_timestamp)));
    }
    if version >= 4 && value.topic_id != Uuid::ZERO {
        fields.push(("topicId", Json::text(&value.topic_id.to_string())));
    }
    Json::object(fields)
}

fn group_value(value: &GroupMetadataValue, version: i16) -> Json {
    let mut fields = vec![
        ("protocolType", Json::text(&value.protocol_type)),
        ("generation", Json::from(value.generation)),
        ("protocol", Json::nullable(value.protocol.as_deref())),
        ("leader", Json::nullable(value.leader.as_deref())),
    ];
    if version >= 2 {
        fields.push(("currentStateTimestamp", Json::from(value.current_state_timestamp)));
    }
    let member = |member: &ottla_wire::group_records::group_metadata_value::MemberMetadata| {
        let mut fields = vec![("memberId", Json::text(&member.member_id))];
        if version >= 3 {
            fields.push(("groupInstanceId", Json::nullable(member.group_instance_id.as_deref())));
        }
        fields.push(("clientId", Json::text(&member.client_id)));
        fields.push(("clientHost", Json::text(&member.client_host)));
        if version >= 1 {
            fields.push(("rebalanceTimeout", Json::from(member.rebalance_timeout)));
        }
        fields.push(("sessionTimeout", Json::from(member.session_timeout)));
        fields.push(("subscription", Json::bytes(&member.subscription)));
        fields.push(("assignment", Json::bytes(&member.assignment)));
        Json::object(fields)
    };
    fields.push(("members", Json::Array(value.members.iter().map(member).collect())));
    Json::object(fields)
}

fn transaction(key: Bytes, value: Option<Bytes>) -> Result<Option<Json>, WireError> {
    let Some(key) = TransactionRecordKey::from_key_bytes(key)? else { return Ok(None) };
    let TransactionRecordKey::TransactionLog(log_key) = &key;
    let key_json = Json::object([("transactionalId", Json::text(&log_key.transactional_id))]);
    let mut value_json = None;
    if let Some(bytes) = value {
        let version = version_of(&bytes);
        if let Some(TransactionRecordValue::TransactionLog(value)) =
            TransactionRecordValue::from_value_bytes(key.id(), bytes)?
        {
            value_json = Some((version, transaction_value(&value, version)));
        }
    }
    Ok(Some(entry(key.id(), key_json, value_json)))
}

fn transaction_value(value: &TransactionLogValue, version: i16) -> Json {
    let tagged = version >= 1;
    let mut fields = vec![("producerId", Json::from(value.producer_id))];
    if tagged && value.previous_producer_id != -1 {
        fields.push(("previousProducerId", Json::from(value.previous_producer_id)));
    }
    if tagged && value.next_producer_id != -1 {
        fields.push(("nextProducerId", Json::from(value.next_producer_id)));
    }
    fields.push(("producerEpoch", Json::from(value.producer_epoch)));
    if tagged && value.next_producer_epoch != -1 {
        fields.push(("nextProducerEpoch", Json::from(value.next_producer_epoch)));
    }
    fields.push(("transactionTimeoutMs", Json::from(value.transaction_timeout_ms)));
    fields.push(("transactionStatus", Json::from(value.transaction_status)));
    let partitions = |schema: &ottla_wire::transaction_records::transaction_log_value::PartitionsSchema| {
        let ids = schema.partition_ids.iter().map(|id| Json::from(*id)).collect();
        Json::object([("topic", Json::text(&schema.topic)), ("partitionIds", Json::Array(ids))])
    };
    let list = value.transaction_partitions.as_ref();
    let list = list.map_or(Json::Null, |list| Json::Array(list.iter().map(partitions).collect()));
    fields.push(("transactionPartitions", list));
    fields.push(("transactionLastUpdateTimestampMs", Json::from(value.transaction_last_update_timestamp_ms)));
    fields.push(("transactionStartTimestampMs", Json::from(value.transaction_start_timestamp_ms)));
    if tagged && value.client_transaction_version != 0 {
        fields.push(("clientTransactionVersion", Json::from(value.client_transaction_version)));
    }
    Json::object(fields)
}
