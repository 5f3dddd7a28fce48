//! Writing an answer: runs of memory with `writev`, regions of files with `sendfile`.

use ottla_base::FileSlice;
use ottla_wire::Segment;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;

/// At most so many pieces of memory go into one system call.
const MAX_PIECES: usize = 64;

pub async fn send(stream: &mut TcpStream, segments: Vec<Segment>) -> io::Result<()> {
    let mut segments = VecDeque::from(segments);
    while let Some(segment) = segments.pop_front() {
        match segment {
            Segment::Bytes(first) => {
                let mut pieces = VecDeque::from([first]);
                while let Some(Segment::Bytes(_)) = segments.front() {
                    if let Some(Segment::Bytes(next)) = segments.pop_front() {
                        pieces.push_back(next);
                    }
                }
                send_memory(stream, pieces).await?;
            }
            Segment::File(slice) => send_file(stream, &slice).await?,
        }
    }
    Ok(())
}

async fn send_memory(stream: &mut TcpStream, mut pieces: VecDeque<bytes::Bytes>) -> io::Result<()> {
    while !pieces.is_empty() {
        let mut written = {
            let slices: Vec<IoSlice<'_>> = pieces.iter().take(MAX_PIECES).map(|piece| IoSlice::new(piece)).collect();
            stream.write_vectored(&slices).await?
        };
        if written == 0 && pieces.iter().any(|piece| !piece.is_empty()) {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(first) = pieces.front_mut() {
            if written < first.len() {
                let _sent = first.split_to(written);
                break;
            }
            written -= first.len();
            pieces.pop_front();
        }
    }
    Ok(())
}

async fn send_file(stream: &mut TcpStream, slice: &FileSlice) -> io::Result<()> {
    let Some(file) = slice.file.as_fd() else {
        return stream.write_all(&slice.read()?).await;
    };
    let (mut position, end) = (slice.position, slice.position + slice.len as u64);
    while position < end {
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                let count = (end - position) as usize;
                rustix::fs::sendfile(&*stream, file, Some(&mut position), count).map_err(io::Error::from)
            })
            .await?;
        if sent == 0 {
            // The file has become shorter under us: the answer cannot be completed.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
