//! The settings of one server, from its `server.properties` (or from that and what was changed while it runs).

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use ottla_base::NodeId;

use crate::error::ConfigError;
use crate::listeners::{self, Listener, ProtocolMap, SecurityProtocol};
use crate::quorum::{self, BootstrapServer, Voter};
use crate::value::Value;
use crate::{Properties, broker_checks, definitions, group_checks, suggest};

/// What `process.roles` says; at least one is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessRoles {
    pub broker: bool,
    pub controller: bool,
}

impl ProcessRoles {
    pub fn is_combined(self) -> bool {
        self.broker && self.controller
    }
}

/// Something that does not stop the server but that its owner should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub message: String,
    /// Where it was written, such as `server.properties:12`.
    pub origin: Option<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.origin {
            Some(origin) => write!(f, " ({origin})"),
            None => Ok(()),
        }
    }
}

/// The settings of one server, checked. Kafka's `KafkaConfig`.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    originals: Properties,
    values: HashMap<&'static str, Value>,
    warnings: Vec<Warning>,
    roles: ProcessRoles,
    voters: Vec<Voter>,
    bootstrap_servers: Vec<BootstrapServer>,
    protocol_map: ProtocolMap,
    listeners: Vec<Listener>,
    advertised_broker_listeners: Vec<Listener>,
    advertised_controller_listeners: Vec<Listener>,
    inter_broker_listener: (String, SecurityProtocol),
    early_start_listeners: Vec<String>,
}

impl BrokerConfig {
    /// Reads and checks everything. The error is Kafka's; other bad values found on the way are in its `more`.
    pub fn new(properties: &Properties) -> Result<BrokerConfig, ConfigError> {
        let mut originals = properties.clone();
        populate_synonyms(&mut originals);
        Self::build(&originals).map_err(|error| add_origins(error, &originals))
    }

    fn build(originals: &Properties) -> Result<BrokerConfig, ConfigError> {
        let mut warnings = Vec::new();
        let values = parse_values(originals, &mut warnings)?;
        let list = |key: &str| values.get(key).and_then(Value::as_list).unwrap_or_default();
        let text = |key: &str| values.get(key).and_then(Value::as_str).unwrap_or_default();
        let roles = process_roles(list("process.roles"))?;
        let protocol_map = listeners::protocol_map(
            text("listener.security.protocol.map"),
            originals.contains("listener.security.protocol.map"),
            list("listeners"),
            list("controller.listener.names"),
        );
        group_checks::check_broker_config(&values)?;
        let protocol_map = protocol_map?;
        let listeners = listeners::parse(list("listeners"), &protocol_map, true)?;
        let voters = quorum::parse_voters(list("controller.quorum.voters"))?;
        let bootstrap_servers = quorum::parse_bootstrap_servers(list("controller.quorum.bootstrap.servers"))?;
        let mut config = BrokerConfig {
            originals: originals.clone(),
            roles,
            voters,
            bootstrap_servers,
            protocol_map,
            listeners,
            advertised_broker_listeners: Vec::new(),
            advertised_controller_listeners: Vec::new(),
            inter_broker_listener: (String::new(), SecurityProtocol::Plaintext),
            early_start_listeners: Vec::new(),
            values,
            warnings,
        };
        config.early_start_listeners = broker_checks::early_start_listeners(&config)?;
        broker_checks::check_rebalance_protocols(&mut config)?;
        broker_checks::check(&mut config)?;
        suggest::warn_of_unknown_keys(&config.originals, &mut config.warnings);
        Ok(config)
    }

    pub(crate) fn set_advertised(&mut self, brokers: Vec<Listener>, controllers: Vec<Listener>) {
        self.advertised_broker_listeners = brokers;
        self.advertised_controller_listeners = controllers;
    }

    pub(crate) fn set_inter_broker_listener(&mut self, name: String, protocol: SecurityProtocol) {
        self.inter_broker_listener = (name, protocol);
    }

