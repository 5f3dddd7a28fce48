//! The APIs: keys, versions, and which header goes with which version.

use crate::codec::Message;
pub use crate::generated::api_table::{APIS, ApiKey};

/// A request and the response that answers it.
pub trait Request: Message {
    const KEY: ApiKey;
    type Response: Message;
}

/// Where an API is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listeners {
    pub broker: bool,
    pub controller: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct ApiInfo {
    pub key: ApiKey,
    pub name: &'static str,
    pub min_version: i16,
    pub max_version: i16,
    pub first_flexible: i16,
    /// The last version is shown only when `unstable.api.versions.enable` is on.
    pub latest_unstable: bool,
    pub listeners: Listeners,
}

impl ApiInfo {
    pub fn max_stable_version(&self) -> i16 {
        self.max_version - i16::from(self.latest_unstable)
    }
}

impl ApiKey {
    pub fn from_code(code: i16) -> Option<ApiKey> {
        let index = APIS.binary_search_by_key(&code, |info| info.key as i16).ok()?;
        APIS.get(index).map(|info| info.key)
    }

    pub fn code(self) -> i16 {
        self as i16
    }

    pub fn info(self) -> &'static ApiInfo {
        let index = APIS.binary_search_by_key(&self.code(), |info| info.key as i16);
        // Invariant: the table is generated with one row for each key.
        &APIS[index.expect("every key stands in the table")]
    }

    pub fn name(self) -> &'static str {
        self.info().name
    }

    pub fn request_header_version(self, version: i16) -> i16 {
        if version >= self.info().first_flexible { 2 } else { 1 }
    }

    pub fn response_header_version(self, version: i16) -> i16 {
        // A client that asks with a version we lack must still be able to read the answer (KIP-511).
        let flexible = version >= self.info().first_flexible && self != ApiKey::ApiVersions;
        i16::from(flexible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_follow_the_first_flexible_version() {
        assert_eq!(ApiKey::Produce.request_header_version(8), 1);
        assert_eq!(ApiKey::Produce.request_header_version(9), 2);
        assert_eq!(ApiKey::ApiVersions.request_header_version(3), 2);
        assert_eq!(ApiKey::ApiVersions.response_header_version(3), 0);
        assert_eq!(ApiKey::OffsetDelete.response_header_version(0), 0);
        assert_eq!(ApiKey::from_code(4), None);
        assert_eq!(APIS.len(), 89);
    }
}
