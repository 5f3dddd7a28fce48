"""Apache Kafka's kafka-dump-log over every file that the broker wrote and that the tool can read."""

import time

from clients.python import sample
from harness import abilities, java, proc
from harness.broker import APACHE_KAFKA, Broker
from harness.case import LoneCase

SUFFIXES = {".log", ".index", ".timeindex", ".txnindex", ".snapshot", ".checkpoint"}
# Small, so that the metadata log gets a snapshot.
METADATA_BYTES_BETWEEN_SNAPSHOTS = 2_000
# The tool takes the start of a segment as a gap after offset -1.
NOT_A_COMPLAINT = ("  -1 is followed by",)
NEW_GROUPS = ("consumer-groups", "share-groups")
COMPLAINTS = ("isvalid: false", "invalid bytes at the end", "Error at ", "Unknown record type")


class DumpLog(LoneCase):
    name = "dump-log"
    parts = ("transactions", "consumer-groups", "share-groups", "compaction")

    def install(self, log):
        java.install(APACHE_KAFKA, log)

    def run(self):
        settings = {
            "metadata.log.max.record.bytes.between.snapshots": METADATA_BYTES_BETWEEN_SNAPSHOTS,
            "log.cleaner.backoff.ms": 500,
        }
        broker = Broker(self.name, settings)
        try:
            broker.start()
            self.call("Interop", "before", broker.address, self.name)
            if not abilities.missing(NEW_GROUPS):
                self.call("Groups", "before", broker.address, f"{self.name}-groups")
            self.call("Interop", "shapes", broker.address, self.name)
            if abilities.can("compaction"):
                wait_for_cleaner(broker, f"{self.name}-compacted")
            broker.stop()
        finally:
            broker.kill()
        # What is about to be deleted is closed without care: its indexes keep the zeros that they were allocated with.
        directories = {path.name: path for path in broker.data.iterdir() if path.is_dir() and not path.name.endswith("-delete")}
        decoders = {"__cluster_metadata": "--cluster-metadata-decoder", "__consumer_offsets": "--offsets-decoder"}
        if abilities.can("transactions"):
            decoders["__transaction_state"] = "--transaction-log-decoder"
        if not abilities.missing(NEW_GROUPS):
            decoders["__share_group_state"] = "--share-group-state-decoder"
        found = {decoder: self.dump(broker, directories, prefix, decoder) for prefix, decoder in decoders.items()}
        found["--deep-iteration"] = self.dump(broker, directories, self.name, "--deep-iteration")
        self.check_that_it_saw(found)

    def dump(self, broker, directories, prefix, decoder):
        """Dumps the files of the directories whose names start with `prefix`; returns what was printed, by file."""
        files = [path for name, directory in sorted(directories.items()) if name.startswith(prefix) for path in dumpable(directory)]
        if prefix == "__cluster_metadata":
            files += broker.data.glob("*.checkpoint")
        assert files, f"the broker wrote no file for {prefix}"
        # Control records show only among a record's metadata; for data there would be too much of that.
        options = (["--skip-record-metadata"] if decoder == "--deep-iteration" else []) + [decoder, "--files", ",".join(str(file) for file in files)]
        errors = self.log().with_suffix(f".{prefix.strip('_')}.stderr")
        out = proc.run(java.command(APACHE_KAFKA, "org.apache.kafka.tools.DumpLogSegments", *options), errors, timeout=120, log_output=False)
        complaints = [line for line in out.splitlines() if any(complaint in line for complaint in COMPLAINTS)]
        complaints += complaints_on(errors)
        assert not complaints, f"kafka-dump-log on {prefix}:\n" + "\n".join(complaints[:20])
        sections = {}
        for part in out.split("Dumping ")[1:]:
            name, _, text = part.partition("\n")
            sections[name] = text
        assert len(sections) == len(files), f"{len(sections)} of {len(files)} files of {prefix} were dumped"
        return sections

    def check_that_it_saw(self, found):
        """The dump must have had something to complain about."""
        metadata = "".join(found["--cluster-metadata-decoder"].values())
        for expected in ("REGISTER_BROKER_RECORD", "TOPIC_RECORD", "PARTITION_RECORD", "REMOVE_TOPIC_RECORD", "SnapshotHeader", "SnapshotFooter"):
            assert expected in metadata, f"no {expected} in the metadata log and its snapshots"
        snapshots = [text for name, text in found["--cluster-metadata-decoder"].items() if "__cluster_metadata-0/" in name and name.endswith(".checkpoint")]
        assert any("TOPIC_RECORD" in text for text in snapshots), f"{len(snapshots)} metadata snapshots, none of them with a topic"
        assert f"{self.name}-group" in "".join(found["--offsets-decoder"].values()), "the group is not in __consumer_offsets"
        if abilities.can("transactions"):
            assert f"{self.name}-id" in "".join(found["--transaction-log-decoder"].values()), "the transactional id is not in __transaction_state"
        if not abilities.missing(NEW_GROUPS):
            assert f"{self.name}-groups-share" in "".join(found["--share-group-state-decoder"].values()), "the share group is not in __share_group_state"
        topics = found["--deep-iteration"]
        words = {".index": "position: ", ".timeindex": "timestamp: ", ".snapshot": "producerId: "}
        if abilities.can("transactions"):
            words[".txnindex"] = "producerId: "
        for suffix, word in words.items():
            assert any(word in text for name, text in topics.items() if name.endswith(suffix)), f"every {suffix} is empty"
        rolled = [name for name in topics if f"/{self.name}-rolled-1/" in name and name.endswith(".log")]
        assert len(rolled) > 1, f"{self.name}-rolled-1 has the segments {rolled} only"
        codecs = {codec for codec in sample.CODECS for text in topics.values() if f"compresscodec: {codec} " in text}
        assert codecs == set(sample.CODECS), f"batches only of {codecs}"

    def call(self, main, *arguments):
        proc.run(java.command(APACHE_KAFKA, main, *arguments), self.log(), timeout=120)


def dumpable(directory):
    return sorted(path for path in directory.iterdir() if path.suffix in SUFFIXES)


def complaints_on(errors):
    """Lines of standard error, but for the command line and for segments that start after 0."""
    lines = [line for line in errors.read_text(errors="replace").splitlines() if not line.startswith(("$ ", "("))]
    headings = [line for line in lines if line.startswith("Non-consecutive offsets in ")]
    gaps = [line for line in lines if " is followed by " in line and not line.startswith(NOT_A_COMPLAINT) and "compacted" not in line]
    others = [line for line in lines if line not in headings and " is followed by " not in line]
    return gaps + others


def wait_for_cleaner(broker, topic, timeout=60):
    until = time.monotonic() + timeout
    checkpoint = broker.data / "cleaner-offset-checkpoint"
    while not (checkpoint.exists() and f"{topic} 0 " in checkpoint.read_text()):
        assert time.monotonic() < until, f"{topic} was not compacted in {timeout} s"
        time.sleep(0.2)


CASES = [DumpLog()]
