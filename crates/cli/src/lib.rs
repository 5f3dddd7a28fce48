//! The command line of Ottla: Kafka's tools by their own names, with their options, outputs and exit codes.
//!
//! `ottla kafka-topics …`, `ottla topics …`, or the binary under a tool's name (`kafka-topics.sh`).
//!
//! Invariant: what a tool prints and how it exits is decided here; what a broker does is not.

mod argparse;
mod commands;
mod java;
mod json;
mod log;
pub mod options;
mod settings;
mod signals;
mod stop;
mod topic_filter;

use std::path::Path;
use std::process::ExitCode;

use commands::{COMMANDS, Command};

/// What `--version` says: the Kafka this stands in for, and its own version.
pub fn version() -> String {
    format!("{} (Ottla {})", ottla_wire::KAFKA_VERSION, env!("CARGO_PKG_VERSION"))
}

/// Runs the tool that the arguments (the program's name first) ask for.
pub fn run(mut arguments: Vec<String>) -> ExitCode {
    let program = if arguments.is_empty() { String::new() } else { arguments.remove(0) };
    let called_as = Path::new(&program).file_name().map(|name| name.to_string_lossy().into_owned());
    if let Some(command) = called_as.as_deref().and_then(commands::find) {
        return start(command, &arguments);
    }
    let name = match arguments.first() {
        Some(word) if !word.starts_with("--override") => word.clone(),
        _ => return commands::without_a_file(&arguments),
    };
    if let Some(command) = commands::find(&name) {
        return start(command, &arguments[1..]);
    }
    match name.as_str() {
        "--version" | "-V" | "version" => {
            println!("{}", version());
            ExitCode::SUCCESS
        }
        "--help" | "-h" | "help" => {
            print!("{}", overview());
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("ottla: there is no command '{name}'.\n\n{}", overview());
            ExitCode::FAILURE
        }
    }
}

fn start(command: &Command, arguments: &[String]) -> ExitCode {
    if !command.is_server {
        log::install();
    }
    (command.run)(arguments)
}

fn overview() -> String {
    let mut text =
        String::from("Usage: ottla <command> [options]\n\nCommands (with or without \"kafka-\" in front):\n");
    for Command { name, about, .. } in COMMANDS {
        text.push_str(&format!("  {name:<24}{about}\n"));
    }
    text.push_str("\nottla <command> --help shows a command's options, ottla --version the version.\n");
    text
}
