//! The binary as a person calls it, as far as no broker is needed.

use std::path::Path;
use std::process::{Command, Output};

fn ottla(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ottla")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The exit code, and where which of these words must stand.
fn check(arguments: &[&str], code: i32, out: &str, err: &str) {
    let output = ottla(arguments);
    let (got_out, got_err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{got_out}\n{got_err}");
    assert!(got_out.contains(out), "{arguments:?}: no '{out}' in:\n{got_out}");
    assert!(got_err.contains(err), "{arguments:?}: no '{err}' in:\n{got_err}");
}

#[test]
fn tools_go_by_several_names() {
    for name in ["topics", "kafka-topics", "kafka-topics.sh"] {
        check(&[name, "--version"], 0, "4.3.1 (Ottla ", "");
    }
    check(&["--version"], 0, "4.3.1", "");
    check(&["--help"], 0, "console-consumer", "");
    check(&["nonsense"], 1, "", "there is no command 'nonsense'");
}

#[test]
fn a_link_named_as_a_tool_is_that_tool() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("kafka-storage.sh");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ottla"), &link).unwrap();
    let output = Command::new(&link).arg("random-uuid").output().unwrap();
    assert_eq!(text(&output.stdout).trim().len(), 22);
}

#[test]
fn wrong_command_lines_end_with_what_is_wrong() {
    check(&["topics", "--list"], 1, "", "--bootstrap-server must be specified");
    check(&["topics", "--help"], 1, "", "--topic <topic>");
    check(&["topics", "--list", "--create"], 1, "", "exactly one action");
    check(&["topics", "--list", "--zookeeper", "z:2181"], 1, "", "use --bootstrap-server");
    check(&["console-producer"], 1, "", "Option");
    check(&["console-consumer", "--bootstrap-server", "a:1"], 1, "", "[topic], [include]");
    check(&["storage", "format"], 1, "", "argument --cluster-id/-t is required");
    check(&["server-stop", "--nope"], 1, "", "--nope is not a recognized option");
}

#[test]
fn a_broker_that_is_not_there_is_told_apart_from_a_wrong_option() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("client.properties");
    std::fs::write(&config, "default.api.timeout.ms=300\n").unwrap();
    // Port 1 is nobody's.
    let arguments = ["topics", "--bootstrap-server", "127.0.0.1:1", "--list", "--command-config"];
    let arguments = [&arguments[..], &[config.to_str().unwrap()]].concat();
    check(
        &arguments,
        1,
        "Error while executing topic command : Timed out waiting for a node assignment. Call: listTopics",
        "could not be established. Node may not be available",
    );
}

fn node(folder: &Path) -> String {
    let path = folder.join("server.properties");
    let data = folder.join("data");
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=localhost:9093\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\nlog.dirs={}\n",
        data.display()
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn storage_is_formatted_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = node(folder.path());
    check(&["storage", "info", "-c", &config], 1, "data does not exist", "");
    let format = ["storage", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", &config];
    check(&format, 1, "", "you must specify one of the following: --standalone");
    let standalone = [&format[..], &["--standalone"]].concat();
    check(&standalone, 0, "Formatting dynamic metadata voter directory", "");
    check(&standalone, 1, "", "is already formatted. Use --ignore-formatted");
    check(&["storage", "info", "-c", &config], 0, "cluster.id=MkU3OEVBNTcwNTJENDM2Qk", "");
    let snapshot = "data/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint";
    for file in ["data/bootstrap.checkpoint", "data/meta.properties", snapshot] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = node(folder.path());
    let broken = std::fs::read_to_string(&config).unwrap().replace("node.id=1", "node.id=one");
    std::fs::write(&config, broken).unwrap();
    check(&["storage", "info", "-c", &config], 1, "", "node.id");
}
