//! Lines of standard input as records.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use bytes::Bytes;
use fancy_regex::Regex;
use ottla_client::ProducerRecord;
use ottla_wire::records::Header;

use crate::stop::Failure;

/// How a line is taken apart.
#[derive(Debug)]
pub struct LineParser {
    topic: String,
    parse_key: bool,
    key_separator: String,
    parse_headers: bool,
    headers_delimiter: String,
    headers_separator: Regex,
    headers_key_separator: String,
    ignore_error: bool,
    null_marker: Option<String>,
    /// Of the line that is being parsed, from 1 on.
    line_number: usize,
}

fn failure(message: impl Into<String>) -> Failure {
    Failure::new("org.apache.kafka.common.KafkaException", message)
}

fn is_true(settings: &BTreeMap<String, String>, key: &str) -> bool {
    settings.get(key).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

impl LineParser {
    pub fn new(topic: &str, settings: &BTreeMap<String, String>) -> Result<LineParser, Failure> {
        let text = |key: &str, default: &str| settings.get(key).map_or(default, String::as_str).to_owned();
        let key_separator = text("key.separator", "\t");
        let headers_delimiter = text("headers.delimiter", "\t");
        let headers_separator = text("headers.separator", ",");
        let headers_key_separator = text("headers.key.separator", ":");
        let null_marker = settings.get("null.marker").cloned();
        let pattern = Regex::new(&headers_separator)
            .map_err(|error| Failure::new("java.util.regex.PatternSyntaxException", error.to_string()))?;
        let pairs = [
            ("headers.delimiter and headers.separator", &headers_delimiter, Some(&headers_separator)),
            ("headers.delimiter and headers.key.separator", &headers_delimiter, Some(&headers_key_separator)),
            ("headers.separator and headers.key.separator", &headers_separator, Some(&headers_key_separator)),
            ("null.marker and key.separator", &key_separator, null_marker.as_ref()),
            ("null.marker and headers.separator", &headers_separator, null_marker.as_ref()),
            ("null.marker and headers.delimiter", &headers_delimiter, null_marker.as_ref()),
            ("null.marker and headers.key.separator", &headers_key_separator, null_marker.as_ref()),
        ];
        if let Some((names, ..)) = pairs.iter().find(|(_, one, other)| Some(*one) == *other) {
            return Err(failure(format!("{names} may not be equal")));
        }
        Ok(LineParser {
            topic: topic.to_owned(),
            parse_key: is_true(settings, "parse.key"),
            key_separator,
            parse_headers: is_true(settings, "parse.headers"),
            headers_delimiter,
            headers_separator: pattern,
            headers_key_separator,
            ignore_error: is_true(settings, "ignore.error"),
            null_marker,
            line_number: 0,
        })
    }

    pub fn parse(&mut self, line: &str) -> Result<ProducerRecord, Failure> {
        self.line_number += 1;
        let mut rest = line;
        let mut headers = None;
        if self.parse_headers {
            (headers, rest) = self.cut(line, rest, &self.headers_delimiter, "headers delimiter")?;
        }
        let mut key = None;
        if self.parse_key {
            (key, rest) = self.cut(line, rest, &self.key_separator, "key separator")?;
        }
        let headers = match headers {
            Some(headers) if Some(headers) != self.null_marker.as_deref() => self.split_headers(headers)?,
            _ => Vec::new(),
        };
        Ok(ProducerRecord {
            topic: self.topic.clone(),
            key: key.and_then(|key| self.bytes(key)),
            value: self.bytes(rest),
            headers,
            ..Default::default()
        })
    }

    fn bytes(&self, text: &str) -> Option<Bytes> {
        (Some(text) != self.null_marker.as_deref()).then(|| Bytes::copy_from_slice(text.as_bytes()))
    }

    /// What stands before the separator, and what behind it.
    fn cut<'a>(
        &self,
        line: &str,
        rest: &'a str,
        separator: &str,
        name: &str,
    ) -> Result<(Option<&'a str>, &'a str), Failure> {
        match rest.split_once(separator) {
            Some((part, rest)) => Ok((Some(part), rest)),
            None if self.ignore_error => Ok((None, rest)),
            None => Err(failure(format!("No {name} found on line number {}: '{line}'", self.line_number))),
        }
    }

    fn split_headers(&self, headers: &str) -> Result<Vec<Header>, Failure> {
        let split: Result<Vec<&str>, _> = self.headers_separator.split(headers).collect();
        let mut pairs = split.map_err(|error| failure(error.to_string()))?;
        while pairs.len() > 1 && pairs.last().is_some_and(|pair| pair.is_empty()) {
            pairs.pop();
        }
        pairs.into_iter().map(|pair| self.header(pair)).collect()
    }

    fn header(&self, pair: &str) -> Result<Header, Failure> {
        let Some((key, value)) = pair.split_once(&self.headers_key_separator) else {
            if self.ignore_error {
                return Ok(Header::new(pair.to_owned(), None));
            }
            return Err(failure(format!(
                "No header key separator found in pair '{pair}' on line number {}",
                self.line_number
            )));
        };
        if Some(key) == self.null_marker.as_deref() {
            return Err(failure(format!(
                "Header keys should not be equal to the null marker '{key}' as they can't be null"
            )));
        }
        Ok(Header::new(key.to_owned(), self.bytes(value)))
    }
}

