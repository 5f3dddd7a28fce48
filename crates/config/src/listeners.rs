//! Listeners: `NAME://host:port`, and the security protocol that each name stands for.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;

use crate::error::ConfigError;
use crate::java;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecurityProtocol {
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

impl SecurityProtocol {
    pub const ALL: [SecurityProtocol; 4] = [
        SecurityProtocol::Plaintext,
        SecurityProtocol::Ssl,
        SecurityProtocol::SaslPlaintext,
        SecurityProtocol::SaslSsl,
    ];

    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }

    /// In any case.
    pub fn from_name(name: &str) -> Option<SecurityProtocol> {
        Self::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// The id in broker registrations.
    pub fn id(self) -> i16 {
        self as i16
    }

    pub fn from_id(id: i16) -> Option<SecurityProtocol> {
        Self::ALL.into_iter().find(|protocol| protocol.id() == id)
    }

    pub fn uses_sasl(self) -> bool {
        matches!(self, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl)
    }

    pub fn uses_tls(self) -> bool {
        matches!(self, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl)
    }
}

/// One place to listen at, or to be reached at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// In capitals.
    pub name: String,
    /// `None` where none was written: all addresses when listening, the machine's own name when advertised.
    pub host: Option<String>,
    /// 0 for any free port.
    pub port: u16,
    pub security_protocol: SecurityProtocol,
}

impl Listener {
    /// `listener.name.<name>.`: before the settings of this listener only.
    pub fn config_prefix(&self) -> String {
        config_prefix(&self.name)
    }
}

pub(crate) fn config_prefix(listener_name: &str) -> String {
    format!("listener.name.{}.", listener_name.to_lowercase())
}

pub(crate) type ProtocolMap = BTreeMap<String, SecurityProtocol>;

/// `ListenerName.normalised`.
pub(crate) fn normalised(name: &str) -> Result<String, ConfigError> {
    if name.trim().is_empty() {
        return Err(ConfigError::config("The provided listener name is null or empty string"));
    }
    Ok(name.to_uppercase())
}

/// `key1:value1,key2:value2`; the last colon divides, so that a key may be an IPv6 address.
pub(crate) fn parse_map(key: &str, text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut map = BTreeMap::new();
    if text.is_empty() {
        return Ok(map);
    }
    let mut parts = java::split_commas(text);
    while parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    for part in parts {
        let Some((name, value)) = part.rsplit_once(':') else {
            let length = part.encode_utf16().count();
            let message = format!("Error parsing configuration property '{key}': begin 0, end -1, length {length}");
            return Err(ConfigError::illegal_argument(message)
                .about(key)
                .helped(format!("`{part}` has no colon; write name:value, separated by commas.")));
        };
        map.insert(java::trim(name).to_owned(), java::trim(value).to_owned());
    }
    Ok(map)
}

/// What `listener.security.protocol.map` says, with PLAINTEXT for controller listeners where Kafka adds it.
pub(crate) fn protocol_map(
    text: &str,
    is_explicit: bool,
    listeners: &[String],
    controller_names: &[String],
) -> Result<ProtocolMap, ConfigError> {
    const KEY: &str = "listener.security.protocol.map";
    let mut map = ProtocolMap::new();
    for (name, protocol) in parse_map(KEY, text)? {
        let name = normalised(&name)?;
        let protocol = SecurityProtocol::from_name(&protocol).ok_or_else(|| invalid_protocol(&protocol, KEY))?;
        map.insert(name, protocol);
    }
    if is_explicit {
        return Ok(map);
    }
    let is_secure = |name: &str| matches!(name, "SSL" | "SASL_SSL" | "SASL_PLAINTEXT");
    let mut secure = controller_names.iter().any(|name| is_secure(name));
    for listener in listeners {
        let Some((name, _)) = listener.split_once(':') else {
            return Err(ConfigError::illegal_argument(format!("Unable to parse a listener name from {listener}"))
                .about("listeners")
                .helped("A listener is written NAME://host:port."));
        };
        secure |= is_secure(&name.to_uppercase());
    }
    if !secure {
        for name in controller_names {
            map.insert(name.clone(), SecurityProtocol::Plaintext);
        }
    }
    Ok(map)
}

pub(crate) fn invalid_protocol(protocol: &str, key: &str) -> ConfigError {
    ConfigError::config(format!("Invalid security protocol `{protocol}` defined in {key}"))
        .about(key)
        .helped("There are PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL.")
}

