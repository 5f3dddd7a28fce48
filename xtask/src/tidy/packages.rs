//! What `cargo metadata` says: our packages, what they depend on, and every licence there is.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Normal,
    Dev,
    Build,
}

pub struct Dependency {
    pub name: String,
    pub kind: Kind,
}

pub struct Package {
    pub name: String,
    pub version: String,
    pub license: Option<String>,
    pub is_ours: bool,
    pub manifest: String,
    pub dependencies: Vec<Dependency>,
    /// (kind, source file) of its targets: `lib`, `bin`, `test`, …
    pub targets: Vec<(String, String)>,
}

impl Package {
    /// The folder's name: `ottla-wire` is the crate `wire`.
    pub fn short_name(&self) -> &str {
        short_name(&self.name)
    }
}

pub fn short_name(package: &str) -> &str {
    match package {
        // Named as its program, so that `cargo install` says what it brings.
        "ottla" => "cli",
        _ => package.strip_prefix("ottla-").unwrap_or(package),
    }
}

pub fn read(root: &Path) -> Result<Vec<Package>, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1"])
        .current_dir(root)
        .output()
        .map_err(|e| format!("cargo metadata cannot be started: {e}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata printed no JSON: {e}"))?;
    let ours: Vec<&str> = items(&metadata["workspace_members"]).filter_map(Value::as_str).collect();
    Ok(items(&metadata["packages"]).map(|package| parse(package, &ours)).collect())
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn parse(package: &Value, ours: &[&str]) -> Package {
    let dependency = |value: &Value| Dependency {
        name: text(&value["name"]),
        kind: match value["kind"].as_str() {
            Some("dev") => Kind::Dev,
            Some("build") => Kind::Build,
            _ => Kind::Normal,
        },
    };
    let target = |value: &Value| (text(&value["kind"][0]), text(&value["src_path"]));
    Package {
        name: text(&package["name"]),
        version: text(&package["version"]),
        license: package["license"].as_str().map(str::to_owned),
        is_ours: package["id"].as_str().is_some_and(|id| ours.contains(&id)),
        manifest: text(&package["manifest_path"]),
        dependencies: items(&package["dependencies"]).map(dependency).collect(),
        targets: items(&package["targets"]).map(target).collect(),
    }
}
