//! Which brokers and controllers have registered.

use super::ReplayError;
use crate::features::{MetadataVersion, VersionRange};
use crate::pmap::PMap;
use ottla_base::{NodeId, Uuid};
use ottla_wire::metadata_records::{
    BrokerRegistrationChangeRecord, RegisterBrokerRecord, RegisterControllerRecord, register_broker_record,
    register_controller_record,
};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Of the listener.
    pub name: String,
    pub host: String,
    pub port: u16,
    /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BrokerRegistration {
    pub id: NodeId,
    /// The offset of the record that registered this incarnation.
    pub epoch: i64,
    pub incarnation_id: Uuid,
    /// In the order in which the broker named them.
    pub endpoints: Vec<Endpoint>,
    pub features: BTreeMap<String, VersionRange>,
    pub rack: Option<String>,
    pub fenced: bool,
    pub in_controlled_shutdown: bool,
    pub is_migrating_zk_broker: bool,
    /// Log directories that are online, sorted.
    pub directories: Vec<Uuid>,
    /// `None` until the broker has said.
    pub cordoned_directories: Option<Vec<Uuid>>,
}

/// What a BrokerRegistrationChangeRecord (or one of its ancestors) changes.
#[derive(Default)]
pub(super) struct RegistrationChange<'a> {
    pub fenced: Option<bool>,
    pub in_controlled_shutdown: Option<bool>,
    pub directories: Option<&'a [Uuid]>,
    pub cordoned: Option<&'a [Uuid]>,
}

impl<'a> RegistrationChange<'a> {
    pub(super) fn from_record(record: &'a BrokerRegistrationChangeRecord) -> Result<Self, ReplayError> {
        let unknown = |field: &str, value: i8| {
            ReplayError::new(format!(
                "Unable to replay a change of broker {}: unknown value {value} for {field}",
                record.broker_id
            ))
        };
        Ok(RegistrationChange {
            fenced: match record.fenced {
                0 => None,
                1 => Some(true),
                -1 => Some(false),
                value => return Err(unknown("fenced", value)),
            },
            in_controlled_shutdown: match record.in_controlled_shutdown {
                0 => None,
                1 => Some(true),
                value => return Err(unknown("inControlledShutdown", value)),
            },
            directories: (!record.log_dirs.is_empty()).then_some(&record.log_dirs[..]),
            cordoned: record.cordoned_log_dirs.as_deref(),
        })
    }
}

fn sorted(directories: &[Uuid]) -> Vec<Uuid> {
    let mut directories = directories.to_vec();
    // As Java compares the two signed halves.
    directories.sort_by_key(|id| {
        let (high, low) = id.0.split_at(8);
        let half = |bytes: &[u8]| i64::from_be_bytes(bytes.try_into().unwrap_or_default());
        (half(high), half(low))
    });
    directories
}

