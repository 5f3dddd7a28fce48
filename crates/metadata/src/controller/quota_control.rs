//! AlterClientQuotas (KIP-546).

use super::error::{ApiError, ApiResult, fields};
use super::{Controller, Outcome};
use crate::image::{QuotaEntity, VersionedRecord};
use ottla_base::ErrorCode;
use ottla_config::{ConfigDef, ConfigType, definitions};
use ottla_wire::messages::alter_client_quotas_request::{EntryData, OpData};
use ottla_wire::messages::alter_client_quotas_response as response;
use ottla_wire::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use ottla_wire::metadata_records::ClientQuotaRecord;
use std::collections::BTreeMap;

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

impl Controller {
    pub fn alter_client_quotas(&self, request: &AlterClientQuotasRequest) -> Outcome<AlterClientQuotasResponse> {
        let mut records = Vec::new();
        let mut results: BTreeMap<QuotaEntity, ApiResult<()>> = BTreeMap::new();
        for entry in &request.entries {
            let entity = entity_of(entry);
            let mut keys: Vec<&str> = entry.ops.iter().map(|op| op.key.as_str()).collect();
            keys.sort_unstable();
            let repeats = keys.windows(2).any(|pair| pair.first() == pair.last());
            let result = if repeats || results.contains_key(&entity) {
                Err(invalid(format!("Ignoring duplicate entity {}", shown(&entity))))
            } else {
                self.alter_entity(&entity, &entry.ops).map(|altered| records.extend(altered))
            };
            results.insert(entity, result);
        }
        if records.len() > super::MAX_RECORDS_PER_BATCH {
            records.clear();
            results.values_mut().for_each(|result| *result = Err(ApiError::too_large()));
        }
        let entry = |(entity, result): (QuotaEntity, ApiResult<()>)| {
            let (error_code, error_message) = fields(&result);
            let data =
                |(entity_type, entity_name)| response::EntityData { entity_type, entity_name, ..Default::default() };
            let entity = entity.0.into_iter().map(data).collect();
            response::EntryData { error_code, error_message, entity, ..Default::default() }
        };
        let entries = results.into_iter().map(entry).collect();
        Outcome::atomic(records, AlterClientQuotasResponse { entries, ..Default::default() })
            .without_records_if(request.validate_only)
    }

    fn alter_entity(&self, entity: &QuotaEntity, ops: &[OpData]) -> ApiResult<Vec<VersionedRecord>> {
        let keys = keys_of(entity)?;
        let current = self.working.image.client_quotas.get(entity);
        let mut records: Vec<VersionedRecord> = Vec::new();
        for op in ops {
            let old = current.and_then(|map| map.get(&op.key));
            if !op.remove {
                check_value(keys, &op.key, op.value)?;
            }
            let changes = if op.remove { old.is_some() } else { old != Some(&op.value) };
            if changes {
                let record = ClientQuotaRecord {
                    entity: entity.to_data(),
                    key: op.key.clone(),
                    value: if op.remove { 0.0 } else { op.value },
                    remove: op.remove,
                    ..ClientQuotaRecord::default()
                };
                records.push((record.into(), 0));
            }
        }
        Ok(records)
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

fn entity_of(entry: &EntryData) -> QuotaEntity {
    QuotaEntity(entry.entity.iter().map(|data| (data.entity_type.clone(), data.entity_name.clone())).collect())
}

fn shown(entity: &QuotaEntity) -> String {
    let parts = entity.0.iter().map(|(kind, name)| format!("{kind}={}", name.as_deref().unwrap_or("null")));
    format!("ClientQuotaEntity(entries={{{}}})", parts.collect::<Vec<_>>().join(", "))
}

/// The quotas that an entity of this kind can have.
fn keys_of(entity: &QuotaEntity) -> ApiResult<&'static [ConfigDef]> {
    for (kind, name) in &entity.0 {
        if !matches!(kind.as_str(), USER | CLIENT_ID | IP) {
            return Err(invalid(format!("Unhandled client quota entity type: {kind}")));
        }
        if name.as_deref() == Some("") {
            return Err(invalid(format!("Empty {kind} not supported")));
        }
    }
    match (entity.0.get(IP), entity.0.len()) {
        (_, 0) => Err(invalid("Invalid empty client quota entity")),
        (None, _) => Ok(&definitions::USER),
        (Some(Some(ip)), 1) if !is_host(ip) => Err(invalid(format!("{ip} is not a valid IP or resolvable host."))),
        (Some(_), 1) => Ok(&definitions::IP),
        (Some(_), _) => {
            // As Kafka spells it.
            Err(invalid("Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId"))
        }
    }
}

/// Kafka asks the name service, which is not done here: what could be a name is taken for one.
fn is_host(text: &str) -> bool {
    let label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.parse::<std::net::IpAddr>().is_ok() || (!numeric && text.split('.').all(label))
}

fn check_value(keys: &[ConfigDef], key: &str, value: f64) -> ApiResult<()> {
    let Some(def) = keys.iter().find(|def| def.name == key) else {
        return Err(invalid(format!("Invalid configuration key {key}")));
    };
    if value <= 0.0 {
        return Err(invalid(format!("Quota {key} must be greater than 0")));
    }
    let (most, what) = match def.config_type {
        ConfigType::Short => (f64::from(i16::MAX), "a SHORT"),
        ConfigType::Int => (f64::from(i32::MAX), "an INT"),
        ConfigType::Long => (i64::MAX as f64, "a LONG"),
        _ => return Ok(()),
    };
    if value > most {
        return Err(invalid(format!("Proposed value for {key} is too large for {what}.")));
    }
    if (value % 1.0).abs() > 1e-6 {
        return Err(invalid(format!("{key} cannot be a fractional value.")));
    }
    Ok(())
}
