//! What the active controller answers: each of these is an operation of
//! [`ottla_metadata::controller::Controller`].

use crate::forward::{ControllerRequest, Done};
use crate::quorum::Core;
use crate::request::RequestContext;
use ottla_base::{ErrorCode, Time};
use ottla_metadata::controller;
use ottla_wire::messages::alter_configs_response::AlterConfigsResourceResponse;
use ottla_wire::messages::create_partitions_response::CreatePartitionsTopicResult;
use ottla_wire::messages::create_topics_response::CreatableTopicResult;
use ottla_wire::messages::delete_topics_response::DeletableTopicResult;
use ottla_wire::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResponse;
use ottla_wire::messages::*;

fn asked_by(context: &RequestContext) -> controller::RequestContext {
    controller::RequestContext { api_version: context.version, forwarded: !context.connection.is_controller_listener }
}

impl ControllerRequest for CreateTopicsRequest {
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<CreateTopicsResponse>) {
        let asked = asked_by(context);
        core.control(now, move |c, _| c.create_topics(&asked, &self), done);
    }

    fn failed(&self, error: ErrorCode) -> CreateTopicsResponse {
        let topic =
            |name: &String| CreatableTopicResult { name: name.clone(), error_code: error.code(), ..Default::default() };
        CreateTopicsResponse { topics: self.topics.iter().map(|t| topic(&t.name)).collect(), ..Default::default() }
    }
}

impl ControllerRequest for DeleteTopicsRequest {
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<DeleteTopicsResponse>) {
        let asked = asked_by(context);
        core.control(now, move |c, _| c.delete_topics(&asked, &self), done);
    }

    fn failed(&self, error: ErrorCode) -> DeleteTopicsResponse {
        let by_name = self.topic_names.iter().map(|name| (Some(name.clone()), Default::default()));
        let by_state = self.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id));
        let result =
            |(name, topic_id)| DeletableTopicResult { name, topic_id, error_code: error.code(), ..Default::default() };
        DeleteTopicsResponse { responses: by_name.chain(by_state).map(result).collect(), ..Default::default() }
    }
}

impl ControllerRequest for CreatePartitionsRequest {
    fn run(self, core: &mut Core, _context: &RequestContext, now: Time, done: Done<CreatePartitionsResponse>) {
        core.control(now, move |c, _| c.create_partitions(&self), done);
    }

    fn failed(&self, error: ErrorCode) -> CreatePartitionsResponse {
        let result = |name: &String| CreatePartitionsTopicResult {
            name: name.clone(),
            error_code: error.code(),
            ..Default::default()
        };
        let results = self.topics.iter().map(|topic| result(&topic.name)).collect();
        CreatePartitionsResponse { results, ..Default::default() }
    }
}

impl ControllerRequest for IncrementalAlterConfigsRequest {
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<IncrementalAlterConfigsResponse>) {
        let asked = asked_by(context);
        core.control(now, move |c, _| c.incremental_alter_configs(&asked, &self), done);
    }

    fn failed(&self, error: ErrorCode) -> IncrementalAlterConfigsResponse {
        let response = |resource_type, name: &String| IncrementalResponse {
            error_code: error.code(),
            resource_type,
            resource_name: name.clone(),
            ..Default::default()
        };
        let responses = self.resources.iter().map(|r| response(r.resource_type, &r.resource_name)).collect();
        IncrementalAlterConfigsResponse { responses, ..Default::default() }
    }
}

impl ControllerRequest for AlterConfigsRequest {
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<AlterConfigsResponse>) {
        let asked = asked_by(context);
        core.control(now, move |c, _| c.alter_configs(&asked, &self), done);
    }

    fn failed(&self, error: ErrorCode) -> AlterConfigsResponse {
        let response = |resource_type, name: &String| AlterConfigsResourceResponse {
            error_code: error.code(),
            resource_type,
            resource_name: name.clone(),
            ..Default::default()
        };
        let responses = self.resources.iter().map(|r| response(r.resource_type, &r.resource_name)).collect();
        AlterConfigsResponse { responses, ..Default::default() }
    }
}

impl ControllerRequest for UpdateFeaturesRequest {
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<UpdateFeaturesResponse>) {
        let asked = asked_by(context);
        core.update_features(now, asked, self, done);
    }

    fn failed(&self, error: ErrorCode) -> UpdateFeaturesResponse {
        UpdateFeaturesResponse { error_code: error.code(), ..Default::default() }
    }
}

impl ControllerRequest for BrokerRegistrationRequest {
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<BrokerRegistrationResponse>) {
        let asked = asked_by(context);
        core.control(now, move |c, now| c.register_broker(&asked, &self, now), done);
    }

    fn failed(&self, error: ErrorCode) -> BrokerRegistrationResponse {
        BrokerRegistrationResponse { error_code: error.code(), ..Default::default() }
    }
}

impl ControllerRequest for BrokerHeartbeatRequest {
    fn run(self, core: &mut Core, _context: &RequestContext, now: Time, done: Done<BrokerHeartbeatResponse>) {
        core.control(now, move |c, now| c.broker_heartbeat(&self, now), done);
    }

    fn failed(&self, error: ErrorCode) -> BrokerHeartbeatResponse {
        BrokerHeartbeatResponse { error_code: error.code(), ..Default::default() }
    }
}

impl ControllerRequest for ControllerRegistrationRequest {
    fn run(self, core: &mut Core, _context: &RequestContext, now: Time, done: Done<ControllerRegistrationResponse>) {
        core.control(now, move |c, _| c.register_controller(&self), done);
    }

    fn failed(&self, error: ErrorCode) -> ControllerRegistrationResponse {
        ControllerRegistrationResponse { error_code: error.code(), ..Default::default() }
    }
}

impl ControllerRequest for AllocateProducerIdsRequest {
    fn run(self, core: &mut Core, _context: &RequestContext, now: Time, done: Done<AllocateProducerIdsResponse>) {
        core.control(now, move |c, _| c.allocate_producer_ids(&self), done);
    }

    fn failed(&self, error: ErrorCode) -> AllocateProducerIdsResponse {
        AllocateProducerIdsResponse { error_code: error.code(), ..Default::default() }
    }
}

impl ControllerRequest for AlterPartitionRequest {
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<AlterPartitionResponse>) {
        let asked = asked_by(context);
        core.control(now, move |c, _| c.alter_partition(&asked, &self), done);
    }

    fn failed(&self, error: ErrorCode) -> AlterPartitionResponse {
        AlterPartitionResponse { error_code: error.code(), ..Default::default() }
    }
}

impl ControllerRequest for UnregisterBrokerRequest {
    fn run(self, core: &mut Core, _context: &RequestContext, now: Time, done: Done<UnregisterBrokerResponse>) {
        core.control(now, move |c, _| c.unregister_broker(&self), done);
    }

    fn failed(&self, error: ErrorCode) -> UnregisterBrokerResponse {
        UnregisterBrokerResponse { error_code: error.code(), ..Default::default() }
    }
}
