//! The options of `kafka-console-consumer.sh`, and the settings they make.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::Settings;

use super::formatter::{self, Formatter};
use crate::options::{HELP, Opt, Options, Parser, VERSION, flag, value};
use crate::settings::{load, parse_pairs, to_settings};
use crate::stop::{Failure, Outcome, Stop, complain, fail, say, usage};

const FORMATTER_HELP: &str = "A setting of the formatter, as key=value; the default formatter has\n print.timestamp, print.partition, print.offset, print.delivery, print.epoch, print.headers, print.key (all false), print.value (true),\n key.separator (tab), line.separator (newline), headers.separator (,), null.literal (null),\n key.deserializer, value.deserializer, headers.deserializer.";

pub const DEFAULT_FORMATTER: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";

const OPTIONS: &[Opt] = &[
    HELP,
    VERSION,
    value(&["topic"], "topic", "The topic to read."),
    value(&["include"], "Java regex (String)", "Reads all topics whose names match."),
    value(&["partition"], "Integer: partition", "Reads this partition only, from its end unless --offset is given."),
    value(&["offset"], "consume offset", "Where to start in the partition: a number, 'earliest' or 'latest'.")
        .or("latest"),
    value(&["consumer-property"], "consumer_prop", "(Deprecated) The old name of --command-property."),
    value(&["command-property"], "consumer_prop", "A setting of the consumer, as key=value."),
    value(&["consumer.config"], "config file", "(Deprecated) The old name of --command-config."),
    value(&["command-config"], "config file", "A file with settings of the consumer; --command-property wins over it."),
    value(&["formatter"], "class", "The class that prints the records.").or(DEFAULT_FORMATTER),
    value(&["property"], "prop", "(Deprecated) The old name of --formatter-property."),
    value(&["formatter-property"], "prop", FORMATTER_HELP),
    value(
        &["formatter-config"],
        "config file",
        "A file with settings of the formatter; --formatter-property wins over it.",
    ),
    flag(&["from-beginning"], "Starts with the oldest record where the group has no committed offset."),
    value(&["max-messages"], "Integer: num_messages", "Ends after so many records."),
    value(&["timeout-ms"], "Long: timeout_ms", "Ends when no record came for so long."),
    flag(&["skip-message-on-error"], "Goes on after a record that cannot be printed."),
    value(
        &["bootstrap-server"],
        "server to connect to",
        "REQUIRED: brokers to connect to first, as host:port,host:port.",
    ),
    value(&["key-deserializer"], "deserializer for keys", "The class that makes text of keys."),
    value(&["value-deserializer"], "deserializer for values", "The class that makes text of values."),
    flag(&["enable-systest-events"], "Also says when it has shut down (for Kafka's own system tests)."),
    value(
        &["isolation-level"],
        "String",
        "read_committed hides records of transactions that are open or were aborted.",
    )
    .or("read_uncommitted"),
    value(&["group"], "consumer group id", "The consumer group to be a member of."),
];

const PARSER: Parser = Parser::new(OPTIONS);

/// Where to start in the one partition that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Earliest,
    Latest,
    At(i64),
}

pub struct Arguments {
    pub topic: Option<String>,
    pub include: Option<String>,
    pub partition: Option<i32>,
    pub start: Start,
    pub settings: Settings,
    /// `None` is no limit. What cannot be understood is complained about when it is needed, as in Kafka.
    pub max_messages: Result<Option<u64>, Failure>,
    pub timeout_ms: u64,
    pub skip_on_error: bool,
    pub systest_events: bool,
    pub formatter: Formatter,
}

pub fn parse(arguments: &[String]) -> Outcome<Arguments> {
    let options = PARSER.parse(arguments).map_err(|error| usage(&PARSER, error))?;
    options.help_or_version(arguments, "Prints the records of topics.")?;
    check(&options)?;
    let (file, pairs) = consumer_sources(&options)?;
    let groups = group_ids(&options, &file, &pairs)?;
    let settings = consumer_settings(&options, file, pairs, groups)?;
    let start = start(&options)?;
    let timeout = options.long("timeout-ms").map_err(uncaught)?.filter(|timeout| *timeout >= 0);
    let formatter = formatter(&options)?;
    let max_messages = options.int("max-messages").map_err(Failure::from);
    let max_messages = max_messages.map(|max| max.filter(|max| *max != -1).map(|max| u64::try_from(max).unwrap_or(0)));
    Ok(Arguments {
        topic: options.text("topic").map_err(uncaught)?,
        include: options.text("include").map_err(uncaught)?,
        partition: options.int("partition").map_err(uncaught)?,
        start,
        settings,
        max_messages,
        timeout_ms: timeout.map_or(u64::MAX, i64::unsigned_abs),
        skip_on_error: options.has("skip-message-on-error"),
        systest_events: options.has("enable-systest-events"),
        formatter,
    })
}

/// What the JVM prints of an exception that nobody catches.
fn uncaught(failure: impl Into<Failure>) -> Stop {
    let failure = failure.into();
    fail(format!("Exception in thread \"main\" {}: {}", failure.class, failure.message))
}

