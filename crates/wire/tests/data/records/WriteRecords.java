// Writes the batches of this directory with Apache Kafka's own classes: NAME.bin, and beside it NAME.txt,
// what Kafka reads back from it. Made with 4.3.1:
//   java --class-path "$KAFKA_HOME/libs/*" WriteRecords.java .
// With a second argument it does not write, but prints what Kafka reads from that file of batches.

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.CRC32C;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.utils.BufferSupplier;

public class WriteRecords {
    static Path dir;
    static final Compression[] CODECS = {
        Compression.NONE, Compression.gzip().build(), Compression.snappy().build(),
        Compression.lz4().build(), Compression.zstd().build(),
    };

    public static void main(String[] args) throws Exception {
        dir = Path.of(args[0]);
        if (args.length > 1) {
            byte[] bytes = Files.readAllBytes(Path.of(args[1]));
            System.out.print(describe(MemoryRecords.readableRecords(ByteBuffer.wrap(bytes))));
            return;
        }
        for (Compression codec : CODECS) {
            save("v2-" + codec.type(), fill(builder((byte) 2, codec, TimestampType.CREATE_TIME, 100)));
            if (codec != Compression.NONE)
                save("v2-" + codec.type() + "-large", large(builder((byte) 2, codec, TimestampType.CREATE_TIME, 0)));
        }
        save("v2-gzip-level-1", fill(builder((byte) 2, Compression.gzip().level(1).build(), TimestampType.CREATE_TIME, 1)));
        for (int level : new int[] {1, 17})
            save("v2-lz4-level-" + level, large(builder((byte) 2, Compression.lz4().level(level).build(), TimestampType.CREATE_TIME, 1)));
        for (int level : new int[] {-5, 22})
            save("v2-zstd-level-" + level, fill(builder((byte) 2, Compression.zstd().level(level).build(), TimestampType.CREATE_TIME, 1)));
        save("v2-log-append-time", fill(builder((byte) 2, Compression.NONE, TimestampType.LOG_APPEND_TIME, 1L << 40)));
        producers();
        control();
        compacted();
        legacy();
    }

    static MemoryRecordsBuilder builder(byte magic, Compression codec, TimestampType type, long baseOffset) {
        return MemoryRecords.builder(ByteBuffer.allocate(1 << 20), magic, codec, type, baseOffset, 1_700_000_000_123L, -1L,
            (short) -1, -1, false, magic < 2 ? -1 : 5);
    }

    static byte[] utf8(String s) {
        return s == null ? null : s.getBytes(StandardCharsets.UTF_8);
    }

    static MemoryRecords fill(MemoryRecordsBuilder b) {
        Header[] headers = {new RecordHeader("a", utf8("1")), new RecordHeader("grüße", null), new RecordHeader("", new byte[0])};
        boolean v2 = b.magic() == 2;
        b.append(1_700_000_000_000L, utf8("key"), utf8("value"), v2 ? headers : Record.EMPTY_HEADERS);
        b.append(1_699_999_999_000L, null, utf8("no key"), Record.EMPTY_HEADERS);
        b.append(1_700_000_009_999L, utf8("tombstone"), null, Record.EMPTY_HEADERS);
        b.append(1_700_000_000_000L, new byte[0], new byte[0], Record.EMPTY_HEADERS);
        b.append(-1L, (byte[]) null, null, Record.EMPTY_HEADERS);
        return b.build();
    }

    // More than two of LZ4's blocks; the last does not compress.
    static MemoryRecords large(MemoryRecordsBuilder b) {
        for (int i = 0; i < 27; i++) {
            byte[] value = new byte[5000];
            for (int j = 0; j < value.length; j++)
                value[j] = (byte) "etaoin shrdlu".charAt(i * j % 13);
            b.append(1_700_000_000_000L + i, utf8("key-" + i), value, Record.EMPTY_HEADERS);
        }
        byte[] noise = new byte[3000];
        new java.util.Random(42).nextBytes(noise);
        b.append(1_700_000_000_000L, null, noise, Record.EMPTY_HEADERS);
        return b.build();
    }

    static void producers() throws Exception {
        SimpleRecord[] records = {new SimpleRecord(7, utf8("a"), utf8("b")), new SimpleRecord(8, null, utf8("c")), new SimpleRecord(9, null, utf8("d"))};
        save("v2-idempotent", MemoryRecords.withIdempotentRecords((byte) 2, 10L, Compression.NONE, 4000L, (short) 2, Integer.MAX_VALUE - 1, 3, records));
        save("v2-transactional", MemoryRecords.withTransactionalRecords((byte) 2, 20L, Compression.zstd().build(), 4001L, (short) 0, 0, 4, records));
    }

