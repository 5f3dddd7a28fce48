import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.function.Consumer;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The clients with the settings the suite needs. */
final class Clients {
    /** How long to wait for records that must come. */
    static final Duration PATIENCE = Duration.ofSeconds(60);
    /** How long to look for records that must not come. */
    static final Duration QUIET = Duration.ofMillis(300);

    static Admin admin(String broker) {
        return Admin.create(Map.of("bootstrap.servers", broker));
    }

    static KafkaProducer<String, String> producer(String broker, Map<String, String> more) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("acks", "all");
        settings.put("enable.idempotence", "true");
        settings.put("linger.ms", "5");
        settings.putAll(more);
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String broker, String group, Map<String, String> more) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("group.id", group);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        // A consumer at the end of a log closes only when its last fetch came back.
        settings.put("fetch.max.wait.ms", "100");
        settings.putAll(more);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    /** Polls until `count` records came, then a little longer to see that no more do. */
    static void read(KafkaConsumer<String, String> consumer, long count, Consumer<ConsumerRecord<String, String>> take) {
        long until = System.nanoTime() + PATIENCE.toNanos();
        long seen = 0;
        while (seen < count) {
            Interop.check(System.nanoTime() < until, "only " + seen + " of " + count + " records came in " + PATIENCE);
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                take.accept(record);
                seen++;
            }
        }
        Interop.check(seen == count, "read " + seen + " records, expected " + count);
        expectNothing(consumer);
    }

    /** A member that has partitions and gets no record from them. */
    static void expectNothing(KafkaConsumer<String, String> consumer) {
        long patience = System.nanoTime() + PATIENCE.toNanos();
        while (consumer.assignment().isEmpty()) {
            Interop.check(System.nanoTime() < patience, "the group assigned nothing in " + PATIENCE);
            Interop.check(consumer.poll(Duration.ofMillis(100)).isEmpty(), "the group starts before its committed offsets");
        }
        long until = System.nanoTime() + QUIET.toNanos();
        while (System.nanoTime() < until) {
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                throw new IllegalStateException("a record that was not expected: " + record);
            }
        }
    }

    static List<String> codecs() {
        return List.of("none", "gzip", "snappy", "lz4", "zstd");
    }
}
