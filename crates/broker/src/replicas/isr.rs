//! Proposals of other in-sync replicas, on their way to the controller (AlterPartition, KIP-497).

use super::IsrProposal;
use crate::broker::Broker;
use crate::lifecycle::to_controller;
use ottla_base::ErrorCode;
use ottla_wire::messages::AlterPartitionRequest;
use ottla_wire::messages::alter_partition_request::{BrokerState, PartitionData, TopicData};
use std::sync::Arc;

pub fn propose(broker: &Arc<Broker>, proposal: IsrProposal) {
    let own_epoch = broker.lifecycle.epoch();
    let member = |(id, epoch): &(i32, i64)| BrokerState {
        broker_id: *id,
        broker_epoch: if *id == broker.node_id { own_epoch } else { *epoch },
        ..Default::default()
    };
    let partition = PartitionData {
        partition_index: proposal.partition,
        leader_epoch: proposal.leader_epoch,
        new_isr_with_epochs: proposal.isr.iter().map(member).collect(),
        partition_epoch: proposal.partition_epoch,
        ..Default::default()
    };
    let topic = TopicData { topic_id: proposal.topic_id, partitions: vec![partition], ..Default::default() };
    let request = AlterPartitionRequest {
        broker_id: broker.node_id,
        broker_epoch: own_epoch,
        topics: vec![topic],
        ..Default::default()
    };
    let asker = broker.clone();
    to_controller(broker, request, move |answer| {
        let error = match &answer {
            Err(error) => *error,
            Ok(response) => {
                let partition = response.topics.iter().flat_map(|topic| &topic.partitions).next();
                let code = partition.map_or(response.error_code, |partition| partition.error_code);
                ErrorCode::from_code(code)
            }
        };
        // What was agreed to comes back with the metadata.
        if error.is_error() {
            tracing::debug!("in-sync replicas of {}-{}: {error}", proposal.topic_id, proposal.partition);
            if let Some(partition) = asker.replicas.get(proposal.topic_id, proposal.partition) {
                partition.proposal_failed();
            }
        }
    });
}

/// Looks for replicas that have fallen behind; goes on by itself.
pub fn watch(broker: &Arc<Broker>) {
    let max_lag_ms = broker.settings.replica_lag_max_ms;
    let keeper = broker.clone();
    let at = broker.clock.now().mono_ms + (max_lag_ms / 2).max(1);
    broker.timers.at(at, move |now| {
        for partition in keeper.replicas.all() {
            if let Some(proposal) = partition.shrink(max_lag_ms, now) {
                propose(&keeper, proposal);
            }
        }
        watch(&keeper);
    });
}
