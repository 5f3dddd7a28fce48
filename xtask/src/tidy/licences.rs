//! Every package that we build with has a licence that permits what ours permits.

use super::Report;
use super::packages::Package;

/// All permissive: they ask for their notice to be kept, and nothing of the code beside them.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

pub fn check(packages: &[Package], report: &mut Report) {
    for package in packages.iter().filter(|p| !p.is_ours) {
        let place = format!("{} {}", package.name, package.version);
        match &package.license {
            None => report.error(
                "licences",
                place,
                "names no licence; look at its files, and list it here if it is permissive",
            ),
            Some(expression) if !is_permissive(expression) => {
                report.error(
                    "licences",
                    place,
                    format!("has the licence {expression}, which is not on the list of permissive ones"),
                );
            }
            Some(_) => {}
        }
    }
}

/// SPDX expressions, and the older `MIT/Apache-2.0`. `AND` binds tighter than `OR`.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut position = 0;
    any_of(&words, &mut position) && position == words.len()
}

fn any_of(words: &[&str], position: &mut usize) -> bool {
    let mut holds = all_of(words, position);
    while words.get(*position) == Some(&"OR") {
        *position += 1;
        holds |= all_of(words, position);
    }
    holds
}

fn all_of(words: &[&str], position: &mut usize) -> bool {
    let mut holds = one(words, position);
    while words.get(*position) == Some(&"AND") {
        *position += 1;
        holds &= one(words, position);
    }
    holds
}

fn one(words: &[&str], position: &mut usize) -> bool {
    let Some(word) = words.get(*position) else { return false };
    *position += 1;
    if *word == "(" {
        let holds = any_of(words, position);
        let is_closed = words.get(*position) == Some(&")");
        *position += 1;
        return holds && is_closed;
    }
    match words.get(*position..*position + 2) {
        Some(["WITH", exception]) => {
            *position += 2;
            PERMISSIVE.contains(word) || PERMISSIVE.contains(&format!("{word} WITH {exception}").as_str())
        }
        _ => PERMISSIVE.contains(word),
    }
}

#[cfg(test)]
mod tests {
    use super::is_permissive;

    #[test]
    fn expressions() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "MIT OR GPL-3.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(is_permissive(good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "MPL-2.0", "(MIT AND MPL-2.0) OR LGPL-3.0", "", "(MIT"] {
            assert!(!is_permissive(bad), "{bad}");
        }
    }
}
