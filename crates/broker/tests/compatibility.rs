//! docs/COMPATIBILITY.md tells the truth: its APIs are what a node says of itself, its tools are the scripts that there are.

mod node;

use node::TestNode;
use ottla_wire::messages::ApiVersionsRequest;
use ottla_wire::messages::api_versions_response::ApiVersion;
use ottla_wire::{APIS, ApiInfo};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

const DOCUMENT: &str = include_str!("../../../docs/COMPATIBILITY.md");
const HEADER: &str = "\
| key | API | Kafka 4.3.1 | broker | controller |
|---|---|---|---|---|
";

fn range(min: i16, max: i16) -> String {
    if min == max { min.to_string() } else { format!("{min} to {max}") }
}

fn of_kafka(info: &ApiInfo) -> String {
    let stable = info.max_stable_version();
    match (info.latest_unstable, stable >= info.min_version) {
        (false, _) => range(info.min_version, info.max_version),
        (true, true) => format!("{}, unstable {}", range(info.min_version, stable), info.max_version),
        (true, false) => format!("unstable {}", info.max_version),
    }
}

/// One listener's cell: what is served there; or that Kafka does, and Ottla does not yet.
fn cell(info: &ApiInfo, kafka_serves: bool, advertised: &[ApiVersion]) -> String {
    match advertised.iter().find(|api| api.api_key == info.key.code()) {
        // Produce is advertised from 0, as Kafka does; what is served begins with the lowest version there is.
        Some(api) => range(api.min_version.max(info.min_version), api.max_version),
        None if kafka_serves => "not yet".to_owned(),
        None => "-".to_owned(),
    }
}

fn table(node: &TestNode) -> String {
    let request = ApiVersionsRequest {
        client_software_name: "test".into(),
        client_software_version: "1".into(),
        ..Default::default()
    };
    let broker = node.ask(4, &request).response().api_keys;
    let controller = node.ask_controller(4, &request).response().api_keys;
    let mut table = HEADER.to_owned();
    for info in APIS {
        let (key, name, kafka) = (info.key.code(), info.name, of_kafka(info));
        let on_broker = cell(info, info.listeners.broker, &broker);
        let on_controller = cell(info, info.listeners.controller, &controller);
        writeln!(table, "| {key} | {name} | {kafka} | {on_broker} | {on_controller} |").unwrap();
    }
    table
}

/// The lines of the document's table, from its header on.
fn documented() -> String {
    let from_header = DOCUMENT.split_once(HEADER).map_or("", |(_, rest)| rest);
    let rows = from_header.lines().take_while(|line| line.starts_with('|'));
    HEADER.to_owned() + &rows.map(|line| format!("{line}\n")).collect::<String>()
}

#[test]
fn the_documented_apis_are_the_advertised_ones() {
    let expected = table(&TestNode::new());
    let documented = documented();
    for (is, should) in documented.lines().zip(expected.lines()) {
        assert_eq!(is, should, "docs/COMPATIBILITY.md: this is the whole table as it should be:\n{expected}");
    }
    assert_eq!(
        documented.lines().count(),
        expected.lines().count(),
        "docs/COMPATIBILITY.md: this is the whole table as it should be:\n{expected}"
    );
}

#[test]
fn the_documented_tools_are_the_scripts_in_bin() {
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| ")).filter_map(|row| row.split_once(".sh | "));
    let documented: BTreeSet<String> =
        rows.filter(|(_, state)| state.starts_with("yes")).map(|(name, _)| format!("{name}.sh")).collect();
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bin");
    let names = std::fs::read_dir(bin).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(documented, names.filter(|name| name.ends_with(".sh")).collect());
}
