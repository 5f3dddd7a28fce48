"""The two servers that are held beside each other: Apache Kafka and Ottla, each one combined node on the same settings."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
INTEROP = REPOSITORY / "test" / "interop"
WORK = REPOSITORY / "target" / "bench"
OTTLA = Path(os.environ.get("OTTLA_BINARY", REPOSITORY / "target" / "release" / "ottla"))
VERSION = "4.3.1"
CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"
PORTS = range(23000, 24000)
STOP_TIMEOUT_S = 60

# What Apache Kafka's config/server.properties says, on loopback and on ports of ours. Both servers read the same file.
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs={data}
num.partitions=1
num.recovery.threads.per.data.dir=2
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
"""

# What kafka-server-start.sh and kafka-run-class.sh give the JVM.
STOCK_HEAP = ["-Xmx1G", "-Xms1G"]
STOCK_FLAGS = [
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
]
JMX = [
    "-Dcom.sun.management.jmxremote=true",
    "-Dcom.sun.management.jmxremote.authenticate=false",
    "-Dcom.sun.management.jmxremote.ssl=false",
]
TOOL_HEAP = ["-Xmx512M"]


class Failed(Exception):
    """What went wrong, in words for a person."""


def libs():
    """Apache Kafka's jars, fetched when they are not there."""
    fetched = subprocess.run([INTEROP / "fetch-kafka", VERSION], stdout=subprocess.PIPE, text=True, check=False)
    if fetched.returncode != 0:
        raise Failed("test/interop/fetch-kafka did not bring Apache Kafka's jars; its messages are above")
    return Path(fetched.stdout.strip())


def java(main, *arguments, heap=TOOL_HEAP, flags=(), level="WARN"):
    """The command line that runs a class of Apache Kafka with the flags of its own scripts."""
    logging = f"-Dlog4j2.configurationFile={INTEROP}/apache-kafka/log4j2.properties"
    return ["java", *heap, *STOCK_FLAGS, *flags, f"-Dkafka.log.level={level}", logging, "-cp", f"{libs()}/*", main, *arguments]


def run(command, log, timeout):
    """Runs a tool to its end and returns what it printed to standard output."""
    with open(log, "a") as errors:
        done = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            timeout=timeout,
            check=False,
        )
    if done.returncode != 0:
        raise Failed(f"{command[0]} … ended with {done.returncode}: {done.stdout[-2000:]}\n{tail(log)}")
    return done.stdout


def tail(log):
    text = Path(log).read_text(errors="replace") if Path(log).exists() else ""
    return f"the end of {log}:\n" + "\n".join(text.splitlines()[-20:])


def free_ports(count):
    """Different ports that nobody listens on."""
    found = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
        if len(found) == count:
            return found
    raise Failed(f"there are no {count} free ports from {PORTS.start} to {PORTS.stop - 1}")


class Server:
    """One server on a directory of its own, formatted when made. Use it with `with`: then nothing is left running."""

    # How it is called in the tables.
    name = ""

    def __init__(self):
        self.folder = WORK / self.name.lower().replace(" ", "-")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.log = self.folder / "server.log"
        self.config = self.folder / "server.properties"
        self.port, controller = free_ports(2)
        self.address = f"127.0.0.1:{self.port}"
        self.config.write_text(SETTINGS.format(port=self.port, controller=controller, data=self.folder / "data"))
        self.process = None
        run([*self.storage_tool(), "format", "--standalone", "-t", CLUSTER_ID, "-c", self.config], self.log, timeout=120)

    def storage_tool(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def start(self):
        """Returns the moment before the program was executed."""
        command = [str(word) for word in self.command()]
        with open(self.log, "a") as log:
            began = time.monotonic()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        return began

    def check_alive(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended with {self.process.returncode}; {tail(self.log)}")

    def stop(self):
        """A clean stop, as by kafka-server-stop.sh. Returns the seconds it took."""
        process, began = self.process, time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"SIGTERM did not stop {self.name} in {STOP_TIMEOUT_S} s; {tail(self.log)}") from None
        # A JVM that SIGTERM ends says 143.
        if process.returncode not in (0, 143):
            raise Failed(f"stopped by SIGTERM, {self.name} ended with {process.returncode}; {tail(self.log)}")
        self.process = None
        return time.monotonic() - began

    def kill(self):
        process, self.process = self.process, None
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()


class ApacheKafka(Server):
    name = "Apache Kafka"

    def storage_tool(self):
        return java("kafka.tools.StorageTool")

    def command(self):
        gc_log = f"-Xlog:gc*:file={self.folder}/kafkaServer-gc.log:time,tags:filecount=10,filesize=100M"
        return java("kafka.Kafka", self.config, heap=STOCK_HEAP, flags=[gc_log, *JMX], level="INFO")


class Ottla(Server):
    name = "Ottla"

    def storage_tool(self):
        return [OTTLA, "kafka-storage"]

    def command(self):
        return [OTTLA, "server-start", self.config]


SIDES = [ApacheKafka, Ottla]


def in_turn(round_number):
    """Who comes first changes from round to round, so that neither always finds the warmer machine."""
    return SIDES if round_number % 2 == 0 else SIDES[::-1]


def check_ready():
    """Says what is missing before anything is measured."""
    if not shutil.which("java"):
        raise Failed("java is not installed (Debian: apt-get install openjdk-17-jdk-headless)")
    if not OTTLA.exists():
        raise Failed(f"{OTTLA} is missing: run `cargo build --release` first, or name a binary in OTTLA_BINARY")
    WORK.mkdir(parents=True, exist_ok=True)
    libs()
