//! The options of `kafka-topics.sh`, and which go together.

use crate::options::{HELP, Opt, Options, Parser, VERSION, flag, value};
use crate::stop::{Failure, Outcome, complain, say, usage};

const OPTIONS: &[Opt] = &[
    HELP,
    VERSION,
    value(
        &["bootstrap-server"],
        "server to connect to",
        "REQUIRED: brokers to connect to first, as host:port,host:port.",
    ),
    value(&["command-config"], "property file", "A file with settings of the admin client."),
    flag(&["list"], "Lists the names of all topics."),
    flag(&["create"], "Makes a topic."),
    flag(&["delete"], "Deletes topics."),
    flag(&["alter"], "Raises the number of partitions. (Settings of topics are the business of kafka-configs.)"),
    flag(&["describe"], "Shows topics in detail."),
    value(&["topic"], "topic", "The topic; except with --create it may be a regular expression."),
    value(&["topic-id"], "topic-id", "The id of the topic to describe."),
    value(
        &["config"],
        "name=value",
        "A setting of the topic to create; may be given several times. Only with --create. (Later, kafka-configs alters settings.)",
    ),
    value(&["delete-config"], "name", "Without effect since Kafka 4.0."),
    value(
        &["partitions"],
        "# of partitions",
        "How many partitions the topic has, or with --alter is to have. The cluster's default when left out with --create. (More partitions change which one a key goes to.)",
    ),
    value(
        &["replication-factor"],
        "replication factor",
        "How many replicas each partition has. The cluster's default when left out.",
    ),
    value(
        &["replica-assignment"],
        "broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , broker_id_for_part2_replica1 : …",
        "Which brokers get which partition, chosen by hand.",
    ),
    flag(
        &["under-replicated-partitions"],
        "With --describe: only partitions with fewer in-sync replicas than replicas.",
    ),
    flag(&["unavailable-partitions"], "With --describe: only partitions whose leader is not available."),
    flag(
        &["under-min-isr-partitions"],
        "With --describe: only partitions with fewer in-sync replicas than min.insync.replicas.",
    ),
    flag(
        &["at-min-isr-partitions"],
        "With --describe: only partitions with exactly min.insync.replicas in-sync replicas.",
    ),
    flag(&["topics-with-overrides"], "With --describe: only topics with settings of their own."),
    flag(&["if-exists"], "With --alter, --delete or --describe: no error when there is no such topic."),
    flag(&["if-not-exists"], "With --create: no error when the topic is there already."),
    flag(&["exclude-internal"], "With --list or --describe: leaves out the topics that Kafka made for itself."),
    value(
        &["partition-size-limit-per-response"],
        "maximum number of partitions per response",
        "With --describe: how many partitions to ask for at a time.",
    ),
];

const PARSER: Parser = Parser::new(OPTIONS);
const ACTIONS: [&str; 5] = ["create", "list", "alter", "describe", "delete"];
const REPORTS: [&str; 4] =
    ["under-replicated-partitions", "under-min-isr-partitions", "at-min-isr-partitions", "unavailable-partitions"];
const ABOUT: &str = "Makes, deletes, describes or changes topics.";

/// Parsed and checked.
pub fn parse(arguments: &[String]) -> Outcome<Options> {
    let options = PARSER.parse(arguments).map_err(|error| {
        let hint = removed_option(&error.to_string());
        complain(error);
        if let Some(hint) = hint {
            complain(hint);
        }
        crate::stop::Stop(1)
    })?;
    options.help_or_version(arguments, ABOUT)?;
    if ACTIONS.iter().filter(|action| options.has(action)).count() != 1 {
        let message = "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
        return Err(usage(&PARSER, message));
    }
    if options.has("delete-config") {
        complain(
            "delete-config option is no longer supported and deprecated since version 4.0. The config will be fully removed in future releases.",
        );
    }
    check_required(&options)?;
    check_combinations(&options)?;
    Ok(options)
}

/// Instructions that were written for older versions of Kafka end here.
fn removed_option(message: &str) -> Option<&'static str> {
    let option = message.strip_suffix(" is not a recognized option")?;
    match option {
        "zookeeper" => Some(
            "Since Kafka 3.0 the tools talk to brokers instead of ZooKeeper: use --bootstrap-server host:port (such as localhost:9092).",
        ),
        "broker-list" => Some("This option is called --bootstrap-server now."),
        "force" => Some("There is nothing to force since Kafka 3.0: leave --force out."),
        "disable-rack-aware" => Some("It worked with ZooKeeper only: leave --disable-rack-aware out."),
        _ => None,
    }
}

