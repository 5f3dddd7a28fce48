//! Each API, in each version that is advertised, gives an answer that its version can carry.

mod node;

use node::{Answer, TestNode};
use ottla_wire::messages::*;
use ottla_wire::records::BatchBuilder;
use ottla_wire::{ApiKey, Request};

fn advertised(node: &TestNode) -> Vec<api_versions_response::ApiVersion> {
    node.ask(4, &software()).response().api_keys
}

fn software() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: "test".into(),
        client_software_version: "1".into(),
        ..Default::default()
    }
}

fn create(node: &TestNode, name: &str) {
    let topic = create_topics_request::CreatableTopic {
        name: name.into(),
        num_partitions: 2,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    let response = node.ask(7, &request).response();
    assert_eq!(response.topics[0].error_code, 0, "{response:?}");
}

fn batch() -> bytes::Bytes {
    let mut batch = BatchBuilder::new(0);
    batch.append(1_700_000_000_000, Some(b"k"), Some(b"v"), &[]).unwrap();
    batch.build()
}

/// Sends what `make` makes in all versions of its API.
fn all_versions<Q: Request>(node: &TestNode, mut make: impl FnMut(i16) -> Q) {
    let listed = advertised(node);
    let range = listed.iter().find(|api| api.api_key == Q::KEY.code()).expect("the API is advertised");
    for version in range.min_version.max(Q::MIN_VERSION)..=range.max_version {
        match node.ask(version, &make(version)) {
            Answer::Response(_) | Answer::Nothing => {}
            Answer::Closed => panic!("{} v{version}: the connection was closed", Q::KEY.name()),
            Answer::Waiting(_) => panic!("{} v{version}: there is no answer", Q::KEY.name()),
        }
    }
}

#[test]
fn reading_and_writing() {
    let node = TestNode::new();
    create(&node, "t");
    let topic_id = node.node.quorum.image().topics.id_of("t").unwrap();
    all_versions(&node, |version| ProduceRequest {
        acks: -1,
        timeout_ms: 1000,
        topic_data: vec![produce_request::TopicProduceData {
            name: if version < 13 { "t".into() } else { String::new() },
            topic_id: if version < 13 { Default::default() } else { topic_id },
            partition_data: [0, 9]
                .map(|index| produce_request::PartitionProduceData {
                    index,
                    records: Some(batch().into()),
                    ..Default::default()
                })
                .into(),
            ..Default::default()
        }],
        ..Default::default()
    });
    all_versions(&node, |version| FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 1 << 20,
        replica_id: -1,
        topics: vec![fetch_request::FetchTopic {
            topic: if version < 13 { "t".into() } else { String::new() },
            topic_id: if version < 13 { Default::default() } else { topic_id },
            partitions: [0, 9]
                .map(|partition| fetch_request::FetchPartition {
                    partition,
                    partition_max_bytes: 1 << 20,
                    ..Default::default()
                })
                .into(),
            ..Default::default()
        }],
        ..Default::default()
    });
    for timestamp in [-1, -2, -3, -4, -5, -6, 0] {
        all_versions(&node, |_| ListOffsetsRequest {
            replica_id: -1,
            topics: vec![list_offsets_request::ListOffsetsTopic {
                name: "t".into(),
                partitions: [0, 9]
                    .map(|partition_index| list_offsets_request::ListOffsetsPartition {
                        partition_index,
                        timestamp,
                        ..Default::default()
                    })
                    .into(),
                ..Default::default()
            }],
            ..Default::default()
        });
    }
}

#[test]
fn descriptions() {
    let node = TestNode::new();
    create(&node, "t");
    let named = |name: &str| metadata_request::MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
    all_versions(&node, |_| MetadataRequest {
        topics: Some(vec![named("t"), named("missing"), named("bad name")]),
        allow_auto_topic_creation: true,
        ..Default::default()
    });
    all_versions(&node, |_| DescribeClusterRequest::default());
    all_versions(&node, |_| DescribeLogDirsRequest { topics: None, ..Default::default() });
    all_versions(&node, |_| DescribeProducersRequest {
        topics: vec![describe_producers_request::TopicRequest {
            name: "t".into(),
            partition_indexes: vec![0, 9],
            ..Default::default()
        }],
        ..Default::default()
    });
    all_versions(&node, |_| DescribeTopicPartitionsRequest { response_partition_limit: 1, ..Default::default() });
    all_versions(&node, |_| DescribeQuorumRequest {
        topics: vec![describe_quorum_request::TopicData {
            topic_name: "__cluster_metadata".into(),
            partitions: vec![Default::default()],
            ..Default::default()
        }],
        ..Default::default()
    });
    let resource = |resource_type, name: &str| describe_configs_request::DescribeConfigsResource {
        resource_type,
        resource_name: name.into(),
        configuration_keys: None,
        ..Default::default()
    };
    all_versions(&node, |version| DescribeConfigsRequest {
        resources: vec![resource(2, "t"), resource(2, "missing"), resource(4, "1"), resource(4, ""), resource(99, "x")],
        include_synonyms: version >= 1,
        include_documentation: version >= 3,
        ..Default::default()
    });
    all_versions(&node, |_| software());
}

