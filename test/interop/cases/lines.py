"""The scenario's records as lines of text, for the tools that read and write those; the tool's partitioner places them."""

from clients.python import sample

NULL = "NULL"


def write(path, label, first, count):
    """A file of lines: headers, key and value, with tabs in between."""
    with open(path, "w", encoding="utf-8") as file:
        for n in range(first, first + count):
            value = sample.value(label, n)
            text = NULL if value is None else value.decode()
            file.write(f"label:{label},n:{n}\t{sample.key(n).decode()}\t{text}\n")


class Reader:
    """Counts by label what was read, and refuses a record with other content or out of its partition's order."""

    def __init__(self):
        self.seen = {}
        self.last = {}

    def take(self, partition, label, n, key, value):
        wanted = sample.value(label, n)
        assert key == sample.key(n).decode(), f"the key of {label} {n} is {key}"
        assert value == (NULL if wanted is None else wanted.decode()), f"the value of {label} {n} is {value}"
        before = self.last.get((label, partition), -1)
        assert n > before, f"partition {partition}: of {label} came {n} after {before}"
        self.last[label, partition] = n
        self.seen.setdefault(label, set()).add(n)

    def expect(self, labels, first, each):
        assert set(self.seen) == set(labels), f"read {sorted(self.seen)}, expected {labels}"
        for label in labels:
            missing = set(range(first, first + each)) - self.seen[label]
            assert not missing, f"{label}: {len(missing)} of {each} were not read, the first is {min(missing)}"
            assert len(self.seen[label]) == each, f"{label}: read {len(self.seen[label])}, expected {each}"
        partitions = {partition for _, partition in self.last}
        assert partitions <= set(range(sample.PARTITIONS)), f"read from partitions {partitions}"
