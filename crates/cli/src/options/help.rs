//! The table of options that `--help` and usage errors show.

use super::{Opt, Takes};

const WIDTH: usize = 80;
const GAP: usize = 2;
/// Left of this an option's name must fit, or break.
const MAX_LEFT: usize = 39;

pub(super) fn table(options: &[Opt]) -> String {
    let mut rows: Vec<(String, String)> = options.iter().filter(|option| !option.hidden).map(row).collect();
    rows.sort();
    let left = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0).clamp("Option".len(), MAX_LEFT);
    let mut out = String::new();
    let heads = [("Option".to_owned(), "Description".to_owned()), ("------".to_owned(), "-----------".to_owned())];
    for (name, text) in heads.into_iter().chain(rows) {
        push_row(&mut out, left, &name, &text);
    }
    out
}

fn row(option: &Opt) -> (String, String) {
    let dashed = |name: &&str| if name.len() == 1 { format!("-{name}") } else { format!("--{name}") };
    let names: Vec<String> = option.names.iter().map(dashed).collect();
    let value = match option.takes {
        Takes::Nothing => String::new(),
        Takes::Value(what) => format!(" <{what}>"),
        Takes::OptionalValue(what) => format!(" [{what}]"),
    };
    let default = option.default.map_or_else(String::new, |value| format!(" (default: {value})"));
    (format!("{}{value}", names.join(", ")), format!("{}{default}", option.help))
}

fn push_row(out: &mut String, left: usize, name: &str, text: &str) {
    let names = wrap(name, left);
    let texts = wrap(text, WIDTH - left - GAP);
    for i in 0..names.len().max(texts.len()) {
        let name = names.get(i).map_or("", String::as_str);
        let text = texts.get(i).map_or("", String::as_str);
        out.push_str(format!("{name:<width$}{text}", width = left + GAP).trim_end());
        out.push('\n');
    }
}

/// At blanks; a word longer than the width stands alone. Line breaks in the text stay.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.len() + 1 + word.len() > width {
                lines.push(std::mem::take(&mut line));
                // What was broken off is set in a little.
                line.push(' ');
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}
