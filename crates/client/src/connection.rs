//! One connection to one broker: requests go out in order without waiting for answers, which come
//! back in the same order.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ottla_base::NodeId;
use ottla_wire::data::{RequestHeader, ResponseHeader};
use ottla_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_wire::{ApiKey, Message, Reader, Request, Segment, Writer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use crate::config::ClientConfig;
use crate::error::{Error, Result};

/// What a connection runs on: TCP now, TLS on top of it later.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Memory for an answer is taken in steps of this, as its bytes arrive.
const READ_STEP: usize = 1 << 20;

struct Outgoing {
    segments: Vec<Segment>,
    len: usize,
    /// Produce with acks=0 has none.
    pending: Option<Pending>,
}

struct Pending {
    correlation_id: i32,
    header_version: i16,
    reply: oneshot::Sender<Result<Reader>>,
}

/// Shared by the handle and the two tasks that read and write.
struct Shared {
    node: NodeId,
    closed: AtomicBool,
    in_flight: AtomicUsize,
    /// In the order in which the broker answers.
    pending: Mutex<VecDeque<Pending>>,
}

impl Shared {
    /// Everybody who still waits gets the same error.
    fn close(&self, reason: &str) {
        self.closed.store(true, Ordering::Release);
        let waiting = std::mem::take(&mut *self.pending.lock());
        for pending in waiting {
            // Whoever gave up waiting does not care.
            let _ = pending.reply.send(Err(Error::disconnected(reason)));
        }
    }
}

pub struct Connection {
    sender: mpsc::UnboundedSender<Outgoing>,
    shared: Arc<Shared>,
    next_correlation_id: AtomicI32,
    client_id: String,
    request_timeout: Duration,
    /// What the broker speaks; empty until it was asked.
    versions: ApiVersionsResponse,
}

/// An answer that is still to come.
pub struct Reply {
    receiver: oneshot::Receiver<Result<Reader>>,
    shared: Arc<Shared>,
    timeout: Duration,
}

impl Reply {
    /// After the timeout the connection is given up, since nothing that comes behind can be trusted to come.
    pub async fn wait(self) -> Result<Reader> {
        match tokio::time::timeout(self.timeout, self.receiver).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(gone(self.shared.node)),
            Err(_) => {
                self.shared.close("The connection was closed because an earlier request timed out.");
                Err(Error::disconnected(format!(
                    "Node {} did not answer within {} ms.",
                    self.shared.node,
                    self.timeout.as_millis()
                )))
            }
        }
    }
}

fn gone(node: NodeId) -> Error {
    Error::disconnected(format!("Node {node} disconnected before it answered."))
}

impl Connection {
    /// Connects and learns which versions the broker speaks.
    pub async fn open(config: &ClientConfig, node: NodeId, host: &str, port: u16) -> Result<Connection> {
        let stream = connect(config, node, host, port).await?;
        // Failing to switch off delays costs latency, nothing else.
        let _ = stream.set_nodelay(true);
        let mut connection = Connection::start(Box::new(stream), node, config);
        connection.versions = connection.ask_versions().await?;
        Ok(connection)
    }

