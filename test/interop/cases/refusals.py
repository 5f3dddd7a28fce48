"""A server that must not start says why, and ends with 1."""

import socket
import subprocess

from harness import abilities, java, proc
from harness.abilities import kind_under_test
from harness.broker import APACHE_KAFKA, Broker, free_port, server
from harness.case import LoneCase

PATIENCE_S = 60


class Refusals(LoneCase):
    name = "refusals"

    def install(self, log):
        java.install(APACHE_KAFKA, log)

    def run(self):
        self.unformatted()
        self.other_cluster()
        self.other_node()
        self.port_taken()
        self.directory_in_use()
        if not abilities.can("acls"):
            self.authorizer()

    def unformatted(self):
        broker = Broker(f"{self.name}/unformatted", formatted=False)
        broker.data.mkdir()
        words = ("`meta.properties`", str(broker.data), "kafka-storage.sh format") if broker.kind == "ottla" else ("meta.properties",)
        self.refuses(broker, "No ", *words)

    def other_cluster(self):
        """A second log directory that belongs to another cluster."""
        broker = Broker(f"{self.name}/other-cluster")
        second = broker.directory / "second"
        other = Broker(f"{self.name}/other-cluster-s", {"log.dirs": second}, formatted=False)
        other.format(cluster_id="NotTheSameClusterIdAAA")
        change(broker, "log.dirs", f"{broker.data},{second}")
        self.refuses(broker, "Invalid cluster.id in", "meta.properties", "NotTheSameClusterIdAAA", str(broker.directory))

    def other_node(self):
        broker = Broker(f"{self.name}/other-node")
        change(broker, "node.id", "7")
        change(broker, "controller.quorum.voters", broker.voter.replace("1@", "7@", 1))
        self.refuses(broker, "Stored node id 1 doesn't match previous node id 7", str(broker.data))

    def port_taken(self):
        broker = Broker(f"{self.name}/port-taken")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", broker.port))
            taken.listen()
            self.refuses(broker, "Socket server failed to bind", str(broker.port), "Address already in use")
        # And there is nothing left behind that keeps it from starting afterwards.
        broker.start()
        broker.stop()

    def directory_in_use(self):
        """Whoever runs on the directory, and whoever wants it, too."""
        pairs = [("apache-kafka", "apache-kafka")]
        if kind_under_test() == "ottla":
            pairs = [("ottla", "ottla"), ("apache-kafka", "ottla"), ("ottla", "apache-kafka")]
        for owner, intruder in pairs:
            broker = Broker(f"{self.name}/{intruder}-on-{owner}")
            second = broker.config.with_name("second.properties")
            on_other_ports(broker, second)
            try:
                broker.start(kind=owner)
                self.refuses(broker, "Failed to acquire lock on file .lock in", str(broker.data), config=second, kind=intruder)
                # Apache Kafka looks for the lock only after it has opened the metadata log, and may damage it.
                if intruder == "ottla":
                    broker.stop()
            finally:
                broker.kill()

    def authorizer(self):
        """Who names an authorizer relies on it."""
        name = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
        broker = Broker(f"{self.name}/authorizer", {"authorizer.class.name": name})
        self.refuses(broker, "authorizer.class.name", name)

    def refuses(self, broker, *words, config=None, kind=None):
        """Starts it, and expects that it ends by itself and says all of the words."""
        log = broker.directory / "refusal.log"
        log.unlink(missing_ok=True)
        process = proc.start(server(kind or broker.kind, config or broker.config), log)
        try:
            code = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise proc.Failed(f"it runs, though it should say {words[0]!r}; end of {log}:\n{proc.tail(log)}") from None
        finally:
            proc.kill_group(process)
            process.wait()
        # Without the line that has the command.
        text = log.read_text(errors="replace").partition("\n")[2]
        absent = [word for word in words if word not in text]
        assert not absent, f"it does not say {absent}, but:\n{proc.tail(log)}"
        assert code == 1, f"it ends with {code}, expected 1:\n{proc.tail(log)}"
        if (kind or broker.kind) == "ottla":
            assert "panicked" not in text, f"it panics:\n{proc.tail(log)}"


def change(broker, key, value):
    lines = [line for line in broker.config.read_text().splitlines() if not line.startswith(f"{key}=")]
    broker.config.write_text("\n".join([*lines, f"{key}={value}", ""]))


def on_other_ports(broker, config):
    """The same settings, with ports that nobody has."""
    text = broker.config.read_text()
    ports = {str(broker.port), broker.voter.rpartition(":")[2]}
    for port in ports:
        text = text.replace(f":{port}", f":{free_port()}")
    config.write_text(text)


CASES = [Refusals()]
