"""Where things are."""

import os
from pathlib import Path

INTEROP = Path(__file__).resolve().parent.parent
REPOSITORY = INTEROP.parent.parent
TARGET = REPOSITORY / "target"
# What the suite installs: kept from run to run.
INSTALLED = TARGET / "interop"
CLIENTS = INTEROP / "clients"


def apache_kafka_libs(version):
    return TARGET / "apache-kafka" / version / "libs"


def work():
    """What one run writes (data directories, logs): one folder per kind of broker, emptied by the next run."""
    return INSTALLED / ("work-" + os.environ.get("OTTLA_BROKER", "ottla"))