    static void control() throws Exception {
        save("v2-commit", MemoryRecords.withEndTransactionMarker(30L, 1234L, 6, 4001L, (short) 1, new EndTransactionMarker(ControlRecordType.COMMIT, 17)));
        save("v2-abort", MemoryRecords.withEndTransactionMarker(31L, 1235L, 6, 4002L, (short) 1, new EndTransactionMarker(ControlRecordType.ABORT, 18)));
        save("v2-leader-change", MemoryRecords.withLeaderChangeMessage(40L, 1236L, 8, ByteBuffer.allocate(512),
            new LeaderChangeMessage().setVersion((short) 0).setLeaderId(3)
                .setVoters(List.of(new LeaderChangeMessage.Voter().setVoterId(3), new LeaderChangeMessage.Voter().setVoterId(4)))
                .setGrantingVoters(List.of(new LeaderChangeMessage.Voter().setVoterId(3)))));
        save("v2-snapshot-header", MemoryRecords.withSnapshotHeaderRecord(0L, 1237L, 8, ByteBuffer.allocate(512),
            new SnapshotHeaderRecord().setVersion((short) 0).setLastContainedLogTimestamp(99L)));
        save("v2-snapshot-footer", MemoryRecords.withSnapshotFooterRecord(5L, 1238L, 8, ByteBuffer.allocate(512),
            new SnapshotFooterRecord().setVersion((short) 0)));
        save("v2-kraft-version", MemoryRecords.withKRaftVersionRecord(1L, 1239L, 8, ByteBuffer.allocate(512),
            new KRaftVersionRecord().setVersion((short) 0).setKRaftVersion((short) 1)));
        save("v2-kraft-voters", MemoryRecords.withVotersRecord(2L, 1240L, 8, ByteBuffer.allocate(512),
            new VotersRecord().setVersion((short) 0).setVoters(List.of(new VotersRecord.Voter().setVoterId(1)
                .setVoterDirectoryId(new Uuid(1, 2))
                .setKRaftVersionFeature(new VotersRecord.KRaftVersionFeature().setMinSupportedVersion((short) 0).setMaxSupportedVersion((short) 1))))));
    }

    // Three batches as compaction leaves them: some records gone, a delete horizon for the tombstone, all records gone.
    static void compacted() throws Exception {
        ByteBuffer source = ByteBuffer.allocate(4096);
        for (int i = 0; i < 3; i++) {
            long base = 50 + 10 * i;
            MemoryRecordsBuilder b = MemoryRecords.builder(source, (byte) 2, Compression.NONE, TimestampType.CREATE_TIME, base, -1L, 4000L + i,
                (short) 1, 11, false, 9);
            b.append(2000 + i, utf8("drop"), utf8("first"));
            b.append(3000 + i, utf8(i == 2 ? "drop" : "keep"), i == 1 ? null : utf8("second"));
            b.append(2500 + i, utf8("drop"), utf8("third"));
            b.build();
        }
        source.flip();
        save("v2-before-compaction", MemoryRecords.readableRecords(source.duplicate()));
        ByteBuffer target = ByteBuffer.allocate(4096);
        MemoryRecords.readableRecords(source).filterTo(new MemoryRecords.RecordFilter(1_000_000L, 500L) {
            @Override
            protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                return new BatchRetentionResult(BatchRetention.RETAIN_EMPTY, false);
            }

            @Override
            protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
                return StandardCharsets.UTF_8.decode(record.key()).toString().equals("keep");
            }
        }, target, BufferSupplier.NO_CACHING);
        target.flip();
        save("v2-compacted", MemoryRecords.readableRecords(target));
    }

    static void legacy() throws Exception {
        for (byte magic = 0; magic < 2; magic++)
            for (Compression codec : List.of(CODECS).subList(0, 4))
                save("v" + magic + "-" + codec.type(), fill(builder(magic, codec, TimestampType.CREATE_TIME, 100)));
        save("v1-log-append-time", fill(builder((byte) 1, Compression.gzip().build(), TimestampType.LOG_APPEND_TIME, 100)));
    }

    static void save(String name, MemoryRecords records) throws Exception {
        byte[] bytes = new byte[records.sizeInBytes()];
        records.buffer().get(bytes);
        Files.write(dir.resolve(name + ".bin"), bytes);
        Files.writeString(dir.resolve(name + ".txt"), describe(records));
    }

    static String describe(MemoryRecords records) {
        StringBuilder out = new StringBuilder();
        for (MutableRecordBatch b : records.batches()) {
            out.append(String.format("batch magic %d, offsets %d to %d, %d bytes, crc %d %s, %s, %s, max timestamp %d%s%s%s, leader epoch %d, producer %d/%d, sequence %d to %d, count %s%n",
                b.magic(), b.baseOffset(), b.lastOffset(), b.sizeInBytes(), b.checksum(), b.isValid() ? "good" : "BAD",
                b.compressionType(), b.timestampType(), b.maxTimestamp(), b.isTransactional() ? ", transactional" : "",
                b.isControlBatch() ? ", control" : "", b.deleteHorizonMs().isPresent() ? ", delete horizon " + b.deleteHorizonMs().getAsLong() : "",
                b.partitionLeaderEpoch(), b.producerId(), b.producerEpoch(), b.baseSequence(), b.lastSequence(), b.countOrNull()));
            for (Record r : b) {
                out.append(String.format("  record %d, timestamp %d, sequence %d, key %s, value %s",
                    r.offset(), r.timestamp(), r.sequence(), bytes(r.key()), bytes(r.value())));
                for (Header h : r.headers())
                    out.append(String.format(", header %s = %s", bytes(ByteBuffer.wrap(utf8(h.key()))), bytes(h.value() == null ? null : ByteBuffer.wrap(h.value()))));
                out.append(String.format("%n"));
            }
        }
        return out.toString();
    }

    static String bytes(ByteBuffer b) {
        if (b == null)
            return "null";
        if (b.remaining() > 100) {
            CRC32C crc = new CRC32C();
            int size = b.remaining();
            crc.update(b);
            return String.format("%d bytes with crc %d", size, crc.getValue());
        }
        StringBuilder out = new StringBuilder("'");
        while (b.hasRemaining())
            out.append(String.format("%02x", b.get()));
        return out.append("'").toString();
    }
}
