//! Calls that end the process, half-done work, and `unsafe`.

use super::Report;
use super::source::Source;

/// Never in the repository, not even in tests.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!"];

/// Only for what our own code guarantees, and then with a comment that says how. (Not asked of xtask, which only
/// we run.)
const ENDING: &[&str] = &[".unwrap()", ".expect(", ".unwrap_err()", ".expect_err(", "panic!", "unreachable!"];

/// The files with `unsafe`, and why.
const UNSAFE_FILES: &[&str] = &[
    // The allocator that counts has to implement an unsafe trait.
    "crates/wire/tests/support/counting.rs",
];

pub fn check(source: &Source, report: &mut Report) {
    for (index, line) in source.code.lines().enumerate() {
        let place = || format!("{}:{}", source.path, index + 1);
        for call in UNFINISHED.iter().filter(|call| has_word(line, call)) {
            report.error("unfinished", place(), format!("{call} has no place in what is committed"));
        }
        if has_word(line, "unsafe") && !UNSAFE_FILES.contains(&source.path.as_str()) {
            report.error("unsafe", place(), "unsafe code is only in the files that xtask/src/tidy/calls.rs lists");
        }
        if source.tests.contains(&index) || source.path.starts_with("xtask/") {
            continue;
        }
        for call in ENDING.iter().filter(|call| has_word(line, call) && !has_reason(source, index)) {
            let name = call.trim_end_matches(['(', ')']).trim_start_matches('.');
            let message = format!(
                "{name} ends the process: return an error, or say above why it cannot happen: `// Invariant: …`"
            );
            report.error("endings", place(), message);
        }
    }
}

/// A comment `Invariant: …` on the line, or in the comment right above it, above the statement's first line, or
/// above the function.
fn has_reason(source: &Source, index: usize) -> bool {
    let lines: Vec<&str> = source.code.lines().take(index + 1).collect();
    let indentation = |at: usize| lines[at].len() - lines[at].trim_start().len();
    if says_why(source, index) {
        return true;
    }
    let mut statement = index;
    // rustfmt breaks a chain before its dots, so the statement may have begun above.
    while statement > 0 && lines[statement].trim_start().starts_with('.') {
        statement -= 1;
    }
    let is_function = |at: &usize| has_word(lines[*at], "fn") && indentation(*at) < indentation(index);
    let mut function = (0..index).rev().find(is_function).unwrap_or(statement);
    while function > 0 && lines[function - 1].trim_start().starts_with("#[") {
        function -= 1;
    }
    [statement, function].into_iter().any(|at| says_why_above(source, &lines, at))
}

fn says_why(source: &Source, line: usize) -> bool {
    source.comments.get(line).is_some_and(|comment| comment.contains("Invariant: "))
}

fn says_why_above(source: &Source, lines: &[&str], mut at: usize) -> bool {
    while at > 0 && lines[at - 1].trim().is_empty() && !source.comments[at - 1].is_empty() {
        at -= 1;
        if says_why(source, at) {
            return true;
        }
    }
    false
}

fn has_word(line: &str, word: &str) -> bool {
    let is_boundary = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let before = word.starts_with('.') || is_boundary(line[..at].chars().next_back());
        let after = word.ends_with(['!', '(', ')']) || is_boundary(line[at + word.len()..].chars().next());
        before && after
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Report, source};

    #[track_caller]
    fn expect(text: &str, rules: &[(&str, &str)]) {
        let mut report = Report::default();
        super::check(&source::parse("a.rs", text), &mut report);
        let found: Vec<(&str, &str)> = report.errors.iter().map(|e| (e.rule, e.place.as_str())).collect();
        assert_eq!(found, rules, "{text}");
    }

    #[test]
    fn endings_need_a_reason() {
        expect(
            "a.unwrap();\nb\n    .expect(\"c\");\nself.expected(1);",
            &[("endings", "a.rs:1"), ("endings", "a.rs:3")],
        );
        expect("a.unwrap(); // Invariant: a is set in new().", &[]);
        expect("// Invariant: b is set\n// in new().\nb\n    .c()\n    .expect(\"c\");", &[]);
        expect("// Invariant: only for the next line.\na();\nb.unwrap();", &[("endings", "a.rs:3")]);
        expect(
            "#[cfg(test)]\nmod tests {\n    fn f() { a.unwrap() }\n}\nfn g() { a.unwrap() }",
            &[("endings", "a.rs:5")],
        );
        expect(
            "/// Invariant: a is set.\n#[inline]\nfn f() {\n    b();\n    a.unwrap()\n}\nfn g() {\n    a.unwrap()\n}",
            &[("endings", "a.rs:8")],
        );
        expect("let a = \".unwrap()\"; // .unwrap() is not called", &[]);
    }

    #[test]
    fn unfinished_and_unsafe() {
        expect("#[test]\nfn a() { todo!() }", &[("unfinished", "a.rs:2")]);
        expect("unsafe { a() }\nallow(unsafe_code)", &[("unsafe", "a.rs:1")]);
    }
}
