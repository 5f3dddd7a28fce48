//! `cargo xtask tidy`: the rules of the house as ordinary Rust. docs/STYLE.md says why each of them is there.
//!
//! A rule reads the tree and adds findings to the [`Report`]: errors fail the run, warnings only show.

mod arrows;
mod calls;
mod documents;
mod lengths;
mod licences;
mod manifests;
mod packages;
mod purity;
mod source;
mod tree;
mod words;

use std::fmt::Write;
use std::path::Path;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    rule: &'static str,
    /// `path`, or `path:line`.
    place: String,
    message: String,
}

#[derive(Default)]
pub struct Report {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Report {
    fn error(&mut self, rule: &'static str, place: impl Into<String>, message: impl Into<String>) {
        self.errors.push(Finding { rule, place: place.into(), message: message.into() });
    }

    fn warn(&mut self, rule: &'static str, place: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Finding { rule, place: place.into(), message: message.into() });
    }

    /// All findings, warnings first, so that the errors are the last thing on the screen.
    fn render(&mut self) -> String {
        let mut out = String::new();
        for (word, findings) in [("warning", &mut self.warnings), ("error", &mut self.errors)] {
            findings.sort();
            findings.dedup();
            for Finding { rule, place, message } in findings {
                let _ = writeln!(out, "{word}[{rule}] {place}: {message}");
            }
        }
        let _ = writeln!(out, "tidy: {} errors, {} warnings", self.errors.len(), self.warnings.len());
        out
    }
}

pub fn run(root: &Path) -> Result<(), String> {
    let mut report = check(root)?;
    print!("{}", report.render());
    match report.errors.len() {
        0 => Ok(()),
        n => Err(format!("{n} rules of docs/STYLE.md are broken; they are listed above")),
    }
}

fn check(root: &Path) -> Result<Report, String> {
    let mut report = Report::default();
    let packages = packages::read(root)?;
    arrows::check(&packages, &mut report);
    licences::check(&packages, &mut report);
    manifests::check(root, &packages, &mut report);
    let tree = tree::read(root)?;
    documents::check(root, &tree, &mut report);
    for file in &tree {
        words::check(file, &mut report);
        lengths::check_file(file, &mut report);
    }
    for source in source::all(&tree) {
        lengths::check_functions(&source, &mut report);
        calls::check(&source, &mut report);
        purity::check(&source, &mut report);
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_repository_is_tidy() {
        let mut report = super::check(&crate::root()).unwrap();
        let text = report.render();
        assert!(report.errors.is_empty(), "\n{text}");
    }
}
