//! Calls to other nodes: one connection per address and lane, answers in the order of the requests.

use super::send::send;
use bytes::{Bytes, BytesMut};
use ottla_base::ErrorCode;
use ottla_broker::network::{Address, CLIENT_ID, Call, Lane, Network};
use ottla_broker::request::encode_request;
use ottla_wire::data::ResponseHeader;
use ottla_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_wire::{ApiKey, Message, Reader};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// No answer between nodes is larger than this: a fetch of 8 MiB and its frame.
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

pub struct TcpNetwork {
    runtime: Handle,
    lanes: Mutex<HashMap<(Address, Lane), mpsc::UnboundedSender<Call>>>,
}

impl TcpNetwork {
    pub fn new(runtime: Handle) -> Arc<Self> {
        Arc::new(TcpNetwork { runtime, lanes: Mutex::default() })
    }
}

impl Network for TcpNetwork {
    fn call(&self, to: &Address, lane: Lane, call: Call) {
        let mut lanes = self.lanes.lock();
        let key = (to.clone(), lane);
        let sender = lanes.entry(key.clone()).or_insert_with(|| self.open_lane(to));
        if let Err(mpsc::error::SendError(call)) = sender.send(call) {
            let fresh = self.open_lane(to);
            // A lane that was just opened takes calls.
            let _taken = fresh.send(call);
            lanes.insert(key, fresh);
        }
    }
}

impl TcpNetwork {
    fn open_lane(&self, to: &Address) -> mpsc::UnboundedSender<Call> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.runtime.spawn(run_lane(to.clone(), receiver));
        sender
    }
}

/// Serves the calls to one address, connecting when there is something to send.
async fn run_lane(to: Address, mut calls: mpsc::UnboundedReceiver<Call>) {
    let mut link: Option<Link> = None;
    while let Some(call) = calls.recv().await {
        if link.as_mut().is_some_and(|link| link.is_closed()) {
            link = None;
        }
        if link.is_none() {
            match timeout(CONNECT_TIMEOUT, Link::open(&to)).await {
                Ok(Ok(open)) => link = Some(open),
                Ok(Err(error)) => tracing::debug!("{}:{}: {error}", to.host, to.port),
                Err(_) => tracing::debug!("{}:{}: no connection in {CONNECT_TIMEOUT:?}", to.host, to.port),
            }
        }
        let Some(open) = link.as_mut() else {
            (call.done)(Err(ErrorCode::NetworkException));
            continue;
        };
        if !open.serve(call).await {
            link = None;
        }
    }
}

struct Link {
    stream: TcpStream,
    versions: HashMap<i16, (i16, i16)>,
    next_correlation_id: i32,
}

impl Link {
    async fn open(to: &Address) -> io::Result<Link> {
        let stream = TcpStream::connect((to.host.as_str(), to.port)).await?;
        stream.set_nodelay(true)?;
        let mut link = Link { stream, versions: HashMap::new(), next_correlation_id: 0 };
        let request = ApiVersionsRequest {
            client_software_name: CLIENT_ID.to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        };
        // Version 3 is the newest that every node we may talk to answers.
        let frame = encode_request(3, 0, CLIENT_ID, &request).map_err(io::Error::other)?;
        send(&mut link.stream, frame).await?;
        let mut reader = link.receive(ApiKey::ApiVersions, 3).await?;
        let response = ApiVersionsResponse::decode(&mut reader, 3).map_err(io::Error::other)?;
        link.versions = response.api_keys.iter().map(|k| (k.api_key, (k.min_version, k.max_version))).collect();
        Ok(link)
    }

    /// The other side has hung up, or says what nobody asked for.
    fn is_closed(&self) -> bool {
        let mut byte = [0];
        !matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// False when the connection is of no use any more.
    async fn serve(&mut self, call: Call) -> bool {
        let info = call.api.info();
        let version = match self.versions.get(&call.api.code()) {
            Some((min, max)) if *min <= call.max_version && *max >= info.min_version => call.max_version.min(*max),
            _ => {
                (call.done)(Err(ErrorCode::UnsupportedVersion));
                return true;
            }
        };
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1) & i32::MAX;
        let frame = match (call.encode)(version, self.next_correlation_id) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::error!("{} v{version} cannot be written: {error}", info.name);
                (call.done)(Err(ErrorCode::UnsupportedVersion));
                return true;
            }
        };
        let exchange = async {
            send(&mut self.stream, frame).await?;
            self.receive(call.api, version).await
        };
        match timeout(Duration::from_millis(call.timeout_ms), exchange).await {
            Ok(Ok(reader)) => {
                (call.done)(Ok((version, reader)));
                true
            }
            Ok(Err(error)) => {
                tracing::debug!("{} to another node: {error}", info.name);
                (call.done)(Err(ErrorCode::NetworkException));
                false
            }
            Err(_) => {
                (call.done)(Err(ErrorCode::RequestTimedOut));
                false
            }
        }
    }

    async fn receive(&mut self, api: ApiKey, version: i16) -> io::Result<Reader> {
        let len = self.stream.read_i32().await?;
        let len = usize::try_from(len).ok().filter(|len| *len <= MAX_RESPONSE_BYTES);
        let len = len.ok_or_else(|| io::Error::other("the response's length is absurd"))?;
        let mut body = BytesMut::new();
        while body.len() < len {
            let missing = len - body.len();
            body.reserve(missing.min(1 << 20));
            let mut limited = (&mut self.stream).take(missing as u64);
            if limited.read_buf(&mut body).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut reader = Reader::new(Bytes::from(body));
        let header_version = api.response_header_version(version);
        let header = ResponseHeader::decode(&mut reader, header_version).map_err(io::Error::other)?;
        if header.correlation_id != self.next_correlation_id {
            return Err(io::Error::other("the response belongs to another request"));
        }
        Ok(reader)
    }
}
