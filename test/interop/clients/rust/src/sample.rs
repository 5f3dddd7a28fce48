//! The records of the scenario, as README.md defines them, and the check of what is read.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

pub const PARTITIONS: usize = 3;
pub const EACH: usize = 10_000;
pub const MORE: usize = 100;
pub const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// How long to wait for records that must come, and to look for records that must not.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const QUIET: Duration = Duration::from_millis(300);

pub fn key(n: usize) -> String {
    format!("key-{n}")
}

pub fn value(label: &str, n: usize) -> Option<String> {
    (n % 1000 != 999).then(|| format!("{label} {n} {}", "abcdefghij".repeat(n % 20)))
}

/// What a client read of one record.
pub struct Found<'a> {
    pub partition: usize,
    pub offset: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub label: &'a str,
    pub n: usize,
}

/// Counts by label what was read, and refuses a record with other content or out of its partition's order.
pub struct Reader {
    first: usize,
    counts: BTreeMap<String, usize>,
    next: HashMap<(String, usize), usize>,
}

impl Reader {
    pub fn new(first: usize) -> Reader {
        Reader { first, counts: BTreeMap::new(), next: HashMap::new() }
    }

    pub fn take(&mut self, found: &Found) -> Outcome {
        let Found { partition, label, n, .. } = *found;
        let at = format!("partition {partition}, offset {}", found.offset);
        if found.key != Some(key(n).as_bytes()) {
            return Err(format!("{at}: the key is {:?}, the header says {n}", found.key).into());
        }
        if found.value != value(label, n).as_deref().map(str::as_bytes) {
            return Err(format!("{at}: {label} {n} has another value: {:?}", found.value).into());
        }
        let start = self.first + (partition + PARTITIONS - self.first % PARTITIONS) % PARTITIONS;
        let next = self.next.entry((label.to_owned(), partition)).or_insert(start);
        if n != *next {
            return Err(format!("{at}: of {label} came {n}, expected {next}").into());
        }
        *next += PARTITIONS;
        *self.counts.entry(label.to_owned()).or_default() += 1;
        Ok(())
    }

    pub fn total(&self) -> usize {
        self.counts.values().sum()
    }

    pub fn expect(&self, labels: &[&str], each: usize) -> Outcome {
        let expected = labels.iter().map(|label| (label.to_string(), each)).collect();
        if self.counts == expected {
            Ok(())
        } else {
            Err(format!("read {:?}, expected {expected:?}", self.counts).into())
        }
    }
}
