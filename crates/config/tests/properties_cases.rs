//! `.properties` files are read and written as Java does it (`data/properties-outcomes.txt`).

use ottla_config::{Properties, store};

fn shown(text: &str) -> String {
    let mut out = String::new();
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'\\') => out.push_str("\\\\"),
            Ok(b'\n') => out.push_str("\\n"),
            Ok(b'\r') => out.push_str("\\r"),
            Ok(c @ 0x20..=0x7e) => out.push(char::from(c)),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out
}

/// Undoes [`shown`].
fn hidden(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                out.push(char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap());
            }
            other => out.extend(other),
        }
    }
    out
}

#[test]
fn as_java_reads_and_writes() {
    let mut cases = 0;
    for line in include_str!("data/properties-outcomes.txt").lines() {
        let (case, expected) = line.split_once(" -> ").unwrap();
        let ours = if let Some(text) = case.strip_prefix("read ") {
            let latin1: Vec<u8> = hidden(text).chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            match Properties::parse(&latin1, "file") {
                Ok(properties) => {
                    let pair = |(key, entry): (&str, &ottla_config::Entry)| {
                        format!("[{}]=[{}]", shown(key), shown(&entry.value))
                    };
                    properties.iter().map(pair).collect::<Vec<_>>().join(" ; ")
                }
                Err(_) => "error".to_owned(),
            }
        } else {
            let words: Vec<String> = case.strip_prefix("write ").unwrap().split(" ; ").map(hidden).collect();
            let pairs: Vec<(&str, &str)> = words.chunks(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
            let text = store(&pairs, "", 0);
            let body = text.strip_prefix("#\n#Thu Jan 01 00:00:00 UTC 1970\n").unwrap();
            let back = Properties::parse_utf8(text.as_bytes(), "file").unwrap();
            assert!(pairs.iter().all(|(key, value)| back.get(key) == Some(value)), "{case}");
            shown(body)
        };
        assert_eq!(ours, expected, "{case}");
        cases += 1;
    }
    assert!(cases > 60);
}

#[test]
fn every_key_knows_its_line() {
    let text = "# first\na=1\n\nb=2\\\n  3\nc\na=4\n";
    let properties = Properties::parse(text.as_bytes(), "server.properties").unwrap();
    assert_eq!(properties.get("b"), Some("23"));
    assert_eq!(properties.origin("b"), Some("server.properties:4"));
    assert_eq!(properties.origin("c"), Some("server.properties:6"));
    assert_eq!(properties.origin("a"), Some("server.properties:7"));
    assert_eq!(properties.replaced(), [("a".to_owned(), "server.properties:2".to_owned())]);
    let error = Properties::parse(b"a=1\nb=\\u12", "server.properties").unwrap_err();
    assert!(error.to_string().contains("server.properties:2"), "{error}");
}
