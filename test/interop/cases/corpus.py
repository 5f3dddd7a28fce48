"""test/corpus is what Apache Kafka writes today: made again, it is the same byte for byte. No broker takes part."""

from harness import java, places, proc
from harness.broker import APACHE_KAFKA
from harness.case import LoneCase


class Corpus(LoneCase):
    name = "corpus"

    def install(self, log):
        java.install(APACHE_KAFKA, log)

    def run(self):
        folder = places.REPOSITORY / "test" / "corpus"
        name = f"corpus-{APACHE_KAFKA}.txt.zst"
        made = places.work() / name
        proc.run([folder / "make", made], self.log(), timeout=120)
        same = made.read_bytes() == (folder / name).read_bytes()
        assert same, f"test/corpus/{name} is not what test/corpus/make writes: run it and look at what changed"


CASES = [Corpus()]
