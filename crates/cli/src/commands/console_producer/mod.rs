//! `kafka-console-producer.sh`.

mod line_reader;
mod options;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use ottla_client::{Delivery, Error, Producer, ProducerRecord};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::options::Options;
use crate::stop::{Failure, Outcome, Stop, complain, exit_code, fail};
use line_reader::{LineParser, Lines};

pub fn run(arguments: &[String]) -> ExitCode {
    exit_code(execute(arguments))
}

/// How Java prints an exception.
fn thrown(failure: &Failure) -> Stop {
    if failure.class.starts_with("joptsimple.") {
        return fail(failure);
    }
    fail(format!("{}: {}", failure.class, failure.message))
}

fn execute(arguments: &[String]) -> Outcome {
    let options = options::parse(arguments)?;
    let parser = line_parser(&options).map_err(|failure| thrown(&failure))?;
    // Standard input is read here, without waiting for the network; sending goes on beside.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(fail)?;
    let settings = options::producer_settings(&options).map_err(|failure| thrown(&failure))?;
    let _entered = runtime.enter();
    let producer = Producer::new(&settings).map_err(|error| thrown(&error.into()))?;
    let producer = std::sync::Arc::new(producer);
    flush_on_signal(&runtime, producer.clone());
    let (reports, receiver) = mpsc::unbounded_channel();
    let reporter = runtime.spawn(report_failures(receiver));
    let result = read_and_send(&runtime, &producer, parser, options.has("sync"), &reports);
    // However it ended, what was read is delivered.
    runtime.block_on(producer.flush());
    drop(reports);
    runtime.block_on(reporter).map_err(fail)?;
    result.map_err(|failure| thrown(&failure))
}

fn line_parser(options: &Options) -> Result<LineParser, Failure> {
    let class = options.text("line-reader")?.unwrap_or_default();
    if class != options::LINE_READER {
        let hint = format!("{class}\nThe only line reader that Ottla has is {}.", options::LINE_READER);
        return Err(Failure::new("java.lang.ClassNotFoundException", hint));
    }
    let topic = options.text("topic")?.unwrap_or_default();
    LineParser::new(&topic, &options::reader_settings(options)?)
}

fn flush_on_signal(runtime: &Runtime, producer: std::sync::Arc<Producer>) {
    runtime.spawn(async move {
        let signal = crate::signals::interrupted().await;
        let _ = tokio::time::timeout(Duration::from_secs(30), producer.flush()).await;
        std::process::exit(signal.exit_code());
    });
}

/// A record that was handed over, to be complained about when it fails.
struct Pending {
    topic: String,
    key: Option<usize>,
    value: Option<usize>,
    delivery: Result<Delivery, Error>,
}

async fn report_failures(mut pending: mpsc::UnboundedReceiver<Pending>) {
    while let Some(Pending { topic, key, value, delivery }) = pending.recv().await {
        let outcome = match delivery {
            Ok(delivery) => delivery.wait().await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            let bytes = |len: Option<usize>| len.map_or_else(|| "null".to_owned(), |len| format!("{len} bytes"));
            crate::log::line(
                "ERROR",
                &format!(
                    "Error when sending message to topic {topic} with key: {}, value: {} with error:",
                    bytes(key),
                    bytes(value)
                ),
                "org.apache.kafka.clients.producer.internals.ErrorLoggingCallback",
            );
            complain(format!("{}: {error}", error.java_class()));
        }
    }
}

fn read_and_send(
    runtime: &Runtime,
    producer: &Producer,
    mut parser: LineParser,
    sync: bool,
    reports: &mpsc::UnboundedSender<Pending>,
) -> Result<(), Failure> {
    let prompt = io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut lines = Lines::new(io::stdin().lock(), prompt);
    let unreadable = |error: io::Error| Failure::new("org.apache.kafka.common.KafkaException", error.to_string());
    while let Some(line) = lines.next_line().map_err(unreadable)? {
        let record: ProducerRecord = parser.parse(&line)?;
        let (topic, key, value) =
            (record.topic.clone(), record.key.as_ref().map(|k| k.len()), record.value.as_ref().map(|v| v.len()));
        let delivery = runtime.block_on(producer.send(record));
        if sync {
            let stored = delivery.and_then(|delivery| runtime.block_on(delivery.wait()));
            stored.map_err(|error| {
                let cause = format!("{}: {error}", error.java_class());
                Failure::new("java.util.concurrent.ExecutionException", cause)
            })?;
        } else {
            // The reporter lives as long as this sender.
            let _ = reports.send(Pending { topic, key, value, delivery });
        }
    }
    Ok(())
}