#[test]
fn groups() {
    let node = TestNode::new();
    create(&node, "t");
    let topic_id = node.node.quorum.image().topics.id_of("t").unwrap();
    let find = |version: i16| FindCoordinatorRequest {
        key: if version < 4 { "g".into() } else { String::new() },
        coordinator_keys: if version < 4 { vec![] } else { vec!["g".into()] },
        ..Default::default()
    };
    // The first one makes the topic.
    all_versions(&node, find);
    all_versions(&node, |version| OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: -1,
        topics: vec![offset_commit_request::OffsetCommitRequestTopic {
            name: if version < 10 { "t".into() } else { String::new() },
            topic_id: if version < 10 { Default::default() } else { topic_id },
            partitions: vec![offset_commit_request::OffsetCommitRequestPartition {
                committed_offset: 5,
                committed_metadata: Some(String::new()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    });
    all_versions(&node, |version| {
        if version < 8 {
            return OffsetFetchRequest {
                group_id: "g".into(),
                topics: Some(vec![offset_fetch_request::OffsetFetchRequestTopic {
                    name: "t".into(),
                    partition_indexes: vec![0, 1],
                    ..Default::default()
                }]),
                ..Default::default()
            };
        }
        let topics = offset_fetch_request::OffsetFetchRequestTopics {
            name: if version < 10 { "t".into() } else { String::new() },
            topic_id: if version < 10 { Default::default() } else { topic_id },
            partition_indexes: vec![0, 1],
            ..Default::default()
        };
        let group = offset_fetch_request::OffsetFetchRequestGroup {
            group_id: "g".into(),
            topics: Some(vec![topics]),
            ..Default::default()
        };
        OffsetFetchRequest { groups: vec![group], ..Default::default() }
    });
    all_versions(&node, |_| ListGroupsRequest::default());
    all_versions(&node, |_| DescribeGroupsRequest { groups: vec!["g".into(), "none".into()], ..Default::default() });
    all_versions(&node, |_| HeartbeatRequest { group_id: "g".into(), member_id: "m".into(), ..Default::default() });
    all_versions(&node, |_| JoinGroupRequest { group_id: "g".into(), ..Default::default() });
    all_versions(&node, |_| SyncGroupRequest { group_id: "g".into(), ..Default::default() });
    all_versions(&node, |version| LeaveGroupRequest {
        group_id: "g".into(),
        member_id: if version < 3 { "m".into() } else { String::new() },
        ..Default::default()
    });
    all_versions(&node, |_| OffsetDeleteRequest { group_id: "g".into(), ..Default::default() });
    all_versions(&node, |_| DeleteGroupsRequest { groups_names: vec!["none".into()], ..Default::default() });
}

#[test]
fn changes() {
    let node = TestNode::new();
    all_versions(&node, |version| CreateTopicsRequest {
        topics: vec![create_topics_request::CreatableTopic {
            name: format!("t{version}"),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        }],
        timeout_ms: 1000,
        ..Default::default()
    });
    all_versions(&node, |_| CreatePartitionsRequest {
        topics: vec![create_partitions_request::CreatePartitionsTopic {
            name: "t2".into(),
            count: 1,
            ..Default::default()
        }],
        ..Default::default()
    });
    all_versions(&node, |_| AlterConfigsRequest {
        resources: vec![alter_configs_request::AlterConfigsResource {
            resource_type: 2,
            resource_name: "t2".into(),
            ..Default::default()
        }],
        ..Default::default()
    });
    all_versions(&node, |_| IncrementalAlterConfigsRequest {
        resources: vec![incremental_alter_configs_request::AlterConfigsResource {
            resource_type: 2,
            resource_name: "t2".into(),
            configs: vec![incremental_alter_configs_request::AlterableConfig {
                name: "retention.ms".into(),
                value: Some("1000".into()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    });
    all_versions(&node, |version| DeleteTopicsRequest {
        topic_names: if version < 6 { vec!["t3".into(), "none".into()] } else { vec![] },
        topics: if version < 6 {
            vec![]
        } else {
            vec![delete_topics_request::DeleteTopicState { name: Some("t4".into()), ..Default::default() }]
        },
        ..Default::default()
    });
    all_versions(&node, |_| UpdateFeaturesRequest::default());
    all_versions(&node, |_| InitProducerIdRequest { transactional_id: None, ..Default::default() });
    all_versions(&node, |_| DeleteRecordsRequest {
        topics: vec![delete_records_request::DeleteRecordsTopic {
            name: "t2".into(),
            partitions: vec![delete_records_request::DeleteRecordsPartition { offset: -1, ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    });
    all_versions(&node, |_| OffsetForLeaderEpochRequest {
        replica_id: -2,
        topics: vec![offset_for_leader_epoch_request::OffsetForLeaderTopic {
            topic: "t2".into(),
            partitions: vec![Default::default()],
            ..Default::default()
        }],
        ..Default::default()
    });
}

#[test]
fn nothing_is_advertised_that_these_tests_leave_out() {
    let node = TestNode::new();
    let source = include_str!("every_version.rs");
    for api in advertised(&node) {
        let name = ApiKey::from_code(api.api_key).expect("an API of Kafka's").name();
        assert!(source.contains(&format!("{name}Request")) || name == "ApiVersions", "{name} is not tried");
    }
}
