"""Kafka's protocol by hand, for what no client would send. Versions from before the compact encodings: they are the plainest."""

import socket
import struct

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
FIND_COORDINATOR, JOIN_GROUP, API_VERSIONS, CREATE_TOPICS = 10, 11, 18, 19
INIT_PRODUCER_ID, INCREMENTAL_ALTER_CONFIGS = 22, 44


def string(text):
    if text is None:
        return b"\xff\xff"
    data = text.encode() if isinstance(text, str) else text
    return struct.pack(">h", len(data)) + data


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


def frame(payload):
    return struct.pack(">i", len(payload)) + payload


def request(api, version, body):
    return frame(struct.pack(">hhi", api, version, 7) + string("by-hand") + body)


class Closed(Exception):
    """The broker closed the connection."""


class Connection:
    def __init__(self, port, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def receive(self):
        """The payload of the next frame."""
        return self.exactly(struct.unpack(">i", self.exactly(4))[0])

    def exactly(self, count):
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed
            data += more
        return data

    def call(self, api, version, body):
        """Answers with a Reader behind the response's header (version 0)."""
        self.send(request(api, version, body))
        reader = Reader(self.receive())
        assert reader.int32() == 7, "the correlation id is another one"
        return reader


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, layout):
        size = struct.calcsize(layout)
        value = struct.unpack(layout, self.data[:size])[0]
        self.data = self.data[size:]
        return value

    def int8(self):
        return self.take(">b")

    def int16(self):
        return self.take(">h")

    def int32(self):
        return self.take(">i")

    def string(self):
        size = self.int16()
        if size < 0:
            return None
        value, self.data = self.data[:size], self.data[size:]
        return value.decode()


def produce(connection, topic, partition, records):
    """Produce 7; the partition's error code."""
    partitions = array([struct.pack(">ii", partition, len(records)) + records])
    body = string(None) + struct.pack(">hi", -1, 10_000) + array([string(topic) + partitions])
    reply = connection.call(PRODUCE, 7, body)
    assert (reply.int32(), reply.string(), reply.int32(), reply.int32()) == (1, topic, 1, partition), "another partition was answered"
    return reply.int16()


def create_topic(connection, name, partitions=1, replicas=1, configs=()):
    """CreateTopics 2; the topic's error code."""
    settings = array([string(key) + string(value) for key, value in configs])
    topic = string(name) + struct.pack(">ih", partitions, replicas) + array([]) + settings
    reply = connection.call(CREATE_TOPICS, 2, array([topic]) + struct.pack(">ib", 10_000, 0))
    assert (reply.int32(), reply.int32()) == (0, 1), "not one topic was answered"
    reply.string()
    return reply.int16()


def alter_config(connection, resource_type, resource, key, value, operation=0):
    """IncrementalAlterConfigs 0; the resource's error code. Types: 2 a topic, 4 a broker. Operations: 0 set, 1 delete, 2 append."""
    change = string(key) + struct.pack(">b", operation) + string(value)
    body = array([struct.pack(">b", resource_type) + string(resource) + array([change])]) + b"\0"
    reply = connection.call(INCREMENTAL_ALTER_CONFIGS, 0, body)
    assert (reply.int32(), reply.int32()) == (0, 1), "not one resource was answered"
    return reply.int16()


def varint(value):
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value & ~0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def record(delta, value):
    body = b"\0" + varint(0) + varint(delta) + varint(-1) + varint(len(value)) + value + varint(0)
    return varint(len(body)) + body


def batch(values, magic=2, attributes=0, last_delta=None, count=None, records=None, crc=None, length=None, producer=(-1, -1, -1)):
    """A record batch that is right in everything that is not asked for otherwise."""
    records = b"".join(record(delta, value) for delta, value in enumerate(values)) if records is None else records
    last_delta = len(values) - 1 if last_delta is None else last_delta
    now = 1_700_000_000_000
    rest = struct.pack(">hiqqqhii", attributes, last_delta, now, now, *producer, len(values) if count is None else count) + records
    crc = crc32c(rest) if crc is None else crc
    length = 9 + len(rest) if length is None else length
    return struct.pack(">qiibI", 0, length, -1, magic, crc) + rest


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


TABLE = list(table())
assert crc32c(b"123456789") == 0xE3069283
