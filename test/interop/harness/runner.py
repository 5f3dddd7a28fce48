"""Installs, runs and reports the cases."""

import fcntl
import os
import shutil
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from . import abilities, places, proc
from .abilities import kind_under_test
from .broker import Broker
from .case import ClientCase, LoneCase

# Most of a client's time goes into starting up; two keep a small machine busy.
CLIENTS_AT_ONCE = 2


class Report:
    """Prints each result as it comes, and counts."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.left_out = 0
        self.not_yet = 0

    def passes(self, name, seconds, remark=None):
        self.passed += 1
        print(f"PASS {name} ({seconds:.1f} s)" + (f": {remark}" if remark else ""), flush=True)

    def fails(self, name, error):
        self.failed += 1
        known = isinstance(error, (proc.Failed, proc.LeftOut, AssertionError))
        text = str(error) if known else "".join(traceback.format_exception(error))
        print(f"FAIL {name}: {text}", flush=True)

    def leaves_out(self, name, error):
        if os.environ.get("CI") == "true":
            self.fails(name, error)
        else:
            self.left_out += 1
            print(f"LEFT OUT {name}: {error}", flush=True)

    def is_not_yet(self, what):
        self.not_yet += 1
        print(f"{'not yet' if kind_under_test() == 'ottla' else 'not in Apache Kafka'}: {what}", flush=True)

    def close(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.left_out} skipped" + (f", {self.not_yet} not yet" if self.not_yet else ""))
        return 1 if self.failed or not self.passed else 0


def run(cases):
    with be_alone():
        return run_alone(cases)


def be_alone():
    """Two runs would empty each other's folders: the second one waits."""
    places.INSTALLED.mkdir(parents=True, exist_ok=True)
    file = open(places.work().with_suffix(".lock"), "w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another run against this kind of broker is under way: waiting for its end", flush=True)
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def run_alone(cases):
    shutil.rmtree(places.work(), ignore_errors=True)
    (places.work() / "logs").mkdir(parents=True)
    report = Report()
    print(f"broker under test: {kind_under_test()}; logs and data in {places.work().relative_to(places.REPOSITORY)}", flush=True)
    cases = [case for case in cases if is_possible(case, report) and installs(case, report)]
    run_clients([case for case in cases if isinstance(case, ClientCase)], report)
    for case in cases:
        if isinstance(case, LoneCase):
            attempt(case.name, report, case.run)
    return report.close()


def is_possible(case, report):
    """Whether the broker under test has what the case needs; says what of the case is not there yet."""
    missing = abilities.missing(case.needs)
    parts = abilities.missing(case.parts)
    if missing:
        report.is_not_yet(f"{case.name} (it needs {' and '.join(missing)})")
    elif parts:
        report.is_not_yet(f"in {case.name}: {', '.join(parts)}")
    return not missing


def installs(case, report):
    try:
        case.install(case.log())
        return True
    except proc.LeftOut as error:
        report.leaves_out(case.name, error)
    except Exception as error:
        report.fails(case.name, error)
    return False


def run_clients(cases, report):
    """The scenario of every client on one broker, with one restart in between."""
    if not cases:
        return
    unfinished = {case: 0.0 for case in cases}
    broker = None
    try:
        broker = Broker("clients")
        broker.start()
        run_halves(unfinished, report, lambda case: case.before(broker.address, case.name))
        broker.stop()
        broker.start()
        run_halves(unfinished, report, lambda case: case.after(broker.address, case.name))
        broker.stop()
    except Exception as error:
        report.fails("the broker of the clients", error)
        for case in unfinished:
            report.fails(case.name, proc.Failed("its broker failed"))
        return
    finally:
        if broker:
            broker.kill()
    for case, seconds in unfinished.items():
        report.passes(case.name, seconds)


def run_halves(unfinished, report, half):
    """Runs that half of every case's scenario, two at a time; those that fail are reported and taken out of `unfinished`."""

    def timed(case):
        start = time.monotonic()
        try:
            half(case)
        except Exception as error:
            return case, time.monotonic() - start, error
        return case, time.monotonic() - start, None

    with ThreadPoolExecutor(CLIENTS_AT_ONCE) as pool:
        for case, seconds, error in pool.map(timed, list(unfinished)):
            if error:
                del unfinished[case]
                report.fails(case.name, error)
            else:
                unfinished[case] += seconds


def attempt(name, report, step):
    start = time.monotonic()
    try:
        remark = step()
    except Exception as error:
        report.fails(name, error)
    else:
        report.passes(name, time.monotonic() - start, remark)
