//! How records are printed.

use std::collections::BTreeMap;

use ottla_client::ConsumerRecord;
use ottla_wire::records::TimestampType;

use super::coordinator_records::{self, Kind};
use super::deserializer::Deserializer;
use crate::stop::Failure;

pub enum Formatter {
    Default(Default),
    /// Prints nothing.
    NoOp,
    Coordinator(Kind),
}

/// Without the package, which changed with the versions.
fn class_name(class: &str) -> &str {
    let packages = ["org.apache.kafka.tools.consumer.", "org.apache.kafka.tools.consumer.group.", "kafka.tools."];
    packages.iter().find_map(|package| class.strip_prefix(package)).unwrap_or(class)
}

pub fn is_known(class: &str) -> bool {
    by_class(class, &BTreeMap::new()).is_some()
}

/// `None` for a class that we don't have.
pub fn by_class(class: &str, settings: &BTreeMap<String, String>) -> Option<Formatter> {
    match class_name(class) {
        // The logging one also logs, at a level that the tools do not show.
        "DefaultMessageFormatter" | "LoggingMessageFormatter" => Some(Formatter::Default(Default::new(settings))),
        "NoOpMessageFormatter" => Some(Formatter::NoOp),
        "OffsetsMessageFormatter" => Some(Formatter::Coordinator(Kind::Offsets)),
        "GroupMetadataMessageFormatter" => Some(Formatter::Coordinator(Kind::Groups)),
        "TransactionLogMessageFormatter" => Some(Formatter::Coordinator(Kind::Transactions)),
        _ => None,
    }
}

impl Formatter {
    pub fn write(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), Failure> {
        match self {
            Formatter::Default(formatter) => formatter.write(record, out),
            Formatter::NoOp => Ok(()),
            Formatter::Coordinator(kind) => coordinator_records::write(*kind, record, out),
        }
    }
}

/// `DefaultMessageFormatter`.
pub struct Default {
    timestamp: bool,
    partition: bool,
    offset: bool,
    delivery: bool,
    epoch: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    key_deserializer: Option<Deserializer>,
    value_deserializer: Option<Deserializer>,
    headers_deserializer: Option<Deserializer>,
}

impl Default {
    fn new(settings: &BTreeMap<String, String>) -> Default {
        let is = |key: &str, default: bool| {
            settings.get(key).map_or(default, |value| value.trim().eq_ignore_ascii_case("true"))
        };
        let bytes = |key: &str, default: &str| settings.get(key).map_or(default, String::as_str).as_bytes().to_vec();
        let deserializer = |key: &str| {
            let class = settings.get(key)?;
            let found = Deserializer::by_class(class);
            if found.is_none() {
                crate::log::line(
                    "ERROR",
                    &format!("Unable to instantiate a deserializer from {class}"),
                    "org.apache.kafka.tools.consumer.DefaultMessageFormatter",
                );
                crate::stop::complain(format!("java.lang.ClassNotFoundException: {class}"));
            }
            found
        };
        Default {
            timestamp: is("print.timestamp", false),
            partition: is("print.partition", false),
            offset: is("print.offset", false),
            delivery: is("print.delivery", false),
            epoch: is("print.epoch", false),
            headers: is("print.headers", false),
            key: is("print.key", false),
            value: is("print.value", true),
            key_separator: bytes("key.separator", "\t"),
            line_separator: bytes("line.separator", "\n"),
            headers_separator: bytes("headers.separator", ","),
            null_literal: bytes("null.literal", "null"),
            key_deserializer: deserializer("key.deserializer"),
            value_deserializer: deserializer("value.deserializer"),
            headers_deserializer: deserializer("headers.deserializer"),
        }
    }

    /// The columns in their order; the last printed one ends the line.
    fn write(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), Failure> {
        let columns = [
            self.timestamp,
            self.partition,
            self.offset,
            self.delivery,
            self.epoch,
            self.headers,
            self.key,
            self.value,
        ];
        let Some(last) = columns.iter().rposition(|column| *column) else { return Ok(()) };
        for (index, _) in columns.iter().enumerate().filter(|(_, column)| **column) {
            self.write_column(index, record, out)?;
            out.extend_from_slice(if index == last { &self.line_separator } else { &self.key_separator });
        }
        Ok(())
    }

    fn write_column(&self, column: usize, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), Failure> {
        match column {
            0 if record.timestamp_type == TimestampType::NoTimestamp => out.extend_from_slice(b"NO_TIMESTAMP"),
            0 => out.extend_from_slice(format!("{}:{}", record.timestamp_type.name(), record.timestamp).as_bytes()),
            1 => out.extend_from_slice(format!("Partition:{}", record.partition.partition).as_bytes()),
            2 => out.extend_from_slice(format!("Offset:{}", record.offset).as_bytes()),
            // The real tool does not pass these two on to its formatter.
            3 => out.extend_from_slice(b"Delivery:NOT_PRESENT"),
            4 => out.extend_from_slice(b"Epoch:NOT_PRESENT"),
            5 => self.write_headers(record, out)?,
            6 => self.write_field(record.key.as_deref(), self.key_deserializer, out)?,
            _ => self.write_field(record.value.as_deref(), self.value_deserializer, out)?,
        }
        Ok(())
    }

    fn write_headers(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), Failure> {
        if record.headers.is_empty() {
            out.extend_from_slice(b"NO_HEADERS");
        }
        for (index, header) in record.headers.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(&self.headers_separator);
            }
            out.extend_from_slice(format!("{}:", header.key_str()).as_bytes());
            self.write_field(header.value.as_deref(), self.headers_deserializer, out)?;
        }
        Ok(())
    }

    /// What is null is the literal, for deserializers too.
    fn write_field(
        &self,
        bytes: Option<&[u8]>,
        deserializer: Option<Deserializer>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let bytes = bytes.unwrap_or(&self.null_literal);
        match deserializer {
            None => out.extend_from_slice(bytes),
            Some(deserializer) => out.extend_from_slice(deserializer.text(bytes)?.as_bytes()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ottla_base::TopicPartition;
    use ottla_wire::records::Header;

    fn check(settings: &[(&str, &str)], expected: &str) {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let record = ConsumerRecord {
            partition: TopicPartition::new("t", 3),
            offset: 7,
            leader_epoch: 1,
            timestamp: 99,
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: Some(Bytes::from_static(b"v")),
            headers: vec![Header::new("h", Some(Bytes::from_static(b"1"))), Header::new("i", None)],
        };
        let mut out = Vec::new();
        Default::new(&settings).write(&record, &mut out).unwrap();
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn columns_come_in_kafkas_order() {
        check(&[], "v\n");
        check(&[("print.key", "true"), ("null.literal", "-")], "-\tv\n");
        check(&[("print.value", "false")], "");
        check(&[("print.value", "false"), ("print.offset", "true")], "Offset:7\n");
        let all = [
            ("print.timestamp", "true"),
            ("print.partition", "true"),
            ("print.offset", " TRUE"),
            ("print.delivery", "true"),
            ("print.epoch", "true"),
            ("print.headers", "true"),
            ("print.key", "true"),
            ("key.separator", "|"),
            ("headers.separator", ";"),
            ("line.separator", "!"),
        ];
        check(&all, "CreateTime:99|Partition:3|Offset:7|Delivery:NOT_PRESENT|Epoch:NOT_PRESENT|h:1;i:null|null|v!");
    }
}
