"""kcat (librdkafka), as the system's package manager has it. It has no admin client: the broker creates the topic."""

import os
import shutil

from clients.python import sample
from harness import places, proc
from harness.case import ClientCase

from . import lines


class Kcat(ClientCase):
    name = "kcat"

    def install(self, log):
        if shutil.which("kcat"):
            return
        if not (shutil.which("apt-get") and os.geteuid() == 0):
            raise proc.LeftOut("kcat is not installed, and installing it takes apt-get and root")
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        try:
            proc.run(["apt-get", "update", "-qq"], log, timeout=300, env=environment)
            proc.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "kcat"], log, timeout=300, env=environment)
        except proc.Failed as error:
            raise proc.LeftOut(f"kcat could not be installed: {error}") from error

    def before(self, address, topic):
        for codec in sample.CODECS:
            self.produce(address, topic, codec, 0, sample.EACH)
        reader = self.consume(address, topic)
        reader.expect(sample.CODECS, 0, sample.EACH)
        listed = self.call(address, "-L", "-t", topic)
        assert f'topic "{topic}" with {sample.PARTITIONS} partitions' in listed, listed

    def after(self, address, topic):
        old = self.consume(address, topic)
        assert not old.seen, f"read again after the restart: {old.last}"
        self.produce(address, topic, "none", sample.EACH, sample.MORE)
        reader = self.consume(address, topic)
        reader.expect(["none"], sample.EACH, sample.MORE)

    def produce(self, address, topic, codec, first, count):
        file = places.work() / f"{topic}-{codec}.txt"
        with open(file, "w", encoding="utf-8") as text:
            for n in range(first, first + count):
                # -Z makes an empty value a null one.
                text.write(f"{sample.key(n).decode()}\t{(sample.value(codec, n) or b'').decode()}\n")
        arguments = ["-P", "-t", topic, "-K", "\t", "-Z", "-z", codec, "-H", f"label={codec}"]
        self.call(address, *arguments, "-X", "enable.idempotence=true", "-X", "acks=all", "-l", file)

    def consume(self, address, topic):
        # To the end of every partition, then the group's offsets are committed on the way out.
        layout = "%p\\t%h\\t%k\\t%S\\t%s\\n"
        arguments = ["-G", f"{topic}-group", "-e", "-q", "-f", layout, "-X", "auto.offset.reset=earliest"]
        reader = lines.Reader()
        for line in self.call(address, *arguments, topic).splitlines():
            partition, header, key, size, value = line.split("\t")
            label = header.removeprefix("label=")
            reader.take(int(partition), label, int(key.removeprefix("key-")), key, lines.NULL if size == "-1" else value)
        return reader

    def call(self, address, *arguments):
        return proc.run(["kcat", "-b", address, *arguments], self.log(), timeout=90)


CASES = [Kcat()]
