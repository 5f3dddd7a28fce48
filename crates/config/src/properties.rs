//! Java's `.properties` files: `server.properties`, `meta.properties`, and the files of the tools.

use std::collections::BTreeMap;
use std::fmt;

use crate::java;

/// One setting of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub value: String,
    /// Where it was written, such as `server.properties:12` or `--override`.
    pub origin: String,
}

/// The settings of a file, and where each was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    entries: BTreeMap<String, Entry>,
    /// Keys that a later line of the same file replaced: the key, and where the line without effect is.
    replaced: Vec<(String, String)>,
}

/// A file that Java refuses as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertiesError {
    pub file: String,
    pub line: usize,
}

impl fmt::Display for PropertiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PropertiesError { file, line } = self;
        write!(
            f,
            "Malformed \\uxxxx encoding. ({file}:{line})\n  After \\u come four hexadecimal digits; a backslash itself is written twice."
        )
    }
}

impl std::error::Error for PropertiesError {}

impl Properties {
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file such as `server.properties`. As in Java it is ISO 8859-1, and other characters are written as
    /// `\uXXXX`; of a key that comes twice the last counts.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Properties, PropertiesError> {
        Self::parse_text(&bytes.iter().map(|&byte| char::from(byte)).collect::<String>(), file)
    }

    /// Reads a file that Kafka writes itself, such as `meta.properties`: the same, but in UTF-8.
    pub fn parse_utf8(bytes: &[u8], file: &str) -> Result<Properties, PropertiesError> {
        Self::parse_text(&String::from_utf8_lossy(bytes), file)
    }

    fn parse_text(text: &str, file: &str) -> Result<Properties, PropertiesError> {
        let mut properties = Properties::new();
        for (line, text) in logical_lines(text) {
            let (key, value) = split_key(&text);
            let malformed = || PropertiesError { file: file.to_owned(), line };
            let key = unescape(key).ok_or_else(malformed)?;
            let value = unescape(value).ok_or_else(malformed)?;
            let entry = Entry { value, origin: format!("{file}:{line}") };
            if let Some(before) = properties.entries.insert(key.clone(), entry) {
                properties.replaced.push((key, before.origin));
            }
        }
        Ok(properties)
    }

    /// Sets a key; `origin` says to people where that was done.
    pub fn set(&mut self, key: &str, value: &str, origin: &str) {
        self.entries.insert(key.to_owned(), Entry { value: value.to_owned(), origin: origin.to_owned() });
    }

    /// Takes what `--override` was given, `key=value`; `None` when there is no `=` in it.
    pub fn set_override(&mut self, text: &str) -> Option<()> {
        let (key, value) = text.split_once('=')?;
        self.set(java::trim(key), java::trim(value), "--override");
        Some(())
    }

    pub fn remove(&mut self, key: &str) {
        self.entries.remove(key);
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|entry| entry.value.as_str())
    }

    pub fn origin(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|entry| entry.origin.as_str())
    }

    pub fn contains(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// In the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(key, entry)| (key.as_str(), entry))
    }

    /// Keys that a later line of the file replaced: the key, and where the line without effect is.
    pub fn replaced(&self) -> &[(String, String)] {
        &self.replaced
    }

    /// Just keys and values.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.entries.iter().map(|(key, entry)| (key.clone(), entry.value.clone())).collect()
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut properties = Properties::new();
        for (key, value) in pairs {
            properties.set(key.as_ref(), value.as_ref(), "given");
        }
        properties
    }
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Lines with content, continuations joined; each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = Vec::new();
    let mut natural = text.split('\n').enumerate();
    while let Some((index, line)) = natural.next() {
        let line = line.trim_start_matches(is_blank);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        let mut at_end = false;
        while ends_in_continuation(&logical) {
            logical.pop();
            match natural.next() {
                Some((_, next)) => logical.push_str(next.trim_start_matches(is_blank)),
                None => {
                    at_end = true;
                    break;
                }
            }
        }
        // A lone backslash at the very end is an empty key to Java.
        if !logical.is_empty() || at_end {
            lines.push((index + 1, logical));
        }
    }
    lines
}

fn ends_in_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|&b| b == b'\\').count() % 2 == 1
}

/// At the first `=`, `:` or blank that no backslash precedes.
fn split_key(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|&(_, c)| {
            let ends = !escaped && (matches!(c, '=' | ':') || is_blank(c));
            escaped = c == '\\' && !escaped;
            ends
        })
        .map_or(line.len(), |(index, _)| index);
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_blank))
}

/// `None` for a malformed `\uXXXX`.
fn unescape(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0; 2];
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut buffer));
            continue;
        }
        match chars.next() {
            Some('u') => {
                let mut unit = 0;
                for _ in 0..4 {
                    unit = unit * 16 + chars.next()?.to_digit(16)?;
                }
                units.push(unit as u16);
            }
            Some('t') => units.push(u16::from(b'\t')),
            Some('n') => units.push(u16::from(b'\n')),
            Some('r') => units.push(u16::from(b'\r')),
            Some('f') => units.push(0xc),
            Some(other) => units.extend_from_slice(other.encode_utf16(&mut buffer)),
            None => {}
        }
    }
    Some(String::from_utf16_lossy(&units))
}

/// What Kafka writes through Java's `Properties.store`, in UTF-8: the comment, the date (in UTC) and the settings, in
/// the order in which Java's hash table has them.
pub fn store(entries: &[(&str, &str)], comment: &str, wall_ms: i64) -> String {
    let mut text = format!("#{}\n#{}\n", comment.replace('\n', "\n#"), java::date_to_string(wall_ms));
    let names = entries.iter().map(|(key, _)| (*key).to_owned()).collect();
    for name in java::hash_table_order(names) {
        if let Some((key, value)) = entries.iter().find(|(key, _)| *key == name) {
            escape(key, true, &mut text);
            text.push('=');
            escape(value, false, &mut text);
            text.push('\n');
        }
    }
    text
}

fn escape(text: &str, is_key: bool, into: &mut String) {
    for (index, c) in text.char_indices() {
        match c {
            ' ' if is_key || index == 0 => into.push_str("\\ "),
            '\t' => into.push_str("\\t"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\u{c}' => into.push_str("\\f"),
            '=' | ':' | '#' | '!' | '\\' => {
                into.push('\\');
                into.push(c);
            }
            _ => into.push(c),
        }
    }
}
