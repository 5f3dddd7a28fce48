//! The options of `kafka-console-producer.sh`, and the settings they make.

use std::collections::BTreeMap;

use ottla_client::{Settings, parse_host_port};

use crate::options::{HELP, Opt, Options, Parser, VERSION, flag, value};
use crate::settings::{load, parse_pairs, to_settings};
use crate::stop::{Failure, Outcome, complain, say, usage};

const READER_HELP: &str = "A setting of the line reader, as key=value:\n parse.key (false), key.separator (tab),\n parse.headers (false), headers.delimiter (tab), headers.separator (,), headers.key.separator (:),\n ignore.error (false),\n null.marker (none): text that stands for null\nWith headers and keys a line is h1:v1,h2:v2<tab>key<tab>value.";

const OPTIONS: &[Opt] = &[
    HELP,
    VERSION,
    value(&["topic"], "topic", "REQUIRED: the topic to send to."),
    value(
        &["bootstrap-server"],
        "server to connect to",
        "REQUIRED: brokers to connect to first, as host:port,host:port.",
    ),
    value(&["broker-list"], "server to connect to", "The old name of --bootstrap-server.").hidden(),
    flag(&["sync"], "Waits for each record to be stored before the next is read."),
    value(
        &["compression-codec"],
        "compression-codec",
        "none, gzip, snappy, lz4 or zstd; gzip when the value is left out.",
    )
    .optional(),
    value(&["batch-size"], "size", "batch.size: up to how many bytes for a partition are sent together.").or("16384"),
    value(&["message-send-max-retries"], "Integer", "retries: how often a failed send is tried again.").or("3"),
    value(&["retry-backoff-ms"], "Long", "retry.backoff.ms: how long to wait before that.").or("100"),
    value(&["timeout"], "timeout_ms", "linger.ms: how long records wait for others to be sent with.").or("1000"),
    value(
        &["request-required-acks"],
        "request required acks",
        "acks: which replicas must have a record: 0, 1, -1 or all.",
    )
    .or("-1"),
    value(&["request-timeout-ms"], "request timeout ms", "request.timeout.ms: how long a broker may take to answer.")
        .or("1500"),
    value(
        &["metadata-expiry-ms"],
        "metadata expiration interval",
        "metadata.max.age.ms: when to ask for the cluster's metadata again.",
    )
    .or("300000"),
    value(&["max-block-ms"], "max block on send", "max.block.ms: how long to wait for metadata or memory.").or("60000"),
    value(&["max-memory-bytes"], "total memory in bytes", "buffer.memory: how many bytes may wait to be sent.")
        .or("33554432"),
    value(
        &["max-partition-memory-bytes"],
        "memory in bytes per partition",
        "(Deprecated) The old name of --batch-size.",
    )
    .or("16384"),
    value(&["line-reader"], "reader_class", "The class that reads standard input.").or(LINE_READER),
    value(&["socket-buffer-size"], "size", "send.buffer.bytes of the connections.").or("102400"),
    value(&["property"], "prop", "(Deprecated) The old name of --reader-property."),
    value(&["reader-property"], "prop", READER_HELP),
    value(
        &["reader-config"],
        "config file",
        "A file with settings of the line reader; --reader-property wins over it.",
    ),
    value(&["producer-property"], "producer_prop", "(Deprecated) The old name of --command-property."),
    value(&["command-property"], "producer_prop", "A setting of the producer, as key=value."),
    value(&["producer.config"], "config file", "(Deprecated) The old name of --command-config."),
    value(&["command-config"], "config file", "A file with settings of the producer; --command-property wins over it."),
];

pub const LINE_READER: &str = "org.apache.kafka.tools.LineMessageReader";
const PARSER: Parser = Parser::new(OPTIONS);

