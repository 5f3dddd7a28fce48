//! Settings of a client, from the places where a command line can have them.

use std::collections::BTreeMap;

use ottla_client::Settings;
use ottla_config::Properties;

use crate::stop::Failure;

/// A properties file, as a map.
pub fn load(path: &str) -> Result<BTreeMap<String, String>, Failure> {
    Ok(load_properties(path)?.to_map())
}

/// A properties file.
pub fn load_properties(path: &str) -> Result<Properties, Failure> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        // Java's words, with the class that its tools show.
        std::io::ErrorKind::NotFound => Failure::new("java.nio.file.NoSuchFileException", path),
        _ => Failure::new("java.io.IOException", format!("{path}: {error}")),
    })?;
    Properties::parse(&bytes, path).map_err(|error| Failure::illegal_argument(error.to_string()))
}

/// `key=value` words. A key without a value is an error, unless the tool lets it be empty.
pub fn parse_pairs(words: &[String], accept_missing: bool) -> Result<BTreeMap<String, String>, Failure> {
    let mut pairs = BTreeMap::new();
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        if value.is_empty() && !accept_missing {
            return Err(Failure::illegal_argument(format!("Missing value for key {key}}}")));
        }
        pairs.insert(key.to_owned(), value.to_owned());
    }
    Ok(pairs)
}

pub fn to_settings(map: BTreeMap<String, String>) -> Settings {
    map.into_iter().collect()
}
