"""The scenario with aiokafka."""

import asyncio
import sys
import time

import sample
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def create(broker, topic):
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=sample.PARTITIONS, replication_factor=1)])
    finally:
        await admin.close()


async def produce(broker, topic, codec, first, count):
    compression = None if codec == "none" else codec
    producer = AIOKafkaProducer(bootstrap_servers=broker, enable_idempotence=True, compression_type=compression, linger_ms=5)
    await producer.start()
    try:
        sent = [
            await producer.send(
                topic,
                key=sample.key(n),
                value=sample.value(codec, n),
                headers=sample.headers(codec, n),
                partition=n % sample.PARTITIONS,
            )
            for n in range(first, first + count)
        ]
        await asyncio.wait_for(asyncio.gather(*sent), sample.PATIENCE_S)
    finally:
        await producer.stop()


class Group:
    def __init__(self, broker, topic):
        self.consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=broker,
            group_id=f"{topic}-group",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )

    async def poll(self, seconds):
        batches = await self.consumer.getmany(timeout_ms=int(seconds * 1000))
        return [record for records in batches.values() for record in records]

    async def read(self, count, reader):
        until = time.monotonic() + sample.PATIENCE_S
        while reader.total() < count:
            assert time.monotonic() < until, f"only {reader.total()} of {count} records came"
            for record in await self.poll(0.2):
                reader.take(record.partition, record.offset, record.key, record.value, record.headers)
        await self.expect_nothing()

    async def expect_nothing(self):
        until = time.monotonic() + sample.PATIENCE_S
        while not self.consumer.assignment():
            assert time.monotonic() < until, "the group assigned nothing"
            assert not await self.poll(0.1), "the group starts before its committed offsets"
        records = await self.poll(sample.QUIET_S)
        assert not records, f"records that were not expected: {records[:1]}"


async def before(broker, topic):
    await create(broker, topic)
    for codec in sample.CODECS:
        await produce(broker, topic, codec, 0, sample.EACH)
    reader = sample.Reader(0)
    group = Group(broker, topic)
    await group.consumer.start()
    try:
        await group.read(len(sample.CODECS) * sample.EACH, reader)
        await group.consumer.commit()
    finally:
        await group.consumer.stop()
    reader.expect(sample.CODECS, sample.EACH)


async def after(broker, topic):
    reader = sample.Reader(sample.EACH)
    group = Group(broker, topic)
    await group.consumer.start()
    try:
        await group.expect_nothing()
        await produce(broker, topic, "none", sample.EACH, sample.MORE)
        await group.read(sample.MORE, reader)
        await group.consumer.commit()
    finally:
        await group.consumer.stop()
    reader.expect(["none"], sample.MORE)


if __name__ == "__main__":
    asyncio.run({"before": before, "after": after}[sys.argv[1]](*sys.argv[2:]))