fn check(options: &Options) -> Outcome {
    options.exactly_one(&["topic", "include"])?;
    if options.has("partition") {
        options.int("partition").map_err(uncaught)?;
        if !options.has("topic") {
            return Err(usage(&PARSER, "The topic is required when partition is specified."));
        }
        if options.has("from-beginning") && options.has("offset") {
            return Err(usage(&PARSER, "Options from-beginning and offset cannot be specified together."));
        }
    } else if options.has("offset") {
        return Err(usage(&PARSER, "The partition is required when offset is specified."));
    }
    options.require(&["bootstrap-server"])?;
    for (old, new) in [("consumer-property", "command-property"), ("consumer.config", "command-config")] {
        if options.has(old) && options.has(new) {
            return Err(usage(&PARSER, format!("Options --{old} and --{new} cannot be specified together.")));
        }
    }
    for (old, new) in [("consumer-property", "command-property"), ("consumer.config", "command-config")] {
        if options.has(old) {
            say(format!("Option --{old} is deprecated and will be removed in a future version. Use --{new} instead."))?;
        }
    }
    Ok(())
}

type Map = BTreeMap<String, String>;

fn consumer_sources(options: &Options) -> Outcome<(Map, Map)> {
    let config = if options.has("consumer.config") { "consumer.config" } else { "command-config" };
    let file = match options.text(config).map_err(uncaught)? {
        Some(path) => load(&path).map_err(uncaught)?,
        None => Map::new(),
    };
    let property = if options.has("consumer-property") { "consumer-property" } else { "command-property" };
    let pairs = parse_pairs(&options.values(property), true).map_err(uncaught)?;
    Ok((file, pairs))
}

/// From wherever one is given; they must agree.
fn group_ids(options: &Options, file: &Map, pairs: &Map) -> Outcome<Option<String>> {
    let given = options.text("group").map_err(uncaught)?;
    let ids: BTreeSet<String> =
        [given.as_ref(), file.get("group.id"), pairs.get("group.id")].into_iter().flatten().cloned().collect();
    if ids.len() > 1 {
        let list: Vec<String> =
            crate::java::hash_map_order(ids.into_iter().collect(), 16).iter().map(|id| format!("'{id}'")).collect();
        return Err(usage(
            &PARSER,
            format!(
                "The group ids provided in different places (directly using '--group', via '--consumer-property', or via '--consumer.config') do not match. Detected group ids: {}",
                list.join(", ")
            ),
        ));
    }
    if !ids.is_empty() && options.has("partition") {
        return Err(usage(&PARSER, "Options group and partition cannot be specified together."));
    }
    Ok(ids.into_iter().next())
}

fn consumer_settings(options: &Options, file: Map, pairs: Map, group: Option<String>) -> Outcome<Settings> {
    let mut settings = to_settings(file);
    for (key, value) in pairs {
        settings.set(&key, value);
    }
    let from_beginning = options.has("from-beginning");
    match settings.get("auto.offset.reset") {
        Some(reset) if from_beginning && reset != "earliest" => {
            complain(format!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"
            ));
            return Err(Stop(1));
        }
        Some(_) => {}
        None => settings.set("auto.offset.reset", if from_beginning { "earliest" } else { "latest" }),
    }
    settings.set("bootstrap.servers", options.text("bootstrap-server").map_err(uncaught)?.unwrap_or_default());
    settings.set_default("client.id", "console-consumer");
    if options.has("isolation-level") || !settings.contains("isolation.level") {
        settings.set("isolation.level", options.text("isolation-level").map_err(uncaught)?.unwrap_or_default());
    }
    match group {
        Some(group) => settings.set("group.id", group),
        None => {
            settings.set("group.id", format!("console-consumer-{}", random_number()));
            // Nobody will ask for the offsets of a group with a name of chance.
            settings.set_default("enable.auto.commit", "false");
        }
    }
    Ok(settings)
}

fn random_number() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() % 100_000
}

fn start(options: &Options) -> Outcome<Start> {
    if !options.has("offset") {
        return Ok(if options.has("from-beginning") { Start::Earliest } else { Start::Latest });
    }
    let text = options.text("offset").map_err(uncaught)?.unwrap_or_default();
    match text.to_lowercase().as_str() {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        _ => match text.parse() {
            Ok(offset) if offset >= 0 => Ok(Start::At(offset)),
            _ => Err(usage(
                &PARSER,
                format!(
                    "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long."
                ),
            )),
        },
    }
}

fn formatter(options: &Options) -> Outcome<Formatter> {
    let failed = |failure: Failure| usage(&PARSER, failure);
    let class = options.text("formatter").map_err(|error| failed(error.into()))?.unwrap_or_default();
    if !formatter::is_known(&class) {
        return Err(usage(&PARSER, class));
    }
    if options.has("formatter-property") && options.has("property") {
        return Err(usage(&PARSER, "Options --property and --formatter-property cannot be specified together."));
    }
    if options.has("property") {
        say(
            "Option --property is deprecated and will be removed in a future version. Use --formatter-property instead.",
        )?;
    }
    let property = if options.has("property") { "property" } else { "formatter-property" };
    let collect = || -> Result<Map, Failure> {
        let mut map = match options.text("formatter-config")? {
            Some(path) => load(&path)?,
            None => Map::new(),
        };
        for (option, key) in [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")] {
            if let Some(class) = options.text(option)?.filter(|class| !class.is_empty()) {
                map.insert(key.to_owned(), class);
            }
        }
        map.extend(parse_pairs(&options.values(property), true)?);
        Ok(map)
    };
    let settings = collect().map_err(failed)?;
    formatter::by_class(&class, &settings).ok_or_else(|| usage(&PARSER, class))
}
