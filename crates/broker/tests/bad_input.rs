//! Whatever comes in from a socket, the node answers or closes the connection, and goes on.

mod node;

use node::TestNode;
use ottla_base::{Rng, SeededRng};
use ottla_broker::request::encode_request;
use ottla_wire::messages::*;
use ottla_wire::records::BatchBuilder;
use ottla_wire::{APIS, Segment};

fn still_answers(node: &TestNode) {
    let request = MetadataRequest { topics: None, ..Default::default() };
    assert_eq!(node.ask(12, &request).response().brokers.len(), 1);
}

fn bytes(segments: Vec<Segment>) -> Vec<u8> {
    let part = |segment: &Segment| match segment {
        Segment::Bytes(bytes) => bytes.to_vec(),
        Segment::File(slice) => slice.read().unwrap(),
    };
    segments.iter().flat_map(part).skip(4).collect()
}

#[test]
fn noise() {
    let node = TestNode::new();
    let rng = SeededRng::new(3);
    for _ in 0..20_000 {
        let len = rng.next_u64() % 64;
        let frame: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
        node.raw(&frame);
    }
    still_answers(&node);
}

/// A header that is right, and nonsense behind it.
#[test]
fn noise_behind_each_header() {
    let node = TestNode::new();
    let rng = SeededRng::new(4);
    for info in APIS {
        for version in info.min_version..=info.max_version + 1 {
            for _ in 0..40 {
                let mut frame = vec![];
                frame.extend_from_slice(&info.key.code().to_be_bytes());
                frame.extend_from_slice(&version.to_be_bytes());
                frame.extend_from_slice(&[0, 0, 0, 1, 0xff, 0xff, 0]);
                let len = rng.next_u64() % 80;
                // Small numbers make lengths that look right more likely.
                frame.extend((0..len).map(|_| (rng.next_u64() % 5 * (rng.next_u64() % 60)) as u8));
                node.raw(&frame);
            }
        }
    }
    still_answers(&node);
}

#[test]
fn requests_that_are_bent() {
    let node = TestNode::new();
    let topic = create_topics_request::CreatableTopic {
        name: "t".into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let create = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    assert_eq!(node.ask(7, &create).response().topics[0].error_code, 0);
    let mut batch = BatchBuilder::new(0);
    batch.append(1_700_000_000_000, Some(b"key"), Some(b"value"), &[]).unwrap();
    let partition = produce_request::PartitionProduceData { records: Some(batch.build().into()), ..Default::default() };
    let produce = ProduceRequest {
        acks: -1,
        topic_data: vec![produce_request::TopicProduceData {
            name: "t".into(),
            partition_data: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    };
    let good = bytes(encode_request(9, 1, "test", &produce).unwrap());
    let rng = SeededRng::new(5);
    for _ in 0..20_000 {
        let mut bent = good.clone();
        for _ in 0..1 + rng.next_u64() % 3 {
            let at = rng.next_u64() as usize % bent.len();
            bent[at] = rng.next_u64() as u8;
        }
        bent.truncate(bent.len() - rng.next_u64() as usize % 3);
        node.raw(&bent);
    }
    still_answers(&node);
}

#[test]
fn what_is_not_served_closes_the_connection() {
    let node = TestNode::new();
    // Key 4 is reserved, version 99 of Metadata does not exist.
    assert!(!node.raw(&[0, 4, 0, 0, 0, 0, 0, 1, 0xff, 0xff]));
    assert!(!node.raw(&[0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff]));
    assert!(!node.raw(&[]));
    // An unknown version of ApiVersions is answered all the same (KIP-511).
    assert!(node.raw(&[0, 18, 0, 99, 0, 0, 0, 1, 0xff, 0xff]));
    still_answers(&node);
}

#[test]
fn records_that_are_wrong_have_kafkas_errors() {
    use ottla_base::ErrorCode;
    let node = TestNode::new();
    let topic = create_topics_request::CreatableTopic {
        name: "t".into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let create = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    assert_eq!(node.ask(7, &create).response().topics[0].error_code, 0);
    let produce = |topic: &str, records: Vec<u8>, acks| {
        let partition = produce_request::PartitionProduceData {
            records: Some(bytes::Bytes::from(records).into()),
            ..Default::default()
        };
        let request = ProduceRequest {
            acks,
            topic_data: vec![produce_request::TopicProduceData {
                name: topic.into(),
                partition_data: vec![partition],
                ..Default::default()
            }],
            ..Default::default()
        };
        let response = node.ask(9, &request).response();
        ottla_base::ErrorCode::from_code(response.responses[0].partition_responses[0].error_code)
    };
    let batch = |size: usize| {
        let mut batch = BatchBuilder::new(0);
        batch.append(1_700_000_000_000, None, Some(&vec![7; size]), &[]).unwrap();
        batch.build().to_vec()
    };
    let mut corrupt = batch(10);
    *corrupt.last_mut().unwrap() ^= 1;
    let two = [batch(1), batch(1)].concat();
    assert_eq!(produce("t", batch(10), -1), ErrorCode::None);
    assert_eq!(produce("t", corrupt, -1), ErrorCode::CorruptMessage);
    assert_eq!(produce("t", batch(2_000_000), -1), ErrorCode::MessageTooLarge);
    assert_eq!(produce("t", two, -1), ErrorCode::InvalidRecord);
    assert_eq!(produce("t", batch(10), 5), ErrorCode::InvalidRequiredAcks);
    assert_eq!(produce("nope", batch(10), -1), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(produce("__consumer_offsets", batch(10), -1), ErrorCode::UnknownTopicOrPartition);
}
