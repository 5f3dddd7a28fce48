"""kafka-topics, kafka-console-producer and kafka-console-consumer of several releases."""

from clients.python import sample
from harness import java, places, proc
from harness.case import ClientCase

from . import lines

TOPICS = {"3.3.2": "kafka.admin.TopicCommand"}
PRODUCER = {"3.3.2": "kafka.tools.ConsoleProducer", "3.9.2": "kafka.tools.ConsoleProducer"}
CONSUMER = {"3.3.2": "kafka.tools.ConsoleConsumer"}
# 4.x warns on its standard output about the names that these options had before.
OLD_OPTIONS = {"reader": "--property", "formatter": "--property", "producer": "--producer-property"}
NEW_OPTIONS = {"reader": "--reader-property", "formatter": "--formatter-property", "producer": "--command-property"}


class ConsoleTools(ClientCase):
    def __init__(self, version):
        self.name = f"console-tools-{version}"
        self.version = version
        self.options = OLD_OPTIONS if version.startswith("3.") else NEW_OPTIONS
        self.topics_class = TOPICS.get(version, "org.apache.kafka.tools.TopicCommand")
        self.producer_class = PRODUCER.get(version, "org.apache.kafka.tools.ConsoleProducer")
        self.consumer_class = CONSUMER.get(version, "org.apache.kafka.tools.consumer.ConsoleConsumer")

    def install(self, log):
        java.install(self.version, log)

    def before(self, address, topic):
        created = self.topics(address, "--create", "--topic", topic, "--partitions", sample.PARTITIONS, "--replication-factor", 1)
        assert f"Created topic {topic}." in created, created
        described = self.topics(address, "--describe", "--topic", topic)
        assert f"PartitionCount: {sample.PARTITIONS}" in described and "Leader: 1" in described, described
        for codec in sample.CODECS:
            self.produce(address, topic, codec, 0, sample.EACH)
        reader = self.consume(address, topic, len(sample.CODECS) * sample.EACH)
        reader.expect(sample.CODECS, 0, sample.EACH)

    def after(self, address, topic):
        old = self.consume(address, topic, 1, timeout_ms=3000)
        assert not old.seen, f"read again after the restart: {old.last}"
        self.produce(address, topic, "none", sample.EACH, sample.MORE)
        # One more is asked for than there may be: it must not come.
        reader = self.consume(address, topic, sample.MORE + 1, timeout_ms=3000)
        reader.expect(["none"], sample.EACH, sample.MORE)
        self.topics(address, "--delete", "--topic", topic)
        listed = self.topics(address, "--list").split()
        assert topic not in listed, f"deleted, but listed: {listed}"

    def topics(self, address, *arguments):
        return self.call(self.topics_class, "--bootstrap-server", address, *arguments)

    def produce(self, address, topic, codec, first, count):
        file = places.work() / f"{topic}-{codec}.txt"
        lines.write(file, codec, first, count)
        properties = ["parse.key=true", "parse.headers=true", "key.separator=\t", f"null.marker={lines.NULL}"]
        self.call(
            self.producer_class,
            *("--bootstrap-server", address, "--topic", topic, "--compression-codec", codec),
            *self.properties("producer", ["enable.idempotence=true", "acks=all"]),
            *self.properties("reader", properties),
            stdin=file,
        )

    def consume(self, address, topic, count, timeout_ms=30_000):
        printed = ["partition", "headers", "key", "value"]
        properties = [f"print.{what}=true" for what in printed] + ["key.separator=\t", f"null.literal={lines.NULL}"]
        output = self.call(
            self.consumer_class,
            *("--bootstrap-server", address, "--topic", topic, "--group", f"{topic}-group", "--from-beginning"),
            *("--max-messages", count, "--timeout-ms", timeout_ms),
            *self.properties("formatter", properties),
        )
        reader = lines.Reader()
        for line in output.splitlines():
            parts = line.split("\t")
            assert len(parts) == 4, f"the console consumer printed {line!r}"
            partition, headers, key, value = parts
            label, n = (header.split(":")[1] for header in headers.split(","))
            reader.take(int(partition.removeprefix("Partition:")), label, int(n), key, value)
        return reader

    def properties(self, of, values):
        return [part for value in values for part in (self.options[of], value)]

    def call(self, main, *arguments, stdin=None):
        return proc.run(java.command(self.version, main, *arguments), self.log(), timeout=90, stdin=stdin)


CASES = [ConsoleTools(version) for version in ("3.3.2", "3.9.2", "4.3.1")]
