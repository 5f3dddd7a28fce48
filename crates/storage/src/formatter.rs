//! `kafka-storage.sh format`: all log directories of a node at once.

use crate::checkpoint::{CheckpointError, CheckpointWriter};
use crate::ensemble::Ensemble;
use crate::format::write_bootstrap;
use crate::voters::Voters;
use ottla_base::{Disk, NodeId, Rng, TimestampMs};
use ottla_log::MetaProperties;
use ottla_metadata::bootstrap::Formatted;
use ottla_wire::data::KRaftVersionRecord;
use std::io;
use std::path::{Path, PathBuf};

const METADATA_PARTITION: &str = "__cluster_metadata-0";
/// Offset 0, epoch 0: before everything.
const FIRST_SNAPSHOT: &str = "00000000000000000000-0000000000.checkpoint";

pub struct FormatRequest<'a> {
    pub cluster_id: &'a str,
    pub node_id: NodeId,
    /// They are formatted in this order.
    pub dirs: &'a [PathBuf],
    pub metadata_dir: &'a Path,
    pub content: &'a Formatted,
    /// Of a dynamic quorum.
    pub voters: Option<&'a Voters>,
    pub controller_listener: &'a str,
    /// Leave formatted directories as they are, instead of failing.
    pub ignore_formatted: bool,
}

/// What a directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryKind {
    Log,
    StaticMetadata,
    DynamicMetadata,
    DynamicMetadataVoter,
}

impl DirectoryKind {
    /// In Kafka's words.
    pub fn description(self) -> &'static str {
        match self {
            DirectoryKind::Log => "data directory",
            DirectoryKind::StaticMetadata => "metadata directory",
            DirectoryKind::DynamicMetadata => "dynamic metadata directory",
            DirectoryKind::DynamicMetadataVoter => "dynamic metadata voter directory",
        }
    }
}

/// What formatting comes to, for who wants to tell it.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Left alone.
    Unreadable(&'a Path),
    AllFormatted,
    /// There is something to do.
    Begins,
    Directory(DirectoryKind, &'a Path),
}

#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The directories do not belong together, or not to this node.
    #[error("{0}")]
    Mismatch(String),
    /// Kafka's reason not to begin.
    #[error("{0}")]
    Refused(String),
    #[error("Error while writing meta.properties file {dir}: {error}")]
    Io { dir: String, error: io::Error },
}

