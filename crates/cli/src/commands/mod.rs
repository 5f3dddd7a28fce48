//! The tools, by name.

use std::process::ExitCode;

mod console_producer;
mod topics;

pub struct Command {
    /// Without `kafka-`.
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn(&[String]) -> ExitCode,
}

pub const COMMANDS: &[Command] = &[
    Command {
        name: "console-producer",
        about: "Sends lines of standard input to a topic",
        run: console_producer::run,
    },
    Command { name: "topics", about: "Creates, lists, describes, alters and deletes topics", run: topics::run },
];

/// `topics`, `kafka-topics` or `kafka-topics.sh`.
pub fn find(name: &str) -> Option<&'static Command> {
    let name = name.strip_suffix(".sh").unwrap_or(name);
    let name = name.strip_prefix("kafka-").unwrap_or(name);
    COMMANDS.iter().find(|command| command.name == name)
}

/// `ottla` alone.
pub fn without_arguments() -> ExitCode {
    eprint!("{}", crate::overview());
    ExitCode::FAILURE
}