impl BrokerRegistration {
    pub(crate) fn from_record(record: &RegisterBrokerRecord) -> BrokerRegistration {
        let endpoints = record.end_points.iter().map(|e| Endpoint {
            name: e.name.clone(),
            host: e.host.clone(),
            port: e.port,
            security_protocol: e.security_protocol,
        });
        let range = |f: &register_broker_record::BrokerFeature| VersionRange {
            min: f.min_supported_version,
            max: f.max_supported_version,
        };
        BrokerRegistration {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: endpoints.collect(),
            features: record.features.iter().map(|f| (f.name.clone(), range(f))).collect(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            is_migrating_zk_broker: record.is_migrating_zk_broker,
            directories: sorted(&record.log_dirs),
            cordoned_directories: record.cordoned_log_dirs.clone(),
        }
    }

    pub(super) fn changed(&self, change: &RegistrationChange) -> BrokerRegistration {
        BrokerRegistration {
            fenced: change.fenced.unwrap_or(self.fenced),
            in_controlled_shutdown: change.in_controlled_shutdown.unwrap_or(self.in_controlled_shutdown),
            directories: change.directories.map_or_else(|| self.directories.clone(), sorted),
            cordoned_directories: change.cordoned.map(<[Uuid]>::to_vec).or_else(|| self.cordoned_directories.clone()),
            ..self.clone()
        }
    }

    /// What of it an older `metadata.version` cannot say is left out.
    pub(crate) fn to_record(&self, version: MetadataVersion) -> (RegisterBrokerRecord, i16) {
        let endpoint = |e: &Endpoint| register_broker_record::BrokerEndpoint {
            name: e.name.clone(),
            host: e.host.clone(),
            port: e.port,
            security_protocol: e.security_protocol,
            ..Default::default()
        };
        let feature = |(name, range): (&String, &VersionRange)| register_broker_record::BrokerFeature {
            name: name.clone(),
            min_supported_version: range.min,
            max_supported_version: range.max,
            ..Default::default()
        };
        let directories = version >= MetadataVersion::DIRECTORY_ASSIGNMENT;
        let record_version = version.register_broker_record_version();
        let record = RegisterBrokerRecord {
            broker_id: self.id,
            is_migrating_zk_broker: self.is_migrating_zk_broker && record_version >= 2,
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            end_points: self.endpoints.iter().map(endpoint).collect(),
            features: self.features.iter().map(feature).collect(),
            rack: self.rack.clone(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: if directories { self.directories.clone() } else { Vec::new() },
            cordoned_log_dirs: self
                .cordoned_directories
                .clone()
                .filter(|_| version >= MetadataVersion::CORDONED_LOG_DIRS),
            ..RegisterBrokerRecord::default()
        };
        (record, record_version)
    }

    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener)
    }

    /// Neither fenced nor about to leave.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// Whether a replica in this directory can be reached, if the broker can.
    pub fn has_online_directory(&self, directory: Uuid) -> bool {
        if directory == Uuid::UNASSIGNED_DIR || directory.is_zero() {
            return true;
        }
        // Without a list (an old metadata.version) a broker is taken at its word (KAFKA-16162).
        directory != Uuid::LOST_DIR && (self.directories.is_empty() || self.directories.contains(&directory))
    }

