"""Runs programs with a time limit and keeps what they print."""

import os
import signal
import subprocess
import time

TAIL_LINES = 40


class Failed(Exception):
    """What a case expected did not happen; the text says what, and ends with the tail of the log if there is one."""


class LeftOut(Exception):
    """The tool cannot be had on this machine."""


def tail(path, lines=TAIL_LINES):
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        return f"(no log: {error})"
    return "\n".join("    | " + line for line in text.splitlines()[-lines:])


def run(command, log, timeout, stdin=None, env=None, cwd=None, log_output=True):
    """Runs to the end; returns what it wrote to standard output. That (unless told not to) and standard error go to `log`."""
    began = time.monotonic()
    process = start(command, log, stdin=stdin, env=env, cwd=cwd, stdout=subprocess.PIPE)
    try:
        out, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        kill_group(process)
        process.communicate()
        raise Failed(f"{name_of(command)} did not finish in {timeout} s; end of {log}:\n{tail(log)}") from None
    text = out.decode(errors="replace")
    with open(log, "a", encoding="utf-8") as file:
        if log_output:
            file.write(shortened(text, 100_000))
        file.write(f"({time.monotonic() - began:.1f} s)\n")
    if process.returncode != 0:
        raise Failed(f"{name_of(command)} ended with {process.returncode}; end of {log}:\n{tail(log)}")
    return text


def start(command, log, stdin=None, env=None, cwd=None, stdout=None):
    """Starts in a process group of its own, standard error (and output, unless asked for) appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as file:
        file.write(f"$ {shortened(' '.join(str(part) for part in command), 2_000)}\n".encode())
        file.flush()
        source = open(stdin, "rb") if stdin else subprocess.DEVNULL
        try:
            return subprocess.Popen(
                [str(part) for part in command],
                stdin=source,
                stdout=stdout or file,
                stderr=file,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
        finally:
            if stdin:
                source.close()


def shortened(text, length):
    return text if len(text) <= length else text[: length // 2] + " […] " + text[-length // 2 :]


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def wait_for_line(process, log, wanted, timeout):
    """Waits until the program has printed a line that starts with `wanted` to `log`."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if any(line.startswith(wanted) for line in log.read_text(errors="replace").splitlines()):
            return
        if process.poll() is not None:
            raise Failed(f"ended with {process.returncode} before it said {wanted!r}; end of {log}:\n{tail(log)}")
        time.sleep(0.05)
    raise Failed(f"no line {wanted!r} in {timeout} s; end of {log}:\n{tail(log)}")


def name_of(command):
    parts = [str(part) for part in command]
    # For Java the class says more than the program.
    return parts[parts.index("-cp") + 2] if "-cp" in parts else parts[0].rsplit("/", 1)[-1]
