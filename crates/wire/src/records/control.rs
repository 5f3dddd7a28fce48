//! Control records: what the log itself has to say, between the data.

/// The key of a control record: a version and this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlType {
    Abort,
    Commit,
    LeaderChange,
    SnapshotHeader,
    SnapshotFooter,
    KraftVersion,
    KraftVoters,
    /// From a newer version; to be skipped.
    Unknown,
}

const CURRENT_VERSION: i16 = 0;

impl ControlType {
    pub fn from_id(id: i16) -> ControlType {
        match id {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            2 => ControlType::LeaderChange,
            3 => ControlType::SnapshotHeader,
            4 => ControlType::SnapshotFooter,
            5 => ControlType::KraftVersion,
            6 => ControlType::KraftVoters,
            _ => ControlType::Unknown,
        }
    }

    pub fn id(self) -> i16 {
        match self {
            ControlType::Abort => 0,
            ControlType::Commit => 1,
            ControlType::LeaderChange => 2,
            ControlType::SnapshotHeader => 3,
            ControlType::SnapshotFooter => 4,
            ControlType::KraftVersion => 5,
            ControlType::KraftVoters => 6,
            ControlType::Unknown => -1,
        }
    }

    /// As Kafka's tools print it.
    pub fn name(self) -> &'static str {
        match self {
            ControlType::Abort => "ABORT",
            ControlType::Commit => "COMMIT",
            ControlType::LeaderChange => "LEADER_CHANGE",
            ControlType::SnapshotHeader => "SNAPSHOT_HEADER",
            ControlType::SnapshotFooter => "SNAPSHOT_FOOTER",
            ControlType::KraftVersion => "KRAFT_VERSION",
            ControlType::KraftVoters => "KRAFT_VOTERS",
            ControlType::Unknown => "UNKNOWN",
        }
    }

    pub fn key(self) -> [u8; 4] {
        let ([a, b], [c, d]) = (CURRENT_VERSION.to_be_bytes(), self.id().to_be_bytes());
        [a, b, c, d]
    }

    /// A newer version reads as the current one. The error is the reason.
    pub fn parse_key(key: &[u8]) -> Result<ControlType, String> {
        let &[a, b, c, d, ..] = key else {
            return Err(format!("a control record's key has {} bytes, at least 4 are needed", key.len()));
        };
        let version = i16::from_be_bytes([a, b]);
        if version < 0 {
            return Err(format!("a control record's key has version {version}"));
        }
        Ok(ControlType::from_id(i16::from_be_bytes([c, d])))
    }
}

/// The value of ABORT and COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTxnMarker {
    pub coordinator_epoch: i32,
}

impl EndTxnMarker {
    pub fn to_bytes(self) -> [u8; 6] {
        let ([a, b], [c, d, e, f]) = (CURRENT_VERSION.to_be_bytes(), self.coordinator_epoch.to_be_bytes());
        [a, b, c, d, e, f]
    }

    /// A newer version reads as the current one. The error is the reason.
    pub fn parse(value: &[u8]) -> Result<EndTxnMarker, String> {
        let &[a, b, c, d, e, f, ..] = value else {
            return Err(format!("a transaction marker has {} bytes, at least 6 are needed", value.len()));
        };
        let version = i16::from_be_bytes([a, b]);
        if version < 0 {
            return Err(format!("a transaction marker has version {version}"));
        }
        Ok(EndTxnMarker { coordinator_epoch: i32::from_be_bytes([c, d, e, f]) })
    }
}