    fn start(stream: Box<dyn Stream>, node: NodeId, config: &ClientConfig) -> Connection {
        let (read, write) = tokio::io::split(stream);
        let (sender, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            node,
            closed: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            pending: Mutex::default(),
        });
        tokio::spawn(write_requests(write, receiver, shared.clone()));
        tokio::spawn(read_responses(read, shared.clone()));
        Connection {
            sender,
            shared,
            next_correlation_id: AtomicI32::new(0),
            client_id: config.client_id.clone(),
            request_timeout: config.request_timeout,
            versions: ApiVersionsResponse::default(),
        }
    }

    /// An older broker answers in version 0 that it does not know ours (KIP-511).
    async fn ask_versions(&self) -> Result<ApiVersionsResponse> {
        let request = ApiVersionsRequest {
            client_software_name: "ottla".to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        };
        for version in [ApiKey::ApiVersions.info().max_stable_version(), 0] {
            let mut writer = Writer::new();
            request.encode(&mut writer, version)?;
            let mut reader = self.send(ApiKey::ApiVersions, version, writer, true)?.wait().await?;
            let answer = match ApiVersionsResponse::decode(&mut Reader::new(reader.rest()), version) {
                Ok(answer) if answer.error_code == 0 => return Ok(answer),
                _ => ApiVersionsResponse::decode(&mut reader, 0)?,
            };
            let code = ottla_base::ErrorCode::from_code(answer.error_code);
            if code != ottla_base::ErrorCode::UnsupportedVersion || version == 0 {
                return Err(code.into());
            }
        }
        Err(ottla_base::ErrorCode::UnsupportedVersion.into())
    }

    pub fn node(&self) -> NodeId {
        self.shared.node
    }

    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire) || self.sender.is_closed()
    }

    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Relaxed)
    }

    /// What the broker said about itself when the connection was made: APIs and features.
    pub fn api_versions(&self) -> &ApiVersionsResponse {
        &self.versions
    }

    /// The highest version that both sides have.
    pub fn version_of(&self, key: ApiKey) -> Result<i16> {
        self.version_within(key, key.info().min_version, key.info().max_stable_version())
    }

    /// The highest version in `min..=max` that the broker has too.
    pub fn version_within(&self, key: ApiKey, min: i16, max: i16) -> Result<i16> {
        let Some(theirs) = self.versions.api_keys.iter().find(|api| api.api_key == key.code()) else {
            return Err(Error::unsupported_version(format!("The node does not support {}", key.name().to_uppercase())));
        };
        let version = max.min(theirs.max_version);
        if version < min || version < theirs.min_version {
            return Err(Error::unsupported_version(format!(
                "The node does not support {} with version in range [{min},{max}]. The supported range is [{},{}].",
                key.name(),
                theirs.min_version,
                theirs.max_version
            )));
        }
        Ok(version)
    }

    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response> {
        let version = self.version_of(R::KEY)?;
        self.call_at(request, version).await
    }

    pub async fn call_at<R: Request>(&self, request: &R, version: i16) -> Result<R::Response> {
        let mut writer = Writer::new();
        request.encode(&mut writer, version)?;
        let mut reader = self.send(R::KEY, version, writer, true)?.wait().await?;
        Ok(R::Response::decode(&mut reader, version)?)
    }

    /// For requests that the broker keeps until something happens.
    pub async fn call_within<R: Request>(&self, request: &R, version: i16, timeout: Duration) -> Result<R::Response> {
        let mut writer = Writer::new();
        request.encode(&mut writer, version)?;
        let reply = self.send(R::KEY, version, writer, true)?;
        let mut reader = Reply { timeout, ..reply }.wait().await?;
        Ok(R::Response::decode(&mut reader, version)?)
    }

    /// Hands the encoded request over at once; the order of calls is the order on the wire.
    pub fn send(&self, key: ApiKey, version: i16, body: Writer, expects_reply: bool) -> Result<Reply> {
        let correlation_id = self.next_correlation_id.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        let header = RequestHeader {
            request_api_key: key.code(),
            request_api_version: version,
            correlation_id,
            client_id: Some(self.client_id.clone()),
            ..Default::default()
        };
        let mut writer = Writer::new();
        header.encode(&mut writer, key.request_header_version(version))?;
        let len = writer.len() + body.len();
        let mut segments = writer.into_segments();
        segments.extend(body.into_segments());
        let (reply, receiver) = oneshot::channel();
        let pending = Pending { correlation_id, header_version: key.response_header_version(version), reply };
        let outgoing = Outgoing { segments, len, pending: expects_reply.then_some(pending) };
        if self.is_closed() || self.sender.send(outgoing).is_err() {
            return Err(gone(self.node()));
        }
        if expects_reply {
            self.shared.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Reply { receiver, shared: self.shared.clone(), timeout: self.request_timeout })
    }
}

