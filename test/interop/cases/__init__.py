"""Every case, in the order in which they run."""

from . import (
    console_tools,
    corpus,
    dump_log,
    fixtures,
    go_clients,
    hand_over,
    java_client,
    kcat,
    kill_9,
    node_client,
    perf_tools,
    python_clients,
    refusals,
    rust_client,
    separate_roles,
    zero_config,
)

ALL = [
    *java_client.CASES,
    *console_tools.CASES,
    *kcat.CASES,
    *python_clients.CASES,
    *go_clients.CASES,
    *node_client.CASES,
    *rust_client.CASES,
    *kill_9.CASES,
    *perf_tools.CASES,
    *dump_log.CASES,
    *hand_over.CASES,
    *separate_roles.CASES,
    *refusals.CASES,
    *fixtures.CASES,
    *zero_config.CASES,
    *corpus.CASES,
]
