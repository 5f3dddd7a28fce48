//! The `quorum-state` file: one line of JSON, in place before a vote or an epoch counts (KIP-595).

use ottla_base::{Disk, Uuid};
use ottla_raft::{QuorumState, ReplicaKey};
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

pub const FILE_NAME: &str = "quorum-state";

fn path(metadata_dir: &Path) -> PathBuf {
    metadata_dir.join(FILE_NAME)
}

/// `None` when there is no file yet.
pub fn read(disk: &dyn Disk, metadata_dir: &Path) -> io::Result<Option<QuorumState>> {
    let path = path(metadata_dir);
    if !disk.exists(&path) {
        return Ok(None);
    }
    let bytes = disk.read(&path)?;
    let bad = |what: &str| {
        let message = format!(
            "{}: {what}; restore the file from a backup, or remove it if this node has never voted",
            path.display()
        );
        io::Error::new(io::ErrorKind::InvalidData, message)
    };
    let json: Value = serde_json::from_slice(&bytes).map_err(|e| bad(&format!("not JSON: {e}")))?;
    let number = |key: &str| json.get(key).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
    let version = number("data_version").ok_or_else(|| bad("no data_version"))?;
    if !(0..=1).contains(&version) {
        return Err(bad(&format!("data_version {version} is not supported (0 and 1 are)")));
    }
    let known = |id: &i32| *id >= 0;
    let directory = match json.get("votedDirectoryId").and_then(Value::as_str) {
        Some(text) => text.parse().map_err(|e| bad(&format!("votedDirectoryId: {e}")))?,
        None => Uuid::ZERO,
    };
    let voters = json.get("currentVoters").and_then(Value::as_array).into_iter().flatten();
    Ok(Some(QuorumState {
        epoch: number("leaderEpoch").ok_or_else(|| bad("no leaderEpoch"))?,
        leader: number("leaderId").filter(known),
        voted: number("votedId").filter(known).map(|id| ReplicaKey::new(id, directory)),
        voters: voters.filter_map(|v| v.get("voterId")?.as_i64()).filter_map(|id| i32::try_from(id).ok()).collect(),
        version: version as i16,
    }))
}

/// Durable when it returns.
pub fn write(disk: &dyn Disk, metadata_dir: &Path, state: &QuorumState) -> io::Result<()> {
    disk.write_atomic(&path(metadata_dir), to_json(state).as_bytes())
}

fn to_json(state: &QuorumState) -> String {
    let (leader, epoch) = (state.leader.unwrap_or(-1), state.epoch);
    let voted = state.voted.map_or(-1, |key| key.id);
    if state.version == 0 {
        let voters: Vec<Value> = state.voters.iter().map(|id| json!({ "voterId": id })).collect();
        let voters = Value::Array(voters);
        return format!(
            r#"{{"clusterId":"","leaderId":{leader},"leaderEpoch":{epoch},"votedId":{voted},"appliedOffset":0,"currentVoters":{voters},"data_version":0}}"#
        );
    }
    let directory = state.voted.and_then(|key| key.directory_id).unwrap_or(Uuid::ZERO);
    format!(
        r#"{{"leaderId":{leader},"leaderEpoch":{epoch},"votedId":{voted},"votedDirectoryId":"{directory}","data_version":1}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_base::MemDisk;

    fn check(state: QuorumState, text: &str) {
        assert_eq!(to_json(&state), text);
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/m")).unwrap();
        write(&disk, Path::new("/m"), &state).unwrap();
        assert_eq!(read(&disk, Path::new("/m")).unwrap(), Some(state));
    }

    #[test]
    fn the_text_is_apache_kafkas() {
        check(
            QuorumState { epoch: 1, leader: Some(1), voted: None, voters: vec![1], version: 0 },
            r#"{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#,
        );
        check(
            QuorumState {
                epoch: 4,
                leader: None,
                voted: Some(ReplicaKey::new(2, Uuid::LOST_DIR)),
                voters: vec![],
                version: 1,
            },
            r#"{"leaderId":-1,"leaderEpoch":4,"votedId":2,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAg","data_version":1}"#,
        );
    }

    #[test]
    fn damage_is_named() {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/m")).unwrap();
        assert_eq!(read(&disk, Path::new("/m")).unwrap(), None);
        disk.write_atomic(Path::new("/m/quorum-state"), b"{}").unwrap();
        assert!(read(&disk, Path::new("/m")).unwrap_err().to_string().contains("/m/quorum-state: no data_version"));
    }
}
