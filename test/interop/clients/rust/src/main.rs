//! The scenario with the rdkafka crate (librdkafka).

mod sample;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext};
use sample::{CODECS, EACH, Found, MORE, Outcome, PARTITIONS, PATIENCE, QUIET, Reader};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Keeps the first failure to deliver.
#[derive(Clone, Default)]
struct Deliveries(Arc<Mutex<Option<KafkaError>>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.0.lock().unwrap().get_or_insert_with(|| error.clone());
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The admin client alone is asynchronous: not worth a runtime.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park();
    }
}

fn settings(broker: &str) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", broker);
    settings
}

fn create(broker: &str, topic: &str) -> Outcome {
    let admin: AdminClient<DefaultClientContext> = settings(broker).create()?;
    let new = NewTopic::new(topic, PARTITIONS as i32, TopicReplication::Fixed(1));
    for created in wait_for(admin.create_topics([&new], &AdminOptions::new()))? {
        created.map_err(|(topic, error)| format!("{topic} was not created: {error}"))?;
    }
    Ok(())
}

fn produce(broker: &str, topic: &str, codec: &str, first: usize, count: usize) -> Outcome {
    let failures = Deliveries::default();
    let producer: ThreadedProducer<Deliveries> = settings(broker)
        .set("enable.idempotence", "true")
        .set("compression.type", codec)
        .set("linger.ms", "5")
        .create_with_context(failures.clone())?;
    for n in first..first + count {
        let (key, value) = (sample::key(n), sample::value(codec, n));
        let number = n.to_string();
        let headers = OwnedHeaders::new()
            .insert(Header { key: "label", value: Some(codec) })
            .insert(Header { key: "n", value: Some(&number) });
        let mut record = BaseRecord::to(topic).partition((n % PARTITIONS) as i32).key(&key).headers(headers);
        if let Some(value) = &value {
            record = record.payload(value);
        }
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(PATIENCE)?;
    match failures.0.lock().unwrap().take() {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

struct Group {
    consumer: BaseConsumer,
}

impl Group {
    fn join(broker: &str, topic: &str) -> Outcome<Group> {
        let consumer: BaseConsumer = settings(broker)
            .set("group.id", format!("{topic}-group"))
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .create()?;
        consumer.subscribe(&[topic])?;
        Ok(Group { consumer })
    }

    fn read(&self, count: usize, reader: &mut Reader) -> Outcome {
        let until = Instant::now() + PATIENCE;
        while reader.total() < count {
            if Instant::now() > until {
                return Err(format!("only {} of {count} records came", reader.total()).into());
            }
            if let Some(message) = self.consumer.poll(Duration::from_millis(200)) {
                take(&message?, reader)?;
            }
        }
        self.expect_nothing()
    }

    fn expect_nothing(&self) -> Outcome {
        let until = Instant::now() + PATIENCE;
        while self.consumer.assignment()?.count() == 0 {
            if Instant::now() > until {
                return Err("the group assigned nothing".into());
            }
            self.expect_none_for(Duration::from_millis(100))?;
        }
        self.expect_none_for(QUIET)
    }

    fn expect_none_for(&self, wait: Duration) -> Outcome {
        match self.consumer.poll(wait).transpose()? {
            None => Ok(()),
            Some(message) => Err(format!("a record that was not expected: offset {}", message.offset()).into()),
        }
    }

    /// Offsets are committed only where some were read.
    fn commit(&self) -> Outcome {
        match self.consumer.commit_consumer_state(CommitMode::Sync) {
            Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => Err("there was nothing to commit".into()),
            other => Ok(other?),
        }
    }
}

fn take(message: &BorrowedMessage<'_>, reader: &mut Reader) -> Outcome {
    let headers = message.headers().ok_or("a record without headers")?;
    let text = |name: &str| -> Outcome<&str> {
        let header = headers.iter().find(|header| header.key == name).and_then(|header| header.value);
        Ok(std::str::from_utf8(header.ok_or_else(|| format!("no header {name}"))?)?)
    };
    reader.take(&Found {
        partition: usize::try_from(message.partition())?,
        offset: message.offset(),
        key: message.key(),
        value: message.payload(),
        label: text("label")?,
        n: text("n")?.parse()?,
    })
}

fn before(broker: &str, topic: &str) -> Outcome {
    create(broker, topic)?;
    for codec in CODECS {
        produce(broker, topic, codec, 0, EACH).map_err(|error| format!("producing with {codec}: {error}"))?;
    }
    let group = Group::join(broker, topic)?;
    let mut reader = Reader::new(0);
    group.read(CODECS.len() * EACH, &mut reader)?;
    group.commit()?;
    reader.expect(&CODECS, EACH)
}

fn after(broker: &str, topic: &str) -> Outcome {
    let group = Group::join(broker, topic)?;
    group.expect_nothing()?;
    produce(broker, topic, "none", EACH, MORE)?;
    let mut reader = Reader::new(EACH);
    group.read(MORE, &mut reader)?;
    group.commit()?;
    reader.expect(&["none"], MORE)
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["before", broker, topic] => before(broker, topic),
        ["after", broker, topic] => after(broker, topic),
        _ => Err("usage: with-rdkafka before|after BROKER TOPIC".into()),
    }
}
