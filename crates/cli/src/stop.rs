//! How a tool ends before its end.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use ottla_client::Error;

use crate::options::{OptionError, Options, Parser};

/// Everything there is to say was said; this is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop(pub u8);

pub type Outcome<T = ()> = Result<T, Stop>;

pub fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop(code)) => ExitCode::from(code),
    }
}

/// A line on standard output. A closed pipe ends the tool, as it ends others.
pub fn say(line: impl Display) -> Outcome {
    writeln!(io::stdout(), "{line}").map_err(|_| Stop(1))
}

/// A line on standard error.
pub fn complain(line: impl Display) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{line}");
}

/// The message and the options on standard error, exit code 1: also for `--help`, as in Kafka.
pub fn usage(parser: &Parser, message: impl Display) -> Stop {
    complain(message);
    complain(parser.help().trim_end());
    Stop(1)
}

/// As a Java exception that nobody caught: its message on standard error.
pub fn fail(message: impl Display) -> Stop {
    complain(message);
    Stop(1)
}

/// A failure with the name of the Java exception for it, where the tools print that too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub class: String,
    pub message: String,
}

impl Failure {
    pub fn illegal_argument(message: impl Into<String>) -> Failure {
        Failure { class: "java.lang.IllegalArgumentException".to_owned(), message: message.into() }
    }

    pub fn new(class: &str, message: impl Into<String>) -> Failure {
        Failure { class: class.to_owned(), message: message.into() }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { class: error.java_class(), message: error.message }
    }
}

impl From<OptionError> for Failure {
    fn from(error: OptionError) -> Failure {
        Failure::new(error.java_class(), error.to_string())
    }
}

/// Option checks that all tools have, with their messages.
impl Options {
    pub fn help_or_version(&self, arguments: &[String], about: &str) -> Outcome {
        if arguments.is_empty() || self.has("help") {
            return Err(usage(self.parser(), about));
        }
        if self.has("version") {
            say(crate::version())?;
            return Err(Stop(0));
        }
        Ok(())
    }

    pub fn require(&self, names: &[&str]) -> Outcome {
        match names.iter().find(|name| !self.has(name)) {
            None => Ok(()),
            Some(name) => {
                let option = self.option(name).bracketed();
                Err(usage(self.parser(), format!("Missing required argument \"{option}\"")))
            }
        }
    }

    /// `used` must not come with any of `others`.
    pub fn exclude(&self, used: &str, others: &[&str]) -> Outcome {
        match others.iter().find(|other| self.has(used) && self.has(other)) {
            None => Ok(()),
            Some(other) => {
                let (used, other) = (self.option(used).bracketed(), self.option(other).bracketed());
                Err(usage(self.parser(), format!("Option \"{used}\" can't be used with option \"{other}\"")))
            }
        }
    }

    pub fn exactly_one(&self, names: &[&str]) -> Outcome {
        if names.iter().filter(|name| self.has(name)).count() == 1 {
            return Ok(());
        }
        let list: Vec<String> = names.iter().map(|name| self.option(name).bracketed()).collect();
        let message = format!("Exactly one of the following arguments is required: {}", list.join(", "));
        Err(usage(self.parser(), message))
    }
}
