"""kafka-console-producer.sh and kafka-console-consumer.sh"""

import signal

from harness.case import Case, step

READ = "--from-beginning --timeout-ms 4000"


def produce(line, stdin="", **more):
    return step("kafka-console-producer", f"--bootstrap-server {{broker}} {line}", stdin=stdin, **more)


def consume(line, **more):
    return step("kafka-console-consumer", f"--bootstrap-server {{broker}} {line}", **more)


def transactions(topic):
    """A hundred records in transactions."""
    return step(
        "kafka-producer-perf-test",
        f"--topic {topic} --num-records 100 --record-size 20 --throughput 100000 --transactional-id perf --transaction-duration-ms 20 --bootstrap-server {{broker}}",
    )


def topics(line):
    return step("kafka-topics", f"--bootstrap-server {{broker}} {line}")


SHOW_ALL = [
    word
    for name in ("timestamp", "partition", "offset", "delivery", "epoch", "headers", "key", "value")
    for word in ("--formatter-property", f"print.{name}=true")
]

CASES = [
    Case(
        "console-plain",
        [
            topics("--create --topic plain --partitions 1"),
            produce("--topic plain", "one\ntwo\n\nfour\r\nfünf\nlast without newline"),
            consume(f"--topic plain {READ} --max-messages 6"),
            consume(f"--topic plain --group g1 {READ} --max-messages 2"),
            consume(f"--topic plain --group g1 {READ} --max-messages 2"),
            consume("--topic plain --group g1 --timeout-ms 4000"),
            consume("--topic plain --partition 0 --offset 3 --max-messages 2"),
            consume("--topic plain --partition 0 --offset earliest --max-messages 1"),
            consume("--topic plain --partition 0 --from-beginning --max-messages 1"),
            consume("--topic plain --partition 0 --offset latest --timeout-ms 1000"),
            consume("--topic plain --partition 0 --offset 100 --timeout-ms 1500"),
            consume("--topic plain --max-messages 0"),
            consume("--include pl.* --group g2 --from-beginning --max-messages 6"),
            consume("--include pl.* --group g3 --consumer-property auto.offset.reset=earliest --max-messages 1"),
            consume(f"--topic plain --group g4 {READ} --max-messages 6 --command-property group.protocol=consumer"),
            consume(f"--topic plain --group g4 {READ} --command-property group.protocol=consumer"),
            consume(f"--topic plain {READ} --max-messages 1 --enable-systest-events"),
        ],
    ),
    Case(
        "console-fields",
        [
            topics("--create --topic fields"),
            produce(
                "--topic fields --reader-property parse.key=true --reader-property parse.headers=true --reader-property null.marker=NULL",
                "h1:v1,h2:v2\tkey\tvalue\nNULL\tNULL\tNULL\nh:NULL\tk\t\n",
            ),
            produce("--topic fields --property parse.key=true --property key.separator=:", "a:b:c\n:empty key\n"),
            produce("--topic fields --reader-config {dir}/reader.properties", "x|y\nno separator\n"),
            produce("--topic fields --reader-property parse.key=true", "good\tline\nbad line\nnever sent\tx\n"),
            produce("--topic fields --reader-property parse.headers=true", "nocolon\tx\n"),
            produce("--topic fields --reader-property headers.delimiter=,", "x\n"),
            consume(f"--topic fields {READ} --max-messages 8", words=SHOW_ALL),
            consume(f"--topic fields {READ} --max-messages 8 --formatter-property print.key=true --formatter-property key.separator=| --formatter-property null.literal=nil"),
            consume(f"--topic fields {READ} --max-messages 2 --property print.value=false --property print.offset=true --property line.separator=;"),
            consume(f"--topic fields {READ} --max-messages 2 --formatter-config {{dir}}/formatter.properties"),
            consume(f"--topic fields {READ} --max-messages 2 --formatter org.apache.kafka.tools.consumer.NoOpMessageFormatter"),
            consume(f"--topic fields {READ} --max-messages 2 --formatter org.apache.kafka.tools.consumer.LoggingMessageFormatter"),
        ],
        files={
            "reader.properties": "parse.key=true\nkey.separator=|\nignore.error=true\n",
            "formatter.properties": "print.key=true\nprint.headers=true\n",
        },
    ),
    Case(
        "console-deserializers",
        [
            topics("--create --topic numbers"),
            produce("--topic numbers --reader-property parse.key=true", "abcd\tabcdefgh\n12\t1.5\n"),
            consume(f"--topic numbers {READ} --max-messages 1 --formatter-property print.key=true --key-deserializer org.apache.kafka.common.serialization.IntegerDeserializer --value-deserializer org.apache.kafka.common.serialization.LongDeserializer"),
            consume(f"--topic numbers {READ} --max-messages 1 --value-deserializer org.apache.kafka.common.serialization.DoubleDeserializer"),
            consume(f"--topic numbers {READ} --max-messages 1 --formatter-property print.key=true --key-deserializer org.apache.kafka.common.serialization.FloatDeserializer --value-deserializer org.apache.kafka.common.serialization.BytesDeserializer"),
            consume(f"--topic numbers {READ} --max-messages 2 --value-deserializer org.apache.kafka.common.serialization.LongDeserializer"),
            consume(f"--topic numbers {READ} --max-messages 2 --skip-message-on-error --value-deserializer org.apache.kafka.common.serialization.LongDeserializer"),
            consume(f"--topic numbers {READ} --max-messages 1 --value-deserializer my.own.Deserializer"),
        ],
    ),
    Case(
        "console-compression",
        [topics("--create --topic packed")]
        + [
            produce(f"--topic packed --compression-codec {codec}", "".join(f"{codec} {i}\n" for i in range(300)))
            for codec in ("none", "gzip", "snappy", "lz4", "zstd")
        ]
        + [
            produce("--topic packed --compression-codec", "default codec\n"),
            produce("--topic packed --compression-codec brotli", "x\n"),
            produce("--topic packed --request-required-acks 1 --sync", "acks 1\nsync\n"),
            produce("--topic packed --request-required-acks 0", "acks 0\n"),
            produce("--topic packed --batch-size 100 --timeout 0 --max-memory-bytes 2000000", "".join(f"small {i}\n" for i in range(100))),
            produce("--topic packed --producer-property enable.idempotence=false --max-partition-memory-bytes 500", "not idempotent\n"),
            produce("--topic packed --producer.config {dir}/producer.properties", "from a file\n"),
            produce("--topic packed --command-property acks=2", "x\n"),
            produce("--topic packed --command-property max.request.size=100 --sync", "y" * 200 + "\n"),
            produce("--topic packed --command-property max.request.size=100", "z" * 200 + "\nsmall\n"),
            consume(f"--topic packed {READ} --max-messages 1606"),
        ],
        files={"producer.properties": "client.id=somebody\nlinger.ms=0\n"},
    ),
    Case(
        "console-topics-that-are-not",
        [
            produce("--topic made-by-producing", "x\n"),
            consume(f"--topic made-by-producing {READ} --max-messages 1"),
            produce("--topic", "x\n", words=["a b"]),
            consume("--topic made-by-consuming --timeout-ms 3000"),
            consume("--timeout-ms 3000 --topic", words=["a b"]),
        ],
    ),
    Case(
        "console-coordinator-topics",
        [
            consume(f"--topic {topic} --partition 0 --offset earliest --timeout-ms 2000 --formatter org.apache.kafka.tools.consumer.{name}MessageFormatter")
            for topic, name in (
                ("__consumer_offsets", "Offsets"),
                ("__consumer_offsets", "GroupMetadata"),
                ("__transaction_state", "TransactionLog"),
            )
        ],
        setup=[
            topics("--create --topic committed --partitions 2"),
            produce("--topic committed", "x\n"),
            consume(f"--topic committed --group json-group {READ} --max-messages 1"),
            consume(f"--topic committed --group json-group-848 {READ} --max-messages 1 --command-property group.protocol=consumer"),
            transactions("committed"),
        ],
    ),
    Case(
        "console-isolation",
        [
            consume("--topic mixed --partition 0 --offset earliest --max-messages 201 --isolation-level read_committed --formatter-property print.offset=true"),
            consume("--topic mixed --partition 0 --offset earliest --max-messages 201 --formatter-property print.offset=true"),
            consume("--topic mixed --partition 0 --offset 50 --max-messages 20 --isolation-level read_committed"),
        ],
        setup=[
            topics("--create --topic mixed"),
            transactions("mixed"),
            produce("--topic mixed", "plain\n"),
            transactions("mixed"),
        ],
    ),
    Case(
        "console-signals",
        [
            topics("--create --topic endless"),
            produce("--topic endless", "tick\n"),
            consume("--topic endless --from-beginning", interrupt_after="tick", signal=signal.SIGTERM),
            consume("--topic endless --from-beginning --group steady", interrupt_after="tick", signal=signal.SIGINT),
            consume("--topic endless --from-beginning --group steady --timeout-ms 2000"),
        ],
    ),
    Case(
        "console-producer-errors",
        [
            step("kafka-console-producer", "", own_words=True),
            step("kafka-console-producer", "--help", own_words=True),
            step("kafka-console-producer", "--version"),
            step("kafka-console-producer", "--topic t"),
            produce(""),
            step("kafka-console-producer", "--topic t --bootstrap-server nonsense"),
            step("kafka-console-producer", "--topic t --bootstrap-server 127.0.0.1:1,nonsense"),
            produce("--topic t --nonsense"),
            produce("--topic t --batch-size x", "a\n"),
            produce("--topic t --timeout x", "a\n"),
            produce("--topic t --property a=b --reader-property c=d"),
            produce("--topic t --producer-property a=b --command-property c=d"),
            produce("--topic t --producer.config a --command-config c"),
            produce("--topic t --command-config {dir}/missing"),
            produce("--topic t --topic u", "x\n"),
            produce("--topic t --command-property linger.ms=soon", "x\n"),
            produce("--topic t --command-property enable.idempotence=true --request-required-acks 1", "x\n"),
        ],
    ),
    Case(
        "console-consumer-errors",
        [
            step("kafka-console-consumer", "", own_words=True),
            step("kafka-console-consumer", "--help", own_words=True),
            step("kafka-console-consumer", "--version"),
            step("kafka-console-consumer", "--topic t"),
            consume(""),
            consume("--topic t --include u"),
            consume("--include u --partition 1"),
            consume("--topic t --offset 1"),
            consume("--topic t --partition 0 --offset never"),
            consume("--topic t --partition 0 --offset -5"),
            consume("--topic t --partition 0 --offset 1 --from-beginning"),
            consume("--topic t --partition 0 --group g"),
            consume("--topic t --group g --command-property group.id=h"),
            consume("--topic t --consumer-property a=b --command-property c=d"),
            consume("--topic t --consumer.config a --command-config b"),
            consume("--topic t --from-beginning --command-property auto.offset.reset=latest"),
            consume("--topic t --formatter my.own.Formatter"),
            consume("--topic t --property a=b --formatter-property c=d"),
            consume("--topic t --isolation-level none"),
            consume("--topic t --max-messages x"),
            consume("--topic t --timeout-ms x"),
            consume("--topic t --partition x"),
            consume("--topic t --nonsense"),
            consume("--topic t --command-property auto.offset.reset=sometimes"),
            consume("--topic t --command-config {dir}/missing"),
            step("kafka-console-consumer", "--topic t --bootstrap-server nonsense"),
        ],
    ),
]
