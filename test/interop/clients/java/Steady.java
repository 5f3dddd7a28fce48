import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** A client that behaves, and has nothing to complain about: no error, no second try, no rebalance, nothing lost. */
final class Steady {
    private static final String LABEL = "steady";
    private static final int BURST = 20;
    private static final int PAUSE_MS = 10;

    /** Produces and consumes for that long; says "running" when both do. */
    static void run(String broker, String topic, int seconds) throws Exception {
        try (Admin admin = Clients.admin(broker)) {
            admin.createTopics(List.of(new NewTopic(topic, Sample.PARTITIONS, (short) 1))).all().get();
        }
        AtomicInteger produced = new AtomicInteger(-1);
        ExecutorService thread = Executors.newSingleThreadExecutor();
        Future<?> consuming = thread.submit(() -> consume(broker, topic, produced));
        thread.shutdown();
        produced.set(produce(broker, topic, seconds, consuming));
        consuming.get();
    }

    private static int produce(String broker, String topic, int seconds, Future<?> consuming) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer = Clients.producer(broker, Map.of("compression.type", "lz4"))) {
            long until = System.nanoTime() + Duration.ofSeconds(seconds).toNanos();
            while (System.nanoTime() < until && !consuming.isDone()) {
                for (int n = 0; n < BURST; n++) {
                    sent.add(producer.send(Sample.record(topic, LABEL, sent.size())));
                }
                Thread.sleep(PAUSE_MS);
            }
            producer.flush();
            producer.metrics().forEach((name, metric) -> {
                if (name.group().equals("producer-metrics") && List.of("record-error-total", "record-retry-total").contains(name.name())) {
                    Interop.check(metric.metricValue().equals(0.0), name.name() + " is " + metric.metricValue());
                }
            });
        }
        for (Future<RecordMetadata> future : sent) {
            future.get();
        }
        return sent.size();
    }

    private static void consume(String broker, String topic, AtomicInteger produced) {
        Sample.Reader reader = new Sample.Reader(0);
        AtomicInteger revocations = new AtomicInteger();
        try (KafkaConsumer<String, String> consumer = Clients.consumer(broker, topic + "-group", Map.of())) {
            consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    revocations.incrementAndGet();
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}
            });
            long until = Long.MAX_VALUE;
            boolean running = false;
            while (reader.total() != produced.get()) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                    reader.take(record);
                }
                consumer.commitSync();
                if (!running && reader.total() > 0) {
                    running = true;
                    System.out.println("running");
                }
                if (produced.get() < 0) {
                    continue;
                }
                until = Math.min(until, System.nanoTime() + Clients.PATIENCE.toNanos());
                Interop.check(System.nanoTime() < until, "read " + reader.total() + " of " + produced);
            }
            Interop.check(revocations.get() == 0, "the group was rebalanced " + revocations + " times");
        }
        reader.expect(List.of(LABEL), produced.get());
        System.out.println("read " + produced + " records");
    }
}
