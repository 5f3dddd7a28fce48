//! `cargo xtask codegen [--kafka VERSION] [--jars DIR] [--check]`: Kafka's message schemas to Rust.
//!
//! Reads the JSON schemas inside Apache Kafka's own jars and writes `crates/wire/src/generated`.
//! Moving to a newer Kafka is this command with its jars.

mod emit;
mod names;
mod schema;
mod tables;

use names::snake;
use schema::Schema;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const KAFKA_VERSION: &str = "4.3.1";

/// The files that belong into `crates/wire/src/generated`, by relative path.
fn generate(jars: &Path, kafka_version: &str) -> Result<BTreeMap<PathBuf, String>, String> {
    let schemas = schema::read_jars(jars, kafka_version)?;
    let mut families: BTreeMap<&str, Vec<&Schema>> = BTreeMap::new();
    for schema in &schemas {
        families.entry(schema.family).or_default().push(schema);
    }
    let mut files = BTreeMap::new();
    for (family, members) in &families {
        for schema in members {
            let path = PathBuf::from(family).join(format!("{}.rs", snake(&schema.name)));
            files.insert(path, format_rust(&emit::message_file(schema))?);
        }
        let module = tables::family_module(family, members);
        files.insert(PathBuf::from(family).join("mod.rs"), format_rust(&module)?);
    }
    files.insert("api_table.rs".into(), format_rust(&tables::api_table(&schemas, kafka_version))?);
    files.insert("schema_table.rs".into(), format_rust(&tables::schema_table(&schemas))?);
    files.insert("mod.rs".into(), format_rust(&tables::root_module(families.keys()))?);
    Ok(files)
}

fn format_rust(source: &str) -> Result<String, String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", "max_width=120,use_small_heuristics=Max"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("rustfmt: {e} (install it with `rustup component add rustfmt`)"))?;
    child.stdin.take().ok_or("rustfmt: no stdin")?.write_all(source.as_bytes()).map_err(|e| e.to_string())?;
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("rustfmt refused:\n{source}"));
    }
    String::from_utf8(output.stdout).map_err(|e| e.to_string())
}

/// Writes the files, or with `check` says how the checked-in ones differ.
pub fn run(root: &Path, jars: Option<PathBuf>, kafka_version: &str, check: bool) -> Result<(), String> {
    let jars = jars.unwrap_or_else(|| root.join("target/apache-kafka").join(kafka_version).join("libs"));
    let files = generate(&jars, kafka_version)?;
    let target = root.join("crates/wire/src/generated");
    let mut stale = vec![];
    for path in existing(&target)? {
        if !files.contains_key(&path) {
            stale.push(path.clone());
            if !check {
                fs::remove_file(target.join(&path)).map_err(|e| e.to_string())?;
            }
        }
    }
    for (path, content) in &files {
        let full = target.join(path);
        if fs::read_to_string(&full).is_ok_and(|old| old == *content) {
            continue;
        }
        stale.push(path.clone());
        if !check {
            fs::create_dir_all(full.parent().unwrap_or(&target)).map_err(|e| e.to_string())?;
            fs::write(&full, content).map_err(|e| e.to_string())?;
        }
    }
    if check && !stale.is_empty() {
        return Err(format!("generated code is stale, run `cargo xtask codegen`: {stale:?}"));
    }
    println!("codegen: {} files for Apache Kafka {kafka_version}, {} changed", files.len(), stale.len());
    Ok(())
}

fn existing(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![];
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.map_err(|e| e.to_string())?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(relative) = path.strip_prefix(dir) {
                found.push(relative.to_owned());
            }
        }
    }
    Ok(found)
}
