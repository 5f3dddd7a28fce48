//! How records of the metadata log and of the coordinators' topics are framed.

use crate::codec::{Reader, WireError, Writer};
use crate::metadata_records::MetadataRecord;
use bytes::Bytes;

/// The only frame version there is (0 was a preview's).
const FRAME_VERSION: u32 = 1;

impl MetadataRecord {
    /// The value of a record in `__cluster_metadata`: frame version, id, version, body.
    pub fn to_value(&self, version: i16) -> Result<Bytes, WireError> {
        let mut writer = Writer::new();
        writer.unsigned_varint(FRAME_VERSION);
        writer.unsigned_varint(self.id() as u32);
        writer.unsigned_varint(version as u32);
        self.encode(&mut writer, version)?;
        writer.into_bytes()
    }

    pub fn from_value(value: Bytes) -> Result<MetadataRecord, WireError> {
        let mut reader = Reader::new(value);
        let frame = reader.unsigned_varint()?;
        if frame != FRAME_VERSION {
            return Err(WireError::BadFrameVersion(frame));
        }
        let id = i16::try_from(reader.unsigned_varint()?).map_err(|_| WireError::BadVarint)?;
        let version = i16::try_from(reader.unsigned_varint()?).map_err(|_| WireError::BadVarint)?;
        let record = MetadataRecord::decode(id, &mut reader, version).ok_or(WireError::UnknownRecord(id))??;
        match reader.remaining() {
            0 => Ok(record),
            left => Err(WireError::TrailingBytes(left)),
        }
    }
}

macro_rules! coordinator_framing {
    ($key:ty, $value:ty) => {
        impl $key {
            /// Keys have version 0 only: the number in front is the record's id.
            pub fn to_key_bytes(&self) -> Result<Bytes, WireError> {
                let mut writer = Writer::new();
                writer.i16(self.id());
                self.encode(&mut writer, 0)?;
                writer.into_bytes()
            }

            /// `None`: an id that we don't know, to be skipped.
            pub fn from_key_bytes(key: Bytes) -> Result<Option<Self>, WireError> {
                let mut reader = Reader::new(key);
                let id = reader.i16()?;
                Self::decode(id, &mut reader, 0).transpose()
            }
        }

        impl $value {
            pub fn to_value_bytes(&self, version: i16) -> Result<Bytes, WireError> {
                let mut writer = Writer::new();
                writer.i16(version);
                self.encode(&mut writer, version)?;
                writer.into_bytes()
            }

            /// `id` is the key's.
            pub fn from_value_bytes(id: i16, value: Bytes) -> Result<Option<Self>, WireError> {
                let mut reader = Reader::new(value);
                let version = reader.i16()?;
                Self::decode(id, &mut reader, version).transpose()
            }
        }
    };
}

coordinator_framing!(crate::group_records::GroupRecordKey, crate::group_records::GroupRecordValue);
coordinator_framing!(
    crate::transaction_records::TransactionRecordKey,
    crate::transaction_records::TransactionRecordValue
);
coordinator_framing!(crate::share_records::ShareRecordKey, crate::share_records::ShareRecordValue);
