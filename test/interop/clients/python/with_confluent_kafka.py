"""The scenario with confluent-kafka (librdkafka)."""

import sys
import time

import sample
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic


def create(broker, topic):
    admin = AdminClient({"bootstrap.servers": broker})
    for future in admin.create_topics([NewTopic(topic, num_partitions=sample.PARTITIONS, replication_factor=1)]).values():
        future.result()


def produce(broker, topic, codec, first, count):
    failures = []
    producer = Producer({"bootstrap.servers": broker, "enable.idempotence": True, "compression.type": codec, "linger.ms": 5})

    def delivered(error, _message):
        if error:
            failures.append(error)

    for n in range(first, first + count):
        producer.produce(
            topic,
            key=sample.key(n),
            value=sample.value(codec, n),
            headers=sample.headers(codec, n),
            partition=n % sample.PARTITIONS,
            on_delivery=delivered,
        )
        producer.poll(0)
    assert producer.flush(sample.PATIENCE_S) == 0, "not everything was acknowledged"
    assert not failures, failures[0]


class Group:
    def __init__(self, broker, topic):
        settings = {"bootstrap.servers": broker, "group.id": f"{topic}-group", "auto.offset.reset": "earliest", "enable.auto.commit": False}
        self.consumer = Consumer(settings)
        self.consumer.subscribe([topic])

    def poll(self, seconds):
        message = self.consumer.poll(seconds)
        assert message is None or not message.error(), message.error()
        return message

    def read(self, count, reader):
        until = time.monotonic() + sample.PATIENCE_S
        while reader.total() < count:
            assert time.monotonic() < until, f"only {reader.total()} of {count} records came"
            message = self.poll(0.2)
            # A message without a value is false.
            if message is not None:
                reader.take(message.partition(), message.offset(), message.key(), message.value(), message.headers())
        self.expect_nothing()

    def expect_nothing(self):
        until = time.monotonic() + sample.PATIENCE_S
        while not self.consumer.assignment():
            assert time.monotonic() < until, "the group assigned nothing"
            assert self.poll(0.1) is None, "the group starts before its committed offsets"
        message = self.poll(sample.QUIET_S)
        assert message is None, f"a record that was not expected: {message.headers()}"

    def close(self):
        self.consumer.commit(asynchronous=False)
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
