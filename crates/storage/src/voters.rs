//! The first voters of a dynamic quorum, as `--initial-controllers` names them (KIP-853).

use ottla_base::{NodeId, Uuid};
use ottla_wire::data::VotersRecord;
use ottla_wire::data::voters_record::{Endpoint, KRaftVersionFeature, Voter as VoterRecord};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    pub node_id: NodeId,
    pub host: String,
    pub port: u16,
    pub directory_id: Uuid,
}

/// By node id; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voters(BTreeMap<NodeId, Voter>);

/// What a node of this version understands.
const MAX_KRAFT_VERSION: i16 = 1;

impl Voters {
    /// `id@host:port:directory-id,…`; errors are Kafka's.
    pub fn parse(text: &str) -> Result<Voters, String> {
        let mut voters = BTreeMap::new();
        for part in text.trim().split(',').filter(|part| !part.is_empty()) {
            let voter = Voter::parse(part)?;
            let id = voter.node_id;
            if voters.insert(id, voter).is_some() {
                return Err(format!("Node id {id} was specified more than once."));
            }
        }
        if voters.is_empty() {
            return Err("No voters given.".to_owned());
        }
        Ok(Voters(voters))
    }

    /// A quorum of one.
    pub fn standalone(voter: Voter) -> Voters {
        Voters(BTreeMap::from([(voter.node_id, voter)]))
    }

    pub fn get(&self, node_id: NodeId) -> Option<&Voter> {
        self.0.get(&node_id)
    }

    /// As the quorum's log has them; all listen on the listener of this name.
    pub fn to_record(&self, listener: &str) -> VotersRecord {
        let record = |voter: &Voter| VoterRecord {
            voter_id: voter.node_id,
            voter_directory_id: voter.directory_id,
            endpoints: vec![Endpoint {
                name: listener.to_owned(),
                host: as_java_writes(&voter.host),
                port: voter.port,
                ..Default::default()
            }],
            k_raft_version_feature: KRaftVersionFeature {
                min_supported_version: 0,
                max_supported_version: MAX_KRAFT_VERSION,
                ..Default::default()
            },
            ..Default::default()
        };
        VotersRecord { voters: self.0.values().map(record).collect(), ..Default::default() }
    }
}

/// IPv6 addresses in full.
fn as_java_writes(host: &str) -> String {
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(address) => match address.to_ipv4_mapped() {
            Some(mapped) => mapped.to_string(),
            None => address.segments().map(|segment| format!("{segment:x}")).join(":"),
        },
        Err(_) => host.to_owned(),
    }
}

impl Voter {
    fn parse(text: &str) -> Result<Voter, String> {
        let fail = |message: &str| Err(message.to_owned());
        let Some((id, rest)) = text.trim().split_once('@') else {
            return fail("No @ found in dynamic voter string.");
        };
        if id.is_empty() {
            return fail("Invalid @ at beginning of dynamic voter string.");
        }
        let Ok(node_id) = id.parse::<NodeId>() else {
            return fail("Failed to parse node id in dynamic voter string.");
        };
        if node_id < 0 {
            return Err(format!("Invalid negative node id {node_id} in dynamic voter string."));
        }
        if rest.is_empty() {
            return fail("No hostname found after node id.");
        }
        let (host, rest) = match rest.strip_prefix('[') {
            Some(bracketed) => match bracketed.split_once(']') {
                Some(parts) => parts,
                None => return fail("Hostname began with left bracket, but no right bracket was found."),
            },
            None => match rest.find(':') {
                Some(colon) => rest.split_at(colon),
                None => return fail("No colon following hostname could be found."),
            },
        };
        let Some(rest) = rest.strip_prefix(':') else { return fail("Port section must start with a colon.") };
        let Some((port, directory)) = rest.split_once(':') else {
            return fail("No colon following port could be found.");
        };
        let Ok(number) = port.parse::<i32>() else { return fail("Failed to parse port in dynamic voter string.") };
        let Ok(port) = u16::try_from(number) else {
            return Err(format!("Invalid port {number} in dynamic voter string."));
        };
        let Ok(directory_id) = directory.parse() else {
            return fail("Failed to parse directory ID in dynamic voter string.");
        };
        Ok(Voter { node_id, host: host.to_owned(), port, directory_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "JEXY6aqzQY-32P5TStzaFg";

    fn check(text: &str, expected: Result<&[(NodeId, &str, u16)], &str>) {
        let voters = Voters::parse(text);
        let shown = voters
            .as_ref()
            .map(|voters| voters.0.values().map(|v| (v.node_id, v.host.as_str(), v.port)).collect::<Vec<_>>());
        assert_eq!(shown.map_err(String::as_str), expected.map(<[_]>::to_vec), "{text}");
    }

    #[test]
    fn addresses_are_written_as_java_writes_them() {
        assert_eq!(as_java_writes("::1"), "0:0:0:0:0:0:0:1");
        assert_eq!(as_java_writes("::ffff:1.2.3.4"), "1.2.3.4");
        assert_eq!(as_java_writes("localhost"), "localhost");
    }

    #[test]
    fn voters_are_read_as_kafka_reads_them() {
        check(&format!("1@b:2:{ID},0@[::1]:1:{ID}"), Ok(&[(0, "::1", 1), (1, "b", 2)]));
        check("", Err("No voters given."));
        check("x", Err("No @ found in dynamic voter string."));
        check("@x", Err("Invalid @ at beginning of dynamic voter string."));
        check("a@x", Err("Failed to parse node id in dynamic voter string."));
        check("-1@x", Err("Invalid negative node id -1 in dynamic voter string."));
        check("1@", Err("No hostname found after node id."));
        check("1@[x", Err("Hostname began with left bracket, but no right bracket was found."));
        check("1@[x]y", Err("Port section must start with a colon."));
        check("1@x", Err("No colon following hostname could be found."));
        check("1@x:1", Err("No colon following port could be found."));
        check("1@x:y:z", Err("Failed to parse port in dynamic voter string."));
        check("1@x:70000:z", Err("Invalid port 70000 in dynamic voter string."));
        check("1@x:1:z", Err("Failed to parse directory ID in dynamic voter string."));
        check(&format!("1@x:1:{ID},1@y:1:{ID}"), Err("Node id 1 was specified more than once."));
    }
}
