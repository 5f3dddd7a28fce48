//! `kafka-server-start.sh server.properties [--override key=value …]`, and `ottla` alone.

use super::zero_config;
use crate::{log, signals};
use ottla_config::{BrokerConfig, Properties};
use ottla_server::Server;
use std::process::ExitCode;
use std::time::Duration;
use tracing::Level;

const USAGE: &str = "USAGE: kafka-server-start.sh [-daemon] server.properties [--override property=value]*

  server.properties          The node's settings, in Kafka's own format. Without a file, one node starts on
                             localhost:9092 with its data in ./ottla-data.
  --override property=value  Takes the place of what the file says. May be given several times.
  --version                  Prints the version and exits.
";

struct Options {
    file: Option<String>,
    overrides: Vec<String>,
}

enum Asked {
    Start(Options),
    Version,
    Help,
}

pub fn run(arguments: &[String]) -> ExitCode {
    let options = match parse(arguments) {
        Ok(Asked::Start(options)) => options,
        Ok(Asked::Version) => {
            println!("{}", crate::version());
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("{message}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match start(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("ottla: the server does not start.\n\n{message}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[String]) -> Result<Asked, String> {
    let mut options = Options { file: None, overrides: vec![] };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" | "-h" => return Ok(Asked::Help),
            "--version" => return Ok(Asked::Version),
            "--override" => {
                let pair = words.next().ok_or("--override needs property=value behind it")?;
                options.overrides.push(pair.clone());
            }
            other => {
                if let Some(pair) = other.strip_prefix("--override=") {
                    options.overrides.push(pair.to_owned());
                } else if other.starts_with("--") {
                    return Err(format!("{other} is not a recognized option"));
                } else if let Some(first) = options.file.replace(other.to_owned()) {
                    return Err(format!("Found non argument parameters: {first} and {other}; one file is enough"));
                }
            }
        }
    }
    Ok(Asked::Start(options))
}

fn read_properties(options: &Options) -> Result<Properties, String> {
    let mut properties = match &options.file {
        None => zero_config::properties(),
        Some(file) => {
            let bytes = std::fs::read(file).map_err(|error| format!("{file} cannot be read: {error}"))?;
            Properties::parse(&bytes, file).map_err(|error| error.to_string())?
        }
    };
    for pair in &options.overrides {
        properties.set_override(pair).ok_or_else(|| {
            format!("--override {pair}: expected property=value, such as --override num.partitions=3")
        })?;
    }
    Ok(properties)
}

fn start(options: &Options) -> Result<(), String> {
    let properties = read_properties(options)?;
    let config = BrokerConfig::new(&properties).map_err(|error| error.to_string())?;
    let is_quiet = options.file.is_none();
    log::install_for_server(if is_quiet { Level::WARN } else { Level::INFO });
    let log_dir = config.log_dirs().first().cloned().unwrap_or_default();
    let is_new = if is_quiet { zero_config::format_if_new(&log_dir)? } else { false };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // They wait for disks; more of them would only cost memory.
        .max_blocking_threads(4)
        .build()
        .map_err(|error| format!("no threads can be started: {error}"))?;
    runtime.block_on(async {
        let server = ottla_server::start(config).await.map_err(|error| error.to_string())?;
        run_until_told(server, is_quiet.then_some((log_dir, is_new))).await
    })?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

/// Serves until a signal comes, or until the node cannot go on.
async fn run_until_told(server: Server, quiet: Option<(String, bool)>) -> Result<(), String> {
    let ready = async {
        server.wait_until_ready().await?;
        match &quiet {
            Some((log_dir, is_new)) => {
                let cluster_id = &server.node().quorum.settings().cluster_id;
                print!("{}", zero_config::greeting(server.ports(), log_dir, cluster_id, *is_new));
            }
            None => tracing::info!("[KafkaRaftServer nodeId={}] Kafka Server started", server.node_id()),
        }
        Err::<(), String>(server.wait_for_failure().await)
    };
    let outcome = tokio::select! {
        failed = ready => failed,
        _ = signals::interrupted() => Ok(()),
    };
    tracing::info!("[KafkaRaftServer nodeId={}] shutting down", server.node_id());
    server.shut_down().await;
    tracing::info!("shut down completed");
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn overrides_are_collected() {
        let Ok(Asked::Start(options)) = parse(&words("a.properties --override a=1 --override=b=2")) else {
            panic!("these are good options");
        };
        assert_eq!(options.file.as_deref(), Some("a.properties"));
        assert_eq!(options.overrides, ["a=1", "b=2"]);
    }

    #[test]
    fn what_is_not_an_option_is_named() {
        assert!(parse(&words("a.properties --nope")).is_err_and(|message| message.contains("--nope")));
        assert!(parse(&words("a b")).is_err());
    }
}
