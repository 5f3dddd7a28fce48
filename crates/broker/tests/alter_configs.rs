//! What a broker refuses to change, beside what the controller answers.

mod node;

use node::TestNode;
use ottla_wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_wire::messages::{
    AlterConfigsRequest, CreateTopicsRequest, IncrementalAlterConfigsRequest, alter_configs_request,
    create_topics_request,
};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;

fn node() -> TestNode {
    let node = TestNode::new();
    let topic = create_topics_request::CreatableTopic {
        name: "t".into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    assert_eq!(node.ask(7, &request).response().topics[0].error_code, 0);
    node
}

fn resource(resource_type: i8, name: &str, key: &str, operation: i8, value: Option<&str>) -> AlterConfigsResource {
    let config = AlterableConfig {
        name: key.into(),
        config_operation: operation,
        value: value.map(str::to_owned),
        ..Default::default()
    };
    AlterConfigsResource { resource_type, resource_name: name.into(), configs: vec![config], ..Default::default() }
}

/// The answers, in the order of the request: `type name: error message`.
fn alter(node: &TestNode, resources: Vec<AlterConfigsResource>) -> Vec<String> {
    let request = IncrementalAlterConfigsRequest { resources, ..Default::default() };
    let responses = node.ask(1, &request).response().responses;
    let line = |r: &ottla_wire::messages::incremental_alter_configs_response::AlterConfigsResourceResponse| {
        let message = r.error_message.as_deref().unwrap_or("-");
        format!("{} {}: {} {message}", r.resource_type, r.resource_name, r.error_code)
    };
    responses.iter().map(line).collect()
}

#[test]
fn what_a_broker_cannot_change_is_refused() {
    let node = node();
    let id = node.node.quorum.settings().raft.local.id.to_string();
    let one = |resource| alter(&node, vec![resource]).remove(0);
    assert_eq!(one(resource(BROKER, &id, "log.retention.ms", SET, Some("60000"))), format!("4 {id}: 0 -"));
    for (name, key, value, why) in [
        ("4711", "log.retention.ms", "1", format!("Unexpected broker id, expected {id}, but received 4711")),
        ("me", "log.retention.ms", "1", "Node id must be an integer, but it is: me".to_owned()),
        (&id, "node.id", "3", "Cannot update these configs dynamically: [node.id]".to_owned()),
    ] {
        let answer = one(resource(BROKER, name, key, SET, Some(value)));
        assert!(answer.starts_with(&format!("4 {name}: 42 ")), "{answer}");
        assert!(answer.ends_with(&why), "{answer}, expected {why}");
    }
    assert!(one(resource(BROKER, &id, "log.retention.ms", SET, Some("soon"))).contains(": 42 Invalid value soon"));
    assert!(one(resource(BROKER, &id, "log.retention.ms", APPEND, Some("1"))).contains(": 40 "));
    assert!(
        one(resource(TOPIC, "t", "retention.ms", SET, None)).contains("42 Null value not supported for : retention")
    );
    assert!(one(resource(99, "t", "retention.ms", SET, Some("1"))).contains("42 Unknown resource type 99"));
    assert_eq!(one(resource(BROKER, &id, "log.retention.ms", DELETE, None)), format!("4 {id}: 0 -"));
}

#[test]
fn answers_come_in_the_order_of_the_request_whoever_gave_them() {
    let node = node();
    let answers = alter(
        &node,
        vec![
            resource(TOPIC, "nope", "retention.ms", SET, Some("1")),
            resource(BROKER, "4711", "log.retention.ms", SET, Some("1")),
            resource(TOPIC, "t", "retention.ms", SET, Some("60000")),
            resource(TOPIC, "t2", "retention.ms", SET, None),
        ],
    );
    let heads: Vec<&str> = answers.iter().map(|answer| answer.split(' ').nth(2).unwrap()).collect();
    assert_eq!(heads, ["3", "42", "0", "42"], "{answers:?}");
    let image = node.node.quorum.image();
    assert_eq!(image.configs.get(&ottla_metadata::image::ConfigResource::topic("t"))["retention.ms"], "60000");
}

#[test]
fn the_old_form_is_checked_too() {
    let node = node();
    let config = alter_configs_request::AlterableConfig {
        name: "node.id".into(),
        value: Some("3".into()),
        ..Default::default()
    };
    let resource = alter_configs_request::AlterConfigsResource {
        resource_type: BROKER,
        resource_name: String::new(),
        configs: vec![config],
        ..Default::default()
    };
    let request = AlterConfigsRequest { resources: vec![resource], ..Default::default() };
    let response = node.ask(2, &request).response();
    assert_eq!(response.responses.iter().map(|r| r.error_code).collect::<Vec<_>>(), [42]);
}
