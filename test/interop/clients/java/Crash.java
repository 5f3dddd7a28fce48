import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartitionInfo;

/** An idempotent producer that goes on while its broker is killed and started again. */
final class Crash {
    private static final String LABEL = "crash";
    private static final int REPORT_EVERY = 10_000;

    /** Sends `count` records, and says "acked N" at every 10,000th acknowledgement: the runner kills the broker on those. */
    static void produce(String broker, String topic, int count, short replicas) throws Exception {
        try (Admin admin = Clients.admin(broker)) {
            admin.createTopics(List.of(new NewTopic(topic, Sample.PARTITIONS, replicas))).all().get();
        }
        AtomicInteger acked = new AtomicInteger();
        AtomicReference<Exception> error = new AtomicReference<>();
        Map<Integer, Long> last = new HashMap<>();
        Map<String, String> settings = Map.of("max.block.ms", "120000", "reconnect.backoff.max.ms", "200", "compression.type", "lz4");
        try (KafkaProducer<String, String> producer = Clients.producer(broker, settings)) {
            for (int n = 0; n < count && error.get() == null; n++) {
                producer.send(Sample.record(topic, LABEL, n), (metadata, exception) -> {
                    // Callbacks of one producer come from one thread.
                    if (exception != null) {
                        error.compareAndSet(null, exception);
                        return;
                    }
                    Long before = last.put(metadata.partition(), metadata.offset());
                    if (before != null && metadata.offset() != before + 1) {
                        error.compareAndSet(null, new IllegalStateException("acknowledged " + metadata + " after offset " + before));
                    }
                    int now = acked.incrementAndGet();
                    if (now % REPORT_EVERY == 0) {
                        System.out.println("acked " + now);
                    }
                });
                if (n % 100 == 0) {
                    // Slow enough to be in the middle when the broker is killed.
                    Thread.sleep(5);
                }
            }
        }
        if (error.get() != null) {
            throw error.get();
        }
        Interop.check(acked.get() == count, "acknowledged " + acked + " of " + count);
    }

    /** Every partition has that many replicas in sync. */
    static void waitUntilInSync(String broker, String topic, int replicas) throws Exception {
        try (Admin admin = Clients.admin(broker)) {
            long until = System.nanoTime() + Clients.PATIENCE.toNanos();
            List<TopicPartitionInfo> partitions;
            do {
                partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions();
                Interop.check(System.nanoTime() < until, "not in sync: " + partitions);
                Thread.sleep(100);
            } while (!partitions.stream().allMatch(partition -> partition.isr().size() == replicas));
        }
    }

    /** Everything is there once, in the order it was sent. */
    static void check(String broker, String topic, int count) {
        Sample.Reader reader = new Sample.Reader(0);
        try (KafkaConsumer<String, String> consumer = Clients.consumer(broker, topic + "-check", Map.of())) {
            consumer.assign(Scenario.partitions(topic));
            consumer.seekToBeginning(consumer.assignment());
            Clients.read(consumer, count, reader::take);
        }
        reader.expect(List.of(LABEL), count);
    }
}
