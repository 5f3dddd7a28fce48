"""Three nodes, each broker and controller, and a topic with a replica on each. One after the other dies by kill -9 while an idempotent
producer writes: nothing is lost, nothing doubled, the order kept, and in the end all replicas are the same, byte for byte."""

import time

from harness import java, proc
from harness.broker import APACHE_KAFKA, Broker, free_port
from harness.case import LoneCase

RECORDS = 500_000
KILL_AT = (30_000, 100_000, 200_000)


class ThreeNodes(LoneCase):
    def __init__(self, name, kinds=(None, None, None)):
        """Of the kind under test where no other one is given."""
        self.name = name
        self.kinds = kinds
        self.needs = ("replication", "mixed") if any(kinds) else ("replication",)

    def install(self, log):
        java.install(APACHE_KAFKA, log)

    def run(self):
        ports = [free_port() for _ in self.kinds]
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in enumerate(ports, 1))
        settings = {
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 500,
            "controller.quorum.election.timeout.ms": 500,
            "controller.quorum.fetch.timeout.ms": 1000,
            "default.replication.factor": 3,
            "min.insync.replicas": 2,
            "offsets.topic.replication.factor": 3,
        }
        nodes = [
            Broker(f"{self.name}/{number}", settings, node_id=number, voter=voters, controller_port=port)
            for number, port in enumerate(ports, 1)
        ]
        addresses = ",".join(node.address for node in nodes)
        log = self.log()
        producer = None
        try:
            self.start_all(nodes)
            producer = proc.start(java.command(APACHE_KAFKA, "Interop", "crash-produce", addresses, self.name, RECORDS, 3), log)
            for node, kind, acknowledged in zip(nodes, self.kinds, KILL_AT, strict=True):
                proc.wait_for_line(producer, log, f"acked {acknowledged}", timeout=120)
                # One at a time, so that two replicas are always there.
                self.call("in-sync", addresses, self.name, 3)
                node.kill()
                assert f"acked {RECORDS}" not in log.read_text(), "the producer was done before the node was killed"
                time.sleep(1)
                node.start(kind=kind)
            proc.wait_for_line(producer, log, "OK", timeout=120)
            producer.wait(30)
            self.call("in-sync", addresses, self.name, 3)
            self.call("crash-check", addresses, self.name, RECORDS)
            self.stop_all(nodes)
            self.compare(nodes)
            self.start_all(nodes)
            self.call("crash-check", addresses, self.name, RECORDS)
            self.stop_all(nodes)
        finally:
            if producer:
                proc.kill_group(producer)
            for node in nodes:
                node.kill()

    def start_all(self, nodes):
        # Each needs another one to be ready.
        for node, kind in zip(nodes, self.kinds, strict=True):
            node.launch(kind)
        for node in nodes:
            node.wait()

    def stop_all(self, nodes):
        nodes[0].stop()
        # Without a majority of controllers nobody may leave in order: the others would wait for one.
        for node in nodes[1:]:
            node.kill()

    def compare(self, nodes):
        """The segments of each partition, on all nodes."""
        logs = [
            {path.relative_to(node.data): path.read_bytes() for path in sorted(node.data.glob(f"{self.name}-*/*.log"))}
            for node in nodes
        ]
        assert len(logs[0]) >= 3, f"no logs of the topic: {sorted(logs[0])}"
        for node, found in zip(nodes[1:], logs[1:], strict=True):
            assert sorted(found) == sorted(logs[0]), f"other segments in {node.data}: {sorted(found)}, not {sorted(logs[0])}"
            different = [str(path) for path, data in found.items() if data != logs[0][path]]
            assert not different, f"{different} in {node.data} are not as in {nodes[0].data}"

    def call(self, *arguments):
        # Not into the producer's log: its lines are waited for.
        proc.run(java.command(APACHE_KAFKA, "Interop", *arguments), self.log().with_suffix(".calls.log"), timeout=120)


CASES = [
    ThreeNodes("three-nodes"),
    ThreeNodes("three-nodes-mixed", kinds=(None, "apache-kafka", None)),
]