    pub(crate) fn warn(&mut self, message: String, key: &str) {
        let origin = self.originals.origin(key).map(str::to_owned);
        self.warnings.push(Warning { message, origin });
    }

    pub(crate) fn protocol_map(&self) -> &ProtocolMap {
        &self.protocol_map
    }

    /// What the owner should know, besides errors.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// What was written, unknown keys too, with `node.id` filled in from `broker.id` or the other way round.
    pub fn originals(&self) -> &Properties {
        &self.originals
    }

    /// The value of a setting by its name; `None` when Kafka has no such setting.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    fn known(&self, key: &str) -> &Value {
        match self.values.get(key) {
            Some(value) => value,
            // Invariant: the keys and their types are written in this source, and tried by tests.
            None => panic!("Kafka has no setting {key}"),
        }
    }

    /// An int or short setting that has a value.
    ///
    /// # Panics
    /// This and the other accessors panic when the name or the type is wrong, which is our own mistake.
    pub fn int(&self, key: &str) -> i32 {
        match *self.known(key) {
            Value::Int(n) => n,
            Value::Short(n) => i32::from(n),
            // Invariant: the keys and their types are written in this source, and tried by tests.
            ref other => panic!("{key} is not an int but {other:?}"),
        }
    }

    /// An int, short or long setting that has a value.
    pub fn long(&self, key: &str) -> i64 {
        match self.known(key).as_i64() {
            Some(n) => n,
            // Invariant: the keys and their types are written in this source, and tried by tests.
            None => panic!("{key} is not a long"),
        }
    }

    /// An int, short or long setting that may be absent.
    pub fn optional_long(&self, key: &str) -> Option<i64> {
        let value = self.known(key);
        if value.is_null() { None } else { Some(self.long(key)) }
    }

    pub fn double(&self, key: &str) -> f64 {
        match *self.known(key) {
            Value::Double(n) => n,
            // Invariant: the keys and their types are written in this source, and tried by tests.
            ref other => panic!("{key} is not a double but {other:?}"),
        }
    }

    pub fn boolean(&self, key: &str) -> bool {
        match *self.known(key) {
            Value::Boolean(b) => b,
            // Invariant: the keys and their types are written in this source, and tried by tests.
            ref other => panic!("{key} is not a boolean but {other:?}"),
        }
    }

    /// A string or class name; `None` where it is not set.
    pub fn optional_string(&self, key: &str) -> Option<&str> {
        match self.known(key) {
            Value::Null => None,
            Value::String(text) | Value::Class(text) => Some(text),
            // Invariant: the keys and their types are written in this source, and tried by tests.
            other => panic!("{key} is not a string but {other:?}"),
        }
    }

    /// A string or class name that has a value.
    pub fn string(&self, key: &str) -> &str {
        match self.optional_string(key) {
            Some(text) => text,
            // Invariant: the keys and their types are written in this source, and tried by tests.
            None => panic!("{key} may be absent: use optional_string"),
        }
    }

    /// Empty where it is not set.
    pub fn list(&self, key: &str) -> &[String] {
        match self.known(key) {
            Value::Null => &[],
            Value::List(items) => items,
            // Invariant: the keys and their types are written in this source, and tried by tests.
            other => panic!("{key} is not a list but {other:?}"),
        }
    }

    pub fn password(&self, key: &str) -> Option<&str> {
        match self.known(key) {
            Value::Null => None,
            Value::Password(secret) => Some(secret),
            // Invariant: the keys and their types are written in this source, and tried by tests.
            other => panic!("{key} is not a password but {other:?}"),
        }
    }

    /// The value that counts for one listener: what `listener.name.<listener>.<key>` says, else what `key` says. `key`
    /// may begin with a SASL mechanism in small letters, as in `scram-sha-256.sasl.jaas.config`; then there is a value
    /// only with the prefix.
    pub fn listener_value(&self, listener_name: &str, key: &str) -> Result<Option<Value>, ConfigError> {
        let full_key = listeners::config_prefix(listener_name) + key;
        let definition = definitions::broker(key)
            .or_else(|| definitions::broker(key.split_once('.').map_or("", |(_mechanism, rest)| rest)));
        match (self.originals.get(&full_key), definition) {
            (Some(text), Some(definition)) => definition.parse_value(text).map(Some).map_err(|mut error| {
                error.key = Some(full_key.into());
                add_origins(error, &self.originals)
            }),
            _ => Ok(self.values.get(key).cloned()),
        }
    }
}

