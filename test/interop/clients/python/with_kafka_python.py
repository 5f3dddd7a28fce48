"""The scenario with kafka-python."""

import sys
import time

import sample
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic


def create(broker, topic):
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics([NewTopic(topic, num_partitions=sample.PARTITIONS, replication_factor=1)])
    admin.close()


def produce(broker, topic, codec, first, count):
    compression = None if codec == "none" else codec
    producer = KafkaProducer(bootstrap_servers=broker, enable_idempotence=True, compression_type=compression, linger_ms=5)
    sent = [
        producer.send(
            topic,
            key=sample.key(n),
            value=sample.value(codec, n),
            headers=sample.headers(codec, n),
            partition=n % sample.PARTITIONS,
        )
        for n in range(first, first + count)
    ]
    producer.flush(timeout=sample.PATIENCE_S)
    for future in sent:
        future.get(timeout=1)
    producer.close()


class Group:
    def __init__(self, broker, topic):
        self.consumer = KafkaConsumer(
            topic,
            bootstrap_servers=broker,
            group_id=f"{topic}-group",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )

    def poll(self, seconds):
        return [record for records in self.consumer.poll(timeout_ms=int(seconds * 1000)).values() for record in records]

    def read(self, count, reader):
        until = time.monotonic() + sample.PATIENCE_S
        while reader.total() < count:
            assert time.monotonic() < until, f"only {reader.total()} of {count} records came"
            for record in self.poll(0.2):
                reader.take(record.partition, record.offset, record.key, record.value, record.headers)
        self.expect_nothing()

    def expect_nothing(self):
        until = time.monotonic() + sample.PATIENCE_S
        while not self.consumer.assignment():
            assert time.monotonic() < until, "the group assigned nothing"
            assert not self.poll(0.1), "the group starts before its committed offsets"
        records = self.poll(sample.QUIET_S)
        assert not records, f"records that were not expected: {records[:1]}"

    def close(self):
        self.consumer.commit()
        self.consumer.close()


def before(broker, topic):
    create(broker, topic)
    for codec in sample.CODECS:
        produce(broker, topic, codec, 0, sample.EACH)
    reader = sample.Reader(0)
    group = Group(broker, topic)
    group.read(len(sample.CODECS) * sample.EACH, reader)
    group.close()
    reader.expect(sample.CODECS, sample.EACH)


def after(broker, topic):
    reader = sample.Reader(sample.EACH)
    group = Group(broker, topic)
    group.expect_nothing()
    produce(broker, topic, "none", sample.EACH, sample.MORE)
    group.read(sample.MORE, reader)
    group.close()
    reader.expect(["none"], sample.MORE)


if __name__ == "__main__":
    {"before": before, "after": after}[sys.argv[1]](*sys.argv[2:])
