"""A minute of garbage, beside a client that behaves: that one notices nothing, and the broker has an answer to everything."""

import random
import struct
import threading
import time
import zlib

from harness import frames, java, proc
from harness.broker import APACHE_KAFKA, Broker
from harness.case import LoneCase
from harness.frames import Closed, Connection, alter_config, batch, create_topic, produce, record, string

SECONDS = 60
THREADS = 4
SILENT = 20
IDLE_MS = 6_000
# The JVM takes what -Xmx allows it, and some.
PEAK_MIB = {"ottla": 160, "apache-kafka": 1_400}
# Frames that are announced as large and never come. A broker that allocates by the length alone has to be spared.
ANNOUNCED = {"ottla": 40, "apache-kafka": 1}
MAX_REQUEST = 104_857_600

TOPIC = "garbage-target"
CORRUPT_MESSAGE, UNKNOWN_TOPIC, MESSAGE_TOO_LARGE, INVALID_TOPIC, TOPIC_EXISTS = 2, 3, 10, 17, 36
INVALID_PARTITIONS, INVALID_REPLICATION, INVALID_CONFIG, INVALID_REQUEST, INVALID_RECORD = 37, 38, 40, 42, 87
UNKNOWN_SERVER_ERROR, UNSUPPORTED_COMPRESSION = -1, 76

GOOD = batch([b"one", b"two"])


def gzip(data):
    return zlib.compress(data, wbits=31)


def bad_batches(rng):
    """What is wrong, the records, and the error codes that are right."""
    noise = rng.randbytes(50)
    bent = bytearray(GOOD)
    # Behind base offset, length, leader epoch, magic, checksum and attributes.
    bent[rng.randrange(23, len(bent))] ^= 1 << rng.randrange(8)
    # Apache Kafka falls over some of what it cannot decode.
    undecodable = (UNKNOWN_SERVER_ERROR, INVALID_RECORD, CORRUPT_MESSAGE)
    return [
        ("a wrong checksum", batch([b"a"], crc=1), (CORRUPT_MESSAGE,)),
        ("a flipped bit", bytes(bent), (CORRUPT_MESSAGE,)),
        ("a batch cut short", GOOD[: rng.randrange(1, len(GOOD))], (INVALID_RECORD, CORRUPT_MESSAGE)),
        ("no batch", b"", (INVALID_RECORD,)),
        ("two batches", GOOD + GOOD, (INVALID_RECORD,)),
        ("magic 1", batch([b"a"], magic=1), (INVALID_RECORD,)),
        ("magic 7", batch([b"a"], magic=7), (CORRUPT_MESSAGE,)),
        ("a length below the header's", batch([b"a"], length=20), (CORRUPT_MESSAGE,)),
        ("a negative length", batch([b"a"], length=-1), (CORRUPT_MESSAGE,)),
        ("a length beyond all bounds", batch([b"a"], length=2**31 - 1), (UNKNOWN_SERVER_ERROR, INVALID_RECORD, CORRUPT_MESSAGE)),
        ("too many records announced", batch([b"a", b"b"], count=2**31 - 1), (INVALID_RECORD,)),
        ("a negative count", batch([b"a", b"b"], count=-1), (INVALID_RECORD,)),
        ("a last offset that is another one", batch([b"a", b"b"], last_delta=9), (INVALID_RECORD,)),
        ("records of noise", batch([b"a"], records=noise), undecodable),
        ("noise as gzip", batch([b"a"], attributes=1, records=noise), undecodable),
        ("noise as zstd", batch([b"a"], attributes=4, records=noise), undecodable),
        ("a codec that does not exist", batch([b"a"], attributes=7, records=noise), (UNKNOWN_SERVER_ERROR, UNSUPPORTED_COMPRESSION)),
        ("a gzip bomb", batch([b"a"], attributes=1, records=BOMB), (INVALID_RECORD,)),
        ("a control batch", batch([b"a"], attributes=0x20), (INVALID_RECORD,)),
        ("a batch that is too large", LARGE, (MESSAGE_TOO_LARGE,)),
    ]


BOMB = gzip(record(0, b"a") + bytes(20_000_000))
LARGE = batch([bytes(1_100_000)])

