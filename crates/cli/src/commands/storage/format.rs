//! `format`: from the options and the node's settings to formatted directories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ottla_base::Rng;
use ottla_config::BrokerConfig;
use ottla_disk::RealDisk;
use ottla_metadata::bootstrap::{FormatOptions, Formatted, format as decide};
use ottla_metadata::features::{FeatureError, MetadataVersion};
use ottla_metadata::scram;
use ottla_server::OsRng;
use ottla_storage::formatter::{FormatError, FormatRequest, Progress, format};
use ottla_storage::voters::{Voter, Voters};

use super::{directories, refused, uncaught};
use crate::argparse::Parsed;
use crate::java::hash_map_order;
use crate::stop::{Failure, Outcome, Stop, fail, say};

pub fn run(config: &BrokerConfig, parsed: &Parsed) -> Outcome {
    let release = parsed.text("release-version").map(|text| MetadataVersion::parse(text, is_unstable(config)));
    let release_version = release.transpose().map_err(refused)?;
    let features = features(parsed.all("feature"))?;
    let voters = voters(config, parsed)?;
    let options = FormatOptions {
        release_version,
        features,
        scram: scram_users(parsed.all("add-scram"))?,
        dynamic_quorum: config.voters().is_empty(),
        unstable: is_unstable(config),
    };
    let content = decide(&options).map_err(undecidable)?;
    let dirs = in_order_of_writing(directories(config));
    let request = FormatRequest {
        cluster_id: parsed.text("cluster-id").unwrap_or_default(),
        node_id: config.node_id(),
        dirs: &dirs,
        metadata_dir: Path::new(config.metadata_log_dir()),
        content: &content,
        voters: voters.as_ref(),
        controller_listener: config.controller_listener().map_or("CONTROLLER", |(name, _)| name),
        ignore_formatted: parsed.has("ignore-formatted"),
    };
    write(&request, &content)
}

/// Levels that do not exist, or not together, the real tool does not expect.
fn undecidable(error: FeatureError) -> Stop {
    let unexpected = ["No feature:", "No MetadataVersion with"].iter().any(|start| error.0.starts_with(start))
        || error.0.contains(" could not be set to ");
    if unexpected { uncaught(Failure::illegal_argument(error.0)) } else { refused(error) }
}

fn is_unstable(config: &BrokerConfig) -> bool {
    config.boolean("unstable.feature.versions.enable")
}

/// The order in which the real tool says what it does.
fn in_order_of_writing(dirs: Vec<PathBuf>) -> Vec<PathBuf> {
    const JAVAS_DEFAULT_CAPACITY: usize = 16;
    let names = dirs.into_iter().map(|dir| dir.to_string_lossy().into_owned()).collect();
    hash_map_order(names, JAVAS_DEFAULT_CAPACITY).into_iter().map(PathBuf::from).collect()
}

fn features(arguments: &[String]) -> Outcome<BTreeMap<String, i16>> {
    let mut features = BTreeMap::new();
    for argument in arguments {
        let unusable = |why: String| {
            let message = format!("Can't parse feature=level string {argument}: {why}");
            uncaught(Failure::new("java.lang.RuntimeException", message))
        };
        let Some((name, level)) = argument.split_once('=') else {
            return Err(unusable("equals sign not found.".to_owned()));
        };
        let level = level.trim();
        let number = level.parse().map_err(|_| unusable(format!("unable to parse {level} as a short.")))?;
        features.insert(name.trim().to_owned(), number);
    }
    Ok(features)
}

/// The first voters of a dynamic quorum, where there is to be one.
fn voters(config: &BrokerConfig, parsed: &Parsed) -> Outcome<Option<Voters>> {
    let named = parsed.text("initial-controllers");
    let standalone = parsed.has("standalone");
    let is_static = !config.voters().is_empty();
    if is_static && (named.is_some() || standalone) {
        return Err(fail(
            "You cannot specify controller.quorum.voters and format the node with --initial-controllers or --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and specify controller.quorum.bootstrap.servers instead.",
        ));
    }
    let mut voters = None;
    if let Some(text) = named {
        voters = Some(Voters::parse(text).map_err(|message| uncaught(Failure::illegal_argument(message)))?);
    }
    if standalone {
        voters = Some(Voters::standalone(this_controller(config)?));
    }
    if !parsed.has("no-initial-controllers") && config.roles().controller && !is_static && voters.is_none() {
        return Err(fail(
            "Because controller.quorum.voters is not set on this controller, you must specify one of the following: --standalone, --initial-controllers, or --no-initial-controllers.",
        ));
    }
    Ok(voters)
}

fn this_controller(config: &BrokerConfig) -> Outcome<Voter> {
    if !config.roles().controller {
        return Err(fail("You can only use --standalone on a controller."));
    }
    let Some(listener) = config.advertised_controller_listeners().first() else {
        return Err(uncaught(Failure::new("java.lang.RuntimeException", "No controller listeners found.")));
    };
    Ok(Voter {
        node_id: config.node_id(),
        host: listener.host.clone().unwrap_or_else(|| "localhost".to_owned()),
        port: listener.port,
        directory_id: OsRng.next_uuid(),
    })
}

fn scram_users(arguments: &[String]) -> Outcome<Vec<ottla_wire::metadata_records::UserScramCredentialRecord>> {
    let parse = |argument: &String| scram::parse_argument(argument, &mut random_salt).map_err(refused);
    arguments.iter().map(parse).collect()
}

/// As Kafka makes it: a random number in base 36, so that it looks like text.
fn random_salt() -> Vec<u8> {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    const LEN: usize = 25;
    (0..LEN).map(|_| DIGITS[(OsRng.next_u64() % 36) as usize]).collect()
}

fn write(request: &FormatRequest<'_>, content: &Formatted) -> Outcome {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as i64);
    let mut said = Ok(());
    let version = content.bootstrap.metadata_version();
    let mut tell = |progress: Progress<'_>| {
        let line = match progress {
            Progress::Unreadable(dir) => {
                format!("I/O error trying to read log directory {}. Ignoring...", dir.display())
            }
            Progress::AllFormatted => "All of the log directories are already formatted.".to_owned(),
            Progress::Begins => format!("Bootstrap metadata: {}", content.bootstrap),
            Progress::Directory(kind, dir) => {
                format!("Formatting {} {} with {} {version}.", kind.description(), dir.display(), MetadataVersion::NAME)
            }
        };
        said = said.and(say(line));
    };
    let formatted = format(&RealDisk::new(), &OsRng, now_ms, request, &mut tell);
    said?;
    formatted.map_err(|error| match error {
        FormatError::Mismatch(message) => uncaught(Failure::new("java.lang.RuntimeException", message)),
        other => fail(other),
    })
}
