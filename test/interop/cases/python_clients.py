"""Python's clients, in a virtual environment of the suite's own."""

import shutil
import sys

from harness import places, proc
from harness.case import ClientCase

SOURCES = places.CLIENTS / "python"
ENVIRONMENT = places.INSTALLED / "python"


class PythonClient(ClientCase):
    def __init__(self, name):
        self.name = name
        self.program = SOURCES / f"with_{name.replace('-', '_')}.py"

    def install(self, log):
        wanted = (SOURCES / "requirements.txt").read_text()
        installed = ENVIRONMENT / "installed.txt"
        if installed.exists() and installed.read_text() == wanted:
            return
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        proc.run([sys.executable, "-m", "venv", ENVIRONMENT], log, timeout=120)
        proc.run([self.python(), "-m", "pip", "install", "-q", "-r", SOURCES / "requirements.txt"], log, timeout=600)
        installed.write_text(wanted)

    def before(self, address, topic):
        proc.run([self.python(), self.program, "before", address, topic], self.log(), timeout=180)

    def after(self, address, topic):
        proc.run([self.python(), self.program, "after", address, topic], self.log(), timeout=120)

    @staticmethod
    def python():
        return ENVIRONMENT / "bin" / "python"


CASES = [PythonClient(name) for name in ("confluent-kafka", "kafka-python", "aiokafka")]
