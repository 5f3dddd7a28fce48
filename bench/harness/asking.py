"""Just enough of Kafka's protocol to ask a server whether it is there: a request is a few bytes."""

import socket
import struct
import time

from .servers import Failed

API_VERSIONS, METADATA = 18, 3
CORRELATION_ID = 7
TIMEOUT_S = 120
PAUSE_S = 0.0005


def ask(port, api, version, body=b""):
    """The answer's body, or None when there is nobody yet."""
    request = struct.pack(">hhih", api, version, CORRELATION_ID, 5) + b"bench" + body
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            (length,) = struct.unpack(">i", read(connection, 4))
            answer = read(connection, length)
    except (OSError, EOFError):
        return None
    (correlation_id,) = struct.unpack_from(">i", answer)
    return answer[4:] if correlation_id == CORRELATION_ID else None


def read(connection, length):
    data = b""
    while len(data) < length:
        piece = connection.recv(length - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def answers_api_versions(port):
    body = ask(port, API_VERSIONS, 0)
    return body is not None and struct.unpack_from(">h", body) == (0,)


def names_one_broker(port):
    """Metadata, version 1, of no topics: the answer begins with the brokers that are alive."""
    body = ask(port, METADATA, 1, struct.pack(">i", 0))
    return body is not None and struct.unpack_from(">i", body) == (1,)


def wait_until(server, question):
    """Asks again and again; returns the moment at which the answer was yes."""
    give_up = time.monotonic() + TIMEOUT_S
    while not question(server.port):
        server.check_alive()
        if time.monotonic() > give_up:
            raise Failed(f"{server.name} did not get so far in {TIMEOUT_S} s ({question.__name__}); see {server.log}")
        time.sleep(PAUSE_S)
    return time.monotonic()
