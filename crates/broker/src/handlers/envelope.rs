//! Envelope (KIP-590): a broker passes on what a client asked of it.

use crate::forward::{ControllerRequest, Done};
use crate::network::without_length;
use crate::quorum::{Core, Quorum};
use crate::request::{BadRequest, Reply, RequestContext, encode_response, read_header};
use bytes::Bytes;
use ottla_base::{ErrorCode, Time};
use ottla_wire::messages::*;
use ottla_wire::{ApiKey, Reader};

pub fn handle(quorum: &Quorum, context: RequestContext, request: EnvelopeRequest, reply: Reply<EnvelopeResponse>) {
    quorum.submit(move |core, now| {
        let done = Box::new(move |answer: Result<Bytes, ErrorCode>| {
            let response = match answer {
                Ok(data) => EnvelopeResponse { response_data: Some(data), ..Default::default() },
                Err(error) => EnvelopeResponse { error_code: error.code(), ..Default::default() },
            };
            reply.send(&response);
        });
        run(core, context, request.request_data, now, done);
    });
}

/// Carries out what is inside, and encodes its answer for the client that asked.
fn run(core: &mut Core, outer: RequestContext, inside: Bytes, now: Time, done: Done<Bytes>) {
    let (context, reader) = match open(outer, inside) {
        Ok(open) => open,
        Err(error) => {
            tracing::warn!("an envelope cannot be opened: {error}");
            return done(Err(ErrorCode::InvalidRequest));
        }
    };
    match context.api {
        ApiKey::CreateTopics => run_as::<CreateTopicsRequest>(core, context, reader, now, done),
        ApiKey::DeleteTopics => run_as::<DeleteTopicsRequest>(core, context, reader, now, done),
        ApiKey::CreatePartitions => run_as::<CreatePartitionsRequest>(core, context, reader, now, done),
        ApiKey::AlterConfigs => run_as::<AlterConfigsRequest>(core, context, reader, now, done),
        ApiKey::IncrementalAlterConfigs => run_as::<IncrementalAlterConfigsRequest>(core, context, reader, now, done),
        ApiKey::UpdateFeatures => run_as::<UpdateFeaturesRequest>(core, context, reader, now, done),
        ApiKey::DescribeQuorum => run_as::<DescribeQuorumRequest>(core, context, reader, now, done),
        _ => done(Err(ErrorCode::InvalidRequest)),
    }
}

fn open(outer: RequestContext, inside: Bytes) -> Result<(RequestContext, Reader), BadRequest> {
    let (key, version, header, reader) = read_header(inside)?;
    let api = ApiKey::from_code(key).ok_or(BadRequest::UnknownApi(key))?;
    let (correlation_id, client_id) = (header.correlation_id, header.client_id);
    Ok((RequestContext { api, version, correlation_id, client_id, ..outer }, reader))
}

fn run_as<Q: ControllerRequest>(
    core: &mut Core,
    context: RequestContext,
    mut reader: Reader,
    now: Time,
    done: Done<Bytes>,
) {
    let Ok(request) = Q::decode(&mut reader, context.version) else { return done(Err(ErrorCode::InvalidRequest)) };
    let (version, correlation_id) = (context.version, context.correlation_id);
    let encode = Box::new(move |answer: Result<Q::Response, ErrorCode>| {
        done(answer.and_then(|response| {
            let frame = encode_response(Q::KEY, version, correlation_id, &response);
            frame.map(without_length).map_err(|error| {
                tracing::error!("the response to {} v{version} cannot be written: {error}", Q::KEY.name());
                ErrorCode::UnknownServerError
            })
        }));
    });
    request.run(core, &context, now, encode);
}