/// What Kafka derives from more than one setting.
impl BrokerConfig {
    pub fn node_id(&self) -> NodeId {
        self.int("node.id")
    }

    pub fn roles(&self) -> ProcessRoles {
        self.roles
    }

    /// The static quorum; empty when the quorum is dynamic. In the order of their ids.
    pub fn voters(&self) -> &[Voter] {
        &self.voters
    }

    pub fn bootstrap_servers(&self) -> &[BootstrapServer] {
        &self.bootstrap_servers
    }

    /// All that this server listens at.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Those of them that are for controllers.
    pub fn controller_listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter().filter(|l| self.list("controller.listener.names").contains(&l.name))
    }

    /// Those of them that are for clients and brokers.
    pub fn data_plane_listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter().filter(|l| !self.list("controller.listener.names").contains(&l.name))
    }

    /// Where clients and brokers are told to find this broker.
    pub fn advertised_broker_listeners(&self) -> &[Listener] {
        &self.advertised_broker_listeners
    }

    /// Where controllers and brokers are told to find this controller. The first is the default one.
    pub fn advertised_controller_listeners(&self) -> &[Listener] {
        &self.advertised_controller_listeners
    }

    /// In capitals.
    pub fn inter_broker_listener_name(&self) -> &str {
        &self.inter_broker_listener.0
    }

    pub fn inter_broker_security_protocol(&self) -> SecurityProtocol {
        self.inter_broker_listener.1
    }

    /// How to talk to controllers: the first of `controller.listener.names` and its protocol. `None` when that listener
    /// has no protocol (then this server is no broker).
    pub fn controller_listener(&self) -> Option<(&str, SecurityProtocol)> {
        let name = self.list("controller.listener.names").first()?;
        let protocol = self.protocol_map.get(&name.to_uppercase()).or_else(|| self.protocol_map.get(name))?;
        Some((name, *protocol))
    }

    /// The listeners that take requests before the authorizer has loaded its rules.
    pub fn early_start_listeners(&self) -> &[String] {
        &self.early_start_listeners
    }

    pub fn log_dirs(&self) -> &[String] {
        match self.known("log.dirs") {
            Value::List(dirs) => dirs,
            _ => self.list("log.dir"),
        }
    }

    /// Log directories that get no new partitions (KIP-1066).
    pub fn cordoned_log_dirs(&self) -> &[String] {
        let cordoned = self.list("cordoned.log.dirs");
        if cordoned.iter().any(|dir| dir == "*") { self.log_dirs() } else { cordoned }
    }

    pub fn metadata_log_dir(&self) -> &str {
        match self.optional_string("metadata.log.dir") {
            Some(dir) => dir,
            None => self.log_dirs().first().map_or("", String::as_str),
        }
    }

    /// Milliseconds; -1 for ever.
    pub fn log_retention_ms(&self) -> i64 {
        let minutes = || self.optional_long("log.retention.minutes").map(|minutes| minutes * 60_000);
        let hours = || self.long("log.retention.hours") * 3_600_000;
        let ms = self.optional_long("log.retention.ms").or_else(minutes).unwrap_or_else(hours);
        ms.max(-1)
    }

    pub fn log_roll_ms(&self) -> i64 {
        self.optional_long("log.roll.ms").unwrap_or_else(|| self.long("log.roll.hours") * 3_600_000)
    }

    pub fn log_roll_jitter_ms(&self) -> i64 {
        self.optional_long("log.roll.jitter.ms").unwrap_or_else(|| self.long("log.roll.jitter.hours") * 3_600_000)
    }

    pub fn log_flush_interval_ms(&self) -> i64 {
        self.optional_long("log.flush.interval.ms").unwrap_or_else(|| self.long("log.flush.scheduler.interval.ms"))
    }

    pub fn num_replica_alter_log_dirs_threads(&self) -> i64 {
        let key = "num.replica.alter.log.dirs.threads";
        self.optional_long(key).unwrap_or_else(|| self.log_dirs().len() as i64)
    }

    /// `max.connections.per.ip.overrides`, by address or host name.
    pub fn max_connections_per_ip_overrides(&self) -> BTreeMap<String, i32> {
        let key = "max.connections.per.ip.overrides";
        // Checked at construction.
        let map = listeners::parse_map(key, self.string(key)).unwrap_or_default();
        map.into_iter().filter_map(|(host, limit)| Some((host, crate::java::parse_int(&limit)?))).collect()
    }

    /// Milliseconds; the writes of an idle controller that keep the high watermark moving. `None` when they are off.
    pub fn metadata_max_idle_interval_ms(&self) -> Option<i64> {
        Some(self.long("metadata.max.idle.interval.ms")).filter(|ms| *ms > 0)
    }
}

