//! The first records of a cluster, as `kafka-storage.sh format` decides on them.

use crate::features::{FEATURES, Feature, FeatureError, KRAFT_VERSION, MetadataVersion};
use crate::image::{VersionedRecord, feature_record};
use ottla_wire::metadata_records::{MetadataRecord, UserScramCredentialRecord};
use std::collections::BTreeMap;
use std::fmt;

/// What `format` is asked for.
#[derive(Clone, Debug, Default)]
pub struct FormatOptions {
    /// `--release-version`
    pub release_version: Option<MetadataVersion>,
    /// `--feature name=level`
    pub features: BTreeMap<String, i16>,
    /// `--add-scram`.
    pub scram: Vec<UserScramCredentialRecord>,
    /// No `controller.quorum.voters`, and one of `--standalone`, `--initial-controllers` and `--no-initial-controllers`.
    pub dynamic_quorum: bool,
    /// `unstable.feature.versions.enable`
    pub unstable: bool,
}

/// What to write into a new log.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapMetadata {
    records: Vec<VersionedRecord>,
    version: MetadataVersion,
}

/// A cluster, formatted.
#[derive(Clone, Debug, PartialEq)]
pub struct Formatted {
    pub bootstrap: BootstrapMetadata,
    /// For the control records of the first snapshot.
    pub kraft_version: i16,
}

impl BootstrapMetadata {
    /// The levels of a cluster of this version. Those of features at 0, and that of `kraft.version`, are not written.
    pub fn new(version: MetadataVersion, features: &BTreeMap<String, i16>) -> BootstrapMetadata {
        let mut records = vec![feature_record(MetadataVersion::NAME, version.level())];
        let written = |name: &str| name != MetadataVersion::NAME && name != KRAFT_VERSION;
        let features = features.iter().filter(|(name, level)| **level > 0 && written(name));
        records.extend(features.map(|(name, level)| feature_record(name, *level)));
        BootstrapMetadata { records, version }
    }

    /// What a new cluster of this version has by default.
    pub fn with_defaults(version: MetadataVersion) -> BootstrapMetadata {
        let levels = FEATURES.iter().map(|feature| (feature.name.to_owned(), feature.default_level(version)));
        BootstrapMetadata::new(version, &levels.collect())
    }

    /// From the records of `bootstrap.checkpoint`; `source` is for the error.
    pub fn from_records(records: Vec<VersionedRecord>, source: &str) -> Result<BootstrapMetadata, FeatureError> {
        let level = records.iter().rev().find_map(|(record, _)| match record {
            MetadataRecord::FeatureLevel(r) if r.name == MetadataVersion::NAME => Some(r.feature_level),
            _ => None,
        });
        match level {
            Some(level) => Ok(BootstrapMetadata { records, version: MetadataVersion::from_level(level)? }),
            None => Err(FeatureError(format!(
                "No FeatureLevelRecord for {} was found in the bootstrap metadata from {source}",
                MetadataVersion::NAME
            ))),
        }
    }

    pub fn records(&self) -> &[VersionedRecord] {
        &self.records
    }

    pub fn metadata_version(&self) -> MetadataVersion {
        self.version
    }

    /// Of a feature; 0 when no record says.
    pub fn level(&self, name: &str) -> i16 {
        let level = |(record, _): &VersionedRecord| match record {
            MetadataRecord::FeatureLevel(r) if r.name == name => Some(r.feature_level),
            _ => None,
        };
        self.records.iter().rev().find_map(level).unwrap_or(0)
    }
}

/// As `format` prints it.
impl fmt::Display for BootstrapMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BootstrapMetadata(records=[")?;
        for (i, (record, version)) in self.records.iter().enumerate() {
            let gap = if i == 0 { "" } else { ", " };
            write!(f, "{gap}ApiMessageAndVersion(")?;
            match record {
                MetadataRecord::FeatureLevel(r) => {
                    write!(f, "FeatureLevelRecord(name='{}', featureLevel={})", r.name, r.feature_level)?;
                }
                MetadataRecord::UserScramCredential(r) => {
                    let (salt, stored, server) = (signed(&r.salt), signed(&r.stored_key), signed(&r.server_key));
                    write!(
                        f,
                        "UserScramCredentialRecord(name='{}', mechanism={}, salt={salt:?}, storedKey={stored:?}, \
                         serverKey={server:?}, iterations={})",
                        r.name, r.mechanism, r.iterations
                    )?;
                }
                // Nothing else gets there by way of the tools.
                other => write!(f, "{other:?}")?,
            }
            write!(f, " at version {version})")?;
        }
        write!(f, "], metadataVersionLevel={}, source=format command)", self.version.level())
    }
}