pub fn parse(arguments: &[String]) -> Outcome<Options> {
    let options = PARSER.parse(arguments).map_err(|error| usage(&PARSER, error))?;
    options.help_or_version(arguments, "Sends what it reads from standard input to a topic.")?;
    options.require(&["topic"])?;
    for (new, old) in [
        ("command-config", "producer.config"),
        ("command-property", "producer-property"),
        ("reader-property", "property"),
    ] {
        if options.has(new) && options.has(old) {
            return Err(usage(&PARSER, format!("Options --{new} and --{old} cannot be specified together.")));
        }
    }
    for (old, new) in [
        ("producer-property", "command-property"),
        ("producer.config", "command-config"),
        ("property", "reader-property"),
    ] {
        if options.has(old) {
            say(format!(
                "Warning: --{old} is deprecated and will be removed in a future version. Use --{new} instead."
            ))?;
        }
    }
    if options.has("max-partition-memory-bytes") {
        say(
            "Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache Kafka 5.0. Use --batch-size instead.",
        )?;
    }
    if options.has("broker-list") {
        complain(
            "--broker-list was removed in Kafka 4.0 and works here only for old instructions: use --bootstrap-server.",
        );
    }
    check_servers(&servers(&options).map_err(crate::stop::fail)?.unwrap_or_default())?;
    Ok(options)
}

fn servers(options: &Options) -> Result<Option<String>, Failure> {
    Ok(options.text("bootstrap-server")?.or(options.text("broker-list")?))
}

fn check_servers(servers: &str) -> Outcome {
    if servers.trim().is_empty() {
        return Err(usage(&PARSER, "Error while validating the bootstrap address\n"));
    }
    if crate::java::split(servers, ",").iter().any(|server| parse_host_port(server).is_none()) {
        return Err(usage(&PARSER, "Please provide valid host:port like host1:9091,host2:9092\n"));
    }
    Ok(())
}

/// Of the line reader.
pub fn reader_settings(options: &Options) -> Result<BTreeMap<String, String>, Failure> {
    let mut settings = match options.text("reader-config")? {
        Some(path) => load(&path)?,
        None => BTreeMap::new(),
    };
    let option = if options.has("property") { "property" } else { "reader-property" };
    settings.extend(parse_pairs(&options.values(option), true)?);
    Ok(settings)
}

/// The option wins when given; otherwise a setting from elsewhere, then the option's default.
const MERGED: [(&str, &str); 11] = [
    ("linger.ms", "timeout"),
    ("acks", "request-required-acks"),
    ("request.timeout.ms", "request-timeout-ms"),
    ("retries", "message-send-max-retries"),
    ("retry.backoff.ms", "retry-backoff-ms"),
    ("send.buffer.bytes", "socket-buffer-size"),
    ("buffer.memory", "max-memory-bytes"),
    ("batch.size", "batch-size"),
    ("batch.size", "max-partition-memory-bytes"),
    ("metadata.max.age.ms", "metadata-expiry-ms"),
    ("max.block.ms", "max-block-ms"),
];

pub fn producer_settings(options: &Options) -> Result<Settings, Failure> {
    let config = if options.has("producer.config") { "producer.config" } else { "command-config" };
    let mut map = match options.text(config)? {
        Some(path) => load(&path)?,
        None => BTreeMap::new(),
    };
    let property = if options.has("producer-property") { "producer-property" } else { "command-property" };
    map.extend(parse_pairs(&options.values(property), true)?);
    let mut settings = to_settings(map);
    settings.set("bootstrap.servers", servers(options)?.unwrap_or_default());
    settings.set("compression.type", compression(options)?);
    settings.set_default("client.id", "console-producer");
    for (key, option) in MERGED {
        if options.has(option) || !settings.contains(key) {
            // All of these are numbers except acks.
            let value =
                if key == "acks" { options.text(option)? } else { options.long(option)?.map(|n| n.to_string()) };
            settings.set(key, value.unwrap_or_default());
        }
    }
    Ok(settings)
}

fn compression(options: &Options) -> Result<String, Failure> {
    if !options.has("compression-codec") {
        return Ok("none".to_owned());
    }
    let codec = options.text("compression-codec")?.filter(|codec| !codec.is_empty());
    Ok(codec.unwrap_or_else(|| "gzip".to_owned()))
}
