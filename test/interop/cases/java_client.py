"""Apache Kafka's own Java producer, consumer and admin client, of several releases."""

from harness import java, proc
from harness.case import ClientCase


class JavaClient(ClientCase):
    parts = ("transactions",)

    def __init__(self, version):
        self.name = f"java-{version}"
        self.version = version

    def install(self, log):
        java.install(self.version, log)

    def before(self, address, topic):
        self.call("before", address, topic)

    def after(self, address, topic):
        self.call("after", address, topic, "0")

    def call(self, *arguments, main="Interop"):
        proc.run(java.command(self.version, main, *arguments), self.log(), timeout=120)


class NewGroups(JavaClient):
    """The groups of KIP-848 and KIP-932, which only 4.x has all of."""

    needs = ("consumer-groups", "share-groups")
    parts = ()

    def __init__(self, version):
        super().__init__(version)
        self.name = f"java-{version}-new-groups"

    def before(self, address, topic):
        self.call("before", address, topic, main="Groups")

    def after(self, address, topic):
        self.call("after", address, topic, main="Groups")


CASES = [*(JavaClient(version) for version in ("3.3.2", "3.9.2", "4.3.1")), NewGroups("4.3.1")]