/// Lines that end in `\n`, `\r` or `\r\n`, as Java reads them.
pub struct Lines<R> {
    input: R,
    /// A `\n` that comes next belongs to the `\r` before it.
    after_return: bool,
    prompt: bool,
}

impl<R: BufRead> Lines<R> {
    pub fn new(input: R, prompt: bool) -> Lines<R> {
        Lines { input, after_return: false, prompt }
    }

    pub fn next_line(&mut self) -> io::Result<Option<String>> {
        if self.prompt {
            let mut out = io::stdout();
            out.write_all(b">")?;
            out.flush()?;
        }
        let mut line: Option<Vec<u8>> = None;
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(line.map(|line| String::from_utf8_lossy(&line).into_owned()));
            }
            if self.after_return && buffer.first() == Some(&b'\n') {
                self.after_return = false;
                self.input.consume(1);
                continue;
            }
            self.after_return = false;
            let line = line.get_or_insert_default();
            match buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                Some(end) => {
                    line.extend_from_slice(&buffer[..end]);
                    self.after_return = buffer[end] == b'\r';
                    self.input.consume(end + 1);
                    return Ok(Some(String::from_utf8_lossy(line).into_owned()));
                }
                None => {
                    line.extend_from_slice(buffer);
                    let len = buffer.len();
                    self.input.consume(len);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(settings: &[(&str, &str)], line: &str) -> String {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let record = LineParser::new("t", &settings).and_then(|mut parser| parser.parse(line));
        let text = |bytes: &Option<Bytes>| match bytes {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None => "null".to_owned(),
        };
        match record {
            Err(failure) => failure.message,
            Ok(record) => {
                let headers: Vec<String> = record
                    .headers
                    .iter()
                    .map(|header| format!("{}:{}", header.key_str(), text(&header.value)))
                    .collect();
                format!("[{}] {}={}", headers.join(","), text(&record.key), text(&record.value))
            }
        }
    }

    #[test]
    fn lines_are_taken_apart_as_kafka_does() {
        let all = [("parse.key", "true"), ("parse.headers", "TRUE "), ("null.marker", "NULL")];
        assert_eq!(show(&[], "a\tb"), "[] null=a\tb");
        assert_eq!(show(&all[..1], "a\tb\tc"), "[] a=b\tc");
        assert_eq!(show(&all, "h1:v1,h2:NULL\tkey\tNULL"), "[h1:v1,h2:null] key=null");
        assert_eq!(show(&all, "NULL\tNULL\tv"), "[] null=v");
        assert_eq!(show(&all[..1], "no tab"), "No key separator found on line number 1: 'no tab'");
        assert_eq!(show(&all[..2], "h1\tk\tv"), "No header key separator found in pair 'h1' on line number 1");
        assert_eq!(
            show(&all, "NULL:x\tk\tv"),
            "Header keys should not be equal to the null marker 'NULL' as they can't be null"
        );
        let lenient = [("parse.key", "true"), ("parse.headers", "true"), ("ignore.error", "true")];
        assert_eq!(show(&lenient, "plain"), "[] null=plain");
        assert_eq!(show(&lenient, "h1\tk\tv"), "[h1:null] k=v");
        let same = [("headers.delimiter", ",")];
        assert_eq!(show(&same, "x"), "headers.delimiter and headers.separator may not be equal");
    }

    #[test]
    fn lines_end_as_java_ends_them() {
        let mut lines = Lines::new(io::BufReader::with_capacity(3, &b"one\r\ntwo\rthree\n\nfive"[..]), false);
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push(line);
        }
        assert_eq!(all, ["one", "two", "three", "", "five"]);
    }
}
