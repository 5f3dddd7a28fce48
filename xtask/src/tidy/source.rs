//! Rust source as the rules read it: code without comments and strings, and which lines are tests.

use super::tree::TextFile;
use std::collections::HashSet;

pub struct Source {
    pub path: String,
    /// The text with comments, strings and characters blanked out, each line where it was.
    pub code: String,
    /// The comments alone, by line.
    pub comments: Vec<String>,
    /// Lines, counted from 0, that are compiled for tests only.
    pub tests: HashSet<usize>,
}

impl Source {
    /// The crate's folder name, of a file below `crates/`.
    pub fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }
}

/// All Rust files that were written by hand.
pub fn all(tree: &[TextFile]) -> Vec<Source> {
    let files: Vec<&TextFile> = tree.iter().filter(|f| f.extension() == "rs" && !f.is_generated()).collect();
    let mut sources: Vec<Source> = files.iter().map(|file| parse(&file.path, &file.text)).collect();
    let modules: Vec<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        if is_test_file(&source.path) || modules.iter().any(|module| is_within(&source.path, module)) {
            source.tests = (0..source.comments.len()).collect();
        }
    }
    sources
}

/// Everything in a folder for tests is one, and so is what lies outside `src`.
fn is_test_file(path: &str) -> bool {
    ["tests", "benches", "examples", "test", "fuzz", "bench"].iter().any(|folder| path.split('/').any(|p| p == *folder))
}

fn is_within(path: &str, module: &str) -> bool {
    path == format!("{module}.rs") || path.strip_prefix(module).is_some_and(|rest| rest.starts_with('/'))
}

pub fn parse(path: &str, text: &str) -> Source {
    let (code, comments) = mask(text);
    let tests = test_items(&code).into_iter().flat_map(|(first, last)| first..=last).collect();
    Source { path: path.to_owned(), code, comments, tests }
}

/// The modules, as paths without `.rs`, that `#[cfg(test)] mod name;` brings in.
fn test_modules(source: &Source) -> Vec<String> {
    let folder = match source.path.rsplit_once('/') {
        Some((folder, "lib.rs" | "main.rs" | "mod.rs")) => folder.to_owned(),
        _ => source.path.trim_end_matches(".rs").to_owned(),
    };
    let module = |(index, line): (usize, &str)| {
        let (_, name) = line.trim().trim_end_matches(';').rsplit_once("mod ")?;
        let is_declared = line.contains(';') && source.tests.contains(&index);
        is_declared.then(|| format!("{folder}/{name}"))
    };
    source.code.lines().enumerate().filter_map(module).collect()
}

/// First and last line of each item under `#[cfg(test)]` (or `cfg(any(test, …))`, `#[test]`).
fn test_items(code: &str) -> Vec<(usize, usize)> {
    let bytes = code.as_bytes();
    let line_of = |at: usize| bytes[..at].iter().filter(|b| **b == b'\n').count();
    let mut found = vec![];
    for (at, _) in code.match_indices("#[") {
        let Some(len) = code[at..].find(']') else { break };
        let attribute: String = code[at + 2..at + len].split_whitespace().collect();
        if !matches!(attribute.as_str(), "test" | "cfg(test)") && !attribute.starts_with("cfg(any(test") {
            continue;
        }
        let end = item_end(&bytes[at + len..]);
        found.push((line_of(at), line_of(at + len + end)));
    }
    found
}

/// Where an item ends: at its `;`, or where its braces close.
fn item_end(bytes: &[u8]) -> usize {
    let mut depth = 0usize;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' if depth <= 1 => return at,
            b'}' | b')' => depth = depth.saturating_sub(1),
            // The attribute's own bracket is the first byte.
            b']' if at > 0 => depth = depth.saturating_sub(1),
            b';' if depth == 0 => return at,
            _ => {}
        }
    }
    bytes.len().saturating_sub(1)
}

enum Piece {
    Code,
    Comment,
    Text,
}

fn mask(text: &str) -> (String, Vec<String>) {
    let mut code = String::with_capacity(text.len());
    let mut comments = vec![String::new()];
    let mut rest = text;
    let mut previous = ' ';
    while !rest.is_empty() {
        let (piece, len) = next_piece(rest, previous);
        let (taken, after) = rest.split_at(len);
        for c in taken.chars() {
            if c == '\n' {
                comments.push(String::new());
            }
            match piece {
                _ if c == '\n' => code.push('\n'),
                Piece::Code => code.push(c),
                Piece::Comment => {
                    code.push(' ');
                    if let Some(line) = comments.last_mut() {
                        line.push(c);
                    }
                }
                Piece::Text => code.push(' '),
            }
        }
        previous = taken.chars().next_back().unwrap_or(' ');
        rest = after;
    }
    (code, comments)
}

/// What `rest` begins with, and how long it is.
fn next_piece(rest: &str, previous: char) -> (Piece, usize) {
    if rest.starts_with("//") {
        return (Piece::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Piece::Comment, block_comment(rest));
    }
    let is_word_start = !(previous.is_alphanumeric() || previous == '_');
    if is_word_start && let Some(len) = raw_string(rest) {
        return (Piece::Text, len);
    }
    if let Some(text) = rest.strip_prefix('"') {
        return (Piece::Text, 1 + quoted(text, '"'));
    }
    if let Some(text) = rest.strip_prefix('\'').filter(|_| is_character(rest)) {
        return (Piece::Text, 1 + quoted(text, '\''));
    }
    (Piece::Code, rest.chars().next().map_or(1, char::len_utf8))
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let after = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let hashes = after.bytes().take_while(|b| *b == b'#').count();
    let content = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let len = content.find(&end).map_or(content.len(), |at| at + end.len());
    Some(rest.len() - content.len() + len)
}

/// The length up to and with the closing quote.
fn quoted(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `'a'` and `'\n'`, but not the lifetime `'a`.
fn is_character(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    matches!((chars.next(), chars.next()), (Some('\\'), _) | (Some(_), Some('\'')))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn comments_and_strings_are_blanked() {
        let source = parse(
            "a.rs",
            "let a = \"x // y\"; // why\nlet b = ('\"', r#\"\"z\"\"#, b'\\'', &'static str); /* c\nd */ e",
        );
        let lines: Vec<String> =
            source.code.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines, ["let a = ;", "let b = ( , , b , &'static str);", "e"]);
        assert_eq!(source.comments, ["// why", "/* c", "d */"]);
    }

    #[test]
    fn tests_are_known() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b([u8; 2]) {}\n}\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}";
        let mut tests: Vec<usize> = parse("a.rs", text).tests.into_iter().collect();
        tests.sort();
        assert_eq!(tests, [1, 2, 3, 4, 6, 7]);
    }

    #[test]
    fn modules_for_tests_are_tests() {
        let file = |path: &str, text: &str| super::TextFile { path: path.to_owned(), text: text.to_owned() };
        let tree = [
            file("x/src/lib.rs", "#[cfg(test)]\nmod support;\nmod a;"),
            file("x/src/support.rs", "1"),
            file("x/src/a.rs", "1"),
        ];
        let tests: Vec<usize> = super::all(&tree).iter().map(|source| source.tests.len()).collect();
        assert_eq!(tests, [2, 1, 0]);
    }
}
