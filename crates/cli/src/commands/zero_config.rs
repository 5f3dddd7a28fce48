//! No file at all: one formatted node on localhost, with its data in a folder that one can see.

use ottla_base::{Disk, Rng};
use ottla_config::Properties;
use ottla_disk::RealDisk;
use ottla_metadata::bootstrap::BootstrapMetadata;
use ottla_metadata::features::MetadataVersion;
use ottla_server::OsRng;
use ottla_storage::format::{Identity, format_dirs};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub const DATA_FOLDER: &str = "ottla-data";
const NODE_ID: i32 = 1;

/// What Kafka's own sample file says, where the defaults are meant for three nodes.
const SETTINGS: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
    ("controller.listener.names", "CONTROLLER"),
    ("controller.quorum.voters", "1@localhost:9093"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("group.initial.rebalance.delay.ms", "0"),
];

pub fn properties() -> Properties {
    let mut properties = Properties::new();
    for (key, value) in SETTINGS {
        properties.set(key, value, "the built-in defaults");
    }
    properties.set("log.dirs", DATA_FOLDER, "the built-in defaults");
    properties
}

/// Formats the data folder on the first start. True when it did.
pub fn format_if_new(log_dir: &str) -> Result<bool, String> {
    let disk = RealDisk::new();
    if disk.exists(&Path::new(log_dir).join("meta.properties")) {
        return Ok(false);
    }
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as i64);
    let cluster_id = OsRng.next_uuid().to_string();
    let identity = Identity { cluster_id: &cluster_id, node_id: NODE_ID };
    let bootstrap = BootstrapMetadata::with_defaults(MetadataVersion::LATEST_PRODUCTION);
    let dirs = [PathBuf::from(log_dir)];
    format_dirs(&disk, &dirs, &identity, &bootstrap, &OsRng, now_ms)
        .map(|_| true)
        .map_err(|error| format!("the data folder {log_dir} cannot be made: {error}"))
}

/// One screen: where it is, and what to do next.
pub fn greeting(addresses: &[(String, u16)], log_dir: &str, cluster_id: &str, is_new: bool) -> String {
    let port = addresses.iter().find(|(name, _)| name == "PLAINTEXT").map_or(9092, |(_, port)| *port);
    let folder = std::path::absolute(log_dir).unwrap_or_else(|_| PathBuf::from(log_dir));
    let state = if is_new { "new, formatted just now" } else { "as it was left" };
    format!(
        "
  Ottla {version}: Apache Kafka {kafka} in KRaft mode, one node

    bootstrap server   localhost:{port}
    cluster id         {cluster_id}
    data folder        {folder} ({state})

  Try it, in another terminal:

    bin/kafka-topics.sh --create --topic test --bootstrap-server localhost:{port}
    bin/kafka-console-producer.sh --topic test --bootstrap-server localhost:{port}
    bin/kafka-console-consumer.sh --topic test --from-beginning --bootstrap-server localhost:{port}

  Ctrl-C stops it. For your own settings: bin/kafka-server-start.sh server.properties
",
        version = env!("CARGO_PKG_VERSION"),
        kafka = ottla_wire::KAFKA_VERSION,
        folder = folder.display(),
    )
}
