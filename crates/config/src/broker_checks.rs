//! The checks that Kafka makes across settings before it starts (`KafkaConfig.validateValues`), in its order and words.

use std::fmt;

use ottla_base::java_string_hash;

use crate::broker_config::BrokerConfig;
use crate::error::ConfigError;
use crate::listeners::{self, Listener, SecurityProtocol};
use crate::value::Value;
use crate::{java, listeners::normalised};

type Check = Result<(), ConfigError>;

fn require(holds: bool, message: impl fmt::Display) -> Check {
    if holds { Ok(()) } else { Err(ConfigError::requirement(message)) }
}

pub(crate) fn early_start_listeners(config: &BrokerConfig) -> Result<Vec<String>, ConfigError> {
    const KEY: &str = "early.start.listeners";
    if config.value(KEY).is_none_or(Value::is_null) {
        return Ok(config.controller_listeners().map(|l| l.name.clone()).collect());
    }
    let mut names = Vec::new();
    for name in config.list(KEY).iter().map(|name| java::trim(name)).filter(|name| !name.is_empty()) {
        if !config.listeners().iter().any(|l| l.name == name) {
            let message = format!(
                "{KEY} contains listener {name}, but this is not contained in listeners or controller.listener.names"
            );
            return Err(ConfigError::config(message).about(KEY));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

pub(crate) fn check_rebalance_protocols(config: &mut BrokerConfig) -> Check {
    const KEY: &str = "group.coordinator.rebalance.protocols";
    let protocols = config.list(KEY).to_vec();
    let has = |name: &str| protocols.iter().any(|protocol| protocol == name);
    if !has("classic") {
        return Err(ConfigError::config("Disabling the 'classic' protocol is not supported.").about(KEY));
    }
    if !config.originals().contains(KEY) {
        return Ok(());
    }
    if has("share") {
        let message = format!(
            "'share' in `{KEY}` is deprecated. Share groups are controlled by the 'share.version' feature. This config \
             will be removed in Kafka 5.0."
        );
        config.warn(message, KEY);
    }
    let missing: Vec<&str> = ["classic", "consumer", "streams"].into_iter().filter(|name| !has(name)).collect();
    let disabled = if missing.is_empty() { String::new() } else { format!(" It turns off: {}.", missing.join(", ")) };
    let message = format!("`{KEY}` is deprecated and will be removed in Kafka 5.0; leave it out.{disabled}");
    config.warn(message, KEY);
    Ok(())
}

pub(crate) fn check(config: &mut BrokerConfig) -> Check {
    check_times_and_sizes(config)?;
    let heartbeat = config.long("broker.heartbeat.interval.ms");
    let session = config.long("broker.session.timeout.ms");
    if heartbeat * 2 > session {
        let message = format!(
            "broker.heartbeat.interval.ms ({heartbeat} ms) must be less than or equal to half of the \
             broker.session.timeout.ms ({session} ms): a broker that is late with its heartbeat is fenced. Raise \
             broker.session.timeout.ms on the controllers or lower broker.heartbeat.interval.ms on the brokers."
        );
        config.warn(message, "broker.heartbeat.interval.ms");
    }
    let advertised = advertised_broker_listeners(config)?;
    config.set_advertised(advertised, Vec::new());
    check_roles(config)?;
    let controllers = advertised_controller_listeners(config)?;
    let brokers = config.advertised_broker_listeners().to_vec();
    config.set_advertised(brokers, controllers);
    check_broker_listeners(config)?;
    check_advertised_addresses(config)?;
    check_security(config)?;
    check_connections(config)?;
    check_listener_settings(config)
}

fn check_times_and_sizes(config: &BrokerConfig) -> Check {
    if config.int("node.id") != config.int("broker.id") {
        let message = "You must set `node.id` to the same value as `broker.id`.";
        return Err(ConfigError::config(message).about("node.id"));
    }
    require(config.log_roll_ms() >= 1, "log.roll.ms must be greater than or equal to 1")?;
    require(config.log_roll_jitter_ms() >= 0, "log.roll.jitter.ms must be greater than or equal to 0")?;
    let retention = config.log_retention_ms();
    require(
        retention >= 1 || retention == -1,
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    )?;
    let threads = config.long("log.cleaner.threads");
    if threads == 0 {
        return Err(ConfigError::illegal_argument("/ by zero")
            .about("log.cleaner.threads")
            .helped("log.cleaner.threads must be at least 1."));
    }
    require(
        config.long("log.cleaner.dedupe.buffer.size") / threads > 1024 * 1024,
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
    )?;
    let wait = config.long("replica.fetch.wait.max.ms");
    require(
        wait <= config.long("replica.socket.timeout.ms"),
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket \
         timeouts",
    )?;
    require(
        wait <= config.long("replica.lag.time.max.ms"),
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent \
         changes in ISR",
    )
}

/// The advertised ones that are not for controllers; the plain ones where nothing is advertised.
fn advertised_broker_listeners(config: &BrokerConfig) -> Result<Vec<Listener>, ConfigError> {
    let all = match config.value("advertised.listeners") {
        Some(Value::List(entries)) => listeners::parse(entries, config.protocol_map(), false)?,
        _ => config.listeners().to_vec(),
    };
    let controllers = config.list("controller.listener.names");
    Ok(all.into_iter().filter(|l| !controllers.contains(&l.name)).collect())
}

fn advertised_controller_listeners(config: &BrokerConfig) -> Result<Vec<Listener>, ConfigError> {
    let names = config.list("controller.listener.names");
    let mut candidates = match config.value("advertised.listeners") {
        Some(Value::List(entries)) => listeners::parse(entries, config.protocol_map(), false)?,
        _ => Vec::new(),
    };
    candidates.retain(|l| names.contains(&l.name));
    let mut advertised = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let name = normalised(name)?;
        let endpoint = match candidates.iter().find(|l| l.name == name) {
            Some(endpoint) => Some(endpoint.clone()),
            None => {
                let plain = config.controller_listeners().find(|l| l.name == name).cloned();
                plain.map(|endpoint| advertised_for(endpoint, index == 0, config)).transpose()?
            }
        };
        advertised.extend(endpoint);
    }
    Ok(advertised)
}

/// Where nothing is advertised for a controller listener: its entry in `controller.quorum.voters` when it is the default
/// listener and is bound to all addresses, else what it is bound to.
fn advertised_for(mut endpoint: Listener, is_default: bool, config: &BrokerConfig) -> Result<Listener, ConfigError> {
    let is_wildcard = endpoint.host.as_deref().is_none_or(|host| host == "0.0.0.0");
    if is_default && is_wildcard {
        if let Some(voter) = config.voters().iter().find(|voter| voter.host == "0.0.0.0") {
            return Err(ConfigError::config(format!("Host string ({}) is not routeable", voter.host))
                .about("controller.quorum.voters"));
        }
        if let Some(voter) = config.voters().iter().find(|voter| voter.id == config.node_id()) {
            return Ok(Listener { host: Some(voter.host.clone()), port: voter.port, ..endpoint });
        }
    }
    if is_wildcard {
        endpoint.host = None;
    }
    Ok(endpoint)
}

/// The order of a Scala set: as added up to four, beyond that by the hash.
fn scala_set_order<T>(items: &mut [T], java_hash: impl Fn(&T) -> i32) {
    if items.len() <= 4 {
        return;
    }
    items.sort_by_key(|item| {
        let code = java_hash(item) as u32;
        let mut hash = code.wrapping_add(!(code << 9));
        hash ^= hash >> 14;
        hash = hash.wrapping_add(hash << 4);
        (hash ^ (hash >> 10)) & 31
    });
}

/// As Scala shows it.
fn voter_set(config: &BrokerConfig) -> String {
    let mut ids: Vec<i32> = config.voters().iter().map(|voter| voter.id).collect();
    scala_set_order(&mut ids, |id| *id);
    let class = if ids.len() > 4 { "HashSet" } else { "Set" };
    let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
    format!("{class}({})", ids.join(", "))
}

fn check_roles(config: &mut BrokerConfig) -> Check {
    if config.voters().is_empty() && config.bootstrap_servers().is_empty() {
        return Err(ConfigError::config(
            "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of bootstrap \
             controllers or controller.quorum.voters must contain a parseable set of controllers.",
        )
        .helped("For a single node: controller.quorum.bootstrap.servers=localhost:9093"));
    }
    let roles = config.roles();
    match (roles.broker, roles.controller) {
        (true, false) => check_broker_only(config),
        (false, true) => {
            require(
                advertised_controller_listeners(config)?.len() == config.listeners().len(),
                "The listeners config must only contain KRaft controller listeners from controller.listener.names when \
                 process.roles=controller",
            )?;
            if config.optional_string("inter.broker.listener.name").is_some() {
                let (name, _) = inter_broker_listener(config)?;
                require(
                    !config.list("controller.listener.names").contains(&name),
                    "controller.listener.names must not contain an explicitly set inter.broker.listener.name \
                     configuration value when process.roles=controller'",
                )?;
            }
            check_controller(config)
        }
        _ => check_controller(config),
    }
}

fn check_broker_only(config: &mut BrokerConfig) -> Check {
    let node_id = config.node_id();
    require(
        !config.voters().iter().any(|voter| voter.id == node_id),
        format_args!(
            "If process.roles contains just the 'broker' role, the node id {node_id} must not be included in the set of \
             voters controller.quorum.voters={}",
            voter_set(config)
        ),
    )?;
    require(
        config.controller_listeners().next().is_none(),
        "controller.listener.names must not contain a value appearing in the 'listeners' configuration when running \
         KRaft with just the broker role",
    )?;
    for name in config.list("controller.listener.names") {
        let name = normalised(name)?;
        if !config.protocol_map().contains_key(&name) {
            return Err(ConfigError::config(format!(
                "Controller listener with name {name} defined in controller.listener.names not found in \
                 listener.security.protocol.map  (an explicit security mapping for each controller listener is required \
                 if listener.security.protocol.map is non-empty, or if there are security protocols other than \
                 PLAINTEXT in use)"
            ))
            .about("controller.listener.names"));
        }
    }
    require(
        !config.boolean("controller.quorum.auto.join.enable"),
        "controller.quorum.auto.join.enable is only supported when process.roles contains the 'controller' role.",
    )?;
    let names = config.list("controller.listener.names").to_vec();
    if names.len() > 1 {
        let names = java::list_to_string(&names);
        let message = format!(
            "controller.listener.names has multiple entries; only the first will be used since process.roles=broker: {names}"
        );
        config.warn(message, "controller.listener.names");
    }
    warn_of_controller_settings(config);
    Ok(())
}

fn warn_of_controller_settings(config: &mut BrokerConfig) {
    for key in ["create.topic.policy.class.name", "alter.config.policy.class.name"] {
        if config.originals().contains(key) {
            config.warn(format!("{key} has no effect on a broker; it belongs to the controllers."), key);
        }
    }
    for key in ["num.partitions", "default.replication.factor"] {
        if config.originals().contains(key) {
            let message = format!("{key} on a broker will be ignored from Kafka 5.0 on; set it on the controllers.");
            config.warn(message, key);
        }
    }
}

fn check_controller(config: &BrokerConfig) -> Check {
    let node_id = config.node_id();
    require(
        config.voters().is_empty() || config.voters().iter().any(|voter| voter.id == node_id),
        format_args!(
            "If process.roles contains the 'controller' role, the node id {node_id} must be included in the set of \
             voters controller.quorum.voters={}",
            voter_set(config)
        ),
    )?;
    require(
        !advertised_controller_listeners(config)?.is_empty(),
        "controller.listener.names must contain at least one value appearing in the 'listeners' configuration when \
         running the KRaft controller role",
    )?;
    let has = |name: &String| config.listeners().iter().any(|l| l.name == *name);
    require(
        config.list("controller.listener.names").iter().all(has),
        "controller.listener.names must only contain values appearing in the 'listeners' configuration when running \
         the KRaft controller role",
    )
}

fn joined(listeners: &[Listener]) -> String {
    let mut names: Vec<&str> = listeners.iter().map(|l| l.name.as_str()).collect();
    scala_set_order(&mut names, |name| java_string_hash(name));
    names.join(",")
}

fn inter_broker_listener(config: &BrokerConfig) -> Result<(String, SecurityProtocol), ConfigError> {
    const NAME_KEY: &str = "inter.broker.listener.name";
    const PROTOCOL_KEY: &str = "security.inter.broker.protocol";
    let Some(name) = config.optional_string(NAME_KEY) else {
        let protocol = config.string(PROTOCOL_KEY);
        let protocol =
            SecurityProtocol::from_name(protocol).ok_or_else(|| listeners::invalid_protocol(protocol, PROTOCOL_KEY))?;
        return Ok((protocol.name().to_owned(), protocol));
    };
    if config.originals().contains(PROTOCOL_KEY) {
        return Err(ConfigError::config(format!("Only one of {NAME_KEY} and {PROTOCOL_KEY} should be set."))
            .about(PROTOCOL_KEY));
    }
    let name = normalised(name)?;
    match config.protocol_map().get(&name) {
        Some(protocol) => Ok((name, *protocol)),
        None => Err(ConfigError::config(format!(
            "Listener with name {name} defined in {NAME_KEY} not found in listener.security.protocol.map."
        ))
        .about(NAME_KEY)),
    }
}

fn check_broker_listeners(config: &mut BrokerConfig) -> Check {
    let is_broker = config.roles().broker;
    let advertised = config.advertised_broker_listeners();
    require(
        !is_broker || !advertised.is_empty(),
        "There must be at least one broker advertised listener. Perhaps all listeners appear in \
         controller.listener.names?",
    )?;
    let (name, protocol) = inter_broker_listener(config)?;
    if is_broker {
        require(
            advertised.iter().any(|l| l.name == name),
            format_args!(
                "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options \
                 based on currently configured listeners are {}",
                joined(advertised)
            ),
        )?;
        require(
            advertised.iter().all(|l| config.listeners().iter().any(|plain| plain.name == l.name)),
            format_args!(
                "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. \
                 Found {}. The valid options based on the current configuration are {}",
                joined(advertised),
                joined(config.listeners())
            ),
        )?;
        check_cordoned_log_dirs(config)?;
    }
    config.set_inter_broker_listener(name, protocol);
    Ok(())
}

fn check_cordoned_log_dirs(config: &BrokerConfig) -> Check {
    let cordoned = config.list("cordoned.log.dirs");
    if cordoned.iter().any(|dir| dir == "*") {
        return require(cordoned.len() == 1, "When cordoned.log.dirs is set to *, it must not contain other values");
    }
    let unknown: Vec<&str> =
        cordoned.iter().filter(|dir| !config.log_dirs().contains(dir)).map(String::as_str).collect();
    require(
        unknown.is_empty(),
        format_args!(
            "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : {}",
            unknown.join(", ")
        ),
    )
}

fn check_advertised_addresses(config: &BrokerConfig) -> Check {
    let all = config.advertised_broker_listeners().iter().chain(config.advertised_controller_listeners());
    require(
        !all.into_iter().any(|l| l.host.as_deref() == Some("0.0.0.0")),
        "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
    )
}

fn check_security(config: &BrokerConfig) -> Check {
    if config.inter_broker_security_protocol().uses_sasl() {
        let enabled = config.listener_value(config.inter_broker_listener_name(), "sasl.enabled.mechanisms")?;
        let mechanism = config.optional_string("sasl.mechanism.inter.broker.protocol").unwrap_or_default();
        require(
            enabled.as_ref().and_then(Value::as_list).unwrap_or_default().iter().any(|name| name == mechanism),
            "sasl.mechanism.inter.broker.protocol must be included in sasl.enabled.mechanisms when SASL is used for \
             inter-broker communication",
        )?;
    }
    let queued = config.long("queued.max.request.bytes");
    require(
        queued <= 0 || queued >= config.long("socket.request.max.bytes"),
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
    )
}

fn check_connections(config: &BrokerConfig) -> Check {
    const OVERRIDES: &str = "max.connections.per.ip.overrides";
    let overrides = listeners::parse_map(OVERRIDES, config.string(OVERRIDES))?;
    for limit in overrides.values() {
        if java::parse_int(limit).is_none() {
            return Err(ConfigError::illegal_argument(format!("For input string: \"{limit}\"")).about(OVERRIDES));
        }
    }
    if config.int("max.connections.per.ip") == 0 {
        require(
            !overrides.is_empty(),
            "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
        )?;
    }
    let invalid: Vec<&str> = overrides.keys().map(String::as_str).filter(|host| !listeners::is_host(host)).collect();
    if !invalid.is_empty() {
        let message = format!("{OVERRIDES} contains invalid addresses : {}", invalid.join(","));
        return Err(ConfigError::illegal_argument(message).about(OVERRIDES));
    }
    let idle = config.long("connections.max.idle.ms");
    let delay = config.long("connection.failed.authentication.delay.ms");
    require(
        idle < 0 || delay < idle,
        format_args!(
            "connection.failed.authentication.delay.ms={delay} should always be less than connections.max.idle.ms={idle} \
             to prevent failed authentication responses from timing out"
        ),
    )
}

/// Values with a listener's prefix are checked like the others. (Kafka does this when it opens the listener.)
fn check_listener_settings(config: &BrokerConfig) -> Check {
    for listener in config.listeners() {
        let prefix = listener.config_prefix();
        for (key, _) in config.originals().iter() {
            if let Some(base) = key.strip_prefix(&prefix) {
                config.listener_value(&listener.name, base)?;
            }
        }
    }
    Ok(())
}
