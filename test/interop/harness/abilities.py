"""What the broker under test cannot do, a line each: what Ottla has not learned yet, and what only Ottla can.

A case names what it is about as a whole in `needs`, and what some parts of it are about in `parts`. What is not there yet is left out
and said so; delete the line, and it is tested.
"""

import os

NOT_YET = {
    "ottla": {
        "transactions": "transactional producers, and __transaction_state",
        "consumer-groups": "groups of the consumer protocol (KIP-848)",
        "share-groups": "share groups (KIP-932)",
        "compaction": "the log cleaner",
        "acls": "an authorizer",
    },
    "apache-kafka": {
        "zero-config": "a start without any settings",
        "mixed": "clusters of Ottla and Apache Kafka",
    },
}
# All there is: a name that is written wrong would never be tested.
NAMES = {"transactions", "consumer-groups", "share-groups", "compaction", "acls", "replication", "zero-config", "mixed"}


def kind_under_test():
    kind = os.environ.get("OTTLA_BROKER", "ottla")
    if kind not in ("ottla", "apache-kafka"):
        raise SystemExit(f"OTTLA_BROKER={kind}: say ottla or apache-kafka")
    return kind


def missing(names):
    """Those of the abilities that the broker under test does not have yet, in their order."""
    unknown = (set(names) | set(NOT_YET[kind_under_test()])) - NAMES
    assert not unknown, f"no such ability: {sorted(unknown)}; harness/abilities.py names them"
    return [name for name in names if name in NOT_YET[kind_under_test()]]


def can(name):
    return not missing([name])
