//! One connection: a frame in, its answer out, then the next frame. Kafka's clients rely on answers
//! in the order of their requests, so there is one request under way at a time.

use super::acceptor::ListenerSettings;
use super::send::send;
use bytes::{Bytes, BytesMut};
use ottla_broker::Node;
use ottla_broker::request::Connection;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A buffer grows by at most this much ahead of the bytes that have come in, so that a length alone
/// does not make us allocate.
const READ_AHEAD: usize = 64 * 1024;

pub async fn serve(
    mut stream: TcpStream,
    settings: &ListenerSettings,
    node: &Arc<Node>,
    connection: &Arc<Connection>,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    let idle = Duration::from_millis(settings.max_idle_ms);
    loop {
        let next = timeout(idle, read_frame(&mut stream, &mut buffer, settings.max_request_bytes));
        let Ok(frame) = next.await else { return Err(io::Error::other("idle for connections.max.idle.ms")) };
        let Some(frame) = frame? else { return Ok(()) };
        let (answer, wait) = oneshot::channel();
        let sink = Box::new(move |segments| {
            // The connection may be gone by now; then nobody wants the answer.
            let _gone = answer.send(segments);
        });
        node.handle(connection, frame, sink).map_err(io::Error::other)?;
        match wait.await {
            Ok(Some(segments)) => send(&mut stream, segments).await?,
            Ok(None) => {}
            Err(_) => return Err(io::Error::other("there is no answer to the request")),
        }
    }
}

/// The bytes of one frame without its length; `None` when the other side is done.
async fn read_frame(stream: &mut TcpStream, buffer: &mut BytesMut, max: usize) -> io::Result<Option<Bytes>> {
    while buffer.len() < 4 {
        buffer.reserve(4096);
        if stream.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
    let announced = i32::from_be_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]);
    let len = usize::try_from(announced).ok().filter(|len| *len <= max).ok_or_else(|| {
        io::Error::other(format!("a request of {announced} bytes (socket.request.max.bytes allows 0 to {max})"))
    })?;
    while buffer.len() < 4 + len {
        let missing = 4 + len - buffer.len();
        // What has come in so far vouches for as much again.
        buffer.reserve(missing.min(READ_AHEAD.max(buffer.len())));
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut frame = buffer.split_to(4 + len);
    let _length = frame.split_to(4);
    Ok(Some(frame.freeze()))
}
