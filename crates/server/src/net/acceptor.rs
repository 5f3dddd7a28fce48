//! Listening sockets, and one task per connection that they accept.

use super::connection;
use ottla_broker::Node;
use ottla_broker::request::Connection;
use rustix::net::sockopt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

static NEXT_CONNECTION_ID: AtomicU64 = AtomicU64::new(1);

/// What all connections of a listener have in common.
pub struct ListenerSettings {
    pub name: String,
    pub is_controller: bool,
    /// `socket.request.max.bytes`.
    pub max_request_bytes: usize,
    /// `connections.max.idle.ms`.
    pub max_idle_ms: u64,
    /// `socket.send.buffer.bytes` and `socket.receive.buffer.bytes`; `None` leaves it to the system.
    pub send_buffer: Option<u32>,
    pub receive_buffer: Option<u32>,
    /// `socket.listen.backlog.size`.
    pub backlog: u32,
}

/// Binds without accepting yet, so that the port is known before the node registers.
pub fn bind(host: &str, port: u16, settings: &ListenerSettings) -> io::Result<TcpListener> {
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    let addresses = std::net::ToSocketAddrs::to_socket_addrs(&(host, port))?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
    for address in addresses {
        match bind_one(address, settings) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_one(address: SocketAddr, settings: &ListenerSettings) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if let Some(bytes) = settings.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(address)?;
    socket.listen(settings.backlog)
}

/// Accepts until `stop` says so.
pub async fn serve(
    listener: TcpListener,
    settings: Arc<ListenerSettings>,
    node: Arc<Node>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stopping| *stopping) => return,
        };
        match accepted {
            Ok((stream, peer)) => spawn(stream, peer, settings.clone(), node.clone(), stop.clone()),
            Err(error) => {
                // Out of file descriptors, most likely: let some connections end.
                tracing::warn!("listener {}: cannot accept: {error}", settings.name);
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

fn spawn(
    stream: TcpStream,
    peer: SocketAddr,
    settings: Arc<ListenerSettings>,
    node: Arc<Node>,
    mut stop: watch::Receiver<bool>,
) {
    let prepared = stream.set_nodelay(true).and_then(|()| match settings.send_buffer {
        Some(bytes) => sockopt::set_socket_send_buffer_size(&stream, bytes as usize).map_err(io::Error::from),
        None => Ok(()),
    });
    if let Err(error) = prepared {
        tracing::debug!("{peer}: {error}");
        return;
    }
    let connection = Arc::new(Connection {
        id: NEXT_CONNECTION_ID.fetch_add(1, Ordering::Relaxed),
        listener: settings.name.clone(),
        is_controller_listener: settings.is_controller,
        peer: peer.ip().to_canonical(),
    });
    tokio::spawn(async move {
        let served = tokio::select! {
            served = connection::serve(stream, &settings, &node, &connection) => served,
            _ = stop.wait_for(|stopping| *stopping) => Ok(()),
        };
        if let Err(error) = served {
            tracing::debug!("connection {} from {peer} on {}: {error}", connection.id, connection.listener);
        }
        node.connection_closed(&connection);
    });
}
