"""Runs the steps of a case with both sides, and compares."""

import dataclasses
import difflib
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading

from harness import files
from harness.broker import java

ROOT = pathlib.Path(__file__).resolve().parents[3]
KAFKA_VERSION = "4.3.1"
STEP_SECONDS = 120

CLASSES = {
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-storage": "kafka.tools.StorageTool",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
}


@dataclasses.dataclass
class Tools:
    libs: pathlib.Path
    ottla: pathlib.Path

    @staticmethod
    def find(libs, ottla):
        if libs is None:
            fetch = ROOT / "test/interop/fetch-kafka"
            libs = pathlib.Path(subprocess.run([fetch, KAFKA_VERSION], check=True, capture_output=True, text=True).stdout.strip())
        built = [ROOT / "target" / profile / "ottla" for profile in ("release", "debug")]
        # The one that was built last.
        built = sorted((path for path in built if path.exists()), key=lambda path: path.stat().st_mtime)
        ottla = ottla or (built[-1] if built else None)
        if ottla is None:
            raise SystemExit("compare: there is no binary; run 'cargo build' first, or name one with --ottla")
        return Tools(libs, ottla)

    def command(self, side, step):
        if side == "ottla":
            return [str(self.ottla), step.tool, *step.words]
        return java(self.libs, CLASSES[step.tool], *step.words)


@dataclasses.dataclass
class Result:
    out: str
    err: str
    code: int


def run(command, step):
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    timer = threading.Timer(STEP_SECONDS, process.kill)
    timer.start()
    try:
        if not step.interrupt_after:
            out, err = process.communicate(step.stdin.encode())
        else:
            process.stdin.close()
            errors = []
            reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
            reader.start()
            out = b""
            while step.interrupt_after.encode() not in out:
                line = process.stdout.readline()
                if not line:
                    break
                out += line
            process.send_signal(step.signal)
            out += process.stdout.read()
            reader.join()
            err = errors[0]
            process.wait()
    finally:
        timer.cancel()
    return Result(out.decode(errors="replace"), err.decode(errors="replace"), process.returncode)


STACK = re.compile(r"^(\tat |\t\.\.\. \d+ |Caused by: )")
# A stack trace's first line, which may say again what the line before it said.
THROWN = re.compile(r"^(?:joptsimple|java|org\.apache|scala|kafka|net)\.[\w.$]*(?:Exception|Error|Throwable)(?:: (.*))?$")
OPTION = re.compile(r"^\s{0,1}(-[\w.?-]+(, -[\w.?-]+)*)( .*)?$")


def normalize(text, replacements):
    for old, new in replacements:
        text = text.replace(old, new)
    text = re.sub(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\]", "[TIME]", text)
    text = re.sub(r"(?<![\w-])(?!AAAAAAAAAAAAAAAAAAAAA)[A-Za-z0-9_-]{21}[AQgw](?![\w-])", "ID", text)
    text = re.sub(r" with correlation id \d+", "", text)
    text = re.sub(r"console-consumer-\d+", "console-consumer-N", text)
    text = re.sub(r"(CreateTime|LogAppendTime):\d+", r"\1:T", text)
    text = re.sub(r"((?i:timestamp)\"?[:=])\d{13}", r"\1T", text)
    return text


def unwrapped(text):
    """argparse4j breaks and justifies its lines; only the words count."""
    return " ".join(text.split()) if text.startswith("usage: ") else text


def normalize_errors(text, replacements):
    """Without stack traces; of help tables only which options there are, since the words are our own."""
    lines, in_table = [], False
    for line in normalize(text, replacements).split("\n"):
        if re.match(r"^Option +Description", line):
            in_table = True
            lines.append("Option Description")
            continue
        if in_table:
            option = OPTION.match(line)
            if option:
                lines.append(option.group(1))
            continue
        if STACK.match(line) or not line.strip():
            continue
        thrown = THROWN.match(line)
        if thrown and lines and lines[-1] == thrown.group(1):
            continue
        # How often a failed attempt is repeated depends on the time it takes.
        if lines and lines[-1] == line:
            continue
        lines.append(line)
    return "\n".join(lines)


