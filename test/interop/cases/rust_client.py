"""Rust's client, the rdkafka crate, with a librdkafka of its own."""

import shutil

from harness import places, proc
from harness.case import ClientCase

SOURCES = places.CLIENTS / "rust"
TARGET = places.INSTALLED / "rust"


class RdKafka(ClientCase):
    name = "rdkafka"

    def install(self, log):
        for tool in ("cargo", "cc", "make"):
            if not shutil.which(tool):
                raise proc.LeftOut(f"{tool} is not installed")
        # It builds librdkafka the first time; afterwards Cargo sees that nothing changed.
        proc.run(["cargo", "build", "--locked", "--target-dir", TARGET], log, timeout=900, cwd=SOURCES)

    def before(self, address, topic):
        proc.run([TARGET / "debug" / "with-rdkafka", "before", address, topic], self.log(), timeout=120)

    def after(self, address, topic):
        proc.run([TARGET / "debug" / "with-rdkafka", "after", address, topic], self.log(), timeout=120)


CASES = [RdKafka()]
