//! Formatting log directories: `meta.properties` and `bootstrap.checkpoint` in each of them.

use crate::checkpoint::{CheckpointError, CheckpointWriter};
use ottla_base::{Disk, NodeId, Rng, TimestampMs, Uuid};
use ottla_log::MetaProperties;
use ottla_metadata::bootstrap::BootstrapMetadata;
use std::io;
use std::path::{Path, PathBuf};

pub const BOOTSTRAP_FILE: &str = "bootstrap.checkpoint";

/// What every directory of a node gets.
pub struct Identity<'a> {
    pub cluster_id: &'a str,
    pub node_id: NodeId,
}

/// Formats directories that are not formatted yet; makes those that do not exist. Returns their ids.
pub fn format_dirs(
    disk: &dyn Disk,
    dirs: &[PathBuf],
    identity: &Identity<'_>,
    bootstrap: &BootstrapMetadata,
    rng: &dyn Rng,
    now_ms: TimestampMs,
) -> io::Result<Vec<Uuid>> {
    let mut ids = vec![];
    for dir in dirs {
        disk.create_dir_all(dir)?;
        write_bootstrap(disk, dir, bootstrap, now_ms)?;
        let id = rng.next_uuid();
        // Last: what has this file counts as formatted.
        MetaProperties::write(disk, dir, identity.cluster_id, identity.node_id, Some(id), now_ms)?;
        ids.push(id);
    }
    Ok(ids)
}

fn bootstrap_bytes(bootstrap: &BootstrapMetadata, now_ms: TimestampMs) -> Result<Vec<u8>, CheckpointError> {
    let mut writer = CheckpointWriter::new(0, now_ms);
    writer.header(0, None)?;
    for (record, version) in bootstrap.records() {
        writer.record(record, *version)?;
    }
    writer.finish()
}

pub fn write_bootstrap(
    disk: &dyn Disk,
    dir: &Path,
    bootstrap: &BootstrapMetadata,
    now_ms: TimestampMs,
) -> io::Result<()> {
    let bytes = bootstrap_bytes(bootstrap, now_ms).map_err(io::Error::other)?;
    disk.write_atomic(&dir.join(BOOTSTRAP_FILE), &bytes)
}

/// What formatting decided. From 4.4 on it stands in the first snapshot of the metadata log instead.
/// `None` when neither file is there: then the version has to be assumed.
pub fn read_bootstrap(disk: &dyn Disk, metadata_dir: &Path) -> io::Result<Option<BootstrapMetadata>> {
    let first_snapshot = Path::new("__cluster_metadata-0").join("00000000000000000000-0000000000.checkpoint");
    for path in [metadata_dir.join(BOOTSTRAP_FILE), metadata_dir.join(first_snapshot)] {
        if !disk.exists(&path) {
            continue;
        }
        let name = path.display().to_string();
        let bytes = disk.read(&path)?;
        let content = crate::checkpoint::read(bytes.into()).map_err(|e| io::Error::other(format!("{name}: {e}")))?;
        if content.records.is_empty() {
            continue;
        }
        let records = content.records.into_iter().map(|record| (record, 0)).collect();
        return BootstrapMetadata::from_records(records, &name).map(Some).map_err(|e| io::Error::other(e.0));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_base::{MemDisk, SeededRng};
    use ottla_metadata::features::MetadataVersion;

    #[test]
    fn what_was_formatted_is_read_at_the_start() -> io::Result<()> {
        let disk = MemDisk::new();
        let bootstrap = BootstrapMetadata::with_defaults(MetadataVersion::LATEST_PRODUCTION);
        let dirs = [PathBuf::from("/a"), PathBuf::from("/b")];
        let identity = Identity { cluster_id: "MkU3OEVBNTcwNTJENDM2Qk", node_id: 1 };
        let ids = format_dirs(&disk, &dirs, &identity, &bootstrap, &SeededRng::new(1), 0)?;
        assert_ne!(ids[0], ids[1]);
        let meta = MetaProperties::read(&disk, &dirs[1])?.expect("the directory is formatted");
        assert_eq!((meta.node_id, meta.directory_id), (Some(1), Some(ids[1])));
        let read = read_bootstrap(&disk, &dirs[0])?.expect("there is a bootstrap checkpoint");
        assert_eq!(read.metadata_version(), MetadataVersion::LATEST_PRODUCTION);
        assert_eq!(read.records().len(), bootstrap.records().len());
        Ok(())
    }
}
