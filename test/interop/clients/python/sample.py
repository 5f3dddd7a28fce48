"""The records of the scenario, as README.md defines them, and the check of what is read."""

PARTITIONS = 3
EACH = 10_000
MORE = 100
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# Seconds to wait for records that must come, and to look for records that must not.
PATIENCE_S = 60
QUIET_S = 0.3


def key(n):
    return f"key-{n}".encode()


def value(label, n):
    return None if n % 1000 == 999 else f"{label} {n} {'abcdefghij' * (n % 20)}".encode()


def headers(label, n):
    return [("label", label.encode()), ("n", str(n).encode())]


class Reader:
    """Counts by label what was read, and refuses a record with other content or out of its partition's order."""

    def __init__(self, first):
        self.first = first
        self.counts = {}
        self.next = {}

    def take(self, partition, offset, record_key, record_value, record_headers):
        found = dict(record_headers)
        label, n = found["label"].decode(), int(found["n"])
        where = f"partition {partition}, offset {offset}"
        assert record_key == key(n), f"{where}: the key is {record_key}, the header says {n}"
        assert record_value == value(label, n), f"{where}: other value: {record_value}"
        start = self.first + (partition - self.first) % PARTITIONS
        expected = self.next.get((label, partition), start)
        assert n == expected, f"{where}: of {label} came {n}, expected {expected}"
        self.next[label, partition] = n + PARTITIONS
        self.counts[label] = self.counts.get(label, 0) + 1

    def total(self):
        return sum(self.counts.values())

    def expect(self, labels, each):
        assert self.counts == dict.fromkeys(labels, each), f"read {self.counts}, expected {each} each of {labels}"
