"""Node's client, installed below target."""

import shutil

from harness import places, proc
from harness.case import ClientCase

SOURCES = places.CLIENTS / "node"
INSTALLED = places.INSTALLED / "node"
FILES = ("package.json", "package-lock.json")


class KafkaJs(ClientCase):
    name = "kafkajs"

    def install(self, log):
        for tool in ("node", "npm"):
            if not shutil.which(tool):
                raise proc.LeftOut(f"{tool} is not installed")
        wanted = "".join((SOURCES / file).read_text() for file in FILES)
        stamp = INSTALLED / "installed.txt"
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(INSTALLED, ignore_errors=True)
            INSTALLED.mkdir(parents=True)
            for file in FILES:
                shutil.copy(SOURCES / file, INSTALLED)
            proc.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], log, timeout=300, cwd=INSTALLED)
            stamp.write_text(wanted)

    def before(self, address, topic):
        self.call("before", address, topic)

    def after(self, address, topic):
        self.call("after", address, topic)

    def call(self, *arguments):
        environment = {"NODE_PATH": str(INSTALLED / "node_modules")}
        proc.run(["node", SOURCES / "with_kafkajs.js", *arguments], self.log(), timeout=180, env=environment)


CASES = [KafkaJs()]
