//! Whose directories these are: the checks of `meta.properties` before anything is opened.

use crate::error::StartError;
use ottla_base::{Disk, NodeId, Rng, TimestampMs, Uuid};
use ottla_config::BrokerConfig;
use ottla_log::MetaProperties;
use std::path::{Path, PathBuf};

pub struct Identity {
    pub cluster_id: String,
    /// Of the directory that holds the metadata log.
    pub metadata_directory_id: Uuid,
    /// `log.dirs`, and the metadata log's directory where that is another one.
    pub all_dirs: Vec<PathBuf>,
    pub metadata_dir: PathBuf,
}

/// `log.dirs`, whole: the tools show them so.
pub fn log_dirs(config: &BrokerConfig) -> Vec<PathBuf> {
    config.log_dirs().iter().map(|dir| absolute(dir)).collect()
}

fn absolute(dir: &str) -> PathBuf {
    // It fails for an empty path only, which the checks of the settings refuse.
    std::path::absolute(dir).unwrap_or_else(|_| PathBuf::from(dir))
}

fn directories(config: &BrokerConfig) -> (Vec<PathBuf>, PathBuf) {
    let metadata_dir = absolute(config.metadata_log_dir());
    let mut all = log_dirs(config);
    if !all.contains(&metadata_dir) {
        all.push(metadata_dir.clone());
    }
    (all, metadata_dir)
}

/// All directories must be formatted, for one cluster, and for this node.
///
/// Directories from before 3.7 have no id of their own yet (KIP-858): they get one.
pub fn check(
    disk: &dyn Disk,
    config: &BrokerConfig,
    rng: &dyn Rng,
    now_ms: TimestampMs,
) -> Result<Identity, StartError> {
    let (all_dirs, metadata_dir) = directories(config);
    let mut cluster: Option<(String, &Path)> = None;
    let mut metadata_directory_id = Uuid::ZERO;
    for dir in &all_dirs {
        let meta = read(disk, dir)?;
        check_node(&meta, dir, config.node_id())?;
        let id = meta.cluster_id.ok_or_else(|| damaged(dir, "there is no cluster.id in it"))?;
        let directory_id = match meta.directory_id {
            Some(known) => known,
            None => {
                let fresh = rng.next_uuid();
                MetaProperties::write(disk, dir, &id, config.node_id(), Some(fresh), now_ms)
                    .map_err(|error| damaged(dir, &error.to_string()))?;
                fresh
            }
        };
        match &cluster {
            Some((known, first)) if *known != id => {
                return Err(StartError::new(format!(
                    "Invalid cluster.id in: {}/meta.properties. Expected {known} (as in {}), but read {id}. All log directories of a node must belong to one cluster: correct log.dirs, or format the wrong directory again.",
                    dir.display(),
                    first.display()
                )));
            }
            Some(_) => {}
            None => cluster = Some((id, dir)),
        }
        if *dir == metadata_dir {
            metadata_directory_id = directory_id;
        }
    }
    let (cluster_id, _) = cluster.ok_or_else(|| StartError::new("log.dirs names no directory"))?;
    Ok(Identity { cluster_id, metadata_directory_id, all_dirs, metadata_dir })
}

fn read(disk: &dyn Disk, dir: &Path) -> Result<MetaProperties, StartError> {
    match MetaProperties::read(disk, dir) {
        Ok(Some(meta)) => Ok(meta),
        Ok(None) => Err(StartError::new(format!(
            "No `meta.properties` found in {0} (have you run `kafka-storage.sh` to format the directory?)\nFormat it with: kafka-storage.sh format -t $(kafka-storage.sh random-uuid) -c YOUR-server.properties",
            dir.display()
        ))),
        Err(error) => Err(damaged(dir, &error.to_string())),
    }
}

fn damaged(dir: &Path, what: &str) -> StartError {
    StartError::new(format!("{}/meta.properties cannot be used: {what}", dir.display()))
}

fn check_node(meta: &MetaProperties, dir: &Path, node_id: NodeId) -> Result<(), StartError> {
    match meta.node_id {
        Some(stored) if stored != node_id => Err(StartError::new(format!(
            "Stored node id {stored} doesn't match previous node id {node_id} in {}/meta.properties. If you moved your data, make sure your configured node id matches. If you intend to create a new node, you should remove all data in your data directories.",
            dir.display()
        ))),
        _ => Ok(()),
    }
}
