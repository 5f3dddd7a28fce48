//! AlterPartition: a leader proposes another ISR (KIP-497).

use super::error::ApiResult;
use super::{Controller, Outcome, RequestContext};
use crate::image::{LeaderRecoveryState, NO_LEADER_CHANGE, TopicImage, VersionedRecord};
use ottla_base::{ErrorCode, NodeId, Uuid};
use ottla_wire::messages::alter_partition_request::PartitionData as Proposal;
use ottla_wire::messages::alter_partition_response::{PartitionData, TopicData};
use ottla_wire::messages::{AlterPartitionRequest, AlterPartitionResponse};
use std::sync::Arc;

impl Controller {
    pub fn alter_partition(
        &self,
        context: &RequestContext,
        request: &AlterPartitionRequest,
    ) -> Outcome<AlterPartitionResponse> {
        if request.topics.is_empty() {
            // Whoever asks.
            return Outcome::answer(AlterPartitionResponse::default());
        }
        self.try_alter_partition(context, request).unwrap_or_else(|error| {
            let error_code = error.code as i16;
            Outcome::answer(AlterPartitionResponse { error_code, ..Default::default() })
        })
    }

    fn try_alter_partition(
        &self,
        context: &RequestContext,
        request: &AlterPartitionRequest,
    ) -> ApiResult<Outcome<AlterPartitionResponse>> {
        self.check_broker_epoch(request.broker_id, request.broker_epoch)?;
        let mut records = Vec::new();
        let mut topics = Vec::new();
        for topic_data in &request.topics {
            let topic_id = topic_data.topic_id;
            let topic = Some(topic_id).filter(|id| !id.is_zero()).and_then(|id| self.working.image.topics.by_id(id));
            let answer = |proposal: &Proposal| {
                let answer = self.propose(context, request.broker_id, topic, topic_id, proposal, &mut records);
                answer.unwrap_or_else(|code| PartitionData {
                    partition_index: proposal.partition_index,
                    error_code: code as i16,
                    ..PartitionData::default()
                })
            };
            let partitions = topic_data.partitions.iter().map(answer).collect();
            topics.push(TopicData { topic_id, partitions, ..TopicData::default() });
        }
        Ok(Outcome::splittable(records, AlterPartitionResponse { topics, ..Default::default() }))
    }

    fn propose(
        &self,
        context: &RequestContext,
        leader: NodeId,
        topic: Option<&Arc<TopicImage>>,
        topic_id: Uuid,
        proposal: &Proposal,
        records: &mut Vec<VersionedRecord>,
    ) -> Result<PartitionData, ErrorCode> {
        let topic = topic.ok_or(ErrorCode::UnknownTopicId)?;
        let index = proposal.partition_index;
        let isr: Vec<(NodeId, i64)> = match context.api_version < 3 {
            true => proposal.new_isr.iter().map(|id| (*id, -1)).collect(),
            false => proposal.new_isr_with_epochs.iter().map(|state| (state.broker_id, state.broker_epoch)).collect(),
        };
        if let Err(code) = self.check_proposal(leader, topic, proposal, &isr) {
            tracing::info!(
                "refusing an ISR of {isr:?} that broker {leader} proposes for {}-{index}: {}",
                topic.name,
                code.name()
            );
            return Err(code);
        }
        let partition = topic.partitions.get(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let rules = self.topic_rules(topic);
        let acceptable = |id| self.is_active_broker(id);
        let record = self.change_partition(topic, index, partition, rules, &acceptable, |builder| {
            builder.election = rules.election();
            builder.isr = isr.iter().map(|(id, _)| *id).collect();
            if let Some(state) = LeaderRecoveryState::from_code(proposal.leader_recovery_state) {
                builder.leader_recovery_state = state;
            }
        });
        let mut changed = partition.clone();
        if let Some(record) = record {
            changed = partition.merge(&record).map_err(|_| ErrorCode::UnknownServerError)?;
            let new_leader = record.leader;
            debug_assert_eq!(record.topic_id, topic_id);
            records.push(self.change_record(record));
            if new_leader != leader && new_leader != NO_LEADER_CHANGE {
                // The change has completed a reassignment that takes the leader away. It has to fetch metadata.
                return Err(ErrorCode::NewLeaderElected);
            }
        }
        Ok(PartitionData {
            partition_index: index,
            leader_id: changed.leader,
            leader_epoch: changed.leader_epoch,
            isr: changed.isr.to_vec(),
            leader_recovery_state: changed.leader_recovery_state.code(),
            partition_epoch: changed.partition_epoch,
            ..PartitionData::default()
        })
    }

    fn check_proposal(
        &self,
        leader: NodeId,
        topic: &TopicImage,
        proposal: &Proposal,
        isr: &[(NodeId, i64)],
    ) -> Result<(), ErrorCode> {
        let partition = topic.partitions.get(proposal.partition_index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        // What the leader knows and we don't, a newer controller has told it.
        if proposal.leader_epoch > partition.leader_epoch || proposal.partition_epoch > partition.partition_epoch {
            return Err(ErrorCode::NotController);
        }
        if proposal.leader_epoch < partition.leader_epoch {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if leader != partition.leader {
            return Err(ErrorCode::InvalidRequest);
        }
        if proposal.partition_epoch < partition.partition_epoch {
            return Err(ErrorCode::InvalidUpdateVersion);
        }
        let mut ids: Vec<NodeId> = isr.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        let distinct = ids.windows(2).all(|pair| pair.first() != pair.last());
        let are_replicas = ids.iter().all(|id| partition.replicas.contains(id));
        if ids.is_empty() || !distinct || !are_replicas || !ids.contains(&partition.leader) {
            return Err(ErrorCode::InvalidRequest);
        }
        let Some(state) = LeaderRecoveryState::from_code(proposal.leader_recovery_state) else {
            return Err(ErrorCode::UnknownServerError);
        };
        let recovering = state == LeaderRecoveryState::Recovering;
        let was_recovered = partition.leader_recovery_state == LeaderRecoveryState::Recovered;
        if recovering && (isr.len() > 1 || was_recovered) {
            return Err(ErrorCode::InvalidRequest);
        }
        let eligible = |(id, epoch): &(NodeId, i64)| {
            self.broker(*id).is_some_and(|broker| broker.is_active() && (*epoch == -1 || *epoch == broker.epoch))
        };
        if isr.iter().all(eligible) { Ok(()) } else { Err(ErrorCode::IneligibleReplica) }
    }
}
