//! Words that say where or how a text was written, and not what it is about.

use super::Report;
use super::tree::TextFile;

/// Folders of one particular machine, at the beginning of a path.
const MACHINE_PATHS: &[&str] = &["/root/", "/work/", "/home/", "/Users/", "/tmp/bash_jobs"];

/// Where packages come from is the matter of whoever builds: a mirror, a proxy, an offline copy.
const REGISTRIES: &[&str] = &[
    "crates.io",
    "pypi.org",
    "pythonhosted.org",
    "registry.npmjs.org",
    "registry.yarnpkg.com",
    "proxy.golang.org",
    "sum.golang.org",
    "repo1.maven.org",
    "repo.maven.apache.org",
    "deb.debian.org",
    "security.debian.org",
];

/// A text is about the program, not about who wrote it, or when.
const PROCESS: &[&str] = &[
    "this session",
    "my session",
    "other session",
    "another session",
    "last session",
    "next session",
    "the lead ",
    "other helper",
    "another helper",
    "helper agent",
    "coding agent",
    "ai agent",
    "subagent",
    "sub-agent",
    "language model",
    "chatbot",
    "anthropic",
    "openai",
    "claude",
    "copilot",
    "the ceo",
    "work in progress",
    "the issue says",
    "the issue asks",
    "per the brief",
];

/// Lock files name registries by their nature; this file has to name what it forbids.
const EXEMPT: &[&str] =
    &["Cargo.lock", "xtask/src/tidy/words.rs", "fuzz/Cargo.lock", "test/interop/clients/rust/Cargo.lock"];

pub fn check(file: &TextFile, report: &mut Report) {
    if EXEMPT.contains(&file.path.as_str()) {
        return;
    }
    for (index, line) in file.text.lines().enumerate() {
        let place = || format!("{}:{}", file.path, index + 1);
        for path in MACHINE_PATHS.iter().filter(|path| has_path(line, path)) {
            report.error("words", place(), format!("{path} is a path of one machine"));
        }
        let lower = line.to_lowercase();
        for host in REGISTRIES.iter().filter(|host| lower.contains(**host)) {
            report.error(
                "words",
                place(),
                format!("{host} is the host of a package registry: leave it to the client's settings"),
            );
        }
        for word in PROCESS.iter().filter(|word| has_phrase(&lower, word)) {
            report.error(
                "words",
                place(),
                format!("\"{}\" is about how this was written, not about what it does", word.trim()),
            );
        }
    }
}

/// `/work/a`, but not `target/work/a` or `$DIR/work/a`.
fn has_path(line: &str, path: &str) -> bool {
    let continues = |c: char| c.is_alphanumeric() || "._-})*>/]".contains(c);
    line.match_indices(path).any(|(at, _)| !line[..at].ends_with(continues))
}

fn has_phrase(lower: &str, phrase: &str) -> bool {
    lower.match_indices(phrase).any(|(at, _)| !lower[..at].ends_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::super::{Report, tree::TextFile};

    #[track_caller]
    fn expect(text: &str, errors: usize) {
        let mut report = Report::default();
        super::check(&TextFile { path: "a.md".to_owned(), text: text.to_owned() }, &mut report);
        assert_eq!(report.errors.len(), errors, "{text}");
    }

    #[test]
    fn words_are_found() {
        expect("see /work/main/a", 1);
        expect("cd target/work/a; $HOME/work/b; a fetch session; the user agent", 0);
        expect("\"resolved\": \"https://registry.npmjs.org/a\"", 1);
        expect("Another helper writes this", 1);
    }
}
