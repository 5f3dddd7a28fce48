//! A request on its way in, and the one answer on its way out.

use bytes::{Bytes, BytesMut};
use ottla_base::Time;
use ottla_wire::data::{RequestHeader, ResponseHeader};
use ottla_wire::{ApiKey, Message, Reader, Request, Segment, WireError, Writer};
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

/// What is known of the other side.
#[derive(Debug)]
pub struct Connection {
    pub id: u64,
    /// The name of the listener that it came in through.
    pub listener: String,
    /// A controller's listener serves other APIs than a broker's.
    pub is_controller_listener: bool,
    pub peer: IpAddr,
}

#[derive(Clone, Debug)]
pub struct RequestContext {
    pub connection: Arc<Connection>,
    pub api: ApiKey,
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: Option<String>,
    /// When the request was received.
    pub now: Time,
}

impl RequestContext {
    pub fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or_default()
    }

    /// As Kafka stores it with a group's members.
    pub fn client_host(&self) -> String {
        format!("/{}", self.connection.peer)
    }
}

/// Why a connection must be closed: there is no answer that its client would understand.
#[derive(Debug, thiserror::Error)]
pub enum BadRequest {
    #[error("API key {0} is not one of Kafka's, or is not served on this listener")]
    UnknownApi(i16),
    #[error("version {version} of {api} is not served")]
    UnsupportedVersion { api: &'static str, version: i16 },
    #[error("{0}")]
    Malformed(#[from] WireError),
}

/// Takes the encoded answer: a whole frame, or nothing for a request that wants no answer. When it
/// is dropped without an answer, the connection is closed.
pub type Sink = Box<dyn FnOnce(Option<Vec<Segment>>) + Send>;

/// The header of a request, and what comes after it.
pub fn read_header(frame: Bytes) -> Result<(i16, i16, RequestHeader, Reader), BadRequest> {
    let mut peek = Reader::new(frame.clone());
    let (key, version) = (peek.i16()?, peek.i16()?);
    let api = ApiKey::from_code(key).ok_or(BadRequest::UnknownApi(key))?;
    let header_version = match api {
        // Of an unknown version only the common prefix is sure to be readable.
        ApiKey::ApiVersions if version > api.info().max_version => 1,
        _ => api.request_header_version(version),
    };
    let mut reader = Reader::new(frame);
    let header = RequestHeader::decode(&mut reader, header_version)?;
    Ok((key, version, header, reader))
}

/// The way back to one requester.
pub struct Reply<R> {
    sink: Sink,
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    response: PhantomData<fn(R)>,
}

impl<R: Message> Reply<R> {
    pub fn new<Q: Request<Response = R>>(context: &RequestContext, sink: Sink) -> Self {
        let RequestContext { version, correlation_id, .. } = *context;
        Reply { sink, api: Q::KEY, version, correlation_id, response: PhantomData }
    }

    /// An answer that is not for a client yet: `done` gets it.
    pub fn to<Q: Request<Response = R>>(context: &RequestContext, done: impl FnOnce(R) + Send + 'static) -> Self {
        let version = context.version;
        let sink = Box::new(move |segments: Option<Vec<Segment>>| match read_response::<Q>(version, segments) {
            Ok(response) => done(response),
            Err(error) => tracing::error!("the response to {} v{version} cannot be read: {error}", Q::KEY.name()),
        });
        Self::new::<Q>(context, sink)
    }

    pub fn send(self, response: &R) {
        match encode_response(self.api, self.version, self.correlation_id, response) {
            Ok(frame) => (self.sink)(Some(frame)),
            Err(error) => {
                tracing::error!("the response to {} v{} cannot be written: {error}", self.api.name(), self.version)
            }
        }
    }

    /// For a produce request with acks=0.
    pub fn send_nothing(self) {
        (self.sink)(None);
    }

    /// An answer that somebody else has encoded: response header and body.
    pub fn send_encoded(self, message: Bytes) {
        let len = (message.len() as u32).to_be_bytes();
        (self.sink)(Some(vec![Segment::Bytes(Bytes::copy_from_slice(&len)), Segment::Bytes(message)]));
    }
}

fn read_response<Q: Request>(version: i16, segments: Option<Vec<Segment>>) -> Result<Q::Response, WireError> {
    let mut frame = BytesMut::new();
    for segment in segments.unwrap_or_default() {
        if let Segment::Bytes(bytes) = segment {
            frame.extend_from_slice(&bytes);
        }
    }
    let mut reader = Reader::new(frame.freeze());
    let _length = reader.i32()?;
    ResponseHeader::decode(&mut reader, Q::KEY.response_header_version(version))?;
    Q::Response::decode(&mut reader, version)
}

/// A whole frame: length, header, body.
pub fn encode_response<R: Message>(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &R,
) -> Result<Vec<Segment>, WireError> {
    let mut writer = Writer::with_capacity(256);
    writer.begin_frame();
    let header = ResponseHeader { correlation_id, ..Default::default() };
    header.encode(&mut writer, api.response_header_version(version))?;
    response.encode(&mut writer, version)?;
    writer.into_frame()
}

/// A whole frame: length, header, body.
pub fn encode_request<Q: Request>(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    request: &Q,
) -> Result<Vec<Segment>, WireError> {
    let mut writer = Writer::with_capacity(256);
    writer.begin_frame();
    let header = RequestHeader {
        request_api_key: Q::KEY.code(),
        request_api_version: version,
        correlation_id,
        client_id: Some(client_id.to_owned()),
        ..Default::default()
    };
    header.encode(&mut writer, Q::KEY.request_header_version(version))?;
    request.encode(&mut writer, version)?;
    writer.into_frame()
}