BAD_NAMES = [("", INVALID_TOPIC), ("..", INVALID_TOPIC), ("a/b", INVALID_TOPIC), ("x" * 250, INVALID_TOPIC), ("\u00fc", INVALID_TOPIC), (TOPIC, TOPIC_EXISTS)]
BAD_CONFIGS = [
    ("no.such.config", "1"),
    ("retention.ms", "soon"),
    ("retention.ms", "-2"),
    ("cleanup.policy", "shred"),
    ("min.insync.replicas", "0"),
    ("segment.bytes", "1"),
    ("compression.type", "brotli"),
    ("max.message.bytes", "99999999999"),
    ("preallocate", "maybe"),
    ("", ""),
]
# Type, name, key, value: of brokers, Apache Kafka calls these invalid requests.
BAD_CHANGES = [
    (2, TOPIC, "retention.ms", None, INVALID_REQUEST),
    (2, "no-such-topic", "retention.ms", "1", UNKNOWN_TOPIC),
    (99, TOPIC, "retention.ms", "1", INVALID_REQUEST),
    (4, "9", "log.retention.ms", "1000", INVALID_REQUEST),
    (4, "one", "log.retention.ms", "1000", INVALID_REQUEST),
    (4, "1", "node.id", "3", INVALID_REQUEST),
    (4, "1", "log.retention.ms", "soon", INVALID_REQUEST),
]


def produces(port, rng):
    with Connection(port) as connection:
        for what, records, expected in rng.sample(bad_batches(rng), 5):
            code = produce(connection, TOPIC, 0, records)
            assert code in expected, f"Produce of {what} is answered with {code}, expected {expected}"
        code = produce(connection, "no-such-topic", 0, GOOD)
        assert code == UNKNOWN_TOPIC, f"Produce to an unknown topic is answered with {code}"
        # After all this the connection is as good as ever.
        assert produce(connection, TOPIC, 0, GOOD) == 0, "a good batch is refused after bad ones"


def asks_for_topics(port, rng):
    with Connection(port) as connection:
        name, expected = rng.choice(BAD_NAMES)
        code = create_topic(connection, name)
        assert code == expected, f"CreateTopics of {name!r} is answered with {code}, expected {expected}"
        key, value = rng.choice(BAD_CONFIGS)
        code = create_topic(connection, "never", configs=[(key, value)])
        assert code == INVALID_CONFIG, f"CreateTopics with {key}={value} is answered with {code}"
        codes = create_topic(connection, "never", partitions=0), create_topic(connection, "never", replicas=2)
        assert codes == (INVALID_PARTITIONS, INVALID_REPLICATION), f"no partition and too many replicas are answered with {codes}"


def asks_for_configs(port, rng):
    with Connection(port) as connection:
        key, value = rng.choice(BAD_CONFIGS)
        code = alter_config(connection, 2, TOPIC, key, value)
        assert code == INVALID_CONFIG, f"IncrementalAlterConfigs with {key}={value} is answered with {code}"
        kind, name, key, value, expected = rng.choice(BAD_CHANGES)
        code = alter_config(connection, kind, name, key, value)
        assert code == expected, f"IncrementalAlterConfigs of {kind} {name!r} with {key}={value} is answered with {code}, expected {expected}"


def is_shown_the_door(port, rng):
    """What cannot be answered closes the connection."""
    huge = struct.pack(">i", 2**31 - 1)
    rude = [
        ("a negative length", struct.pack(">i", -5)),
        ("a length of zero", struct.pack(">i", 0)),
        ("a length beyond socket.request.max.bytes", struct.pack(">i", MAX_REQUEST + 1)),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n"),
        ("TLS", bytes.fromhex("16030100f5010000f1030367") + bytes(300)),
        ("a header cut short", frames.frame(b"\0\3")),
        ("a client id that lies", frames.frame(struct.pack(">hhih", frames.METADATA, 1, 7, 500) + b"abc")),
        ("an API that does not exist", frames.request(999, 0, b"")),
        ("a negative API", frames.request(-1, 0, b"")),
        ("an API of brokers among themselves", frames.request(7, 0, b"")),
        ("a version of Fetch that does not exist", frames.request(frames.FETCH, 99, b"")),
        ("a version of Produce that is gone", frames.request(frames.PRODUCE, 2, b"")),
        ("an array that lies", frames.request(frames.METADATA, 4, huge)),
        ("topics that lie", frames.request(frames.CREATE_TOPICS, 2, huge + bytes(40))),
        ("groups that lie", frames.request(frames.JOIN_GROUP, 2, string("g") + bytes(8) + string("") + string("c") + huge)),
        ("a body cut short", frames.request(frames.METADATA, 4, b"\0")),
    ]
    what, data = rng.choice(rude)
    with Connection(port) as connection:
        try:
            connection.send(data)
            reply = connection.receive()
        except Closed:
            return
        raise AssertionError(f"{what} is answered, with {reply[:40]!r}")


