"""The broker under test: a node of Ottla or of the real Apache Kafka, most often broker and controller in one."""

import fcntl
import os
import random
import signal
import socket
import struct
import subprocess
import time

from . import java, places, proc
from .abilities import kind_under_test

APACHE_KAFKA = "4.3.1"
CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"
PORTS = range(21000, 22000)
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60


# Kept open: the ports are ours until we end, whether somebody listens there or not.
reserved = []


def free_port():
    folder = places.INSTALLED / "ports"
    folder.mkdir(parents=True, exist_ok=True)
    for port in random.sample(PORTS, len(PORTS)):
        reservation = open(folder / str(port), "w", encoding="utf-8")
        try:
            fcntl.flock(reservation, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            reservation.close()
        else:
            reserved.append(reservation)
            return port
    raise proc.Failed(f"no free port from {PORTS.start} to {PORTS.stop - 1}")


class Broker:
    """A data directory and the process that serves it. Formatted when made, started by `start`."""

    def __init__(self, name, overrides=None, roles="broker,controller", node_id=1, voter=None, controller_port=None, formatted=True):
        """`voter` is the quorum ("ID@HOST:PORT,…"), for a node that is not itself all of it."""
        self.directory = places.work() / name
        self.directory.mkdir(parents=True)
        self.data = self.directory / "data"
        self.log = self.directory / "broker.log"
        self.config = self.directory / "server.properties"
        self.kind = kind_under_test()
        self.process = None
        ports = {"PLAINTEXT": free_port()} if "broker" in roles else {}
        if "controller" in roles:
            ports["CONTROLLER"] = controller_port or free_port()
        self.port = next(iter(ports.values()))
        self.address = f"127.0.0.1:{self.port}"
        self.voter = voter or f"{node_id}@127.0.0.1:{ports['CONTROLLER']}"
        settings = {
            "process.roles": roles,
            "node.id": node_id,
            "controller.quorum.voters": self.voter,
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items()),
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.data,
            "num.partitions": 3,
            "group.initial.rebalance.delay.ms": 0,
            # Members hear of a new assignment with a heartbeat.
            "group.consumer.min.heartbeat.interval.ms": 500,
            "group.consumer.heartbeat.interval.ms": 500,
            "group.share.min.heartbeat.interval.ms": 500,
            "group.share.heartbeat.interval.ms": 500,
            # One node holds every replica, and few partitions of the internal topics start faster.
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            **(overrides or {}),
        }
        self.config.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        if formatted:
            self.format()

    def format(self, cluster_id=CLUSTER_ID):
        arguments = ["format", "-t", cluster_id, "-c", self.config]
        if self.kind == "ottla":
            command = [places.REPOSITORY / "bin" / "kafka-storage.sh", *arguments]
        else:
            command = java.command(APACHE_KAFKA, "kafka.tools.StorageTool", *arguments)
        proc.run(command, self.log, timeout=60)

    def start(self, kind=None):
        """Starts what is under test (or `kind`) on the directory and waits until it answers."""
        self.launch(kind)
        self.wait()

    def launch(self, kind=None):
        self.process = proc.start(server(kind or self.kind, self.config), self.log)

    def wait(self):
        until = time.monotonic() + START_TIMEOUT_S
        while not answers(self.port):
            if self.process.poll() is not None:
                raise proc.Failed(f"the broker ended with {self.process.returncode}; end of {self.log}:\n{proc.tail(self.log)}")
            if time.monotonic() > until:
                self.kill()
                raise proc.Failed(f"the broker did not answer in {START_TIMEOUT_S} s; end of {self.log}:\n{proc.tail(self.log)}")
            time.sleep(0.05)

    def peak_memory_mib(self):
        """The most that was ever resident."""
        for line in open(f"/proc/{self.process.pid}/status", encoding="utf-8"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
        raise proc.Failed("the broker has ended")

    def connections(self):
        """How many connections it has with clients, those half closed included."""
        listening = "0A"
        sockets = (line.split() for line in open("/proc/net/tcp", encoding="utf-8").readlines()[1:])
        mine = (state for _, local, _, state, *_, inode in (socket[:4] + [socket[9]] for socket in sockets) if local.endswith(f":{self.port:04X}") and inode != "0")
        return sum(1 for state in mine if state != listening)

    def stop(self):
        """SIGTERM, as an operator stops it. It must end by itself."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            proc.kill_group(process)
            process.wait()
            raise proc.Failed(f"SIGTERM did not stop the broker in {STOP_TIMEOUT_S} s; end of {self.log}:\n{proc.tail(self.log)}") from None
        # A JVM that SIGTERM ends says 143.
        if process.returncode not in (0, 143):
            raise proc.Failed(f"stopped by SIGTERM, the broker ended with {process.returncode}; end of {self.log}:\n{proc.tail(self.log)}")

    def kill(self):
        """kill -9."""
        if self.process:
            process, self.process = self.process, None
            proc.kill_group(process)
            process.wait()


def server(kind, *arguments):
    """The command line of a server."""
    if kind == "ottla":
        return [ottla(), "server-start", *arguments]
    flags = ["-Xmx512m", "-XX:+UseSerialGC", "-Dkafka.log.level=INFO"]
    return java.command(APACHE_KAFKA, "kafka.Kafka", *arguments, flags=flags)


def ottla():
    binary = places.TARGET / "release" / "ottla"
    if not binary.exists():
        raise proc.Failed(f"{binary} is missing: run `cargo build --release` first, or set OTTLA_BROKER=apache-kafka")
    return binary


def answers(port):
    """Whether a broker answers ApiVersions (version 0) there."""
    request = struct.pack(">hhih", 18, 0, 7, 4) + b"wait"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            reply = connection.recv(10)
            return len(reply) >= 10 and reply[4:10] == struct.pack(">ih", 7, 0)
    except OSError:
        return False