/// Java's bytes.
fn signed(bytes: &[u8]) -> Vec<i8> {
    bytes.iter().map(|byte| *byte as i8).collect()
}

/// What `format` writes, or Kafka's reason why it doesn't.
pub fn format(options: &FormatOptions) -> Result<Formatted, FeatureError> {
    let version = release_version(options)?;
    let mut levels = options.features.clone();
    let unknown = |name: &&String| *name != MetadataVersion::NAME && Feature::by_name(name).is_none();
    if let Some(name) = levels.keys().find(unknown) {
        let mut known: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
        known.sort_unstable();
        return Err(FeatureError(format!("Unsupported feature: {name}. Supported features are: {}", known.join(", "))));
    }
    levels.insert(MetadataVersion::NAME.to_owned(), version.level());
    for feature in FEATURES {
        let level = match feature.name {
            KRAFT_VERSION => kraft_version(options)?,
            name => levels.get(name).copied().unwrap_or_else(|| feature.default_level(version)),
        };
        levels.insert(feature.name.to_owned(), level);
    }
    for feature in FEATURES {
        feature.check_level(levels.get(feature.name).copied().unwrap_or(0), &levels)?;
    }
    let mut bootstrap = BootstrapMetadata::new(version, &levels);
    if !options.scram.is_empty() && version < MetadataVersion::SCRAM {
        return Err(FeatureError(format!(
            "SCRAM is only supported in {} {} or later.",
            MetadataVersion::NAME,
            MetadataVersion::SCRAM
        )));
    }
    bootstrap.records.extend(options.scram.iter().map(|record| (record.clone().into(), 0)));
    let kraft_version = levels.get(KRAFT_VERSION).copied().unwrap_or(0);
    Ok(Formatted { bootstrap, kraft_version })
}

fn release_version(options: &FormatOptions) -> Result<MetadataVersion, FeatureError> {
    let version = match (options.features.get(MetadataVersion::NAME), options.release_version) {
        (Some(_), Some(_)) => {
            let name = MetadataVersion::NAME;
            let message = format!("Use --release-version instead of --feature {name}=X to avoid ambiguity.");
            return Err(FeatureError(message));
        }
        (Some(level), None) => MetadataVersion::from_level(*level)?,
        (None, Some(version)) => version,
        (None, None) if options.unstable => MetadataVersion::LATEST_TESTING,
        (None, None) => MetadataVersion::LATEST_PRODUCTION,
    };
    if !options.unstable && !version.is_production() {
        return Err(FeatureError(format!("{} {version} is not yet stable.", MetadataVersion::NAME)));
    }
    Ok(version)
}

