//! Checkpoint files: a version, a count, and a line per entry.

use crate::epochs::EpochEntry;
use crate::error::invalid_data;
use ottla_base::{Disk, Offset, TopicPartition};
use std::io;
use std::path::Path;
use std::str::FromStr;

const VERSION: i32 = 0;

/// Replaces a `*-offset-checkpoint` file.
pub fn write_offsets<'a>(
    disk: &dyn Disk,
    path: &Path,
    entries: impl ExactSizeIterator<Item = (&'a TopicPartition, Offset)>,
) -> io::Result<()> {
    let mut text = header(entries.len());
    for (partition, offset) in entries {
        push_line(&mut text, format_args!("{} {} {offset}", partition.topic, partition.partition));
    }
    disk.write_atomic(path, text.as_bytes())
}

/// The entries of a `*-offset-checkpoint` file; none when there is no file.
pub fn read_offsets(disk: &dyn Disk, path: &Path) -> io::Result<Vec<(TopicPartition, Offset)>> {
    read_lines(disk, path, |fields| match fields {
        [topic, partition, offset] => Some((TopicPartition::new(*topic, number(partition)?), number(offset)?)),
        _ => None,
    })
}

/// Replaces a `leader-epoch-checkpoint` file.
pub fn write_epochs(disk: &dyn Disk, path: &Path, entries: &[EpochEntry]) -> io::Result<()> {
    let mut text = header(entries.len());
    for entry in entries {
        push_line(&mut text, format_args!("{} {}", entry.epoch, entry.start_offset));
    }
    disk.write_atomic(path, text.as_bytes())
}

/// The entries of a `leader-epoch-checkpoint` file; none when there is no file.
pub fn read_epochs(disk: &dyn Disk, path: &Path) -> io::Result<Vec<EpochEntry>> {
    read_lines(disk, path, |fields| match fields {
        [epoch, offset] => Some(EpochEntry { epoch: number(epoch)?, start_offset: number(offset)? }),
        _ => None,
    })
}

fn header(count: usize) -> String {
    format!("{VERSION}\n{count}\n")
}

fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    use std::fmt::Write;
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

fn number<T: FromStr>(field: &str) -> Option<T> {
    field.parse().ok()
}

fn read_lines<T>(disk: &dyn Disk, path: &Path, parse: impl Fn(&[&str]) -> Option<T>) -> io::Result<Vec<T>> {
    let bytes = match disk.read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&bytes);
    let malformed =
        |line: &str| invalid_data(format!("malformed line in checkpoint file {}: '{line}'", path.display()));
    let mut lines = text.lines();
    // Kafka creates these files empty, and reads an empty one as "no entries".
    let Some(version) = lines.next() else { return Ok(Vec::new()) };
    let version = number::<i32>(version).ok_or_else(|| malformed(version))?;
    if version != VERSION {
        return Err(invalid_data(format!(
            "unrecognised version {version} in checkpoint file {}, expected {VERSION}",
            path.display()
        )));
    }
    let Some(count) = lines.next() else { return Ok(Vec::new()) };
    let count = number::<usize>(count).ok_or_else(|| malformed(count))?;
    let mut entries = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.split_whitespace().collect();
        entries.push(parse(&fields).ok_or_else(|| malformed(line))?);
    }
    if entries.len() != count {
        return Err(invalid_data(format!(
            "checkpoint file {} announces {count} entries but has {}",
            path.display(),
            entries.len()
        )));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_base::{MemDisk, OpenMode};

    const PATH: &str = "/d/x-checkpoint";

    fn disk_with(text: &str) -> MemDisk {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/d")).unwrap();
        disk.open(Path::new(PATH), OpenMode::Create).unwrap().write_at(text.as_bytes(), 0).unwrap();
        disk
    }

    #[test]
    fn offsets_are_written_as_kafka_does() {
        let disk = disk_with("");
        let a = TopicPartition::new("a", 0);
        let b = TopicPartition::new("b-c", 12);
        write_offsets(&disk, Path::new(PATH), [(&a, 5), (&b, 0)].into_iter()).unwrap();
        assert_eq!(disk.read(Path::new(PATH)).unwrap(), b"0\n2\na 0 5\nb-c 12 0\n");
        assert_eq!(read_offsets(&disk, Path::new(PATH)).unwrap(), [(a, 5), (b, 0)]);
    }

    #[test]
    fn epochs_are_written_as_kafka_does() {
        let disk = disk_with("");
        let entries = [EpochEntry { epoch: 0, start_offset: 0 }, EpochEntry { epoch: 3, start_offset: 17 }];
        write_epochs(&disk, Path::new(PATH), &entries).unwrap();
        assert_eq!(disk.read(Path::new(PATH)).unwrap(), b"0\n2\n0 0\n3 17\n");
        assert_eq!(read_epochs(&disk, Path::new(PATH)).unwrap(), entries);
    }

    #[test]
    fn empty_and_absent_files_have_no_entries() {
        assert_eq!(read_offsets(&disk_with(""), Path::new(PATH)).unwrap(), []);
        assert_eq!(read_offsets(&MemDisk::new(), Path::new(PATH)).unwrap(), []);
    }

    #[test]
    fn wrong_files_are_refused_by_name() {
        for text in ["1\n0\n", "0\n2\na 0 5\n", "0\n0\na 0 5\n", "0\n1\na 0\n", "x\n", "0\n1\na b 5\n"] {
            let error = read_offsets(&disk_with(text), Path::new(PATH)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains(PATH), "{error}");
        }
    }
}