def makes_noise(port, rng):
    """Whatever comes of it."""
    with Connection(port) as connection:
        try:
            noise = rng.randbytes(rng.randrange(1, 3000))
            if rng.random() < 0.7:
                api = rng.choice([frames.PRODUCE, frames.FETCH, frames.LIST_OFFSETS, frames.METADATA, frames.FIND_COORDINATOR, frames.JOIN_GROUP, frames.INIT_PRODUCER_ID])
                noise = frames.request(api, rng.randrange(12), noise)
            connection.send(noise[: rng.randrange(1, len(noise) + 1)])
            connection.socket.settimeout(0.05)
            connection.receive()
        except (Closed, TimeoutError, struct.error):
            pass


def hangs_up(port, rng):
    connections = [Connection(port) for _ in range(20)]
    for connection in connections:
        if rng.random() < 0.5:
            connection.send(GOOD[: rng.randrange(4)])
        connection.socket.close()


MENU = [produces, asks_for_topics, asks_for_configs, is_shown_the_door, makes_noise, hangs_up]


class Garbage(LoneCase):
    name = "garbage"

    def install(self, log):
        java.install(APACHE_KAFKA, log)

    def run(self):
        broker = Broker(self.name, {"auto.create.topics.enable": "false", "connections.max.idle.ms": IDLE_MS})
        steady = None
        held = []
        try:
            broker.start()
            with Connection(broker.port) as connection:
                code = create_topic(connection, TOPIC)
                assert code == 0, f"the topic was not created: {code}"
            steady = proc.start(java.command(APACHE_KAFKA, "Interop", "steady", broker.address, self.name, SECONDS), self.log())
            proc.wait_for_line(steady, self.log(), "running", timeout=60)
            held = holds(broker)
            counts = self.pour(broker, steady)
            proc.wait_for_line(steady, self.log(), "OK", timeout=90)
            steady.wait(30)
            for connection in held:
                closed_by_the_broker(connection)
            wait_until_nobody_is_connected(broker)
            peak = broker.peak_memory_mib()
            assert peak <= PEAK_MIB[broker.kind], f"{peak} MiB of memory were resident, {PEAK_MIB[broker.kind]} are allowed"
            broker.stop()
            if broker.kind == "ottla":
                assert "panicked" not in broker.log.read_text(), f"a panic; see {broker.log}"
        finally:
            if steady:
                proc.kill_group(steady)
            for connection in held:
                connection.socket.close()
            broker.kill()
        return f"{sum(counts.values())} rounds, {peak} MiB at most"

    def pour(self, broker, steady):
        """Until the client that behaves is done; how often each kind was served."""
        seed = random.SystemRandom().randrange(2**32)
        counts = dict.fromkeys((serve.__name__ for serve in MENU), 0)
        failures = []

        def serve_on(number):
            rng = random.Random(seed + number)
            while steady.poll() is None and not failures:
                serve = rng.choice(MENU)
                try:
                    serve(broker.port, rng)
                    counts[serve.__name__] += 1
                except Exception as error:
                    failures.append(proc.Failed(f"{serve.__name__}, thread {number} of seed {seed}: {error!r}"))

        threads = [threading.Thread(target=serve_on, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        assert all(counts.values()), f"not everything was tried: {counts}"
        return counts


def holds(broker):
    """Connections that are kept, and say nothing more: some never spoke, some announced what never comes."""
    held = [Connection(broker.port) for _ in range(SILENT)]
    for _ in range(ANNOUNCED[broker.kind]):
        connection = Connection(broker.port)
        connection.send(struct.pack(">i", MAX_REQUEST) + bytes(1000))
        held.append(connection)
    return held


def closed_by_the_broker(connection):
    connection.socket.settimeout(2 * IDLE_MS / 1000)
    try:
        more = connection.socket.recv(1)
    except ConnectionResetError:
        more = b""
    except TimeoutError:
        raise AssertionError(f"an idle connection is open after connections.max.idle.ms={IDLE_MS}, twice") from None
    assert not more, "an answer to nothing"


def wait_until_nobody_is_connected(broker):
    # Its own connections with itself may take their idle time.
    until = time.monotonic() + 3 * IDLE_MS / 1000
    while left := broker.connections():
        assert time.monotonic() < until, f"{left} connections are still open, of clients that went away"
        time.sleep(0.1)


CASES = [Garbage()]