def compare(step, real, ours, replacements):
    real_err, our_err = (normalize_errors(result.err, replacements) for result in (real, ours))
    pairs = [("output", normalize(real.out, replacements), normalize(ours.out, replacements))]
    if step.sort_lines:
        pairs = [(name, *("\n".join(sorted(text.split("\n"))) for text in texts)) for name, *texts in pairs]
    if step.own_words:
        real_err, our_err = (text[text.find("Option Description") :] for text in (real_err, our_err))
    pairs += [("errors", unwrapped(real_err), unwrapped(our_err)), ("exit code", str(real.code), str(ours.code))]
    if step.only_code:
        pairs = pairs[2:]
    elif step.own_error:
        pairs.pop(1)
    differences = []
    for name, expected, got in pairs:
        if expected != got:
            diff = difflib.unified_diff(expected.split("\n"), got.split("\n"), "Apache Kafka", "Ottla", lineterm="", n=2)
            differences.append(f"  {name}:\n" + "\n".join(f"    {line}" for line in diff))
    return differences


def filled_in(step, broker, folder):
    words = [word.replace("{broker}", broker.address).replace("{dir}", str(folder)) for word in step.words]
    return dataclasses.replace(step, words=words)


def set_up(case, tools, broker):
    for step in case.setup:
        result = run(tools.command("kafka", filled_in(step, broker, "")), step)
        if result.code != 0:
            raise SystemExit(f"compare: the setup of {case.name} failed at {step.tool} {' '.join(step.words)}:\n{result.out}{result.err}")


def run_side(side, case, tools, broker, parent):
    # The same path for both, as the real tools print directories in an order that depends on their names.
    folder = parent / "case"
    folder.mkdir()
    for name, content in case.files.items():
        (folder / name).write_text(content.format(broker=broker.address, dir=folder))
    results = []
    for step in case.steps:
        results.append(run(tools.command(side, filled_in(step, broker, folder)), step))
    made = files.listing(folder) if case.compare_files else []
    shutil.rmtree(folder)
    return results, str(folder), made


def clean_up(tools, broker):
    """The next side must find the cluster as this one did."""
    words = ["--bootstrap-server", broker.address, "--delete", "--if-exists", "--topic", "(?!__).*"]
    subprocess.run([str(tools.ottla), "kafka-topics", *words], check=True, stdout=subprocess.DEVNULL)


def run_case(case, tools, broker):
    sides = {}
    with tempfile.TemporaryDirectory(prefix="ottla-compare-") as parent:
        set_up(case, tools, broker)
        for side in ("kafka", "ottla"):
            sides[side] = run_side(side, case, tools, broker, pathlib.Path(parent))
            if not case.setup:
                clean_up(tools, broker)
    clean_up(tools, broker)
    (real, real_dir, real_files), (ours, our_dir, our_files) = sides["kafka"], sides["ottla"]
    replacements = [(real_dir, "DIR"), (our_dir, "DIR"), ("4.3.1 (Ottla 0.1.0)", "4.3.1")]
    failed = False
    for step, expected, got in zip(case.steps, real, ours):
        differences = compare(step, expected, got, replacements)
        if differences:
            failed = True
            print(f"{case.name}: {step.tool} {' '.join(step.words)}\n" + "\n".join(differences), flush=True)
    if real_files != our_files:
        failed = True
        diff = difflib.unified_diff(real_files, our_files, "Apache Kafka", "Ottla", lineterm="", n=0)
        print(f"{case.name}: files\n" + "\n".join(f"    {line}" for line in diff), flush=True)
    print(f"{'DIFFERS' if failed else 'ok     '} {case.name}", flush=True)
    return not failed
