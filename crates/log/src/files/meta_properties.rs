//! `meta.properties`: which cluster and node a log directory belongs to (KIP-858 for the directory id).

use crate::error::invalid_data;
use crate::names::META_PROPERTIES_FILE;
use ottla_base::{Disk, NodeId, TimestampMs, Uuid};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The content of `meta.properties`. Version 0 is that of ZooKeeper's days, where anything may be missing;
/// version 1 always has a node and a cluster id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    pub version: i32,
    pub cluster_id: Option<String>,
    pub node_id: Option<NodeId>,
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// Reads the file of a log directory; `None` when the directory is not formatted.
    pub fn read(disk: &dyn Disk, log_dir: &Path) -> io::Result<Option<MetaProperties>> {
        let path = log_dir.join(META_PROPERTIES_FILE);
        match disk.read(&path) {
            Ok(bytes) => Self::parse(&String::from_utf8_lossy(&bytes))
                .map(Some)
                .map_err(|what| invalid_data(format!("{}: {what}", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the file into a log directory, always as version 1; `now_ms` is for the comment that Java puts in.
    pub fn write(
        disk: &dyn Disk,
        log_dir: &Path,
        cluster_id: &str,
        node_id: NodeId,
        directory_id: Option<Uuid>,
        now_ms: TimestampMs,
    ) -> io::Result<()> {
        let mut text = format!("#\n#{}\nnode.id={node_id}\n", java_date(now_ms));
        if let Some(id) = directory_id {
            text += &format!("directory.id={id}\n");
        }
        text += &format!("version=1\ncluster.id={}\n", escape(cluster_id));
        disk.write_atomic(&log_dir.join(META_PROPERTIES_FILE), text.as_bytes())
    }

    fn parse(text: &str) -> Result<MetaProperties, String> {
        let properties = parse_properties(text);
        let get = |key: &str| properties.get(key).map(String::as_str);
        let version = match get("version").unwrap_or("0").trim() {
            "0" => 0,
            "1" => 1,
            other => return Err(format!("unknown version '{other}', expected 0 or 1")),
        };
        // Directories that were migrated from ZooKeeper to KRaft carry either name.
        let id_key = match version {
            0 if get("broker.id").is_some() => "broker.id",
            _ => "node.id",
        };
        let node_id = match get(id_key) {
            None => None,
            Some(value) => Some(value.parse().map_err(|_| format!("{id_key} '{value}' is not a number"))?),
        };
        let directory_id = match get("directory.id") {
            None => None,
            Some(value) => Some(value.parse().map_err(|error| format!("directory.id: {error}"))?),
        };
        let cluster_id = get("cluster.id").map(str::to_owned);
        if version == 1 && cluster_id.is_none() {
            return Err("cluster.id was not found".to_owned());
        }
        if version == 1 && node_id.is_none() {
            return Err("node.id was not found".to_owned());
        }
        Ok(MetaProperties { version, cluster_id, node_id, directory_id })
    }
}

/// Java's `.properties` as far as this file needs it: comments, the three separators, backslash escapes.
fn parse_properties(text: &str) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    for line in text.lines() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut key = String::new();
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next_if(|c| !matches!(c, '=' | ':') && !c.is_whitespace()) {
            key.push(unescape(c, &mut chars));
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let _ = chars.next_if(|c| matches!(c, '=' | ':'));
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut value = String::new();
        while let Some(c) = chars.next() {
            value.push(unescape(c, &mut chars));
        }
        properties.insert(key, value);
    }
    properties
}

fn unescape(c: char, rest: &mut impl Iterator<Item = char>) -> char {
    if c == '\\' { rest.next().unwrap_or('\\') } else { c }
}

fn escape(value: &str) -> String {
    let mut escaped = String::new();
    for c in value.chars() {
        if matches!(c, '\\' | '=' | ':' | '#' | '!') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// `Mon Nov 23 11:32:55 UTC 2026`
fn java_date(now_ms: TimestampMs) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = now_ms.div_euclid(1000);
    let days = seconds.div_euclid(86_400);
    let in_day = seconds.rem_euclid(86_400);
    // Days to date: years that begin in March put the leap day last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 2 } else { march_month - 10 };
    let year = year_of_era + era * 400 + i64::from(month < 2);
    format!(
        "{} {} {day:02} {:02}:{:02}:{:02} UTC {year}",
        DAYS[days.rem_euclid(7) as usize],
        MONTHS[month as usize],
        in_day / 3600,
        in_day / 60 % 60,
        in_day % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_kafka_4_is_written_and_read() {
        let disk = ottla_base::MemDisk::new();
        let dir = Path::new("/d");
        disk.create_dir_all(dir).unwrap();
        assert_eq!(MetaProperties::read(&disk, dir).unwrap(), None);
        let id = Uuid([9; 16]);
        MetaProperties::write(&disk, dir, "MkU3OEVBNTcwNTJENDM2Qk", 1, Some(id), 1_795_433_575_000).unwrap();
        let text = String::from_utf8(disk.read(&dir.join(META_PROPERTIES_FILE)).unwrap()).unwrap();
        assert!(text.starts_with("#\n#Mon Nov 23 11:32:55 UTC 2026\nnode.id=1\n"), "{text}");
        let read = MetaProperties::read(&disk, dir).unwrap().unwrap();
        assert_eq!(read.version, 1);
        assert_eq!(read.cluster_id.as_deref(), Some("MkU3OEVBNTcwNTJENDM2Qk"));
        assert_eq!((read.node_id, read.directory_id), (Some(1), Some(id)));
    }

    #[test]
    fn dates_are_javas() {
        assert_eq!(java_date(0), "Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(java_date(1_709_164_800_000), "Thu Feb 29 00:00:00 UTC 2024");
        assert_eq!(java_date(1_735_689_599_000), "Tue Dec 31 23:59:59 UTC 2024");
    }

    #[test]
    fn version_0_may_lack_everything() {
        let parsed = MetaProperties::parse("version=0\nbroker.id : 7\ncluster.id=a\\:b\n").unwrap();
        assert_eq!(parsed.node_id, Some(7));
        assert_eq!(parsed.cluster_id.as_deref(), Some("a:b"));
        assert_eq!(MetaProperties::parse("").unwrap().node_id, None);
    }

    #[test]
    fn wrong_files_say_what_is_wrong() {
        for (text, what) in [
            ("version=2", "unknown version '2'"),
            ("version=1\nnode.id=1", "cluster.id was not found"),
            ("version=1\ncluster.id=x", "node.id was not found"),
            ("version=1\ncluster.id=x\nnode.id=y", "node.id 'y'"),
            ("version=1\ncluster.id=x\nnode.id=1\ndirectory.id=z", "directory.id"),
        ] {
            assert!(MetaProperties::parse(text).unwrap_err().contains(what), "{text}");
        }
    }
}
