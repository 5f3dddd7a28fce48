"""Apache Kafka's own kafka-producer-perf-test and kafka-consumer-perf-test. They must finish and count right; speed is only shown."""

from harness import java, proc
from harness.broker import APACHE_KAFKA, Broker
from harness.case import LoneCase

RECORDS = 1_000_000
RECORD_BYTES = 100
FLAGS = ["-Xmx512m", "-XX:+UseSerialGC", "-Dkafka.log.level=WARN"]


class PerfTools(LoneCase):
    name = "perf-tools"

    def install(self, log):
        java.install(APACHE_KAFKA, log)

    def run(self):
        broker = Broker("perf-tools")
        try:
            broker.start()
            sent = self.call(
                "org.apache.kafka.tools.ProducerPerformance",
                *("--topic", self.name, "--num-records", RECORDS, "--record-size", RECORD_BYTES, "--throughput", -1),
                *("--bootstrap-server", broker.address, "--command-property", "acks=all"),
            ).splitlines()[-1]
            assert sent.startswith(f"{RECORDS} records sent"), sent
            read = self.call(
                "org.apache.kafka.tools.ConsumerPerformance",
                *("--bootstrap-server", broker.address, "--topic", self.name, "--num-records", RECORDS),
            ).splitlines()
            columns = dict(zip(read[-2].split(", "), read[-1].split(", "), strict=True))
            assert int(columns["data.consumed.in.nMsg"]) == RECORDS, f"read {columns}"
            broker.stop()
        finally:
            broker.kill()
        return f"{sent}; read {columns['nMsg.sec']} records/sec"

    def call(self, main, *arguments):
        return proc.run(java.command(APACHE_KAFKA, main, *arguments, flags=FLAGS), self.log(), timeout=180)


CASES = [PerfTools()]
