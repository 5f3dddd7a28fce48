import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;

/** The records of the scenario, as README.md defines them, and the check of what is read. */
final class Sample {
    static final int PARTITIONS = 3;

    static ProducerRecord<String, String> record(String topic, String label, int n) {
        ProducerRecord<String, String> record = new ProducerRecord<>(topic, n % PARTITIONS, "key-" + n, value(label, n));
        record.headers().add("label", label.getBytes(StandardCharsets.UTF_8));
        record.headers().add("n", Integer.toString(n).getBytes(StandardCharsets.UTF_8));
        return record;
    }

    static String value(String label, int n) {
        return n % 1000 == 999 ? null : label + " " + n + " " + "abcdefghij".repeat(n % 20);
    }

    /** Counts by label what was read, and refuses a record with other content or out of its partition's order. */
    static final class Reader {
        private final Map<String, Integer> counts = new HashMap<>();
        private final Map<String, Integer> next = new HashMap<>();
        private final int first;

        Reader(int first) {
            this.first = first;
        }

        void take(ConsumerRecord<String, String> record) {
            String label = header(record, "label");
            int n = Integer.parseInt(header(record, "n"));
            String where = record.topic() + "-" + record.partition() + "@" + record.offset() + ": ";
            Interop.check(record.key().equals("key-" + n), where + "the key is " + record.key() + ", the header says " + n);
            Interop.check(Objects.equals(record.value(), value(label, n)), where + "other value: " + record.value());
            String sequence = label + " " + record.partition();
            int start = first + Math.floorMod(record.partition() - first, PARTITIONS);
            int expected = next.getOrDefault(sequence, start);
            Interop.check(n == expected, where + "of " + label + " came " + n + ", expected " + expected);
            next.put(sequence, n + PARTITIONS);
            counts.merge(label, 1, Integer::sum);
        }

        int total() {
            return counts.values().stream().mapToInt(Integer::intValue).sum();
        }

        void expect(List<String> labels, int each) {
            for (String label : labels) {
                expectOne(label, each);
            }
            Interop.check(counts.size() == labels.size(), "read " + counts + ", expected only " + labels);
        }

        void expectOne(String label, int count) {
            Interop.check(counts.getOrDefault(label, 0) == count, label + ": read " + counts.get(label) + " of " + count);
        }
    }

    static String header(ConsumerRecord<String, String> record, String name) {
        Header header = record.headers().lastHeader(name);
        Interop.check(header != null, record + " has no header " + name);
        return new String(header.value(), StandardCharsets.UTF_8);
    }
}
