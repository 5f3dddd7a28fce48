//! `kafka-console-consumer.sh`.

mod coordinator_records;
mod deserializer;
mod formatter;
mod options;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ottla_base::TopicPartition;
use ottla_client::{Consumer, ConsumerRecord, StartAt};
use tokio::runtime::Builder;

use crate::signals::interrupted;
use crate::stop::{Failure, complain, fail};
use crate::topic_filter::WholeMatch;
use formatter::Formatter;
use options::{Arguments, Start};

const LOGGER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
/// How long to wait for the coordinator when leaving.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

pub fn run(arguments: &[String]) -> ExitCode {
    let arguments = match options::parse(arguments) {
        Ok(arguments) => arguments,
        Err(stop) => return ExitCode::from(stop.0),
    };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ExitCode::from(fail(error).0),
    };
    let ended = runtime.block_on(consume(&arguments));
    if arguments.systest_events {
        // It has shut down, whether anybody hears it or not.
        let _ = writeln!(io::stdout(), "shutdown_complete");
    }
    match ended {
        Ok(code) => code,
        Err(failure) => {
            logged_exception("Unknown error when running consumer: ", &failure);
            ExitCode::FAILURE
        }
    }
}

/// As log4j prints a message with an exception.
fn logged_exception(message: &str, failure: &Failure) {
    crate::log::line("ERROR", message, LOGGER);
    complain(format!("{}: {}", failure.class, failure.message));
}

/// The exit code, unless it could not even begin, or a record could not be printed.
async fn consume(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut consumer = Consumer::new(&arguments.settings)?;
    if arguments.partition.is_none() && !consumer.config().consumer_protocol {
        complain(
            "The consumer rebalance protocol (KIP-848) is production-ready! Set group.protocol=consumer to try it out. See https://kafka.apache.org/documentation/#consumer_rebalance_protocol",
        );
    }
    subscribe(&mut consumer, arguments)?;
    let mut printer = Printer {
        formatter: &arguments.formatter,
        skip_on_error: arguments.skip_on_error,
        count: 0,
        pending: VecDeque::new(),
    };
    let mut exit = ExitCode::SUCCESS;
    let result = tokio::select! {
        result = print_records(&mut consumer, &mut printer, arguments) => result,
        signal = interrupted() => {
            exit = ExitCode::from(signal.exit_code() as u8);
            Ok(())
        }
    };
    // What was fetched but not printed must not be committed as if it had been.
    let mut first_unprinted: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    for record in &printer.pending {
        first_unprinted.entry(record.partition.clone()).or_insert(record.offset);
    }
    for (partition, offset) in &first_unprinted {
        consumer.seek(partition, *offset);
    }
    consumer.close(CLOSE_TIMEOUT).await;
    complain(format!("Processed a total of {} messages", printer.count));
    result.map(|()| exit)
}

fn subscribe(consumer: &mut Consumer, arguments: &Arguments) -> Result<(), Failure> {
    if let (Some(topic), Some(partition)) = (&arguments.topic, arguments.partition) {
        let start = match arguments.start {
            Start::Earliest => StartAt::Beginning,
            Start::Latest => StartAt::End,
            Start::At(offset) => StartAt::Offset(offset),
        };
        consumer.assign(&[(TopicPartition::new(topic.as_str(), partition), start)]);
    } else if let Some(topic) = &arguments.topic {
        consumer.subscribe(vec![topic.clone()])?;
    } else if let Some(pattern) = &arguments.include {
        let compiled = WholeMatch::new(pattern).ok_or_else(|| {
            Failure::new("java.util.regex.PatternSyntaxException", format!("not a regular expression: {pattern}"))
        })?;
        consumer.subscribe_matching(Box::new(move |topic| compiled.matches(topic)))?;
    }
    Ok(())
}

struct Printer<'a> {
    formatter: &'a Formatter,
    skip_on_error: bool,
    count: u64,
    /// Fetched, not yet printed.
    pending: VecDeque<ConsumerRecord>,
}

async fn print_records(
    consumer: &mut Consumer,
    printer: &mut Printer<'_>,
    arguments: &Arguments,
) -> Result<(), Failure> {
    let timeout = Duration::from_millis(arguments.timeout_ms);
    let max_messages = arguments.max_messages.clone()?;
    while max_messages.is_none_or(|max| printer.count < max) {
        let begun = Instant::now();
        while printer.pending.is_empty() {
            match consumer.poll(timeout).await {
                Ok(records) => printer.pending.extend(records),
                Err(error) => {
                    logged_exception("Error processing message, terminating consumer process: ", &error.into());
                    return Ok(());
                }
            }
            if printer.pending.is_empty() && begun.elapsed() > timeout {
                let failure = Failure::new("org.apache.kafka.common.errors.TimeoutException", "null");
                logged_exception("Error processing message, terminating consumer process: ", &failure);
                return Ok(());
            }
        }
        if !printer.print(max_messages)? {
            return Ok(());
        }
    }
    Ok(())
}

impl Printer<'_> {
    /// All that is there; false when nobody reads standard output any more.
    fn print(&mut self, max: Option<u64>) -> Result<bool, Failure> {
        let mut out = Vec::new();
        let mut failed = None;
        while max.is_none_or(|max| self.count < max) {
            let Some(record) = self.pending.pop_front() else { break };
            self.count += 1;
            if let Err(failure) = self.formatter.write(&record, &mut out) {
                if !self.skip_on_error {
                    failed = Some(failure);
                    break;
                }
                logged_exception("Error processing message, skipping this message: ", &failure);
            }
        }
        let mut stdout = io::stdout().lock();
        if stdout.write_all(&out).and_then(|()| stdout.flush()).is_err() {
            complain("Unable to write to standard out, closing consumer.");
            return Ok(false);
        }
        failed.map_or(Ok(true), Err)
    }
}
