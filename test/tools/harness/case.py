"""What a case is made of."""

import dataclasses
import signal


@dataclasses.dataclass
class Step:
    """One command, run by both sides. `{broker}` in its words is the broker's address, `{dir}` a folder of its own."""

    tool: str
    words: list
    stdin: str = ""
    # A signal to send once this text has shown up on standard output.
    interrupt_after: str = ""
    signal: int = signal.SIGTERM
    # The lines come in an order that even the real tool does not keep.
    sort_lines: bool = False
    # What is said before the table of options is Ottla's own.
    own_words: bool = False
    # Only output and exit code count: what is said about the error is Ottla's own.
    own_error: bool = False
    # Help is in Ottla's words altogether.
    only_code: bool = False


@dataclasses.dataclass
class Case:
    name: str
    steps: list
    # The files that the steps made in `{dir}` must be the same, ids and times aside.
    compare_files: bool = False
    # Run once, by Apache Kafka's tools, before both sides; the steps then only read.
    setup: list = dataclasses.field(default_factory=list)
    # Written into `{dir}` before the steps: name to content.
    files: dict = dataclasses.field(default_factory=dict)


def step(tool, line, **more):
    """Words are split at blanks; `words=[…]` adds some that hold blanks themselves."""
    words = line.split() + more.pop("words", [])
    return Step(tool, words, **more)
