//! Each crate takes licence, edition and lints from the workspace, and says what it never does.

use super::Report;
use super::packages::Package;
use std::path::Path;

pub fn check(root: &Path, packages: &[Package], report: &mut Report) {
    for package in packages.iter().filter(|p| p.is_ours) {
        check_manifest(root, package, report);
        check_doc(root, package, report);
    }
}

fn relative(root: &Path, path: &str) -> String {
    Path::new(path).strip_prefix(root).map_or_else(|_| path.to_owned(), |p| p.display().to_string())
}

fn check_manifest(root: &Path, package: &Package, report: &mut Report) {
    let place = relative(root, &package.manifest);
    let text = match std::fs::read_to_string(&package.manifest) {
        Ok(text) => text,
        Err(e) => return report.error("manifests", place, format!("cannot be read: {e}")),
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for field in ["version", "edition", "license"] {
        if !lines.contains(&format!("{field}.workspace = true").as_str()) {
            report.error("manifests", &place, format!("write `{field}.workspace = true` in [package]"));
        }
    }
    if package.license.as_deref() != Some("Apache-2.0") {
        report.error("manifests", &place, "our licence is Apache-2.0");
    }
    let lints = lines.iter().position(|line| *line == "[lints]");
    if lints.and_then(|at| lines.get(at + 1)) != Some(&"workspace = true") {
        report.error("manifests", &place, "write `[lints]` and below it `workspace = true`");
    }
}

/// The library's documentation, or the program's where there is no library.
fn check_doc(root: &Path, package: &Package, report: &mut Report) {
    let kinds = ["lib", "proc-macro", "bin", "test"];
    let target = kinds.iter().find_map(|kind| package.targets.iter().find(|(k, _)| k == kind));
    let Some((_, path)) = target else { return };
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let doc: Vec<&str> = text.lines().filter(|line| line.starts_with("//!")).collect();
    if !doc.iter().any(|line| line.contains("Invariant")) {
        let message =
            "the crate's documentation (`//!`) has no paragraph `Invariant: …` that says what never happens in it";
        report.error("invariant", relative(root, path), message);
    }
}
