//! `.kafka_cleanshutdown`: says that every log of a directory was closed, and in which broker epoch
//! (KIP-966).

use crate::names::CLEAN_SHUTDOWN_FILE;
use ottla_base::Disk;
use std::io;
use std::path::Path;

/// Marks the directory as cleanly closed.
pub fn write(disk: &dyn Disk, log_dir: &Path, broker_epoch: i64) -> io::Result<()> {
    let text = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
    disk.write_atomic(&log_dir.join(CLEAN_SHUTDOWN_FILE), text.as_bytes())
}

/// Whether the mark is there. The empty file of Kafka 3.x counts.
pub fn exists(disk: &dyn Disk, log_dir: &Path) -> bool {
    disk.exists(&log_dir.join(CLEAN_SHUTDOWN_FILE))
}

/// The broker epoch in the mark, if it holds one.
pub fn read_broker_epoch(disk: &dyn Disk, log_dir: &Path) -> Option<i64> {
    let bytes = disk.read(&log_dir.join(CLEAN_SHUTDOWN_FILE)).ok()?;
    serde_json::from_slice::<serde_json::Value>(&bytes).ok()?.get("brokerEpoch")?.as_i64()
}

/// Takes the mark away, durably: from now on a crash is an unclean shutdown.
pub fn remove(disk: &dyn Disk, log_dir: &Path) -> io::Result<()> {
    match disk.remove_file(&log_dir.join(CLEAN_SHUTDOWN_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => disk.sync_dir(log_dir),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_base::{MemDisk, OpenMode};

    #[test]
    fn the_mark_comes_and_goes() {
        let disk = MemDisk::new();
        let dir = Path::new("/d");
        disk.create_dir_all(dir).unwrap();
        assert!(!exists(&disk, dir));
        write(&disk, dir, 12).unwrap();
        assert_eq!(disk.read(&dir.join(CLEAN_SHUTDOWN_FILE)).unwrap(), b"{\"version\":0,\"brokerEpoch\":12}");
        assert_eq!(read_broker_epoch(&disk, dir), Some(12));
        remove(&disk, dir).unwrap();
        remove(&disk, dir).unwrap();
        assert!(!exists(&disk, dir));
    }

    #[test]
    fn the_empty_form_counts_but_has_no_epoch() {
        let disk = MemDisk::new();
        let dir = Path::new("/d");
        disk.create_dir_all(dir).unwrap();
        disk.open(&dir.join(CLEAN_SHUTDOWN_FILE), OpenMode::Create).unwrap();
        assert!(exists(&disk, dir));
        assert_eq!(read_broker_epoch(&disk, dir), None);
    }
}
