//! Runs the stories in `scenarios/*.txt`: a command, `----`, and what it did.
//!
//! `UPDATE=1 cargo test -p ottla-raft --test scenarios` writes what it does now into the files, to
//! be read before it is committed.

// The stories are real files.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use support::script::Script;

#[test]
fn scenarios_go_as_written() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no scenarios in {}", dir.display());
    let mut failures = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let expected = fs::read_to_string(&file).unwrap();
        let actual = run(&name, &expected);
        if actual == expected {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, actual).unwrap();
        } else {
            failures.push(format!("{name}\n{}", first_difference(&expected, &actual)));
        }
    }
    assert!(failures.is_empty(), "these went otherwise (UPDATE=1 rewrites them):\n{}", failures.join("\n"));
}

/// The file as it should be: comments and commands as they are, with the real output.
fn run(name: &str, text: &str) -> String {
    let mut script = Script::default();
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if lines.peek() == Some(&"----") {
            lines.next();
        }
        // The old output ends with an empty line.
        while lines.next_if(|line| !line.is_empty()).is_some() {}
        out.push_str("----\n");
        for result in script.run(line).unwrap_or_else(|error| panic!("{name}: '{line}': {error}")) {
            out.push_str(&result);
            out.push('\n');
        }
    }
    out
}

fn first_difference(expected: &str, actual: &str) -> String {
    let mut expected_lines = expected.lines();
    let mut command = "";
    for (number, line) in actual.lines().enumerate() {
        let wanted = expected_lines.next();
        if wanted != Some(line) {
            let wanted = wanted.unwrap_or("the end");
            return format!("  line {}, after '{command}'\n  expected: {wanted}\n  but was:  {line}", number + 1);
        }
        if line.starts_with("> ") {
            command = line;
        }
    }
    format!("  expected after the end: {}", expected_lines.next().unwrap_or(""))
}
