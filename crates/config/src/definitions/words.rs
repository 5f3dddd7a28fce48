//! What the most used settings are for, in one line each.

pub(crate) fn describe(name: &str) -> Option<&'static str> {
    WORDS.iter().find(|(key, _)| *key == name).map(|(_, words)| *words)
}

const WORDS: &[(&str, &str)] = &[];
