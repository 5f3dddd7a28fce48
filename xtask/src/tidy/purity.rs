//! Pure crates touch no file, socket, thread, clock or chance of their own: the caller passes these in, so
//! that the simulator can.
//!
//! Clippy's `disallowed_methods` (crates/*/clippy.toml) sees through names; this rule knows what is a test, and
//! needs no build.

use super::Report;
use super::arrows::is_pure;
use super::source::Source;

/// Paths, and everything below them.
const FORBIDDEN: &[(&str, &str)] = &[
    ("std::fs", "files go through ottla_base::Disk"),
    ("std::os", "the operating system is the server's business"),
    ("std::thread", "threads are the server's business"),
    ("std::process", "processes are the server's business"),
    ("std::env", "the environment is read by the server and passed in"),
    ("std::time::Instant", "time is passed in as ottla_base::Time"),
    ("std::time::SystemTime", "time is passed in as ottla_base::Time"),
    ("std::io::stdin", "only programs use the terminal"),
    ("std::io::stdout", "only programs use the terminal"),
    ("std::io::stderr", "only programs use the terminal"),
    ("std::net", "sockets are the server's business (addresses are plain data, and allowed)"),
    ("std::hash::RandomState", "randomness is passed in as ottla_base::Rng"),
    ("std::collections::hash_map::RandomState", "randomness is passed in as ottla_base::Rng"),
];

const ALLOWED: &[&str] = &[
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
    "std::net::SocketAddrV4",
    "std::net::SocketAddrV6",
    "std::net::AddrParseError",
    // Pure, whatever the module says.
    "std::os::fd::BorrowedFd",
    "std::process::abort",
    "std::thread::panicking",
];

const PRINTING: &[&str] = &["println!", "print!", "eprintln!", "eprint!"];

pub fn check(source: &Source, report: &mut Report) {
    if !source.crate_name().is_some_and(is_pure) {
        return;
    }
    for (index, path) in std_paths(&source.code) {
        if source.tests.contains(&index) {
            continue;
        }
        if let Some((_, reason)) = forbidden(&path) {
            report.error("purity", format!("{}:{}", source.path, index + 1), format!("{path}: {reason}"));
        }
    }
    for (index, line) in source.code.lines().enumerate().filter(|(index, _)| !source.tests.contains(index)) {
        if PRINTING.iter().any(|name| line.contains(name)) {
            let message = "a pure crate prints nothing; use tracing, or return the text";
            report.error("purity", format!("{}:{}", source.path, index + 1), message);
        }
    }
}

fn forbidden(path: &str) -> Option<&'static (&'static str, &'static str)> {
    let is_under = |root: &str| path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with("::"));
    if ALLOWED.iter().any(|allowed| is_under(allowed)) {
        return None;
    }
    // `use std::time::*` brings in what stands below.
    let is_glob_above = |root: &str| path.strip_suffix("*").is_some_and(|above| root.starts_with(above));
    FORBIDDEN.iter().find(|(root, _)| is_under(root) || is_glob_above(root))
}

/// Every path that starts with `std`, with its line; the braces of `use` are multiplied out.
fn std_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = vec![];
    for (at, _) in code.match_indices("std::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let mut position = at;
        expand(code, &mut position, "", &mut found);
    }
    found.into_iter().map(|(at, path)| (code[..at].matches('\n').count(), path)).collect()
}

/// Reads `a::b::{c, d::*}` at `position`, and adds `a::b::c` and `a::b::d::*`, each with its position.
fn expand(code: &str, position: &mut usize, prefix: &str, found: &mut Vec<(usize, String)>) {
    let mut path = prefix.to_owned();
    let mut start = *position;
    loop {
        skip_spaces(code, position);
        let rest = &code[*position..];
        if rest.starts_with('{') {
            return expand_group(code, position, &path, found);
        }
        let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').unwrap_or(rest.len());
        if len == 0 {
            break;
        }
        start = if path == prefix { *position } else { start };
        path.push_str(&rest[..len]);
        *position += len;
        let Some(after) = code[*position..].strip_prefix("::") else { break };
        // A turbofish ends the path.
        if after.starts_with('<') {
            break;
        }
        path.push_str("::");
        *position += 2;
    }
    found.push((start, path.trim_end_matches("::self").to_owned()));
}

fn expand_group(code: &str, position: &mut usize, prefix: &str, found: &mut Vec<(usize, String)>) {
    *position += 1;
    loop {
        skip_spaces(code, position);
        match code[*position..].chars().next() {
            None => return,
            Some('}') => {
                *position += 1;
                return;
            }
            Some(',') => *position += 1,
            Some(_) => {
                let before = *position;
                expand(code, position, prefix, found);
                // ` as name` needs no look.
                let rest = &code[*position..];
                *position += rest.find([',', '}']).unwrap_or(rest.len()).max(usize::from(before == *position));
            }
        }
    }
}

fn skip_spaces(code: &str, position: &mut usize) {
    let rest = &code[*position..];
    *position += rest.len() - rest.trim_start().len();
}

#[cfg(test)]
mod tests {
    use super::super::{Report, source};

    #[track_caller]
    fn expect(path: &str, text: &str, errors: &[&str]) {
        let mut report = Report::default();
        super::check(&source::parse(path, text), &mut report);
        let found: Vec<String> = report.errors.iter().map(|e| format!("{} {}", e.place, e.message)).collect();
        let starts: Vec<&str> = found.iter().map(|text| text.split(": ").next().unwrap()).collect();
        assert_eq!(starts, errors, "{text}");
    }

    const PURE: &str = "crates/raft/src/a.rs";

    #[test]
    fn paths_are_found() {
        expect(PURE, "use std::fs;", &["crates/raft/src/a.rs:1 std::fs"]);
        expect(
            PURE,
            "use std::{\n  fmt,\n  fs::{self, File},\n};",
            &["crates/raft/src/a.rs:3 std::fs", "crates/raft/src/a.rs:3 std::fs::File"],
        );
        expect(PURE, "let t = std::time::Instant::now();", &["crates/raft/src/a.rs:1 std::time::Instant::now"]);
        expect(
            PURE,
            "use std::time::*;\nuse std::net::*;",
            &["crates/raft/src/a.rs:1 std::time::*", "crates/raft/src/a.rs:2 std::net::*"],
        );
        expect(PURE, "use std::net::{IpAddr as A, TcpStream};", &["crates/raft/src/a.rs:1 std::net::TcpStream"]);
        expect(
            PURE,
            "fn a() { println!() }",
            &["crates/raft/src/a.rs:1 a pure crate prints nothing; use tracing, or return the text"],
        );
    }

    #[test]
    fn what_is_allowed() {
        expect(PURE, "use std::time::Duration;\nuse std::net::SocketAddr;\nuse std::{io, fmt::Write};", &[]);
        expect(PURE, "#[cfg(test)]\nmod tests {\n  use std::fs;\n}", &[]);
        expect("crates/server/src/a.rs", "use std::fs;", &[]);
        expect("crates/raft/src/a.rs", "// std::fs is not used\nlet a = \"std::fs\";", &[]);
    }
}
