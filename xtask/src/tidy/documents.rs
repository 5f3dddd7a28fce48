//! What our documents link to is there.

use super::Report;
use super::tree::TextFile;
use std::path::Path;

pub fn check(root: &Path, tree: &[TextFile], report: &mut Report) {
    for file in tree.iter().filter(|file| file.extension() == "md") {
        let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        for (number, target) in links(&file.text) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !root.join(folder).join(path).exists() {
                report.error(
                    "links",
                    format!("{}:{number}", file.path),
                    format!("links to {target}, which does not exist"),
                );
            }
        }
    }
}

/// The targets of `[text](target)` that are files of ours, with their line numbers. Code blocks are not looked at.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = vec![];
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code || line.starts_with("    ") {
            continue;
        }
        for piece in line.split("](").skip(1) {
            let target = piece.split([')', ' ']).next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") && !target.starts_with('#') {
                found.push((index + 1, target));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn links_are_found() {
        let text =
            "See [a](docs/A.md#part) and [b](https://b.c/d), [c](#here).\n```\n[d](no.md)\n```\n![e](e.png \"E\")";
        assert_eq!(super::links(text), [(1, "docs/A.md#part"), (5, "e.png")]);
    }
}