fn kraft_version(options: &FormatOptions) -> Result<i16, FeatureError> {
    match (options.features.get(KRAFT_VERSION), options.dynamic_quorum) {
        (None, dynamic) => Ok(i16::from(dynamic)),
        (Some(0), true) => Err(FeatureError(
            "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, \
             --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try removing \
             the --feature flag for kraft.version."
                .to_owned(),
        )),
        (Some(level), false) if *level != 0 => Err(FeatureError(format!(
            "Cannot set kraft.version to {level} unless controller.quorum.voters is empty and one of the flags \
             --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, \
             try using one of --standalone, --initial-controllers, or --no-initial-controllers and removing \
             controller.quorum.voters."
        ))),
        (Some(level), _) => Ok(*level),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::show_records;
    use expect_test::{Expect, expect};

    fn check(release: &str, features: &[(&str, i16)], dynamic_quorum: bool, expect: Expect) {
        let options = FormatOptions {
            release_version: (!release.is_empty()).then(|| MetadataVersion::parse(release, false).unwrap()),
            features: features.iter().map(|(name, level)| (name.to_string(), *level)).collect(),
            dynamic_quorum,
            ..FormatOptions::default()
        };
        let shown = match format(&options) {
            Ok(done) => format!("kraft.version={}\n{}", done.kraft_version, show_records(done.bootstrap.records())),
            Err(error) => error.0,
        };
        expect.assert_eq(&shown);
    }

    #[test]
    fn defaults() {
        check(
            "",
            &[],
            true,
            expect![[r#"
            kraft.version=1
            feature metadata.version=30
            feature eligible.leader.replicas.version=1
            feature group.version=1
            feature share.version=1
            feature streams.version=1
            feature transaction.version=2
        "#]],
        );
        check(
            "3.9",
            &[],
            false,
            expect![[r#"
            kraft.version=0
            feature metadata.version=21
        "#]],
        );
        check(
            "4.0",
            &[("eligible.leader.replicas.version", 1), ("group.version", 0)],
            false,
            expect![[r#"
            kraft.version=0
            feature metadata.version=25
            feature eligible.leader.replicas.version=1
            feature transaction.version=2
        "#]],
        );
    }

    #[test]
    fn errors() {
        check(
            "3.9",
            &[("eligible.leader.replicas.version", 1)],
            false,
            expect![
                "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23"
            ],
        );
        check(
            "3.9",
            &[("metadata.version", 20)],
            false,
            expect!["Use --release-version instead of --feature metadata.version=X to avoid ambiguity."],
        );
        check("", &[("metadata.version", 31)], false, expect!["metadata.version 4.4-IV0 is not yet stable."]);
        check(
            "",
            &[("metadata.version", 5)],
            false,
            expect!["No MetadataVersion with feature level 5. Valid feature levels are from 7 to 31."],
        );
        check(
            "",
            &[("nonsense", 1)],
            false,
            expect![
                "Unsupported feature: nonsense. Supported features are: eligible.leader.replicas.version, group.version, kraft.version, share.version, streams.version, transaction.version"
            ],
        );
        check("", &[("group.version", 7)], false, expect!["No feature:group.version with feature level 7"]);
        check(
            "",
            &[("kraft.version", 0)],
            true,
            expect![
                "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try removing the --feature flag for kraft.version."
            ],
        );
        check(
            "",
            &[("kraft.version", 1)],
            false,
            expect![
                "Cannot set kraft.version to 1 unless controller.quorum.voters is empty and one of the flags --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try using one of --standalone, --initial-controllers, or --no-initial-controllers and removing controller.quorum.voters."
            ],
        );
    }

    /// What `kafka-storage.sh format --add-scram 'SCRAM-SHA-256=[name=alice,password=x,salt=AAH/]'` of Apache Kafka 4.3.1 prints.
    #[test]
    fn as_the_tool_prints_it() {
        let user = crate::scram::parse_argument("SCRAM-SHA-256=[name=alice,password=x,salt=AAH/]", &mut Vec::new);
        let features = FEATURES.iter().filter(|f| f.name != KRAFT_VERSION).map(|f| (f.name.to_owned(), 0)).collect();
        let options = FormatOptions { scram: vec![user.unwrap()], features, ..FormatOptions::default() };
        let shown = format(&options).unwrap().bootstrap.to_string();
        assert_eq!(
            shown,
            "BootstrapMetadata(records=[ApiMessageAndVersion(FeatureLevelRecord(name='metadata.version', featureLevel=30) \
             at version 0), ApiMessageAndVersion(UserScramCredentialRecord(name='alice', mechanism=1, salt=[0, 1, -1], \
             storedKey=[-37, -99, -61, -60, 65, -108, -61, 97, -54, 71, 34, -2, -64, 82, 40, 121, -101, 106, 122, -57, 85, \
             -85, 71, -18, 6, 34, 89, 1, -48, -123, 34, 87], serverKey=[-71, 123, -61, -68, 28, 97, -2, -94, -37, -37, \
             -125, 67, -18, -110, 86, -76, -119, -87, -50, 28, 43, -59, -17, -40, -19, -94, -108, 3, -115, -45, 30, -33], \
             iterations=4096) at version 0)], metadataVersionLevel=30, source=format command)"
        );
    }

    #[test]
    fn records_without_a_version_are_refused() {
        let error = BootstrapMetadata::from_records(vec![], "the binary bootstrap metadata file: x").unwrap_err();
        assert!(error.0.ends_with("was found in the bootstrap metadata from the binary bootstrap metadata file: x"));
        let ours = BootstrapMetadata::with_defaults(MetadataVersion::LATEST_PRODUCTION);
        assert_eq!(BootstrapMetadata::from_records(ours.records.clone(), "").unwrap(), ours);
    }
}
