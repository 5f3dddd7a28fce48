//! The quorum's control records, between raft's own terms and their bytes.

use bytes::Bytes;
use ottla_base::{LeaderEpoch, NodeId, Offset, TimestampMs, Uuid};
use ottla_raft::{ControlEntry, ControlRecord, Endpoint, Endpoints, ReplicaKey, VersionRange, VoterNode, VoterSet};
use ottla_wire::data::{KRaftVersionRecord, LeaderChangeMessage, VotersRecord, leader_change_message, voters_record};
use ottla_wire::records::{Batch, BatchBuilder, ControlType, RecordsError};
use ottla_wire::{Message, WireError};

/// Why a control record cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("{0}")]
    Wire(#[from] WireError),
    #[error("{0}")]
    Records(#[from] RecordsError),
    #[error("{0}")]
    Key(String),
}

/// One batch of these records.
pub fn encode(
    records: &[ControlRecord],
    base_offset: Offset,
    epoch: LeaderEpoch,
    kraft_version: i16,
    now_ms: TimestampMs,
) -> Result<Bytes, ControlError> {
    let mut batch = BatchBuilder::new(base_offset).leader_epoch(epoch);
    for record in records {
        let (kind, value) = match record {
            ControlRecord::LeaderChange { leader, voters, granting_voters } => {
                // The record knows directories from kraft.version 1 on.
                let version = kraft_version.min(1);
                let message = LeaderChangeMessage {
                    version,
                    leader_id: *leader,
                    voters: voters.iter().copied().map(leader_change_voter).collect(),
                    granting_voters: granting_voters.iter().copied().map(leader_change_voter).collect(),
                    ..Default::default()
                };
                (ControlType::LeaderChange, message.to_bytes(version)?)
            }
            ControlRecord::KRaftVersion(level) => {
                (ControlType::KraftVersion, kraft_version_record(*level).to_bytes(0)?)
            }
            ControlRecord::Voters(voters) => (ControlType::KraftVoters, voters_record(voters).to_bytes(0)?),
        };
        batch.append_control(now_ms, kind, &value)?;
    }
    Ok(batch.build())
}

fn leader_change_voter(id: NodeId) -> leader_change_message::Voter {
    leader_change_message::Voter { voter_id: id, voter_directory_id: Uuid::ZERO, ..Default::default() }
}

pub fn kraft_version_record(level: i16) -> KRaftVersionRecord {
    KRaftVersionRecord { version: 0, k_raft_version: level, ..Default::default() }
}

pub fn voters_record(voters: &VoterSet) -> VotersRecord {
    let voter = |voter: &VoterNode| voters_record::Voter {
        voter_id: voter.key.id,
        voter_directory_id: voter.key.directory_id.unwrap_or(Uuid::ZERO),
        endpoints: voter
            .listeners
            .iter()
            .map(|(name, at)| voters_record::Endpoint {
                name: name.to_owned(),
                host: at.host.clone(),
                port: at.port,
                ..Default::default()
            })
            .collect(),
        k_raft_version_feature: voters_record::KRaftVersionFeature {
            min_supported_version: voter.kraft_versions.min,
            max_supported_version: voter.kraft_versions.max,
            ..Default::default()
        },
        ..Default::default()
    };
    VotersRecord { version: 0, voters: voters.iter().map(voter).collect(), ..Default::default() }
}

pub fn voter_set(record: &VotersRecord) -> VoterSet {
    let listeners = |voter: &voters_record::Voter| -> Endpoints {
        let at = |e: &voters_record::Endpoint| (e.name.clone(), Endpoint { host: e.host.clone(), port: e.port });
        voter.endpoints.iter().map(at).collect()
    };
    let node = |voter: &voters_record::Voter| VoterNode {
        key: ReplicaKey::new(voter.voter_id, voter.voter_directory_id),
        listeners: listeners(voter),
        kraft_versions: VersionRange {
            min: voter.k_raft_version_feature.min_supported_version,
            max: voter.k_raft_version_feature.max_supported_version,
        },
    };
    record.voters.iter().map(node).collect()
}

/// The control records of a batch that raft must know of; none for a batch of data.
pub fn decode(batch: &Batch) -> Result<Vec<ControlEntry>, ControlError> {
    let mut entries = vec![];
    if !batch.header.is_control() {
        return Ok(entries);
    }
    for record in batch.records()? {
        let record = record?;
        let value = record.value.unwrap_or_default();
        let kind = ControlType::parse_key(&record.key.unwrap_or_default()).map_err(ControlError::Key)?;
        let control = match kind {
            ControlType::KraftVersion => {
                ControlRecord::KRaftVersion(KRaftVersionRecord::from_bytes(value, 0)?.k_raft_version)
            }
            ControlType::KraftVoters => ControlRecord::Voters(voter_set(&VotersRecord::from_bytes(value, 0)?)),
            _ => continue,
        };
        entries.push(ControlEntry { offset: record.offset, record: control });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_and_version_survive_a_batch() {
        let voters: VoterSet = [VoterNode {
            key: ReplicaKey::new(3, Uuid::LOST_DIR),
            listeners: Endpoints::single("CONTROLLER", "h", 9093),
            kraft_versions: VersionRange { min: 0, max: 1 },
        }]
        .into_iter()
        .collect();
        let records = [ControlRecord::KRaftVersion(1), ControlRecord::Voters(voters)];
        let bytes = encode(&records, 10, 2, 1, 99).unwrap();
        let entries = decode(&Batch::parse(&bytes).unwrap()).unwrap();
        assert_eq!(entries.iter().map(|e| e.offset).collect::<Vec<_>>(), [10, 11]);
        assert_eq!(entries.into_iter().map(|e| e.record).collect::<Vec<_>>(), records);
    }
}