    /// Whether new replicas may be put on it.
    pub fn has_uncordoned_directories(&self) -> bool {
        match &self.cordoned_directories {
            Some(cordoned) if !self.directories.is_empty() => self.directories.iter().any(|d| !cordoned.contains(d)),
            _ => true,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ControllerRegistration {
    pub id: NodeId,
    pub incarnation_id: Uuid,
    pub zk_migration_ready: bool,
    pub endpoints: Vec<Endpoint>,
    pub features: BTreeMap<String, VersionRange>,
}

impl ControllerRegistration {
    pub(crate) fn from_record(record: &RegisterControllerRecord) -> ControllerRegistration {
        let endpoints = record.end_points.iter().map(|e| Endpoint {
            name: e.name.clone(),
            host: e.host.clone(),
            port: e.port,
            security_protocol: e.security_protocol,
        });
        let range = |f: &register_controller_record::ControllerFeature| VersionRange {
            min: f.min_supported_version,
            max: f.max_supported_version,
        };
        ControllerRegistration {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            endpoints: endpoints.collect(),
            features: record.features.iter().map(|f| (f.name.clone(), range(f))).collect(),
        }
    }

    pub(crate) fn to_record(&self) -> RegisterControllerRecord {
        let endpoint = |e: &Endpoint| register_controller_record::ControllerEndpoint {
            name: e.name.clone(),
            host: e.host.clone(),
            port: e.port,
            security_protocol: e.security_protocol,
            ..Default::default()
        };
        let feature = |(name, range): (&String, &VersionRange)| register_controller_record::ControllerFeature {
            name: name.clone(),
            min_supported_version: range.min,
            max_supported_version: range.max,
            ..Default::default()
        };
        RegisterControllerRecord {
            controller_id: self.id,
            incarnation_id: self.incarnation_id,
            zk_migration_ready: self.zk_migration_ready,
            end_points: self.endpoints.iter().map(endpoint).collect(),
            features: self.features.iter().map(feature).collect(),
            ..RegisterControllerRecord::default()
        }
    }

    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterImage {
    pub brokers: PMap<NodeId, Arc<BrokerRegistration>>,
    pub controllers: PMap<NodeId, Arc<ControllerRegistration>>,
}

impl ClusterImage {
    pub fn broker(&self, id: NodeId) -> Option<&Arc<BrokerRegistration>> {
        self.brokers.get(&id)
    }

    /// Neither fenced nor about to leave.
    pub fn is_active(&self, id: NodeId) -> bool {
        self.broker(id).is_some_and(|broker| broker.is_active())
    }

    /// Those that clients may be sent to.
    pub fn unfenced(&self) -> impl Iterator<Item = &Arc<BrokerRegistration>> {
        self.brokers.values().filter(|broker| !broker.fenced)
    }

    pub(super) fn change(&mut self, id: NodeId, epoch: i64, change: &RegistrationChange) -> Result<(), ReplayError> {
        let Some(broker) = self.brokers.get_mut(&id) else {
            return Err(ReplayError::new(format!("Tried to change broker {id}, but that broker was not registered.")));
        };
        check_epoch(broker, epoch)?;
        *broker = Arc::new(broker.changed(change));
        Ok(())
    }

    pub(super) fn unregister(&mut self, id: NodeId, epoch: i64) -> Result<(), ReplayError> {
        let Some(broker) = self.brokers.get(&id) else {
            return Err(ReplayError::new(format!(
                "Tried to unregister broker {id}, but that broker was not registered."
            )));
        };
        check_epoch(broker, epoch)?;
        self.brokers.remove(&id);
        Ok(())
    }
}

fn check_epoch(broker: &BrokerRegistration, epoch: i64) -> Result<(), ReplayError> {
    if broker.epoch == epoch {
        return Ok(());
    }
    Err(ReplayError::new(format!(
        "A record for broker {} has epoch {epoch}, which does not match the current broker epoch, {}.",
        broker.id, broker.epoch
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(directories: &[Uuid], cordoned: Option<Vec<Uuid>>) -> BrokerRegistration {
        BrokerRegistration::from_record(&RegisterBrokerRecord {
            log_dirs: directories.to_vec(),
            cordoned_log_dirs: cordoned,
            ..Default::default()
        })
    }

    #[test]
    fn directories() {
        let (a, b) = (Uuid([1; 16]), Uuid([2; 16]));
        let one = broker(&[a], None);
        assert!(one.has_online_directory(a) && !one.has_online_directory(b));
        assert!(one.has_online_directory(Uuid::UNASSIGNED_DIR) && one.has_online_directory(Uuid::ZERO));
        assert!(!one.has_online_directory(Uuid::LOST_DIR));
        assert!(broker(&[], None).has_online_directory(b));
        assert!(!broker(&[a, b], Some(vec![b, a])).has_uncordoned_directories());
        assert!(broker(&[a, b], Some(vec![b])).has_uncordoned_directories());
    }

    #[test]
    fn older_versions_leave_out_what_they_cannot_say() {
        let broker = broker(&[Uuid([1; 16])], Some(vec![]));
        let at = |text| broker.to_record(MetadataVersion::parse(text, false).unwrap());
        assert_eq!(BrokerRegistration::from_record(&at("4.3").0), broker);
        assert_eq!((at("4.2").1, at("4.2").0.cordoned_log_dirs), (3, None));
        assert_eq!((at("3.6").1, at("3.6").0.log_dirs), (2, vec![]));
        assert_eq!(at("3.3-IV3").1, 1);
    }
}
