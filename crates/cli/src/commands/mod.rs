//! The tools, by name.

use std::process::ExitCode;

mod console_consumer;
mod console_producer;
mod server_start;
mod server_stop;
mod storage;
mod topics;
mod zero_config;

pub struct Command {
    /// Without `kafka-`.
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn(&[String]) -> ExitCode,
    /// It logs on its own.
    pub is_server: bool,
}

pub const COMMANDS: &[Command] = &[
    Command {
        name: "console-consumer",
        about: "Prints the records of topics",
        run: console_consumer::run,
        is_server: false,
    },
    Command {
        name: "console-producer",
        about: "Sends lines of standard input to a topic",
        run: console_producer::run,
        is_server: false,
    },
    Command {
        name: "server-start",
        about: "Runs a node: broker, controller or both",
        run: server_start::run,
        is_server: true,
    },
    Command { name: "server-stop", about: "Tells running nodes to stop", run: server_stop::run, is_server: false },
    Command {
        name: "storage",
        about: "Formats log directories, and tells about them",
        run: storage::run,
        is_server: false,
    },
    Command {
        name: "topics",
        about: "Creates, lists, describes, alters and deletes topics",
        run: topics::run,
        is_server: false,
    },
];

/// `topics`, `kafka-topics` or `kafka-topics.sh`.
pub fn find(name: &str) -> Option<&'static Command> {
    let name = name.strip_suffix(".sh").unwrap_or(name);
    let name = name.strip_prefix("kafka-").unwrap_or(name);
    COMMANDS.iter().find(|command| command.name == name)
}

/// `ottla` alone, or with nothing but `--override key=value`: a node that needs no configuration.
pub fn without_a_file(overrides: &[String]) -> ExitCode {
    server_start::run(overrides)
}