fn check_required(options: &Options) -> Outcome {
    if !options.has("bootstrap-server") {
        return Err(crate::stop::fail("--bootstrap-server must be specified"));
    }
    if options.has("describe") && options.has("if-exists") {
        match (options.has("topic"), options.has("topic-id")) {
            (false, false) => return Err(usage(&PARSER, "--topic or --topic-id is required to describe a topic")),
            (true, true) => say(
                "Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID",
            )?,
            _ => {}
        }
    }
    if !options.has("list") && !options.has("describe") {
        options.require(&["topic"])?;
    }
    if options.has("alter") {
        if options.has("config") {
            return Err(usage(
                &PARSER,
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (To alter topic configurations, the kafka-configs tool can be used.)",
            ));
        }
        options.require(&["partitions"])?;
    }
    Ok(())
}

/// `used` only with the actions in `with`.
fn only_with(options: &Options, used: &str, with: &[&str]) -> Outcome {
    let others: Vec<&str> = ACTIONS.into_iter().filter(|action| !with.contains(action)).collect();
    options.exclude(used, &others)
}

fn check_combinations(options: &Options) -> Outcome {
    only_with(options, "config", &["alter", "create"])?;
    only_with(options, "partitions", &["alter", "create"])?;
    only_with(options, "replication-factor", &["create"])?;
    only_with(options, "replica-assignment", &["alter", "create"])?;
    if options.has("create") {
        options.exclude("replica-assignment", &["partitions", "replication-factor"])?;
    }
    for report in REPORTS {
        only_with(options, report, &["describe"])?;
        options.exclude(report, &["topics-with-overrides"])?;
    }
    only_with(options, "topics-with-overrides", &["describe"])?;
    options.exclude("topics-with-overrides", &REPORTS)?;
    only_with(options, "if-exists", &["alter", "delete", "describe"])?;
    only_with(options, "if-not-exists", &["create"])?;
    only_with(options, "exclude-internal", &["list", "describe"])
}

/// `0:1:2,1:2:0` as lists of brokers, by partition.
pub fn parse_assignment(text: &str) -> Result<Vec<Vec<i32>>, Failure> {
    let number = |part: &str| {
        crate::java::parse_int(part.trim()).map_err(|e| Failure::new("java.lang.NumberFormatException", e))
    };
    let mut assignment: Vec<Vec<i32>> = Vec::new();
    for (index, partition) in crate::java::split(text, ",").into_iter().enumerate() {
        let brokers = crate::java::split(partition, ":").into_iter().map(number).collect::<Result<Vec<i32>, _>>()?;
        let repeated = |(i, broker): (usize, &i32)| {
            let before = brokers.iter().take(i).filter(|b| *b == broker).count();
            (before == 1).then(|| broker.to_string())
        };
        let duplicates: Vec<String> = brokers.iter().enumerate().filter_map(repeated).collect();
        if !duplicates.is_empty() {
            return Err(Failure::new(
                "org.apache.kafka.tools.AdminCommandFailedException",
                format!("Partition replica lists may not contain duplicate entries: {}", duplicates.join(",")),
            ));
        }
        if assignment.first().is_some_and(|first| first.len() != brokers.len()) {
            return Err(Failure::new(
                "org.apache.kafka.tools.AdminOperationException",
                format!("Partition {index} has different replication factor: {brokers:?}"),
            ));
        }
        assignment.push(brokers);
    }
    Ok(assignment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Vec<Vec<i32>>, &str>) {
        assert_eq!(
            parse_assignment(text).map_err(|failure| failure.message),
            expected.map_err(str::to_owned),
            "{text}"
        );
    }

    #[test]
    fn assignments_are_read_as_kafka_reads_them() {
        check("0:1,1: 0", Ok(vec![vec![0, 1], vec![1, 0]]));
        check("1:1", Err("Partition replica lists may not contain duplicate entries: 1"));
        check("0:1,2", Err("Partition 1 has different replication factor: [2]"));
        check("x", Err("For input string: \"x\""));
    }

    #[test]
    fn removed_options_say_what_replaces_them() {
        assert!(removed_option("zookeeper is not a recognized option").unwrap().contains("--bootstrap-server"));
        assert_eq!(removed_option("foo is not a recognized option"), None);
    }
}
