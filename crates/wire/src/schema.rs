//! Messages by name, for tools, tests and fuzzing.

use crate::codec::{Message, Reader, WireError, Writer};
pub use crate::generated::schema_table::SCHEMAS;
use bytes::Bytes;

pub struct Schema {
    pub name: &'static str,
    pub min_version: i16,
    pub max_version: i16,
    /// Decodes, and forgets it: for what is said about decoding alone.
    pub decode: fn(&mut Reader, i16) -> Result<(), WireError>,
    /// Decodes, encodes again, and says how many bytes were left unread.
    pub reencode: fn(Bytes, i16) -> Result<(Bytes, usize), WireError>,
    /// The decoded message in Rust's debug form.
    pub show: fn(Bytes, i16) -> Result<String, WireError>,
}

impl Schema {
    pub fn by_name(name: &str) -> Option<&'static Schema> {
        let index = SCHEMAS.binary_search_by_key(&name, |schema| schema.name).ok()?;
        SCHEMAS.get(index)
    }
}

pub(crate) const fn schema_of<T: Message + std::fmt::Debug>() -> Schema {
    Schema {
        name: T::NAME,
        min_version: T::MIN_VERSION,
        max_version: T::MAX_VERSION,
        decode: decode::<T>,
        reencode: reencode::<T>,
        show: show::<T>,
    }
}

fn decode<T: Message>(reader: &mut Reader, version: i16) -> Result<(), WireError> {
    T::decode(reader, version).map(drop)
}

fn reencode<T: Message>(bytes: Bytes, version: i16) -> Result<(Bytes, usize), WireError> {
    let mut reader = Reader::new(bytes);
    let message = T::decode(&mut reader, version)?;
    let mut writer = Writer::new();
    message.encode(&mut writer, version)?;
    Ok((writer.into_bytes()?, reader.remaining()))
}

fn show<T: Message + std::fmt::Debug>(bytes: Bytes, version: i16) -> Result<String, WireError> {
    T::decode(&mut Reader::new(bytes), version).map(|message| format!("{message:#?}"))
}
