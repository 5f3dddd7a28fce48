"""Go's clients, built once."""

import shutil

from harness import places, proc
from harness.case import ClientCase

SOURCES = places.CLIENTS / "go"
BINARIES = places.INSTALLED / "go"


class GoClient(ClientCase):
    def __init__(self, name, package):
        self.name = name
        self.package = package

    def install(self, log):
        if not shutil.which("go"):
            raise proc.LeftOut("go is not installed")
        BINARIES.mkdir(parents=True, exist_ok=True)
        # Go's own cache makes this quick when nothing changed.
        proc.run(["go", "build", "-o", BINARIES / self.package, f"./{self.package}"], log, timeout=600, cwd=SOURCES)

    def before(self, address, topic):
        proc.run([BINARIES / self.package, "before", address, topic], self.log(), timeout=120)

    def after(self, address, topic):
        proc.run([BINARIES / self.package, "after", address, topic], self.log(), timeout=120)


CASES = [GoClient("franz-go", "franz"), GoClient("sarama", "sarama")]
