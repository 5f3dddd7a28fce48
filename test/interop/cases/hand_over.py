"""One data directory, three owners: the broker under test, the real Apache Kafka, the broker under test again."""

from harness import java, proc
from harness.broker import APACHE_KAFKA, Broker
from harness.case import LoneCase


class HandOver(LoneCase):
    name = "hand-over"
    parts = ("transactions",)

    def install(self, log):
        java.install(APACHE_KAFKA, log)

    def run(self):
        broker = Broker("hand-over")
        try:
            broker.start()
            self.call("before", broker.address, self.name)
            broker.stop()
            for round_, owner in enumerate(("apache-kafka", broker.kind)):
                broker.start(kind=owner)
                # All that was written so far, then a member of the same group and the same transactional producer go on.
                self.call("go-on", broker.address, self.name, round_)
                broker.stop()
        finally:
            broker.kill()

    def call(self, *arguments):
        proc.run(java.command(APACHE_KAFKA, "Interop", *arguments), self.log(), timeout=120)


CASES = [HandOver()]