pub fn format(
    disk: &dyn Disk,
    rng: &dyn Rng,
    now_ms: TimestampMs,
    request: &FormatRequest<'_>,
    tell: &mut dyn FnMut(Progress<'_>),
) -> Result<(), FormatError> {
    let ensemble = Ensemble::load(disk, request.dirs);
    ensemble.verify(Some(request.cluster_id.to_owned()), Some(request.node_id)).map_err(FormatError::Mismatch)?;
    let formatted = |dir: &&PathBuf| ensemble.formatted.contains_key(*dir);
    if let Some(dir) = request.dirs.iter().find(formatted).filter(|_| !request.ignore_formatted) {
        return Err(FormatError::Refused(format!(
            "Log directory {} is already formatted. Use --ignore-formatted to ignore this directory and format the others.",
            dir.display()
        )));
    }
    for (dir, _) in &ensemble.unreadable {
        tell(Progress::Unreadable(dir));
    }
    if !ensemble.unreadable.is_empty() && ensemble.empty.is_empty() && ensemble.formatted.is_empty() {
        return Err(FormatError::Refused("No available log directories to format.".to_owned()));
    }
    if ensemble.empty.is_empty() {
        tell(Progress::AllFormatted);
        return Ok(());
    }
    tell(Progress::Begins);
    for dir in &ensemble.empty {
        tell(Progress::Directory(kind(dir, request), dir));
        format_dir(disk, rng, now_ms, request, &ensemble, dir)
            .map_err(|error| FormatError::Io { dir: dir.display().to_string(), error })?;
    }
    Ok(())
}

fn kind(dir: &Path, request: &FormatRequest<'_>) -> DirectoryKind {
    match request.voters {
        _ if dir != request.metadata_dir => DirectoryKind::Log,
        None => DirectoryKind::StaticMetadata,
        Some(voters) if voters.get(request.node_id).is_some() => DirectoryKind::DynamicMetadataVoter,
        Some(_) => DirectoryKind::DynamicMetadata,
    }
}

fn format_dir(
    disk: &dyn Disk,
    rng: &dyn Rng,
    now_ms: TimestampMs,
    request: &FormatRequest<'_>,
    ensemble: &Ensemble,
    dir: &Path,
) -> io::Result<()> {
    let kind = kind(dir, request);
    disk.create_dir_all(dir)?;
    write_bootstrap(disk, dir, &request.content.bootstrap, now_ms)?;
    let mut id = ensemble.new_directory_id(rng);
    if let Some(voters) = request.voters.filter(|_| kind != DirectoryKind::Log) {
        write_quorum_snapshot(disk, dir, request, voters, now_ms)?;
        if let Some(us) = voters.get(request.node_id) {
            id = us.directory_id;
        }
    }
    // Last: what has this file counts as formatted.
    MetaProperties::write(disk, dir, request.cluster_id, request.node_id, Some(id), now_ms)
}

/// The quorum's log begins with its voters.
fn write_quorum_snapshot(
    disk: &dyn Disk,
    dir: &Path,
    request: &FormatRequest<'_>,
    voters: &Voters,
    now_ms: TimestampMs,
) -> io::Result<()> {
    let partition = dir.join(METADATA_PARTITION);
    disk.create_dir_all(&partition)?;
    let bytes = quorum_snapshot(request, voters, now_ms).map_err(io::Error::other)?;
    disk.write_atomic(&partition.join(FIRST_SNAPSHOT), &bytes)
}

fn quorum_snapshot(
    request: &FormatRequest<'_>,
    voters: &Voters,
    now_ms: TimestampMs,
) -> Result<Vec<u8>, CheckpointError> {
    let version = KRaftVersionRecord { k_raft_version: request.content.kraft_version, ..Default::default() };
    let record = voters.to_record(request.controller_listener);
    let mut writer = CheckpointWriter::new(0, now_ms);
    // Level 0 knows no voters in the log.
    writer.header(now_ms, (version.k_raft_version > 0).then_some((&version, &record)))?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_base::{MemDisk, SeededRng};
    use ottla_metadata::bootstrap::{FormatOptions, format as decide};

    fn run(disk: &MemDisk, voters: Option<&Voters>, dirs: &[&str], ignore_formatted: bool) -> String {
        let options = FormatOptions { dynamic_quorum: voters.is_some(), ..FormatOptions::default() };
        let content = decide(&options).unwrap();
        let dirs: Vec<PathBuf> = dirs.iter().map(PathBuf::from).collect();
        let request = FormatRequest {
            cluster_id: "c",
            node_id: 1,
            dirs: &dirs,
            metadata_dir: Path::new("/a"),
            content: &content,
            voters,
            controller_listener: "CONTROLLER",
            ignore_formatted,
        };
        let mut told = Vec::new();
        let result = format(disk, &SeededRng::new(7), 0, &request, &mut |progress| told.push(format!("{progress:?}")));
        if let Err(error) = result {
            told.push(error.to_string());
        }
        told.join("; ")
    }

    #[test]
    fn a_voter_gets_the_id_it_was_named_with() -> io::Result<()> {
        let disk = MemDisk::new();
        let voters = Voters::parse("1@localhost:9093:JEXY6aqzQY-32P5TStzaFg").unwrap();
        let told = run(&disk, Some(&voters), &["/a", "/b"], false);
        assert_eq!(told, "Begins; Directory(DynamicMetadataVoter, \"/a\"); Directory(Log, \"/b\")");
        let properties = MetaProperties::read(&disk, Path::new("/a"))?.unwrap();
        assert_eq!(properties.directory_id.unwrap().to_string(), "JEXY6aqzQY-32P5TStzaFg");
        let bytes = disk.read(&Path::new("/a").join(METADATA_PARTITION).join(FIRST_SNAPSHOT))?;
        let snapshot = crate::checkpoint::read(bytes.into()).unwrap();
        assert_eq!(snapshot.kraft_version.unwrap().k_raft_version, 1);
        assert_eq!(snapshot.voters.unwrap(), voters.to_record("CONTROLLER"));
        assert!(!disk.exists(&Path::new("/b").join(METADATA_PARTITION)));
        Ok(())
    }

    #[test]
    fn formatted_directories_are_left_alone() {
        let disk = MemDisk::new();
        assert_eq!(run(&disk, None, &["/a"], false), "Begins; Directory(StaticMetadata, \"/a\")");
        let refused = run(&disk, None, &["/a", "/b"], false);
        assert!(refused.starts_with("Log directory /a is already formatted."), "{refused}");
        assert_eq!(run(&disk, None, &["/a", "/b"], true), "Begins; Directory(Log, \"/b\")");
        assert_eq!(run(&disk, None, &["/a", "/b"], true), "AllFormatted");
    }
}
