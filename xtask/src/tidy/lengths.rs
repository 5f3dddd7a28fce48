//! Files tell one story, functions fit a screen.

use super::Report;
use super::source::Source;
use super::tree::TextFile;

const FILE_WARNING: usize = 500;
const FILE_LIMIT: usize = 1000;
const FUNCTION_WARNING: usize = 70;

const SOURCES: &[&str] = &["rs", "py", "sh", "java", "go", "js", "mjs", "ts", "css", "html"];

pub fn check_file(file: &TextFile, report: &mut Report) {
    let is_script = file.extension().is_empty() && file.text.starts_with("#!");
    if file.is_generated() || !(is_script || SOURCES.contains(&file.extension())) {
        return;
    }
    match file.text.lines().count() {
        lines if lines > FILE_LIMIT => {
            let message = format!("{lines} lines; {FILE_LIMIT} is the limit: split it where the story changes");
            report.error("length", &file.path, message);
        }
        lines if lines > FILE_WARNING => {
            report.warn("length", &file.path, format!("{lines} lines; {FILE_WARNING} is usual"))
        }
        _ => {}
    }
}

pub fn check_functions(source: &Source, report: &mut Report) {
    for (name, line, lines) in functions(&source.code) {
        if lines > FUNCTION_WARNING {
            let message = format!("fn {name} has {lines} lines; {FUNCTION_WARNING} is a screen");
            report.warn("length", format!("{}:{line}", source.path), message);
        }
    }
}

/// (name, first line, number of lines) of each function with a body.
fn functions(code: &str) -> Vec<(&str, usize, usize)> {
    let mut found = vec![];
    let bytes = code.as_bytes();
    for (at, _) in code.match_indices("fn ") {
        if at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_') {
            continue;
        }
        let name = code[at + 3..].split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        if name.is_empty() {
            continue;
        }
        if let Some(end) = body_end(&bytes[at..]) {
            let first = code[..at].matches('\n').count() + 1;
            found.push((name, first, code[at..at + end].matches('\n').count() + 1));
        }
    }
    found
}

/// Where the body that begins at the first `{` ends. `None` for a declaration without one.
fn body_end(bytes: &[u8]) -> Option<usize> {
    let (mut braces, mut brackets) = (0, 0);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' => braces += 1,
            b'}' if braces <= 1 => return (braces == 1).then_some(at + 1),
            b'}' => braces -= 1,
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets -= 1,
            // `[u8; 4]` in a signature is no end.
            b';' if braces == 0 && brackets == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #[test]
    fn functions_are_measured() {
        let code = "trait T { fn a(x: [u8; 4]); }\nfn b() {\n  if x { y }\n}\nconst F: fn (u8) = c;\nfn c() {}";
        assert_eq!(super::functions(code), [("b", 2, 3), ("c", 6, 1)]);
    }
}
