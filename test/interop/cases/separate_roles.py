"""Controller and broker in processes of their own; each goes and comes back while the other one stays."""

from harness import java, proc
from harness.broker import APACHE_KAFKA, Broker
from harness.case import LoneCase


class SeparateRoles(LoneCase):
    name = "separate-roles"
    parts = ("transactions",)

    def install(self, log):
        java.install(APACHE_KAFKA, log)

    def run(self):
        # A broker that comes back is let in when the session that it had before is over, as in Apache Kafka.
        sessions = {"broker.session.timeout.ms": 2000, "broker.heartbeat.interval.ms": 500}
        controller = Broker(f"{self.name}/controller", sessions, roles="controller", node_id=1)
        broker = Broker(f"{self.name}/broker", sessions, roles="broker", node_id=2, voter=controller.voter)
        try:
            controller.start()
            broker.start()
            self.call("before", broker.address, self.name)
            controller.stop()
            # What the broker knows is enough to go on with the topics that there are.
            self.call("go-on", broker.address, self.name, 0)
            controller.start()
            self.call("before", broker.address, f"{self.name}-later")
            broker.stop()
            broker.start()
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


CASES = [SeparateRoles()]
