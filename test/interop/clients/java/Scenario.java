import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** The scenario every client goes through (see README.md), and transactions besides. */
final class Scenario {
    private static final int EACH = 10_000;
    private static final int MORE = 100;

    static void before(String broker, String topic) throws Exception {
        try (Admin admin = Clients.admin(broker)) {
            admin.createTopics(List.of(new NewTopic(topic, Sample.PARTITIONS, (short) 1))).all().get();
            // The controller knows a new topic a moment before the broker lists it.
            long until = System.nanoTime() + Clients.PATIENCE.toNanos();
            while (!admin.listTopics().names().get().contains(topic)) {
                Interop.check(System.nanoTime() < until, "the new topic is not listed");
            }
            int partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
            Interop.check(partitions == Sample.PARTITIONS, "the new topic has " + partitions + " partitions");
            for (String codec : Clients.codecs()) {
                produce(broker, topic, codec, 0, EACH);
            }
            Sample.Reader reader = new Sample.Reader(0);
            try (KafkaConsumer<String, String> consumer = Clients.consumer(broker, group(topic), Map.of())) {
                consumer.subscribe(List.of(topic));
                Clients.read(consumer, (long) EACH * Clients.codecs().size(), reader::take);
                consumer.commitSync();
            }
            reader.expect(Clients.codecs(), EACH);
            Map<TopicPartition, OffsetAndMetadata> committed =
                admin.listConsumerGroupOffsets(group(topic)).partitionsToOffsetAndMetadata().get();
            long sum = committed.values().stream().mapToLong(OffsetAndMetadata::offset).sum();
            Interop.check(sum == reader.total(), "committed " + committed + ", read " + reader.total());
        }
        if (!Interop.can("transactions")) {
            return;
        }
        try (Admin admin = Clients.admin(broker)) {
            admin.createTopics(List.of(new NewTopic(transactional(topic), Sample.PARTITIONS, (short) 1))).all().get();
        }
        transactions(broker, topic, 0);
        readTransactions(broker, topic, 1);
    }

    /** After the broker was stopped and started `round` + 1 times, with this called each time. */
    static void after(String broker, String topic, int round) throws Exception {
        int first = EACH + round * MORE;
        Sample.Reader reader = new Sample.Reader(first);
        try (KafkaConsumer<String, String> consumer = Clients.consumer(broker, group(topic), Map.of())) {
            consumer.subscribe(List.of(topic));
            Clients.expectNothing(consumer);
            produce(broker, topic, "none", first, MORE);
            Clients.read(consumer, MORE, reader::take);
            consumer.commitSync();
        }
        reader.expect(List.of("none"), MORE);
        if (!Interop.can("transactions")) {
            return;
        }
        readTransactions(broker, topic, round + 1);
        transactions(broker, topic, round + 1);
        readTransactions(broker, topic, round + 2);
    }

    /** On a data directory that `before` and `round` calls of `after` wrote to: everything is there, and it goes on. */
    static void goOn(String broker, String topic, int round) throws Exception {
        all(broker, topic, round);
        after(broker, topic, round);
        all(broker, topic, round + 1);
    }

    /** Reads everything that `before` and `rounds` calls of `after` wrote. */
    private static void all(String broker, String topic, int rounds) {
        Sample.Reader reader = new Sample.Reader(0);
        try (KafkaConsumer<String, String> consumer = Clients.consumer(broker, topic + "-all", Map.of())) {
            consumer.assign(partitions(topic));
            consumer.seekToBeginning(consumer.assignment());
            Clients.read(consumer, (long) EACH * Clients.codecs().size() + rounds * MORE, reader::take);
        }
        reader.expectOne("none", EACH + rounds * MORE);
        Clients.codecs().stream().skip(1).forEach(codec -> reader.expectOne(codec, EACH));
        if (Interop.can("transactions")) {
            readTransactions(broker, topic, rounds + 1);
        }
    }

    static String group(String topic) {
        return topic + "-group";
    }

    static void produce(String broker, String topic, String codec, int first, int count) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer = Clients.producer(broker, Map.of("compression.type", codec))) {
            for (int n = first; n < first + count; n++) {
                sent.add(producer.send(Sample.record(topic, codec, n)));
            }
        }
        Map<Integer, Long> last = new HashMap<>();
        for (Future<RecordMetadata> future : sent) {
            RecordMetadata metadata = future.get();
            Long before = last.put(metadata.partition(), metadata.offset());
            Interop.check(before == null || metadata.offset() == before + 1, "offset " + metadata + " follows " + before);
        }
    }

    /** One transaction is committed, one aborted, one committed: a read_committed consumer sees the first and the last. */
    private static void transactions(String broker, String topic, int round) throws Exception {
        Map<String, String> settings = Map.of("transactional.id", topic + "-id", "compression.type", "lz4");
        try (KafkaProducer<String, String> producer = Clients.producer(broker, settings)) {
            producer.initTransactions();
            for (String label : List.of("first", "aborted", "last")) {
                producer.beginTransaction();
                for (int n = round * MORE; n < (round + 1) * MORE; n++) {
                    producer.send(Sample.record(transactional(topic), label, n));
                }
                producer.flush();
                if (label.equals("aborted")) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
    }

    private static void readTransactions(String broker, String topic, int rounds) {
        for (String isolation : List.of("read_committed", "read_uncommitted")) {
            List<String> labels = isolation.equals("read_committed") ? List.of("first", "last") : List.of("first", "aborted", "last");
            Sample.Reader reader = new Sample.Reader(0);
            Map<String, String> settings = Map.of("isolation.level", isolation);
            try (KafkaConsumer<String, String> consumer = Clients.consumer(broker, topic + "-" + isolation, settings)) {
                consumer.assign(partitions(transactional(topic)));
                consumer.seekToBeginning(consumer.assignment());
                Clients.read(consumer, (long) rounds * MORE * labels.size(), reader::take);
            }
            reader.expect(labels, rounds * MORE);
        }
    }

    private static String transactional(String topic) {
        return topic + "-transactions";
    }

    static List<TopicPartition> partitions(String topic) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int partition = 0; partition < Sample.PARTITIONS; partition++) {
            partitions.add(new TopicPartition(topic, partition));
        }
        return partitions;
    }
}
