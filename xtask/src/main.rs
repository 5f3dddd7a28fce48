//! The project's own chores: `cargo xtask codegen`, `configs` and `tidy`.
//!
//! Invariant: nothing that is shipped depends on this crate.

mod codegen;
mod configs;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.first() {
        Some(&"codegen") => codegen(&words[1..]),
        Some(&"configs") => configs::generate(&root(), words.contains(&"--check")),
        Some(&"tidy") => tidy::run(&root()),
        _ => Err("usage: cargo xtask codegen [--kafka VERSION] [--jars DIR] [--check] | cargo xtask configs [--check] | cargo xtask tidy".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

fn codegen(words: &[&str]) -> Result<(), String> {
    let value = |flag: &str| words.iter().position(|w| *w == flag).and_then(|i| words.get(i + 1)).copied();
    let version = value("--kafka").unwrap_or(codegen::KAFKA_VERSION);
    codegen::run(&root(), value("--jars").map(PathBuf::from), version, words.contains(&"--check"))
}