/// Reads a list of listeners. Advertised ones may share a port, others only as IPv4 beside IPv6.
pub(crate) fn parse(entries: &[String], map: &ProtocolMap, distinct_ports: bool) -> Result<Vec<Listener>, ConfigError> {
    let wrap = |error: ConfigError| {
        let list = java::list_to_string(entries);
        let message = format!("Error creating broker listeners from '{list}': {}", error.message);
        ConfigError { message, kind: crate::ErrorKind::IllegalArgument, ..error }
    };
    let listeners: Vec<Listener> =
        entries.iter().map(|entry| parse_one(entry, map)).collect::<Result<_, _>>().map_err(wrap)?;
    check_distinct(&listeners, entries, distinct_ports).map_err(wrap)?;
    Ok(listeners)
}

fn parse_one(entry: &str, map: &ProtocolMap) -> Result<Listener, ConfigError> {
    let unreadable = || {
        ConfigError::illegal_argument(format!("Unable to parse {entry} to a broker endpoint"))
            .helped("A listener is written NAME://host:port; for all addresses leave the host empty.")
    };
    let (name, address) = entry.rsplit_once("://").ok_or_else(unreadable)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(unreadable)?;
    let digits = port.strip_prefix('-').unwrap_or(port);
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || !is_host(host) {
        return Err(unreadable());
    }
    let name = normalised(name)?;
    let number =
        java::parse_int(port).ok_or_else(|| ConfigError::illegal_argument(format!("For input string: \"{port}\"")))?;
    let security_protocol = *map.get(&name).ok_or_else(|| {
        ConfigError::illegal_argument(format!("No security protocol defined for listener {name}")).helped(format!(
            "Add {name}:PLAINTEXT (or SSL, SASL_PLAINTEXT, SASL_SSL) to listener.security.protocol.map."
        ))
    })?;
    // Java finds this out only when it binds.
    let port =
        u16::try_from(number).map_err(|_| ConfigError::illegal_argument(format!("port out of range:{number}")))?;
    let host = (!host.is_empty()).then(|| host.to_owned());
    Ok(Listener { name, host, port, security_protocol })
}

/// What may stand for a host: names, IPv4, IPv6 with a zone.
pub(crate) fn is_host(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-%._:".contains(&b))
}

fn check_distinct(listeners: &[Listener], entries: &[String], distinct_ports: bool) -> Result<(), ConfigError> {
    let list = java::list_to_string(entries);
    let names: std::collections::HashSet<&str> = listeners.iter().map(|l| l.name.as_str()).collect();
    if names.len() != listeners.len() {
        let message = format!("Each listener must have a different name, listeners: {list}");
        return Err(ConfigError::illegal_argument(message));
    }
    if !distinct_ports {
        return Ok(());
    }
    let mut by_port: BTreeMap<u16, Vec<&Listener>> = BTreeMap::new();
    for listener in listeners.iter().filter(|l| l.port != 0) {
        by_port.entry(listener.port).or_default().push(listener);
    }
    for (port, same) in by_port.into_iter().filter(|(_, same)| same.len() > 1) {
        check_same_port(port, &same, &list)?;
    }
    Ok(())
}

fn check_same_port(port: u16, same: &[&Listener], list: &str) -> Result<(), ConfigError> {
    let is_v4 = |host: &str| host.parse::<Ipv4Addr>().is_ok();
    let is_v6 = |host: &str| host.split('%').next().is_some_and(|host| host.parse::<Ipv6Addr>().is_ok());
    let addresses: Vec<&str> =
        same.iter().filter_map(|l| l.host.as_deref()).filter(|host| is_v4(host) || is_v6(host)).collect();
    let others = same.len() - addresses.len();
    let fail = |message: String| Err(ConfigError::illegal_argument(message));
    if others > 1 {
        return fail(format!("Each listener must have a different port, listeners: {list}"));
    }
    match addresses.as_slice() {
        [] => Ok(()),
        [first, second] => {
            let both_families = (is_v4(first) && is_v6(second)) || (is_v6(first) && is_v4(second));
            if both_families && others == 0 {
                return Ok(());
            }
            fail(format!(
                "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, \
                 listeners: {list}, port: {port}"
            ))
        }
        _ => fail(format!(
            "Each listener must have a different port unless exactly one listener has an IPv4 address and the other \
             IPv6 address, listeners: {list}, port: {port}"
        )),
    }
}
