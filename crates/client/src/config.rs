//! The settings of a client, by Kafka's names.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::time::Duration;

use crate::error::{Error, Result, class};

/// What kind of client it is: it decides the name in log lines and the default `client.id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Admin,
    Producer,
    Consumer,
}

/// Keys and values, as properties files and `--…-property key=value` give them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    pub fn new() -> Settings {
        Settings::default()
    }

    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_owned(), value.into());
    }

    pub fn set_default(&mut self, key: &str, value: impl Into<String>) {
        self.0.entry(key.to_owned()).or_insert_with(|| value.into());
    }

    pub fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub fn text(&self, key: &str, default: &str) -> String {
        self.get(key).map_or(default, str::trim).to_owned()
    }

    pub fn bool(&self, key: &str, default: bool) -> Result<bool> {
        let Some(value) = self.get(key) else { return Ok(default) };
        match value.trim().to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(invalid(key, value, "Expected value to be either true or false")),
        }
    }

    /// A 32-bit number of at least `min`.
    pub fn int(&self, key: &str, default: i32, min: i32) -> Result<i32> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let number = value.trim().parse().map_err(|_| invalid(key, value, "Not a number of type INT"))?;
        if number < min {
            return Err(invalid(key, value.trim(), &format!("Value must be at least {min}")));
        }
        Ok(number)
    }

    /// A 64-bit number of at least `min`.
    pub fn long(&self, key: &str, default: i64, min: i64) -> Result<i64> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let number = value.trim().parse().map_err(|_| invalid(key, value, "Not a number of type LONG"))?;
        if number < min {
            return Err(invalid(key, value.trim(), &format!("Value must be at least {min}")));
        }
        Ok(number)
    }

    pub fn millis(&self, key: &str, default: i64) -> Result<Duration> {
        Ok(Duration::from_millis(self.long(key, default, 0)?.unsigned_abs()))
    }

    /// Where Kafka's definition has 32 bits.
    pub fn int_millis(&self, key: &str, default: i32) -> Result<Duration> {
        Ok(Duration::from_millis(u64::from(self.int(key, default, 0)?.unsigned_abs())))
    }

    pub fn list(&self, key: &str, default: &str) -> Vec<String> {
        let text = self.get(key).unwrap_or(default);
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    pub fn one_of(&self, key: &str, default: &str, allowed: &[&str]) -> Result<String> {
        let value = self.text(key, default);
        if allowed.contains(&value.as_str()) {
            return Ok(value);
        }
        Err(invalid(key, &value, &format!("String must be one of: {}", allowed.join(", "))))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Settings {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Settings {
        Settings(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

/// A `ConfigException` in Kafka's words.
pub fn invalid(key: &str, value: &str, why: &str) -> Error {
    Error::config(format!("Invalid value {value} for configuration {key}: {why}"))
}

/// What every client needs, whatever it does.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    pub role: Role,
    /// Hosts and ports, in the order given.
    pub bootstrap: Vec<(String, u16)>,
    pub client_id: String,
    /// Of a consumer; its log lines name it.
    pub group_id: Option<String>,
    pub request_timeout: Duration,
    pub default_api_timeout: Duration,
    pub retry_backoff: Duration,
    pub retry_backoff_max: Duration,
    pub reconnect_backoff: Duration,
    pub reconnect_backoff_max: Duration,
    pub socket_connection_setup_timeout: Duration,
    pub metadata_max_age: Duration,
    pub send_buffer_bytes: i32,
    pub receive_buffer_bytes: i32,
    pub allow_auto_create_topics: bool,
}

impl ClientConfig {
    pub fn new(role: Role, settings: &Settings) -> Result<ClientConfig> {
        let protocol = settings.text("security.protocol", "PLAINTEXT");
        if protocol != "PLAINTEXT" {
            return Err(Error::config(format!(
                "security.protocol={protocol} is not supported by Ottla's tools yet: use a PLAINTEXT listener of the broker"
            )));
        }
        Ok(ClientConfig {
            role,
            bootstrap: parse_bootstrap(role, settings.get("bootstrap.servers"))?,
            client_id: settings.get("client.id").map_or_else(|| default_client_id(role), str::to_owned),
            group_id: settings.get("group.id").filter(|_| role == Role::Consumer).map(str::to_owned),
            request_timeout: settings.int_millis("request.timeout.ms", 30_000)?,
            default_api_timeout: settings.int_millis("default.api.timeout.ms", 60_000)?,
            retry_backoff: settings.millis("retry.backoff.ms", 100)?,
            retry_backoff_max: settings.millis("retry.backoff.max.ms", 1000)?,
            reconnect_backoff: settings.millis("reconnect.backoff.ms", 50)?,
            reconnect_backoff_max: settings.millis("reconnect.backoff.max.ms", 1000)?,
            socket_connection_setup_timeout: settings.millis("socket.connection.setup.timeout.ms", 10_000)?,
            metadata_max_age: settings.millis("metadata.max.age.ms", 300_000)?,
            send_buffer_bytes: settings.int("send.buffer.bytes", 128 * 1024, -1)?,
            receive_buffer_bytes: settings.int("receive.buffer.bytes", 64 * 1024, -1)?,
            allow_auto_create_topics: settings.bool("allow.auto.create.topics", true)?,
        })
    }

    /// Drops the bootstrap servers whose names lead nowhere; fails when none is left.
    pub fn resolved(mut self) -> Result<ClientConfig> {
        self.bootstrap.retain(|(host, port)| {
            let is_known = (host.as_str(), *port).to_socket_addrs().is_ok_and(|mut found| found.next().is_some());
            if !is_known {
                tracing::warn!(
                    target: "org.apache.kafka.clients.ClientUtils",
                    "Couldn't resolve server {host}:{port} from bootstrap.servers as DNS resolution failed for {host}"
                );
            }
            is_known
        });
        if self.bootstrap.is_empty() {
            return Err(not_constructed(self.role, "No resolvable bootstrap urls given in bootstrap.servers"));
        }
        Ok(self)
    }

    /// In front of every log line, as Kafka's clients have it.
    pub fn log_prefix(&self) -> String {
        let kind = match self.role {
            Role::Admin => "AdminClient",
            Role::Producer => "Producer",
            Role::Consumer => "Consumer",
        };
        match &self.group_id {
            Some(group) => format!("[{kind} clientId={}, groupId={group}] ", self.client_id),
            None => format!("[{kind} clientId={}] ", self.client_id),
        }
    }
}

fn default_client_id(role: Role) -> String {
    match role {
        Role::Admin => "adminclient-1",
        Role::Producer => "producer-1",
        Role::Consumer => "consumer-1",
    }
    .to_owned()
}

fn parse_bootstrap(role: Role, list: Option<&str>) -> Result<Vec<(String, u16)>> {
    let list = list.ok_or_else(|| {
        Error::config("Missing required configuration \"bootstrap.servers\" which has no default value.")
    })?;
    let mut servers = Vec::new();
    for url in list.split(',').map(str::trim).filter(|url| !url.is_empty()) {
        let server = parse_host_port(url).ok_or_else(|| {
            let is_number = url.rsplit(':').next().is_some_and(|port| port.parse::<i32>().is_ok());
            let what = if is_number { "port" } else { "url" };
            not_constructed(role, &format!("Invalid {what} in bootstrap.servers: {url}"))
        })?;
        servers.push(server);
    }
    if servers.is_empty() {
        return Err(not_constructed(role, "No resolvable bootstrap urls given in bootstrap.servers"));
    }
    Ok(servers)
}

/// What Kafka's clients find out too late for a plain `ConfigException`.
fn not_constructed(role: Role, cause: &str) -> Error {
    let what = match role {
        Role::Admin => "Failed to create new KafkaAdminClient",
        Role::Producer => "Failed to construct kafka producer",
        Role::Consumer => "Failed to construct kafka consumer",
    };
    let cause = Error::config(cause);
    Error::new(class::KAFKA, format!("{what}\nCaused by: {}: {cause}", cause.java_class()))
}

/// `host:port`, `[v6]:port`, either with `protocol://` in front.
pub fn parse_host_port(url: &str) -> Option<(String, u16)> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, port) = rest.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._%:".contains(c);
    if host.is_empty() || !host.chars().all(is_host) {
        return None;
    }
    Some((host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        pairs.iter().copied().collect()
    }

    fn check_error(pairs: &[(&str, &str)], expected: &str) {
        let error = ClientConfig::new(Role::Admin, &settings(pairs)).unwrap_err();
        assert!(error.message.ends_with(expected), "{error}");
    }

    #[test]
    fn errors_are_kafkas() {
        check_error(&[("bootstrap.servers", "foo")], "Invalid url in bootstrap.servers: foo");
        check_error(&[("bootstrap.servers", " , ")], "No resolvable bootstrap urls given in bootstrap.servers");
        check_error(
            &[("bootstrap.servers", "a:1"), ("request.timeout.ms", "x")],
            "Invalid value x for configuration request.timeout.ms: Not a number of type INT",
        );
        check_error(
            &[("bootstrap.servers", "a:1"), ("retry.backoff.ms", "-1")],
            "Invalid value -1 for configuration retry.backoff.ms: Value must be at least 0",
        );
    }

    #[test]
    fn addresses_come_in_all_forms() {
        assert_eq!(parse_host_port("localhost:9092"), Some(("localhost".into(), 9092)));
        assert_eq!(parse_host_port("PLAINTEXT://h-1.x_y:1"), Some(("h-1.x_y".into(), 1)));
        assert_eq!(parse_host_port("[::1]:9"), Some(("::1".into(), 9)));
        assert_eq!(parse_host_port(":9"), None);
        assert_eq!(parse_host_port("h"), None);
        assert_eq!(parse_host_port("h:99999"), None);
    }
}
