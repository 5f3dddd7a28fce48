//! `metadata.version` and the other features: their levels, what each level brings, what depends on what.

use std::collections::BTreeMap;
use std::fmt;

/// What a cluster has agreed to write into its metadata (KIP-778). Levels 1 to 6 are gone since Kafka 4.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(i16);

struct Level {
    level: i16,
    release: &'static str,
    revision: &'static str,
    /// Records were added or changed, so that going below this level could lose something.
    changes_metadata: bool,
}

const fn level(level: i16, release: &'static str, revision: &'static str, changes_metadata: bool) -> Level {
    Level { level, release, revision, changes_metadata }
}

/// Consecutive, the first being [`MetadataVersion::MINIMUM`].
const LEVELS: &[Level] = &[
    level(7, "3.3", "IV3", true),
    level(8, "3.4", "IV0", true),
    level(9, "3.5", "IV0", false),
    level(10, "3.5", "IV1", false),
    level(11, "3.5", "IV2", true),
    level(12, "3.6", "IV0", false),
    level(13, "3.6", "IV1", true),
    level(14, "3.6", "IV2", true),
    level(15, "3.7", "IV0", true),
    level(16, "3.7", "IV1", false),
    level(17, "3.7", "IV2", true),
    level(18, "3.7", "IV3", false),
    level(19, "3.7", "IV4", false),
    level(20, "3.8", "IV0", false),
    level(21, "3.9", "IV0", false),
    level(22, "4.0", "IV0", false),
    level(23, "4.0", "IV1", true),
    level(24, "4.0", "IV2", false),
    level(25, "4.0", "IV3", false),
    level(26, "4.1", "IV0", false),
    level(27, "4.1", "IV1", false),
    level(28, "4.2", "IV0", false),
    level(29, "4.2", "IV1", false),
    level(30, "4.3", "IV0", true),
    level(31, "4.4", "IV0", false),
];

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FeatureError(pub String);

impl MetadataVersion {
    pub const NAME: &'static str = "metadata.version";
    pub const MINIMUM: MetadataVersion = MetadataVersion(7);
    pub const LATEST_PRODUCTION: MetadataVersion = MetadataVersion(30);
    /// Only with `unstable.feature.versions.enable`.
    pub const LATEST_TESTING: MetadataVersion = MetadataVersion(31);

    /// SCRAM credentials in the metadata log (KIP-900).
    pub const SCRAM: MetadataVersion = MetadataVersion(11);
    /// No new leader epoch when the ISR shrinks (KAFKA-15021).
    pub const NO_EPOCH_BUMP_ON_ISR_SHRINK: MetadataVersion = MetadataVersion(12);
    /// Begin-, End- and AbortTransactionRecord (KIP-868).
    pub const TRANSACTIONS: MetadataVersion = MetadataVersion(13);
    pub const DELEGATION_TOKENS: MetadataVersion = MetadataVersion(14);
    /// RegisterControllerRecord (KIP-919).
    pub const CONTROLLER_REGISTRATION: MetadataVersion = MetadataVersion(15);
    /// Log directories of replicas (KIP-858).
    pub const DIRECTORY_ASSIGNMENT: MetadataVersion = MetadataVersion(17);
    /// Records that carry eligible leader replicas (KIP-966).
    pub const ELR: MetadataVersion = MetadataVersion(23);
    /// `cordoned.log.dirs` (KIP-1066).
    pub const CORDONED_LOG_DIRS: MetadataVersion = MetadataVersion(30);

