"""Controller and broker in processes of their own; each goes and comes back while the other one stays. One of them may be Apache Kafka."""

from harness import java, proc
from harness.broker import APACHE_KAFKA, Broker
from harness.case import LoneCase


class SeparateRoles(LoneCase):
    parts = ("transactions",)

    def __init__(self, name, controller_kind=None, broker_kind=None):
        """Of the kind under test where no other one is given."""
        self.name = name
        self.kinds = {"controller": controller_kind, "broker": broker_kind}
        self.needs = ("mixed",) if controller_kind or broker_kind else ()

    def install(self, log):
        java.install(APACHE_KAFKA, log)

    def run(self):
        # A broker that comes back is let in when the session that it had before is over, as in Apache Kafka.
        sessions = {"broker.session.timeout.ms": 2000, "broker.heartbeat.interval.ms": 500}
        controller = Broker(f"{self.name}/controller", sessions, roles="controller", node_id=1)
        broker = Broker(f"{self.name}/broker", sessions, roles="broker", node_id=2, voter=controller.voter)
        try:
            controller.start(kind=self.kinds["controller"])
            broker.start(kind=self.kinds["broker"])
            self.call("before", broker.address, self.name)
            controller.stop()
            # What the broker knows is enough to go on with the topics that there are.
            self.call("go-on", broker.address, self.name, 0)
            controller.start(kind=self.kinds["controller"])
            self.call("before", broker.address, f"{self.name}-later")
            broker.stop()
            broker.start(kind=self.kinds["broker"])
            self.call("go-on", broker.address, self.name, 1)
            self.call("go-on", broker.address, f"{self.name}-later", 0)
            # As an operator would: the broker first, which says goodbye to its controller.
            broker.stop()
            controller.stop()
        finally:
            broker.kill()
            controller.kill()

    def call(self, *arguments):
        proc.run(java.command(APACHE_KAFKA, "Interop", *arguments), self.log(), timeout=120)


CASES = [
    SeparateRoles("separate-roles"),
    SeparateRoles("apache-controller", controller_kind="apache-kafka"),
    SeparateRoles("apache-broker", broker_kind="apache-kafka"),
]
