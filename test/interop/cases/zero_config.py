"""`ottla` in an empty folder: one screen says what there is to know, a client works, and the next start finds everything again."""

import signal
import time

from harness import java, places, proc
from harness.broker import APACHE_KAFKA, START_TIMEOUT_S, STOP_TIMEOUT_S, answers, free_port, ottla
from harness.case import LoneCase

SCREEN_LINES = 24


class ZeroConfig(LoneCase):
    name = "zero-config"
    needs = ("zero-config",)
    parts = ("transactions",)

    def install(self, log):
        java.install(APACHE_KAFKA, log)

    def run(self):
        folder = places.work() / self.name
        folder.mkdir()
        port = free_port()
        controller = free_port()
        # Only so that cases do not meet on 9092.
        overrides = [f"listeners=PLAINTEXT://localhost:{port},CONTROLLER://localhost:{controller}", f"controller.quorum.voters=1@localhost:{controller}"]
        command = [ottla(), *(word for override in overrides for word in ("--override", override))]
        clusters = []
        for step, state in (("before", "formatted just now"), ("after", "as it was left")):
            screen = folder / f"{step}.screen"
            process = proc.start(command, screen, cwd=folder)
            try:
                text = self.greeting(process, screen, port)
                for expected in (f"localhost:{port}", str(folder / "ottla-data"), state, self.version()):
                    assert expected in text, f"the screen does not say {expected!r}:\n{text}"
                assert len(text.splitlines()) <= SCREEN_LINES, f"more than a screen:\n{text}"
                clusters.append(next(line for line in text.splitlines() if "cluster id" in line))
                arguments = [step, f"localhost:{port}", self.name] + (["0"] if step == "after" else [])
                proc.run(java.command(APACHE_KAFKA, "Interop", *arguments), self.log(), timeout=120)
                process.send_signal(signal.SIGINT)
                code = process.wait(STOP_TIMEOUT_S)
                assert code == 0, f"Ctrl-C ends it with {code}"
                assert self.text(screen) == text, f"it did not stay quiet:\n{self.text(screen)}"
            finally:
                proc.kill_group(process)
                process.wait()
        assert clusters[0] == clusters[1], f"the cluster's id changed: {clusters}"
        assert [path.name for path in folder.iterdir() if path.suffix != ".screen"] == ["ottla-data"], "it wrote beside its data folder"

    def greeting(self, process, screen, port):
        """What stands on the screen when it is complete."""
        until = time.monotonic() + START_TIMEOUT_S
        while not (answers(port) and "Ctrl-C" in self.text(screen)):
            if process.poll() is not None:
                raise proc.Failed(f"it ended with {process.returncode}:\n{proc.tail(screen)}")
            if time.monotonic() > until:
                raise proc.Failed(f"it did not greet in {START_TIMEOUT_S} s:\n{proc.tail(screen)}")
            time.sleep(0.05)
        return self.text(screen)

    @staticmethod
    def text(screen):
        # Without the line that has the command.
        return screen.read_text().partition("\n")[2]

    def version(self):
        """`4.3.1 (Ottla 0.1.0)`: the second one."""
        return proc.run([ottla(), "--version"], self.log(), timeout=10).strip().rpartition(" ")[2].rstrip(")")


CASES = [ZeroConfig()]
