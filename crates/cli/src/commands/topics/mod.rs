//! `kafka-topics.sh`.

mod describe;
mod options;

use std::collections::BTreeMap;
use std::process::ExitCode;

use ottla_base::{ErrorCode, Uuid};
use ottla_client::{Admin, NewPartitions, NewTopic, TopicDescription};
use ottla_config::ErrorKind;
use tokio::runtime::Builder;

use crate::java;
use crate::options::Options;
use crate::settings;
use crate::stop::{Failure, Outcome, Stop, exit_code, fail, say};
use crate::topic_filter::{IncludeList, has_collision_chars, is_internal};

pub fn run(arguments: &[String]) -> ExitCode {
    exit_code(execute(arguments))
}

fn execute(arguments: &[String]) -> Outcome {
    let options = options::parse(arguments)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(fail)?;
    runtime.block_on(async {
        let admin = connect(&options).map_err(fail)?;
        act(&admin, &options).await.map_err(|failure| {
            // A closed standard output changes nothing about the exit code.
            let _ = say(format!("Error while executing topic command : {failure}"));
            let Failure { class, message } = failure;
            crate::log::line("ERROR", &format!("{class}: {message}\n"), "org.apache.kafka.tools.TopicCommand");
            Stop(1)
        })
    })
}

fn connect(options: &Options) -> Result<Admin, Failure> {
    let file = options.text("command-config")?;
    let mut settings = settings::to_settings(file.map_or_else(|| Ok(BTreeMap::new()), |path| settings::load(&path))?);
    if let Some(servers) = options.text("bootstrap-server")? {
        settings.set("bootstrap.servers", servers);
    }
    Ok(Admin::new(&settings)?)
}

async fn act(admin: &Admin, options: &Options) -> Result<(), Failure> {
    if options.has("create") {
        create(admin, options).await
    } else if options.has("alter") {
        alter(admin, options).await
    } else if options.has("list") {
        print(get_topics(admin, options).await?.join("\n") + "\n")
    } else if options.has("describe") {
        let topics = described_topics(admin, options).await?;
        print(describe::describe(admin, &topics, describe::Filter::of(options)).await?)
    } else {
        delete(admin, options).await
    }
}

fn print(text: String) -> Result<(), Failure> {
    use std::io::Write;
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| Failure::new("java.io.IOException", e.to_string()))
}

/// `--config key=value`, checked against what topics have.
fn topic_configs(options: &Options) -> Result<BTreeMap<String, String>, Failure> {
    let malformed = || {
        Failure::illegal_argument(
            "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".",
        )
    };
    let mut configs = BTreeMap::new();
    for word in options.values("config") {
        match java::split(&word, "=").as_slice() {
            [key, value] => configs.insert(key.trim().to_owned(), value.trim().to_owned()),
            _ => return Err(malformed()),
        };
    }
    ottla_config::validate_topic_config(&configs).map_err(|error| {
        let class = match error.kind {
            ErrorKind::InvalidConfiguration => "org.apache.kafka.common.errors.InvalidConfigurationException",
            _ => "org.apache.kafka.common.config.ConfigException",
        };
        Failure::new(class, error.message)
    })?;
    Ok(configs)
}

fn assignment(options: &Options) -> Result<Vec<Vec<i32>>, Failure> {
    match options.text("replica-assignment")? {
        Some(text) if !text.is_empty() => options::parse_assignment(&text),
        _ => Ok(Vec::new()),
    }
}