/// `broker.id` and `node.id` stand for each other.
fn populate_synonyms(properties: &mut Properties) {
    for (from, to) in [("node.id", "broker.id"), ("broker.id", "node.id")] {
        if let (Some(value), Some(origin), None) = (properties.get(from), properties.origin(from), properties.get(to)) {
            let (value, origin) = (value.to_owned(), origin.to_owned());
            properties.set(to, &value, &origin);
            return;
        }
    }
}

fn parse_values(
    properties: &Properties,
    warnings: &mut Vec<Warning>,
) -> Result<HashMap<&'static str, Value>, ConfigError> {
    let mut values = HashMap::new();
    let mut errors: Vec<ConfigError> = Vec::new();
    for def in definitions::static_broker() {
        let text = properties.get(def.name);
        match def.parse_optional(text) {
            Ok(value) => {
                if let (Some(text), Value::List(kept)) = (text, &value) {
                    warn_of_duplicates(def.name, text, kept, properties, warnings);
                }
                values.insert(def.name, value);
            }
            Err(error) => errors.push(error),
        }
    }
    let mut errors = errors.into_iter();
    match errors.next() {
        None => Ok(values),
        Some(mut first) => {
            first.more = errors.collect();
            Err(first)
        }
    }
}

fn warn_of_duplicates(key: &str, text: &str, kept: &[String], properties: &Properties, warnings: &mut Vec<Warning>) {
    let original: Vec<String> =
        crate::java::split_commas(crate::java::trim(text)).into_iter().map(str::to_owned).collect();
    if original.len() <= kept.len() {
        return;
    }
    let (original, kept) = (crate::java::list_to_string(&original), crate::java::list_to_string(kept));
    let message = format!(
        "Configuration key \"{key}\" contains duplicate values. Duplicates will be removed. The original value is: \
         {original}, the updated value is: {kept}"
    );
    warnings.push(Warning { message, origin: properties.origin(key).map(str::to_owned) });
}

fn process_roles(names: &[String]) -> Result<ProcessRoles, ConfigError> {
    let has = |role: &str| names.iter().any(|name| name == role);
    // The validator let only these two names through.
    Ok(ProcessRoles { broker: has("broker"), controller: has("controller") })
}

fn add_origins(mut error: ConfigError, properties: &Properties) -> ConfigError {
    if error.origin.is_none() {
        error.origin = error.key.as_deref().and_then(|key| properties.origin(key)).map(Into::into);
    }
    error.more = error.more.into_iter().map(|error| add_origins(error, properties)).collect();
    error
}
