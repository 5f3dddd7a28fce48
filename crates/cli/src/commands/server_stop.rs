//! `kafka-server-stop.sh`: tells running nodes to stop, all of them or those of a role or id (KIP-979).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ottla_config::Properties;
use rustix::process::{Pid, Signal, kill_process};

use super::zero_config;
use crate::stop::{Outcome, Stop, exit_code, fail, say};

const USAGE: &str = "USAGE: kafka-server-stop.sh [--process-role=broker|controller|broker,controller] [--node-id=ID]

  Stops every node of Ottla on this machine that is ours to stop, or only those with these roles, or with this id
  (which counts alone when both are given). The environment variable SIGNAL names another signal than TERM.";

#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    role: Option<String>,
    node_id: Option<String>,
}

pub fn run(arguments: &[String]) -> ExitCode {
    exit_code(stop(arguments))
}

fn stop(arguments: &[String]) -> Outcome {
    let wanted = parse(arguments)?;
    let signal = signal(std::env::var("SIGNAL").ok().as_deref())?;
    let servers = running_servers(Path::new("/proc"));
    let matching: Vec<&Server> = servers.iter().filter(|server| server.is(&wanted)).collect();
    if matching.is_empty() {
        say("No kafka server to stop")?;
        return Err(Stop(1));
    }
    for server in matching {
        kill_process(server.pid, signal).map_err(|error| {
            fail(format!("Process {} cannot be told to stop: {error}", server.pid.as_raw_nonzero()))
        })?;
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Outcome<Wanted> {
    let mut wanted = Wanted::default();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let (name, value) =
            word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value.to_owned())));
        let target = match name {
            "--process-role" => &mut wanted.role,
            "--node-id" => &mut wanted.node_id,
            "--help" | "-h" => {
                say(USAGE)?;
                return Err(Stop(0));
            }
            _ => return Err(fail(format!("{word} is not a recognized option\n{USAGE}"))),
        };
        let value = value.or_else(|| words.next().cloned());
        *target = Some(value.ok_or_else(|| fail(format!("Option {name} requires an argument\n{USAGE}")))?);
    }
    Ok(wanted)
}

fn signal(name: Option<&str>) -> Outcome<Signal> {
    match name.unwrap_or("TERM").trim_start_matches("SIG") {
        "TERM" | "15" => Ok(Signal::TERM),
        "INT" | "2" => Ok(Signal::INT),
        "KILL" | "9" => Ok(Signal::KILL),
        "HUP" | "1" => Ok(Signal::HUP),
        "QUIT" | "3" => Ok(Signal::QUIT),
        other => Err(fail(format!("SIGNAL={other} is not a signal that stops a server: TERM, INT, HUP, QUIT or KILL"))),
    }
}

/// A running node, and what its configuration says of it.
struct Server {
    pid: Pid,
    settings: Properties,
}

impl Server {
    fn is(&self, wanted: &Wanted) -> bool {
        let setting = |key: &str| self.settings.get(key).map(|value| value.replace(' ', ""));
        match wanted {
            Wanted { node_id: Some(id), .. } => setting("node.id").as_ref() == Some(id),
            Wanted { role: Some(role), .. } => setting("process.roles").as_ref() == Some(role),
            _ => true,
        }
    }
}

fn running_servers(proc: &Path) -> Vec<Server> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let own = std::process::id() as i32;
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != own).filter_map(|pid| server(&proc.join(pid.to_string()), pid)).collect()
}

/// `None` for a process that is no node of ours, or that went away meanwhile.
fn server(process: &Path, pid: i32) -> Option<Server> {
    let line = fs::read(process.join("cmdline")).ok()?;
    let words: Vec<String> =
        line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let words = words.strip_suffix(&[String::new()]).unwrap_or(&words);
    let arguments = server_arguments(words)?;
    let folder = fs::read_link(process.join("cwd")).unwrap_or_default();
    Some(Server { pid: Pid::from_raw(pid)?, settings: settings(arguments, &folder) })
}

/// What a server was started with; `None` when the command line is something else.
fn server_arguments(words: &[String]) -> Option<&[String]> {
    let (program, rest) = words.split_first()?;
    let name = Path::new(program).file_name()?.to_str()?;
    let is_start = |word: &str| super::find(word).is_some_and(|command| command.name == "server-start");
    if is_start(name) {
        return Some(rest);
    }
    match rest.split_first() {
        _ if name != "ottla" => None,
        // Zero configuration.
        None => Some(rest),
        Some((command, rest)) => is_start(command).then_some(rest),
    }
}

fn settings(arguments: &[String], folder: &Path) -> Properties {
    let file = arguments.iter().enumerate().find(|(index, word)| {
        let is_value = *index > 0 && arguments[index - 1] == "--override";
        !word.starts_with('-') && !is_value
    });
    let mut settings = match file {
        None => zero_config::properties(),
        Some((_, file)) => {
            let path: PathBuf = folder.join(file);
            let bytes = fs::read(&path).unwrap_or_default();
            Properties::parse(&bytes, file).unwrap_or_default()
        }
    };
    for (index, word) in arguments.iter().enumerate() {
        let pair = match word.strip_prefix("--override=") {
            Some(pair) => Some(pair),
            None if word == "--override" => arguments.get(index + 1).map(String::as_str),
            None => None,
        };
        if let Some(pair) = pair {
            // The server itself complained about one that is none.
            let _ = settings.set_override(pair);
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn check(line: &str, expected: Option<&str>) {
        let words = words(line);
        let arguments = server_arguments(&words).map(|arguments| arguments.join(" "));
        assert_eq!(arguments.as_deref(), expected, "{line}");
    }

    #[test]
    fn servers_are_known_by_their_command_lines() {
        check("/opt/ottla server-start server.properties", Some("server.properties"));
        check("ottla kafka-server-start.sh a --override b=c", Some("a --override b=c"));
        check("/usr/bin/kafka-server-start.sh a", Some("a"));
        check("ottla", Some(""));
        check("ottla topics --list", None);
        check("vim server-start", None);
        check("java kafka.Kafka server.properties", None);
    }

    #[test]
    fn roles_and_ids_choose() {
        let server = |line: &str| Server { pid: Pid::INIT, settings: settings(&words(line), Path::new("/nowhere")) };
        let by = |role: Option<&str>, id: Option<&str>| Wanted {
            role: role.map(str::to_owned),
            node_id: id.map(str::to_owned),
        };
        let broker = server("missing.properties --override node.id=4 --override=process.roles=broker");
        assert!(broker.is(&by(None, None)));
        assert!(broker.is(&by(Some("broker"), None)) && !broker.is(&by(Some("controller"), None)));
        assert!(broker.is(&by(Some("controller"), Some("4"))), "the id counts alone");
        assert!(server("").is(&by(Some("broker,controller"), None)), "zero configuration is one of both");
    }

    #[test]
    fn options_come_with_or_without_an_equals_sign() {
        let expected = Wanted { role: Some("broker".to_owned()), node_id: Some("1".to_owned()) };
        assert_eq!(parse(&words("--process-role=broker --node-id 1")), Ok(expected));
        assert_eq!(parse(&words("--node-id")), Err(Stop(1)));
        assert_eq!(parse(&words("--nope")), Err(Stop(1)));
    }
}
