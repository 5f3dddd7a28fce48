"""Every case, in the order in which they run."""

from . import go_clients, java_client, node_client, python_clients

ALL = [*java_client.CASES, *python_clients.CASES, *go_clients.CASES, *node_client.CASES]
