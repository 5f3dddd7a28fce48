//! Our codec beside the `kafka-protocol` crate's, which was written by others from the same schemas: both decode
//! what Apache Kafka wrote, and both write it again. Where that crate lags behind, it is listed here.

mod support;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{self as theirs, ApiKey, RequestKind, ResponseKind};
use kafka_protocol::protocol::{Decodable, Encodable};
use ottla_wire::APIS;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use support::{Sample, corpus};

type Theirs = Result<BytesMut, String>;

/// Decoded and encoded by `kafka-protocol`; `None` for a message that it does not have.
fn again(name: &str, version: i16, bytes: &Bytes) -> Option<Theirs> {
    let key = |api: &str| {
        let info = APIS.iter().find(|info| info.name == api)?;
        ApiKey::try_from(info.key.code()).ok()
    };
    let mut input = bytes.clone();
    let mut output = BytesMut::new();
    let result = if let Some(key) = name.strip_suffix("Request").and_then(key) {
        let result = RequestKind::decode(key, &mut input, version).and_then(|x| x.encode(&mut output, version));
        result.map_err(|e| format!("{e:#}"))
    } else if let Some(key) = name.strip_suffix("Response").and_then(key) {
        let result = ResponseKind::decode(key, &mut input, version).and_then(|x| x.encode(&mut output, version));
        result.map_err(|e| format!("{e:#}"))
    } else {
        data_again(name, version, &mut input, &mut output)?
    };
    Some(match result {
        Err(error) => Err(error),
        Ok(()) if !input.is_empty() => Err(format!("{} bytes left over", input.len())),
        Ok(()) => Ok(output),
    })
}

/// The messages that are no requests or responses.
fn data_again(name: &str, version: i16, input: &mut Bytes, output: &mut BytesMut) -> Option<Result<(), String>> {
    fn run<T: Decodable + Encodable>(input: &mut Bytes, output: &mut BytesMut, version: i16) -> Result<(), String> {
        T::decode(input, version).and_then(|x| x.encode(output, version)).map_err(|e| format!("{e:#}"))
    }
    Some(match name {
        "RequestHeader" => run::<theirs::RequestHeader>(input, output, version),
        "ResponseHeader" => run::<theirs::ResponseHeader>(input, output, version),
        "ConsumerProtocolAssignment" => run::<theirs::ConsumerProtocolAssignment>(input, output, version),
        "ConsumerProtocolSubscription" => run::<theirs::ConsumerProtocolSubscription>(input, output, version),
        "DefaultPrincipalData" => run::<theirs::DefaultPrincipalData>(input, output, version),
        "EndTxnMarker" => run::<theirs::EndTxnMarker>(input, output, version),
        "LeaderChangeMessage" => run::<theirs::LeaderChangeMessage>(input, output, version),
        _ => return None,
    })
}

/// What `kafka-protocol` 0.18 cannot read, each with its versions. A newer one may shorten this.
/// (Of LeaderChangeMessage it takes the field `version` for the version to read.)
const LACKING: &str = "\
AddRaftVoterRequest 1
AddRaftVoterResponse 1
BrokerHeartbeatRequest 2
BrokerHeartbeatResponse 2
DescribeLogDirsRequest 5
DescribeLogDirsResponse 5
DescribeShareGroupOffsetsRequest 1
DescribeShareGroupOffsetsResponse 1
InitProducerIdRequest 6
LeaderChangeMessage 0 1
ListOffsetsRequest 11
ListOffsetsResponse 11
OffsetCommitRequest 10
OffsetFetchRequest 10
ReadShareGroupStateSummaryRequest 1
ReadShareGroupStateSummaryResponse 1
ShareAcknowledgeRequest 2
ShareAcknowledgeResponse 2
ShareFetchRequest 2
ShareFetchResponse 2
WriteShareGroupStateRequest 1
WriteShareGroupStateResponse 1
WriteTxnMarkersRequest 2
WriteTxnMarkersResponse 2
";

/// What it has no name for: the records of the metadata log and of the coordinators, and the streams groups.
const UNKNOWN_MESSAGES: usize = 92;

#[test]
fn kafka_protocol_reads_and_writes_the_same() {
    let mut same = 0;
    let mut differences = vec![];
    let mut lacking: BTreeMap<&str, BTreeSet<i16>> = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    for Sample { schema, version, kind, bytes } in corpus() {
        let name = schema.name;
        let (ours, _) = (schema.reencode)(bytes.clone(), version).unwrap();
        match again(name, version, &bytes) {
            None => {
                unknown.insert(name);
            }
            Some(Ok(theirs)) if theirs == ours && ours == bytes => same += 1,
            Some(Err(error)) if error.contains("not supported") => {
                lacking.entry(name).or_default().insert(version);
            }
            Some(other) => differences.push(format!("{name} v{version} {kind}: {other:?}\n  ours {ours:?}")),
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    let mut list = String::new();
    for (name, versions) in &lacking {
        let versions: Vec<String> = versions.iter().map(i16::to_string).collect();
        writeln!(list, "{name} {}", versions.join(" ")).unwrap();
    }
    assert_eq!(list, LACKING, "what kafka-protocol lacks has changed");
    assert_eq!(unknown.len(), UNKNOWN_MESSAGES, "what kafka-protocol has no name for has changed: {unknown:?}");
    assert!(same > 1800, "only {same} samples were compared");
}
