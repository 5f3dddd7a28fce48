"""Directories that Apache Kafka wrote, releases ago: the broker under test starts on each, tells the same of it, and goes on."""

import subprocess

from harness import abilities, java, places, proc
from harness.broker import APACHE_KAFKA, Broker
from harness.case import LoneCase

WRITTEN = places.REPOSITORY / "crates" / "log" / "tests" / "fixtures"
SAID = places.INTEROP / "fixtures"
# Where a node is and with what it runs; Broker has its own.
OWN_SETTINGS = {"listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"}


class Fixture(LoneCase):
    parts = ("transactions", "acls")

    def __init__(self, version):
        self.name = f"fixture-{version}"
        self.version = version

    def install(self, log):
        java.install(APACHE_KAFKA, log)

    def run(self):
        lines = (line.partition("=") for line in (SAID / self.version / "server.properties").read_text().splitlines())
        settings = {key: value for key, _, value in lines if key and key not in OWN_SETTINGS}
        if not abilities.can("acls"):
            # It would rather not start than let everybody in.
            del settings["authorizer.class.name"]
        broker = Broker(self.name, settings, formatted=False)
        archive = WRITTEN / self.version / "log-dir.tar.zst"
        proc.run(["tar", "--zstd", "-xf", archive, "-C", broker.directory], self.log(), timeout=60)
        try:
            broker.start()
            self.topics(broker)
            self.groups(broker)
            self.records(broker)
            self.interop("before", broker.address, self.name)
            broker.stop()
            broker.start()
            self.interop("after", broker.address, self.name, "0")
            self.records(broker)
            broker.stop()
        finally:
            broker.kill()

    def topics(self, broker):
        said = described((SAID / self.version / "topics-describe.txt").read_text())
        says = described(self.tool("org.apache.kafka.tools.TopicCommand", broker, "--describe"))
        if self.version != APACHE_KAFKA:
            # Other releases have other settings, and show others of them.
            said, says = ({name: {**topic, "Configs": None} for name, topic in topics.items()} for topics in (said, says))
        same(said, says, "kafka-topics --describe")

    def groups(self, broker):
        said = offsets((SAID / self.version / "groups-describe.txt").read_text())
        names = sorted({group for group, _, _ in said})
        if not abilities.can("consumer-groups"):
            names.remove("g-new") if "g-new" in names else None
        for name in names:
            says = offsets(self.tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", broker, "--describe", "--group", name))
            same({key: value for key, value in said.items() if key[0] == name}, says, f"kafka-consumer-groups --describe --group {name}")

    def records(self, broker):
        """What a read_committed consumer sees, record by record."""
        packed = (WRITTEN / self.version / "read-committed.tsv.zst").read_bytes()
        said = sorted(subprocess.run(["zstd", "-dc"], input=packed, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines())
        topics = sorted({line.partition("\t")[0] for line in said} | {"empty"})
        output = self.interop("read-committed", broker.address, *topics)
        says = sorted(line for line in output.splitlines() if "\t" in line)
        missing, more = sorted(set(said) - set(says)), sorted(set(says) - set(said))
        assert not missing, f"{len(missing)} records were not read as they were, the first is {missing[0]!r}; of those read, {more[:1]} is new"
        assert not more, f"{len(more)} records more than there were, the first is {more[0]!r}"
        assert len(said) == len(says), f"read {len(says)} records, there are {len(said)}"

    def tool(self, main, broker, *arguments):
        return proc.run(java.command(APACHE_KAFKA, main, "--bootstrap-server", broker.address, *arguments), self.log(), timeout=90)

    def interop(self, *arguments):
        return proc.run(java.command(APACHE_KAFKA, "Interop", *arguments), self.log(), timeout=120)


def described(text):
    """Topics by name: their columns, the configs as a set, and what is said of every partition."""
    topics = {}
    for line in text.splitlines():
        columns = {name: value for name, _, value in (column.partition(": ") for column in line.strip().split("\t"))}
        if "Partition" in columns:
            partition = {name: columns[name] for name in ("Leader", "Replicas", "Isr")}
            topics[columns["Topic"]]["partitions"][columns["Partition"]] = partition
        elif "Topic" in columns:
            columns["Configs"] = set(columns["Configs"].split(","))
            topics[columns["Topic"]] = {**columns, "partitions": {}}
    return topics


def offsets(text):
    """(group, topic, partition) to (current offset, end offset, lag)."""
    rows = [line.split() for line in text.splitlines()]
    return {tuple(row[:3]): tuple(row[3:6]) for row in rows if len(row) >= 6 and row[0] != "GROUP"}


def same(said, says, of):
    for key in sorted(set(said) | set(says)):
        assert said.get(key) == says.get(key), f"{of}: of {key} it says {says.get(key)}, Apache Kafka said {said.get(key)}"


CASES = [Fixture(version) for version in ("3.3.2", "3.8.1", "4.3.1")]
