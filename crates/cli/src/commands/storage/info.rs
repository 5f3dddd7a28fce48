//! `info`: what is there, and what is wrong with it.

use std::fmt::Write;

use ottla_base::Disk;
use ottla_config::BrokerConfig;
use ottla_disk::RealDisk;
use ottla_log::MetaProperties;

use super::directories;
use crate::stop::{Outcome, Stop, say};

pub fn run(config: &BrokerConfig) -> Outcome {
    let disk = RealDisk::new();
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    let mut first: Option<MetaProperties> = None;
    for dir in directories(config) {
        let shown = dir.display().to_string();
        if !dir.is_dir() {
            let what = if disk.exists(&dir) { "is not a directory" } else { "does not exist" };
            problems.push(format!("{shown} {what}"));
            continue;
        }
        found.push(shown.clone());
        match MetaProperties::read(&disk, &dir) {
            Ok(None) => problems.push(format!("{shown} is not formatted.")),
            Err(error) => problems.push(format!("Error loading {shown}/meta.properties: {error}")),
            Ok(Some(properties)) => match &first {
                None => first = Some(properties),
                Some(first) if first.cluster_id != properties.cluster_id => {
                    problems.push("Mismatched cluster IDs between storage directories.".to_owned());
                }
                Some(first) if first.node_id != properties.node_id => {
                    problems.push("Mismatched node IDs between storage directories.".to_owned());
                }
                Some(_) => {}
            },
        }
    }
    if first.as_ref().is_some_and(|properties| properties.version == 0) {
        problems.push(
            "The kafka configuration file appears to be for a cluster in KRaft mode, but the directories are formatted for legacy mode.".to_owned(),
        );
    }
    show(&found, first.as_ref(), &problems)
}

fn show(found: &[String], first: Option<&MetaProperties>, problems: &[String]) -> Outcome {
    let mut text = String::new();
    if !found.is_empty() {
        list(&mut text, if found.len() == 1 { "Found log directory" } else { "Found log directories" }, found);
    }
    if let Some(properties) = first {
        let mut pairs = Vec::new();
        pairs.extend(properties.cluster_id.as_ref().map(|id| format!("cluster.id={id}")));
        pairs.extend(properties.directory_id.as_ref().map(|id| format!("directory.id={id}")));
        let node = if properties.version == 0 { "broker.id" } else { "node.id" };
        pairs.extend(properties.node_id.map(|id| format!("{node}={id}")));
        pairs.push(format!("version={}", properties.version));
        pairs.sort();
        // Writing to a string does not fail.
        let _ = writeln!(text, "Found metadata: {{{}}}\n", pairs.join(", "));
    }
    if !problems.is_empty() {
        list(&mut text, if problems.len() == 1 { "Found problem" } else { "Found problems" }, problems);
    }
    if let Some(text) = text.strip_suffix('\n') {
        say(text)?;
    }
    if problems.is_empty() { Ok(()) } else { Err(Stop(1)) }
}

fn list(text: &mut String, title: &str, items: &[String]) {
    text.push_str(&format!("{title}:\n"));
    for item in items {
        text.push_str(&format!("  {item}\n"));
    }
    text.push('\n');
}
