//! Client quotas (KIP-546), by what they apply to.

use super::ReplayError;
use crate::pmap::PMap;
use ottla_wire::metadata_records::ClientQuotaRecord;
use ottla_wire::metadata_records::client_quota_record::EntityData;
use std::collections::BTreeMap;
use std::sync::Arc;

/// From type (`user`, `client-id`, `ip`) to name; `None` for the default of that type.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuotaEntity(pub BTreeMap<String, Option<String>>);

pub type QuotaMap = BTreeMap<String, f64>;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientQuotasImage {
    entities: PMap<QuotaEntity, Arc<QuotaMap>>,
}

impl ClientQuotasImage {
    pub fn get(&self, entity: &QuotaEntity) -> Option<&QuotaMap> {
        self.entities.get(entity).map(|map| &**map)
    }

    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&QuotaEntity, &QuotaMap)> {
        self.entities.iter().map(|(entity, map)| (entity, &**map))
    }

    pub(super) fn replay(&mut self, record: &ClientQuotaRecord) -> Result<QuotaEntity, ReplayError> {
        let parts = record.entity.iter().map(|data| (data.entity_type.clone(), data.entity_name.clone()));
        let entity = QuotaEntity(parts.collect());
        if entity.0.len() != record.entity.len() {
            return Err(ReplayError::new("A quota's entity names a type twice"));
        }
        let mut map = self.entities.get(&entity).map(|map| (**map).clone()).unwrap_or_default();
        if record.remove {
            map.remove(&record.key);
        } else {
            map.insert(record.key.clone(), record.value);
        }
        if map.is_empty() {
            self.entities.remove(&entity);
        } else {
            self.entities.insert(entity.clone(), Arc::new(map));
        }
        Ok(entity)
    }

    pub(super) fn records(&self) -> impl Iterator<Item = ClientQuotaRecord> {
        self.iter().flat_map(|(entity, map)| {
            map.iter().map(|(key, value)| ClientQuotaRecord {
                entity: entity.to_data(),
                key: key.clone(),
                value: *value,
                ..ClientQuotaRecord::default()
            })
        })
    }
}

impl QuotaEntity {
    pub(crate) fn to_data(&self) -> Vec<EntityData> {
        let data = |(entity_type, entity_name): (&String, &Option<String>)| EntityData {
            entity_type: entity_type.clone(),
            entity_name: entity_name.clone(),
            ..EntityData::default()
        };
        self.0.iter().map(data).collect()
    }
}