    fn info(self) -> &'static Level {
        let index = (self.0 - Self::MINIMUM.0) as usize;
        assert!(index < LEVELS.len(), "metadata.version {} was never checked", self.0);
        &LEVELS[index]
    }

    /// Every level, the unstable ones too.
    pub fn all() -> impl DoubleEndedIterator<Item = MetadataVersion> {
        LEVELS.iter().map(|level| MetadataVersion(level.level))
    }

    pub fn from_level(level: i16) -> Result<MetadataVersion, FeatureError> {
        if LEVELS.iter().any(|known| known.level == level) {
            return Ok(MetadataVersion(level));
        }
        Err(FeatureError(format!(
            "No MetadataVersion with feature level {level}. Valid feature levels are from {} to {}.",
            Self::MINIMUM.0,
            Self::LATEST_TESTING.0
        )))
    }

    pub fn level(self) -> i16 {
        self.0
    }

    /// Such as `4.3`.
    pub fn release(self) -> &'static str {
        self.info().release
    }

    pub fn is_production(self) -> bool {
        self <= Self::LATEST_PRODUCTION
    }

    pub fn changes_metadata(self) -> bool {
        self.info().changes_metadata
    }

    /// Reads `3.8`, `3.8.1` (only the first two numbers count) or `3.8-IV0`.
    pub fn parse(text: &str, unstable: bool) -> Result<MetadataVersion, FeatureError> {
        let key = match text.match_indices('.').nth(1) {
            // Java's split drops empty parts at the end, so that "3.8." is "3.8".
            Some((second, _)) if !text[second..].chars().all(|c| c == '.') => &text[..second],
            Some(_) => text.trim_end_matches('.'),
            None => text,
        };
        let exact = Self::all().find(|version| version.to_string() == key);
        let of_release = || Self::all().rfind(|version| version.is_production() && version.release() == key);
        match exact.or_else(of_release) {
            Some(version) if unstable || version.is_production() => Ok(version),
            _ => {
                let last = if unstable { Self::LATEST_TESTING } else { Self::LATEST_PRODUCTION };
                let known: Vec<String> = Self::all().filter(|v| *v <= last).map(|v| v.to_string()).collect();
                Err(FeatureError(format!(
                    "Unknown metadata.version '{text}'. Supported metadata.version are: {}",
                    known.join(", ")
                )))
            }
        }
    }

    /// Whether a level between the two (the higher one included) changed the metadata.
    pub fn differs_in_metadata(self, other: MetadataVersion) -> bool {
        let (low, high) = (self.min(other), self.max(other));
        Self::all().any(|version| low < version && version <= high && version.changes_metadata())
    }

    pub fn register_broker_record_version(self) -> i16 {
        match self.0 {
            30.. => 4,
            17.. => 3,
            8.. => 2,
            _ => 1,
        }
    }

    /// Of PartitionRecord and of PartitionChangeRecord.
    pub fn partition_record_version(self) -> i16 {
        match self.0 {
            23.. => 2,
            17.. => 1,
            _ => 0,
        }
    }

    /// The version of Fetch that a follower sends.
    pub fn fetch_request_version(self) -> i16 {
        match self.0 {
            27.. => 18,
            21.. => 17,
            19.. => 16,
            10.. => 15,
            9.. => 14,
            _ => 13,
        }
    }

    /// The version of ListOffsets that a follower sends.
    pub fn list_offsets_request_version(self) -> i16 {
        match self.0 {
            29.. => 11,
            25.. => 10,
            21.. => 9,
            9.. => 8,
            _ => 7,
        }
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.info();
        write!(f, "{}-{}", info.release, info.revision)
    }
}

/// A feature other than `metadata.version`. Level 0 is "off" for all of them.
#[derive(Debug)]
pub struct Feature {
    pub name: &'static str,
    /// The `metadata.version` from which a new cluster gets this level (index + 1) by default.
    bootstrap: &'static [MetadataVersion],
    /// The level of `metadata.version` that level 1 needs, beyond the minimum.
    needs: Option<MetadataVersion>,
}

pub const KRAFT_VERSION: &str = "kraft.version";
pub const TRANSACTION_VERSION: &str = "transaction.version";
pub const GROUP_VERSION: &str = "group.version";
pub const ELIGIBLE_LEADER_REPLICAS_VERSION: &str = "eligible.leader.replicas.version";
pub const SHARE_VERSION: &str = "share.version";
pub const STREAMS_VERSION: &str = "streams.version";

/// In Kafka's order.
pub const FEATURES: &[Feature] = &[
    Feature { name: KRAFT_VERSION, bootstrap: &[MetadataVersion(21)], needs: None },
    Feature { name: TRANSACTION_VERSION, bootstrap: &[MetadataVersion(24), MetadataVersion(24)], needs: None },
    Feature { name: GROUP_VERSION, bootstrap: &[MetadataVersion(22)], needs: None },
    Feature {
        name: ELIGIBLE_LEADER_REPLICAS_VERSION,
        bootstrap: &[MetadataVersion(26)],
        needs: Some(MetadataVersion::ELR),
    },
    Feature { name: SHARE_VERSION, bootstrap: &[MetadataVersion(28)], needs: None },
    Feature { name: STREAMS_VERSION, bootstrap: &[MetadataVersion(29)], needs: None },
];

