//! The upgrade of `kraft.version` (KIP-853): from a static voter set to one in the log.

use crate::io::Action;
use crate::message::ControlRecord;
use crate::raft::Raft;
use crate::role::Role;
use crate::voters::VoterSet;
use ottla_base::{ErrorCode, LeaderEpoch};
use std::fmt;

/// Why `kraft.version` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeError {
    /// `NOT_LEADER_OR_FOLLOWER` or `INVALID_UPDATE_VERSION`.
    pub error: ErrorCode,
    pub message: String,
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UpgradeError {}

impl Raft {
    /// Static voters have no directories and versions in the log, so each tells its leader with
    /// `UpdateRaftVoter`; the leader begins with itself.
    pub(crate) fn volatile_voters_at_start(&self) -> Option<VoterSet> {
        if self.kraft_version() > 0 {
            return None;
        }
        self.history.last_voters().with_updated_ignoring_directory(self.config.local_voter())
    }

    /// Raises `kraft.version` to `version`, or only finds out whether it could. True if there is
    /// (or was) something to do. `epoch` is the one that the caller believes this node leads.
    pub fn upgrade_kraft_version(
        &mut self,
        epoch: LeaderEpoch,
        version: i16,
        validate_only: bool,
        now_ms: u64,
        out: &mut Vec<Action>,
    ) -> Result<bool, UpgradeError> {
        let Some(voters) = self.check_upgrade(epoch, version)? else { return Ok(false) };
        if !validate_only {
            let mut records = vec![ControlRecord::KRaftVersion(version)];
            if voters != *self.history.last_voters() || self.history.last_voters_offset().is_none() {
                records.push(ControlRecord::Voters(voters));
            }
            self.append_control(records);
            if let Role::Leader(leader) = &mut self.role {
                leader.volatile_voters = None;
            }
        }
        self.step(crate::Event::Tick, now_ms, out);
        Ok(true)
    }

    /// The voters to write; `None` when the version is that already.
    fn check_upgrade(&self, epoch: LeaderEpoch, version: i16) -> Result<Option<VoterSet>, UpgradeError> {
        let invalid = |message: String| UpgradeError { error: ErrorCode::InvalidUpdateVersion, message };
        let leader = match &self.role {
            Role::Leader(leader) if epoch == self.epoch => leader,
            _ => {
                let message = format!(
                    "cannot set kraft.version as leader of epoch {epoch}: this node is {} in epoch {}",
                    self.role.name(),
                    self.epoch
                );
                return Err(UpgradeError { error: ErrorCode::NotLeaderOrFollower, message });
            }
        };
        let current = self.kraft_version();
        if current == version {
            return Ok(None);
        }
        if version < current {
            return Err(invalid(format!("kraft.version is {current} and cannot go back to {version}")));
        }
        let Some(voters) = &leader.volatile_voters else {
            return Err(invalid(format!("kraft.version cannot go from {current} to {version}")));
        };
        if let Some(voter) = voters.iter().find(|voter| !voter.kraft_versions.contains(version)) {
            return Err(invalid(format!(
                "kraft.version cannot be {version}: voter {} supports {} to {}, or has not yet told this leader what it supports",
                voter.key, voter.kraft_versions.min, voter.kraft_versions.max
            )));
        }
        if let Some(voter) = voters.iter().find(|voter| voter.key.directory_id.is_none()) {
            return Err(invalid(format!(
                "kraft.version cannot be {version}: the directory id of voter {} is not known yet",
                voter.key
            )));
        }
        Ok(Some(voters.clone()))
    }
}
