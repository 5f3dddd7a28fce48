//! `version-mapping` and `feature-dependencies`.

use ottla_metadata::features::{FEATURES, Feature, MetadataVersion};

use super::refused;
use crate::stop::{Outcome, fail, say};

pub fn version_mapping(release: Option<&str>) -> Outcome {
    let latest = MetadataVersion::LATEST_PRODUCTION.to_string();
    let release = release.unwrap_or(&latest);
    let version = MetadataVersion::parse(release, true).map_err(refused)?;
    say(format!("{}={} ({release})", MetadataVersion::NAME, version.level()))?;
    FEATURES.iter().try_for_each(|feature| say(format!("{}={}", feature.name, feature.default_level(version))))
}

pub fn dependencies(features: &[String]) -> Outcome {
    features.iter().try_for_each(|feature| show_dependencies(feature))
}

fn show_dependencies(argument: &str) -> Outcome {
    let Some((name, level)) = argument.split_once('=') else {
        return Err(fail(format!(
            "Invalid feature format: {argument}. Expected format: 'feature=version' (e.g. 'group.version=1')"
        )));
    };
    let (name, text) = (name.trim(), level.trim());
    let Ok(level) = text.parse::<i16>() else {
        return Err(fail(format!("Invalid version format: {text} for feature {name}")));
    };
    if name == MetadataVersion::NAME {
        let version =
            MetadataVersion::from_level(level).map_err(|_| fail(format!("Unknown metadata.version {level}")))?;
        return say(format!("{name}={level} ({version}) has no dependencies."));
    }
    let feature = Feature::by_name(name).ok_or_else(|| fail(format!("Unknown feature: {name}")))?;
    if feature.bootstrap_version(level).is_none() {
        return Err(fail(format!("Feature level {level} is not supported for feature {name}")));
    }
    match feature.dependency(level) {
        None => say(format!("{name}={level} has no dependencies.")),
        Some(needed) => {
            say(format!("{name}={level} requires:\n    {}={} ({needed})", MetadataVersion::NAME, needed.level()))
        }
    }
}