impl Feature {
    pub fn by_name(name: &str) -> Option<&'static Feature> {
        FEATURES.iter().find(|feature| feature.name == name)
    }

    pub fn latest(&self) -> i16 {
        self.bootstrap.len() as i16
    }

    /// The first `metadata.version` of which a new cluster has this level; `None` where there is no such level.
    pub fn bootstrap_version(&self, level: i16) -> Option<MetadataVersion> {
        match level {
            0 => Some(MetadataVersion::MINIMUM),
            level => self.bootstrap.get(usize::try_from(level - 1).ok()?).copied(),
        }
    }

    /// The `metadata.version` that this level needs, if it is more than any level does.
    pub fn dependency(&self, level: i16) -> Option<MetadataVersion> {
        self.needs.filter(|_| level > 0)
    }

    /// What a new cluster of this `metadata.version` starts with.
    pub fn default_level(&self, version: MetadataVersion) -> i16 {
        self.bootstrap.iter().filter(|from| **from <= version).count() as i16
    }

    /// That the level exists and that what it depends on is in `levels` (by name, `metadata.version` included).
    pub fn check_level(&self, level: i16, levels: &BTreeMap<String, i16>) -> Result<(), FeatureError> {
        if !(0..=self.latest()).contains(&level) {
            return Err(FeatureError(format!("No feature:{} with feature level {level}", self.name)));
        }
        if level == 0 {
            return Ok(());
        }
        let have = levels.get(MetadataVersion::NAME).copied().unwrap_or(0);
        let minimum = MetadataVersion::MINIMUM;
        let failed = format!("{} could not be set to {level} because it depends on", self.name);
        if have < minimum.level() {
            return Err(FeatureError(format!("{failed} metadata.version={} ({minimum})", minimum.level())));
        }
        match self.needs {
            Some(needed) if have < needed.level() => {
                Err(FeatureError(format!("{failed} metadata.version level {}", needed.level())))
            }
            _ => Ok(()),
        }
    }
}

/// What a node can do with a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct VersionRange {
    pub min: i16,
    pub max: i16,
}

impl VersionRange {
    pub fn contains(self, level: i16) -> bool {
        (self.min..=self.max).contains(&level)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (min, max) if min == max => write!(f, "{min}"),
            (min, i16::MAX) => write!(f, "{min}+"),
            (min, max) => write!(f, "{min}-{max}"),
        }
    }
}

/// What this software supports, as it registers and as ApiVersions tells. (An ApiVersions response and a
/// BrokerRegistration of version 3 or lower leave out those whose minimum is 0.)
pub fn supported_features(unstable: bool) -> BTreeMap<&'static str, VersionRange> {
    let latest = if unstable { MetadataVersion::LATEST_TESTING } else { MetadataVersion::LATEST_PRODUCTION };
    let mut ranges: BTreeMap<_, _> =
        FEATURES.iter().map(|feature| (feature.name, VersionRange { min: 0, max: feature.latest() })).collect();
    ranges.insert(MetadataVersion::NAME, VersionRange { min: MetadataVersion::MINIMUM.level(), max: latest.level() });
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, unstable: bool, expect: &str) {
        let shown = match MetadataVersion::parse(text, unstable) {
            Ok(version) => format!("{version} = {}", version.level()),
            Err(error) => error.0.chars().take(40).collect(),
        };
        assert_eq!(shown, expect, "{text}");
    }

    #[test]
    fn levels_are_consecutive() {
        assert!(MetadataVersion::all().map(MetadataVersion::level).eq(7..=31));
        assert_eq!(MetadataVersion::all().next_back(), Some(MetadataVersion::LATEST_TESTING));
    }

    #[test]
    fn version_strings() {
        check("3.8", false, "3.8-IV0 = 20");
        check("3.8.1", false, "3.8-IV0 = 20");
        check("3.8-IV0", false, "3.8-IV0 = 20");
        check("3.7", false, "3.7-IV4 = 19");
        check("3.7-IV2", false, "3.7-IV2 = 17");
        check("4.3", false, "4.3-IV0 = 30");
        check("4.4-IV0", true, "4.4-IV0 = 31");
        check("4.4-IV0", false, "Unknown metadata.version '4.4-IV0'. Supp");
        // Only production levels have a short name.
        check("4.4", true, "Unknown metadata.version '4.4'. Supporte");
        check("3.0", false, "Unknown metadata.version '3.0'. Supporte");
        check("", false, "Unknown metadata.version ''. Supported m");
    }

    #[test]
    fn what_a_downgrade_would_lose() {
        let version = |text| MetadataVersion::parse(text, false).unwrap();
        assert!(!version("4.2").differs_in_metadata(version("4.0-IV1")));
        assert!(version("4.3").differs_in_metadata(version("4.2")));
        assert!(version("3.5-IV1").differs_in_metadata(version("3.5-IV2")));
        assert!(!version("4.3").differs_in_metadata(version("4.3")));
    }

    #[test]
    fn defaults_by_release() {
        let defaults = |text| {
            let version = MetadataVersion::parse(text, false).unwrap();
            FEATURES.iter().map(|f| f.default_level(version).to_string()).collect::<Vec<_>>().join("/")
        };
        assert_eq!(defaults("3.8"), "0/0/0/0/0/0");
        assert_eq!(defaults("3.9"), "1/0/0/0/0/0");
        assert_eq!(defaults("4.0"), "1/2/1/0/0/0");
        assert_eq!(defaults("4.1"), "1/2/1/1/0/0");
        assert_eq!(defaults("4.3"), "1/2/1/1/1/1");
    }
}
