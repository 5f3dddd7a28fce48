"""Every case, in the order in which they run."""

from . import java_client, python_clients

ALL = [*java_client.CASES, *python_clients.CASES]
