//! Requests that the active controller answers, wherever it is: here, or on another node in an
//! envelope (KIP-590).

use crate::broker::Broker;
use crate::network::{self, Lane};
use crate::quorum::{Core, Quorum};
use crate::request::{Reply, RequestContext, encode_request};
use bytes::Bytes;
use ottla_base::{ErrorCode, Time};
use ottla_wire::messages::EnvelopeRequest;
use ottla_wire::{Message, Request, data};
use std::net::IpAddr;
use std::sync::Arc;

/// How long a client's request waits for there to be an active controller.
const GIVE_UP_AFTER_MS: u64 = 30_000;
const RETRY_AFTER_MS: u64 = 50;

pub type Done<R> = Box<dyn FnOnce(Result<R, ErrorCode>) + Send>;

/// A request that a controller carries out on the metadata event loop.
pub trait ControllerRequest: Request + Clone + Send + 'static {
    /// An error of `done` is `NOT_CONTROLLER`, or a failure of the metadata log.
    fn run(self, core: &mut Core, context: &RequestContext, now: Time, done: Done<Self::Response>);

    /// The response that tells of an error.
    fn failed(&self, error: ErrorCode) -> Self::Response;
}

/// On a controller's listener: this node answers, or says that it is not the active controller.
pub fn run_here<Q>(quorum: &Quorum, context: RequestContext, request: Q, reply: Reply<Q::Response>)
where
    Q: ControllerRequest,
    Q::Response: Send,
{
    quorum.submit(move |core, now| {
        let fallback = request.clone();
        let done = Box::new(move |result: Result<Q::Response, ErrorCode>| {
            reply.send(&result.unwrap_or_else(|error| fallback.failed(error)));
        });
        request.run(core, &context, now, done);
    });
}

/// On a broker's listener: whichever node is the active controller answers. While there is none,
/// the request waits.
pub fn forward<Q>(broker: &Arc<Broker>, context: RequestContext, request: Q, reply: Reply<Q::Response>)
where
    Q: ControllerRequest + Sync,
    Q::Response: Send + 'static,
{
    let deadline_ms = context.now.mono_ms + GIVE_UP_AFTER_MS;
    Forwarding { broker: broker.clone(), context, request, reply, deadline_ms }.attempt();
}

struct Forwarding<Q: Request> {
    broker: Arc<Broker>,
    context: RequestContext,
    request: Q,
    reply: Reply<Q::Response>,
    deadline_ms: u64,
}

impl<Q> Forwarding<Q>
where
    Q: ControllerRequest + Sync,
    Q::Response: Send + 'static,
{
    fn attempt(self) {
        if self.broker.quorum.is_leader() {
            return self.attempt_here();
        }
        match self.broker.quorum.controller_address() {
            Some(address) => self.attempt_there(&address),
            None => self.retry(ErrorCode::NotController),
        }
    }

    fn attempt_here(self) {
        let broker = self.broker.clone();
        broker.quorum.submit(move |core, now| {
            let (request, context) = (self.request.clone(), self.context.clone());
            let done = Box::new(move |result| match result {
                Ok(response) => self.reply.send(&response),
                Err(error) => self.retry(error),
            });
            request.run(core, &context, now, done);
        });
    }

    fn attempt_there(self, address: &network::Address) {
        let envelope = match envelope(&self.context, &self.request) {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::error!("{} cannot be forwarded: {error}", Q::KEY.name());
                return self.give_up(ErrorCode::UnknownServerError);
            }
        };
        let broker = self.broker.clone();
        network::call(
            &*broker.network,
            address,
            Lane::Forward,
            envelope,
            GIVE_UP_AFTER_MS,
            move |answer| match answer {
                Ok((_, response)) => match (ErrorCode::from_code(response.error_code), response.response_data) {
                    (ErrorCode::None, Some(data)) => self.reply.send_encoded(data),
                    (ErrorCode::NotController, _) => self.retry(ErrorCode::NotController),
                    (error, _) => self.give_up(error),
                },
                Err(error) => self.retry(error),
            },
        );
    }

    fn retry(self, error: ErrorCode) {
        let now_ms = self.broker.clock.now().mono_ms;
        if now_ms >= self.deadline_ms {
            return self.give_up(error);
        }
        let broker = self.broker.clone();
        broker.timers.at(now_ms + RETRY_AFTER_MS, move |_| self.attempt());
    }

    fn give_up(self, error: ErrorCode) {
        // To a client the controller is our business: it sees a timeout.
        let seen = if error == ErrorCode::NotController { ErrorCode::RequestTimedOut } else { error };
        self.reply.send(&self.request.failed(seen));
    }
}

fn envelope<Q: Request + Clone>(
    context: &RequestContext,
    request: &Q,
) -> Result<EnvelopeRequest, ottla_wire::WireError> {
    let frame = encode_request(context.version, context.correlation_id, context.client_id(), request)?;
    let principal =
        data::DefaultPrincipalData { type_: "User".to_owned(), name: "ANONYMOUS".to_owned(), ..Default::default() };
    // The principal's version stands in front of it.
    let mut principal_bytes = vec![0, 0];
    principal_bytes.extend_from_slice(&principal.to_bytes(0)?);
    let address = match context.connection.peer {
        IpAddr::V4(ip) => Bytes::copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => Bytes::copy_from_slice(&ip.octets()),
    };
    Ok(EnvelopeRequest {
        request_data: network::without_length(frame),
        request_principal: Some(principal_bytes.into()),
        client_host_address: address,
        ..Default::default()
    })
}
