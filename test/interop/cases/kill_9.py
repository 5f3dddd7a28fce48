"""kill -9 in the middle of an idempotent producer's run: nothing is lost, nothing doubled, the order kept."""

import time

from harness import java, proc
from harness.broker import APACHE_KAFKA, Broker
from harness.case import LoneCase

RECORDS = 100_000
KILL_AT = (30_000, 60_000)


class Kill9(LoneCase):
    name = "kill-9"

    def install(self, log):
        java.install(APACHE_KAFKA, log)

    def run(self):
        # Kafka lets a broker that did not say goodbye register again only when its session has expired.
        broker = Broker("kill-9", {"broker.session.timeout.ms": 2000, "broker.heartbeat.interval.ms": 500})
        log = self.log()
        producer = None
        try:
            broker.start()
            command = java.command(APACHE_KAFKA, "Interop", "crash-produce", broker.address, self.name, RECORDS, 1)
            producer = proc.start(command, log)
            for acknowledged in KILL_AT:
                proc.wait_for_line(producer, log, f"acked {acknowledged}", timeout=90)
                broker.kill()
                assert f"acked {RECORDS}" not in log.read_text(), "the producer was done before the broker was killed"
                time.sleep(0.5)
                broker.start()
            proc.wait_for_line(producer, log, "OK", timeout=120)
            producer.wait(30)
            command = java.command(APACHE_KAFKA, "Interop", "crash-check", broker.address, self.name, RECORDS)
            proc.run(command, log, timeout=90)
            broker.stop()
        finally:
            if producer:
                proc.kill_group(producer)
            broker.kill()


CASES = [Kill9()]
