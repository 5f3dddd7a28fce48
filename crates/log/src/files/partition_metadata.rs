//! `partition.metadata`: which topic id a partition's directory belongs to (KIP-516).

use crate::error::invalid_data;
use crate::names::PARTITION_METADATA_FILE;
use ottla_base::{Disk, Uuid};
use std::io;
use std::path::Path;

/// Writes the file into the partition's directory.
pub fn write_topic_id(disk: &dyn Disk, dir: &Path, topic_id: Uuid) -> io::Result<()> {
    let text = format!("version: 0\ntopic_id: {topic_id}");
    disk.write_atomic(&dir.join(PARTITION_METADATA_FILE), text.as_bytes())
}

/// The topic id of a partition's directory; `None` when there is no file.
pub fn read_topic_id(disk: &dyn Disk, dir: &Path) -> io::Result<Option<Uuid>> {
    let path = dir.join(PARTITION_METADATA_FILE);
    let bytes = match disk.read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let wrong = |what: String| invalid_data(format!("partition metadata file {}: {what}", path.display()));
    let mut field = |key: &str| {
        let line = lines.next().unwrap_or_default();
        match line.split_once(':') {
            Some((name, value)) if name == key && value.starts_with(char::is_whitespace) => {
                Ok(value.trim_start().to_owned())
            }
            _ => Err(wrong(format!("malformed line '{line}', expected '{key}: …'"))),
        }
    };
    let version = field("version")?;
    // A later version must stay readable, so that a downgrade works.
    if !version.parse::<i32>().is_ok_and(|version| version >= 0) {
        return Err(wrong(format!("unrecognised version '{version}'")));
    }
    let topic_id = field("topic_id")?.parse::<Uuid>().map_err(|error| wrong(error.to_string()))?;
    if topic_id.is_zero() {
        return Err(wrong("the topic id must not be zero".to_owned()));
    }
    Ok(Some(topic_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_base::OpenMode;

    fn check(text: &str) -> io::Result<Option<Uuid>> {
        let disk = ottla_base::MemDisk::new();
        let dir = Path::new("/d/t-0");
        disk.create_dir_all(dir)?;
        disk.open(&dir.join(PARTITION_METADATA_FILE), OpenMode::Create)?.write_at(text.as_bytes(), 0)?;
        read_topic_id(&disk, dir)
    }

    #[test]
    fn goes_there_and_back_in_kafkas_form() {
        let disk = ottla_base::MemDisk::new();
        let dir = Path::new("/d/t-0");
        disk.create_dir_all(dir).unwrap();
        assert_eq!(read_topic_id(&disk, dir).unwrap(), None);
        let id = "_fCTbiAkBRfafyhbLwYws8".parse().unwrap_or(Uuid([7; 16]));
        write_topic_id(&disk, dir, id).unwrap();
        let bytes = disk.read(&dir.join(PARTITION_METADATA_FILE)).unwrap();
        assert_eq!(bytes.len(), 43);
        assert!(bytes.starts_with(b"version: 0\ntopic_id: "));
        assert_eq!(read_topic_id(&disk, dir).unwrap(), Some(id));
    }

    #[test]
    fn later_versions_are_read_and_nonsense_is_not() {
        assert!(check("version: 9\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ").unwrap().is_some());
        for text in [
            "",
            "version: -1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ",
            "version: 0\n",
            "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
            "version: 0\ntopic_id: short",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
