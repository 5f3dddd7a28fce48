//! `controller.quorum.voters` and `controller.quorum.bootstrap.servers`.

use ottla_base::NodeId;

use crate::error::ConfigError;
use crate::java;
use crate::listeners::is_host;

/// A member of a static quorum: `id@host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    pub id: NodeId,
    pub host: String,
    pub port: u16,
}

/// Where a node that joins a dynamic quorum asks first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapServer {
    pub host: String,
    pub port: u16,
}

/// Of an id that comes twice the last counts, as in Kafka. In the order of the ids.
pub(crate) fn parse_voters(entries: &[String]) -> Result<Vec<Voter>, ConfigError> {
    const KEY: &str = "controller.quorum.voters";
    let mut voters = std::collections::BTreeMap::new();
    for entry in entries {
        // Java's `split` forgets empty parts at the end.
        let parts: Vec<&str> = entry.trim_end_matches('@').split('@').collect();
        let [id_text, address] = parts.as_slice() else {
            let message = format!(
                "Invalid configuration value for {KEY}. Each entry should be in the form `{{id}}@{{host}}:{{port}}`."
            );
            return Err(ConfigError::config(message).about(KEY));
        };
        let id = java::parse_int(id_text).ok_or_else(|| {
            ConfigError::config(format!("Failed to parse voter ID as an integer from {id_text}")).about(KEY)
        })?;
        let failed = |what: &str| {
            ConfigError::config(format!(
                "Failed to parse host {what} from entry {entry} for the configuration {KEY}. Each entry should be in \
                 the form `{{id}}@{{host}}:{{port}}`."
            ))
            .about(KEY)
        };
        let (host, port) = host_and_port(address).ok_or_else(|| failed("name"))?;
        let port = in_range(port).map_err(|error| error.about(KEY))?;
        voters.insert(id, Voter { id, host: host.to_owned(), port });
    }
    Ok(voters.into_values().collect())
}

pub(crate) fn parse_bootstrap_servers(entries: &[String]) -> Result<Vec<BootstrapServer>, ConfigError> {
    const KEY: &str = "controller.quorum.bootstrap.servers";
    let parse = |entry: &String| {
        let (host, port) = host_and_port(entry).ok_or_else(|| {
            ConfigError::config(format!(
                "Failed to parse host name from {entry} for the configuration {KEY}. Each entry should be in the form \
                 \"{{host}}:{{port}}\""
            ))
            .about(KEY)
        })?;
        let port = in_range(port).map_err(|error| error.about(KEY))?;
        Ok(BootstrapServer { host: host.to_owned(), port })
    };
    entries.iter().map(parse).collect()
}

/// Kafka's form of an address, with an optional scheme before it and optional brackets about the host.
pub(crate) fn host_and_port(address: &str) -> Option<(&str, &str)> {
    let address = match address.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"-%._".contains(&b)) => rest,
        _ => address,
    };
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    (digits && is_host(host)).then_some((host, port))
}

fn in_range(port: &str) -> Result<u16, ConfigError> {
    match java::parse_int(port) {
        None => Err(ConfigError::illegal_argument(format!("For input string: \"{port}\""))),
        Some(number) => {
            u16::try_from(number).map_err(|_| ConfigError::illegal_argument(format!("port out of range:{number}")))
        }
    }
}
