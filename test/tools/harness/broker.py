"""A real Apache Kafka: one combined node on localhost, for as long as a `with` lasts.

Its storage is formatted by Ottla, so that every run proves that Apache Kafka starts on it."""

import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

START_SECONDS = 60


def java(libs, class_name, *arguments, heap="256m"):
    """The command line that runs a class of Apache Kafka."""
    config = pathlib.Path(__file__).resolve().parents[2] / "interop/apache-kafka/log4j2.properties"
    return [
        "java", f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dkafka.log.level=WARN",
        f"-Dlog4j2.configurationFile={config}", "-cp", f"{libs}/*", class_name, *map(str, arguments),
    ]


class Broker:
    def __init__(self, libs, ottla, port):
        self.libs = libs
        self.ottla = ottla
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="ottla-compare-"))
        self.log = self.home / "server.log"
        self.process = None

    def __enter__(self):
        properties = self.home / "server.properties"
        properties.write_text(
            f"""process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{self.port + 1}
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.port + 1}
controller.listener.names=CONTROLLER
log.dirs={self.home}/data
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""
        )
        storage = [self.ottla, "kafka-storage", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", properties, "--standalone"]
        subprocess.run(storage, check=True, stdout=subprocess.DEVNULL)
        with self.log.open("wb") as log:
            command = java(self.libs, "kafka.Kafka", properties, heap="512m")
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self.wait()
        return self

    def wait(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        self.stop()
        sys_log = self.log.read_text(errors="replace")[-2000:]
        raise SystemExit(f"compare: Apache Kafka did not start on port {self.port}. The end of its log:\n{sys_log}")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.home)