async fn create(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let name = options.text("topic")?.unwrap_or_default();
    let partitions = options.int("partitions")?;
    let replication_factor = options.int("replication-factor")?;
    let assignments = (0..).zip(assignment(options)?).collect();
    let configs = topic_configs(options)?;
    if has_collision_chars(&name) {
        print("WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both.\n".to_owned())?;
    }
    let replication_factor = match replication_factor {
        None => -1,
        Some(factor) => i16::try_from(factor).ok().filter(|factor| *factor >= 1).ok_or_else(|| {
            Failure::illegal_argument(format!("The replication factor must be between 1 and {} inclusive", i16::MAX))
        })?,
    };
    if partitions.is_some_and(|partitions| partitions < 1) {
        return Err(Failure::illegal_argument("The partitions must be greater than 0"));
    }
    let topic =
        NewTopic { name: name.clone(), partitions: partitions.unwrap_or(-1), replication_factor, assignments, configs };
    match admin.create_topic(&topic, false).await {
        Ok(()) => print(format!("Created topic {name}.\n")),
        Err(error) if error.code == ErrorCode::TopicAlreadyExists && options.has("if-not-exists") => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn alter(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let count = options.int("partitions")?.unwrap_or_default();
    let assignment = assignment(options)?;
    let topics = existing_topics(admin, options).await?;
    if topics.is_empty() {
        return Ok(());
    }
    let mut changes = Vec::new();
    for topic in &topics {
        let mut assignments = None;
        if !assignment.is_empty() {
            let described = admin.describe_topics(std::slice::from_ref(topic), PARTITIONS_PER_RESPONSE).await?;
            let present = described.first().map_or(0, |topic| topic.partitions.len());
            assignments = Some(assignment.iter().skip(present).cloned().collect());
        }
        changes.push(NewPartitions { topic: topic.clone(), count, assignments });
    }
    Ok(admin.create_partitions(&changes).await?)
}

async fn delete(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let topics = existing_topics(admin, options).await?;
    if topics.is_empty() {
        return Ok(());
    }
    Ok(admin.delete_topics(&topics).await?)
}

const PARTITIONS_PER_RESPONSE: i32 = 2000;

/// By `--topic-id`, which wins, or by name; in the order in which the real tool shows them.
async fn described_topics(admin: &Admin, options: &Options) -> Result<Vec<TopicDescription>, Failure> {
    if let Some(text) = options.text("topic-id")? {
        let id = parse_id(&text)?;
        if id != Uuid::ZERO {
            let all = admin.all_topics("listTopics").await?;
            let exclude_internal = options.has("exclude-internal");
            let known = all.topic_by_id(id).is_some_and(|topic| !(exclude_internal && topic.is_internal));
            return match known {
                true => Ok(vec![admin.describe_topic_by_id(id).await?]),
                false if options.has("if-exists") => Ok(Vec::new()),
                false => Err(Failure::illegal_argument(format!("TopicId '{id}' does not exist as expected"))),
            };
        }
    }
    let names = existing_topics(admin, options).await?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let limit = options.int("partition-size-limit-per-response")?.unwrap_or(PARTITIONS_PER_RESPONSE);
    let mut topics = admin.describe_topics(&names, limit).await?;
    let order = display_order(names);
    topics.sort_by_key(|topic| order.iter().position(|name| *name == topic.name));
    Ok(topics)
}

/// The real tool carries the topics through three hash maps.
fn display_order(names: Vec<String>) -> Vec<String> {
    let count = names.len();
    let futures = java::hash_map_order(names, count);
    let copied = java::hash_map_order(futures, count * 4 / 3 + 1);
    java::hash_map_order(copied, count)
}

fn parse_id(text: &str) -> Result<Uuid, Failure> {
    if text.len() > 24 {
        let prefix = text.get(..24).unwrap_or(text);
        return Err(Failure::illegal_argument(format!(
            "Input string with prefix `{prefix}` is too long to be decoded as a base64 UUID"
        )));
    }
    text.parse().map_err(|_| {
        Failure::illegal_argument(format!(
            "Input string `{text}` decoded as {} bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID",
            text.len() * 3 / 4
        ))
    })
}

/// What `--topic` matches, an error when it is nothing and `--if-exists` is missing.
async fn existing_topics(admin: &Admin, options: &Options) -> Result<Vec<String>, Failure> {
    let topics = get_topics(admin, options).await?;
    match options.text("topic")? {
        Some(requested) if !requested.is_empty() && topics.is_empty() && !options.has("if-exists") => {
            Err(Failure::illegal_argument(format!("Topic '{requested}' does not exist as expected")))
        }
        _ => Ok(topics),
    }
}

async fn get_topics(admin: &Admin, options: &Options) -> Result<Vec<String>, Failure> {
    let exclude_internal = options.has("exclude-internal");
    let pattern = options.text("topic")?;
    let all = admin.all_topics("listTopics").await?;
    let names = all.topics.values().filter(|topic| !(exclude_internal && topic.is_internal));
    let names = names.map(|topic| topic.name.to_string());
    match pattern {
        None => Ok(names.filter(|name| !(exclude_internal && is_internal(name))).collect()),
        Some(pattern) => {
            let filter = IncludeList::new(&pattern).map_err(|e| Failure::new("java.lang.RuntimeException", e))?;
            Ok(names.filter(|name| filter.allows(name, exclude_internal)).collect())
        }
    }
}
