//! `kafka-storage.sh`.

mod features;
mod format;
mod info;

use std::path::PathBuf;
use std::process::ExitCode;

use ottla_base::Rng;
use ottla_config::{BrokerConfig, Properties};
use ottla_metadata::features::FeatureError;
use ottla_server::OsRng;

use crate::argparse::{Action, Arg, Parsed, Subcommand, Tool};
use crate::settings::load_properties;
use crate::stop::{Failure, Outcome, Stop, complain, exit_code, fail, say};

const CONFIG: Arg =
    Arg::new("--config", "-c", Action::Store, "The settings of the node, such as server.properties.").required();

static TOOL: Tool = Tool {
    name: "kafka-storage",
    about: "Formats the log directories of a node, and tells about them.",
    subcommands: &[
        Subcommand { name: "info", help: "Shows which log directories there are and whether they are formatted.", args: &[CONFIG] },
        Subcommand {
            name: "format",
            help: "Formats the log directories of this node.",
            args: &[
                CONFIG,
                Arg::new("--cluster-id", "-t", Action::Store, "The id of the cluster; random-uuid makes one.").required(),
                Arg::new(
                    "--add-scram",
                    "-S",
                    Action::Append,
                    "Adds a user from the start, such as 'SCRAM-SHA-256=[name=alice,password=alice-secret]' or 'SCRAM-SHA-512=[name=alice,iterations=8192,salt=\"N3E=\",saltedpassword=\"YCE=\"]'.",
                ),
                Arg::new("--ignore-formatted", "-g", Action::StoreTrue, "Leaves formatted directories as they are, instead of failing."),
                Arg::new("--release-version", "-r", Action::Store, "The version of Kafka whose features the cluster starts with, 3.3-IV3 at least; 4.3-IV0 by default."),
                Arg::new("--feature", "-f", Action::Append, "The level of one feature, as feature=level: kraft.version=1, for example."),
                Arg::new("--standalone", "-s", Action::StoreTrue, "Makes this controller a dynamic quorum of one. For controller.quorum.bootstrap.servers, without controller.quorum.voters.").grouped(0),
                Arg::new("--no-initial-controllers", "-N", Action::StoreTrue, "For a node that joins a dynamic quorum later.").grouped(0),
                Arg::new("--initial-controllers", "-I", Action::Store, "Makes these controllers a dynamic quorum: id@host:port:directory-id, separated by commas, the same on all nodes.").grouped(0),
            ],
        },
        Subcommand {
            name: "version-mapping",
            help: "Shows the levels of all features that a version of Kafka starts with.",
            args: &[Arg::new("--release-version", "-r", Action::Store, "The version of Kafka, 3.3-IV3 at least; 4.3-IV0 by default.")],
        },
        Subcommand {
            name: "feature-dependencies",
            help: "Shows what a level of a feature needs.",
            args: &[Arg::new("--feature", "-f", Action::Append, "The feature, as feature=level; may be given several times.").required()],
        },
        Subcommand { name: "random-uuid", help: "Makes an id, for a cluster or a directory.", args: &[] },
    ],
};

pub fn run(arguments: &[String]) -> ExitCode {
    exit_code(execute(arguments))
}

fn execute(arguments: &[String]) -> Outcome {
    let parsed = TOOL.parse(arguments)?;
    match parsed.subcommand {
        "random-uuid" => say(OsRng.next_uuid()),
        "version-mapping" => features::version_mapping(parsed.text("release-version")),
        "feature-dependencies" => features::dependencies(parsed.all("feature")),
        "info" => info::run(&config(&parsed)?),
        _ => format::run(&config(&parsed)?, &parsed),
    }
}

fn config(parsed: &Parsed) -> Outcome<BrokerConfig> {
    let path = parsed.text("config").unwrap_or_default();
    let properties: Properties = load_properties(path).map_err(uncaught)?;
    BrokerConfig::new(&properties).map_err(|error| {
        complain(format!("{path} cannot be used:"));
        fail(error)
    })
}

/// What the JVM prints of an exception that nobody catches.
fn uncaught(failure: Failure) -> Stop {
    fail(format!("Exception in thread \"main\" {}: {}", failure.class, failure.message))
}

/// A message, and nothing else.
fn refused(error: FeatureError) -> Stop {
    fail(error.0)
}

/// All of a node, in order.
fn directories(config: &BrokerConfig) -> Vec<PathBuf> {
    let mut names: Vec<&str> = config.log_dirs().iter().map(String::as_str).collect();
    names.push(config.metadata_log_dir());
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(PathBuf::from).collect()
}