/// To the first of the host's addresses that answers.
async fn connect(config: &ClientConfig, node: NodeId, host: &str, port: u16) -> Result<TcpStream> {
    const LOGGER: &str = "org.apache.kafka.clients.NetworkClient";
    let addresses: Vec<SocketAddr> = match tokio::net::lookup_host((host, port)).await {
        Ok(found) => found.collect(),
        Err(error) => {
            let prefix = config.log_prefix();
            tracing::warn!(target: LOGGER, "{prefix}Error connecting to node {host}:{port} (id: {node} rack: null): {error}");
            return Err(Error::disconnected(format!("{host} is unknown: {error}")));
        }
    };
    let mut last = Error::disconnected(format!("{host} has no address"));
    for address in addresses {
        match tokio::time::timeout(config.socket_connection_setup_timeout, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = Error::disconnected(error.to_string()),
            Err(_) => last = Error::disconnected("timed out"),
        }
        // As Java shows it: a name before the slash, where there is one.
        let name = if host.parse::<IpAddr>().is_ok() { "" } else { host };
        tracing::warn!(
            target: LOGGER,
            "{}Connection to node {node} ({name}/{address}) could not be established. Node may not be available.",
            config.log_prefix()
        );
        tracing::debug!(target: LOGGER, "{last}");
    }
    Err(last)
}

async fn write_requests(
    write: tokio::io::WriteHalf<Box<dyn Stream>>,
    mut receiver: mpsc::UnboundedReceiver<Outgoing>,
    shared: Arc<Shared>,
) {
    let mut write = BufWriter::with_capacity(16 << 10, write);
    while let Some(outgoing) = receiver.recv().await {
        let written = write_one(&mut write, outgoing, &shared).await;
        let flushed = match written {
            Ok(()) if receiver.is_empty() => write.flush().await,
            other => other,
        };
        if let Err(error) = flushed {
            shared.close(&format!("Node {} disconnected: {error}", shared.node));
            return;
        }
    }
    // The handle is gone: nobody wants what is still to come.
    let _ = write.shutdown().await;
}

async fn write_one(
    write: &mut BufWriter<tokio::io::WriteHalf<Box<dyn Stream>>>,
    outgoing: Outgoing,
    shared: &Shared,
) -> io::Result<()> {
    if let Some(pending) = outgoing.pending {
        let mut queue = shared.pending.lock();
        // Checked under the lock that `close` empties the queue under.
        if shared.closed.load(Ordering::Acquire) {
            drop(queue);
            let _ = pending.reply.send(Err(gone(shared.node)));
            return Err(io::ErrorKind::NotConnected.into());
        }
        queue.push_back(pending);
    }
    let len = i32::try_from(outgoing.len).map_err(|_| io::Error::other("the request is larger than 2 GiB"))?;
    write.write_all(&len.to_be_bytes()).await?;
    for segment in outgoing.segments {
        match segment {
            Segment::Bytes(bytes) => write.write_all(&bytes).await?,
            Segment::File(slice) => write.write_all(&slice.read()?).await?,
        }
    }
    Ok(())
}

async fn read_responses(mut read: tokio::io::ReadHalf<Box<dyn Stream>>, shared: Arc<Shared>) {
    loop {
        match read_one(&mut read).await.and_then(|frame| deliver(frame, &shared)) {
            Ok(()) => {}
            Err(error) => {
                shared.close(&format!("Node {} disconnected: {error}", shared.node));
                return;
            }
        }
    }
}

async fn read_one(read: &mut tokio::io::ReadHalf<Box<dyn Stream>>) -> io::Result<Bytes> {
    let len = read.read_i32().await?;
    let len = usize::try_from(len).map_err(|_| io::Error::other(format!("it sent a frame of {len} bytes")))?;
    let mut frame = BytesMut::with_capacity(len.min(READ_STEP));
    while frame.len() < len {
        let missing = len - frame.len();
        frame.reserve(missing.min(READ_STEP));
        if read.take(missing as u64).read_buf(&mut frame).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(frame.freeze())
}

fn deliver(frame: Bytes, shared: &Shared) -> io::Result<()> {
    let pending =
        shared.pending.lock().pop_front().ok_or_else(|| io::Error::other("it sent an answer that nobody asked for"))?;
    shared.in_flight.fetch_sub(1, Ordering::Relaxed);
    let mut reader = Reader::new(frame);
    let header = ResponseHeader::decode(&mut reader, pending.header_version).map_err(io::Error::other)?;
    if header.correlation_id != pending.correlation_id {
        let (got, expected) = (header.correlation_id, pending.correlation_id);
        let _ = pending.reply.send(Err(gone(shared.node)));
        return Err(io::Error::other(format!("it sent answer {got} where {expected} was due")));
    }
    let _ = pending.reply.send(Ok(reader));
    Ok(())
}
