import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;

/** The kinds of groups that came after the classic one: consumer groups (KIP-848) and share groups (KIP-932). */
public class Groups {
    private static final int COUNT = 3_000;
    private static final int MORE = 100;

    public static void main(String[] args) throws Exception {
        String broker = args[1];
        String topic = args[2];
        if (args[0].equals("before")) {
            before(broker, topic);
        } else {
            after(broker, topic);
        }
        System.out.println("OK");
    }

    private static void before(String broker, String topic) throws Exception {
        try (Admin admin = Clients.admin(broker)) {
            admin.createTopics(List.of(new NewTopic(topic, Sample.PARTITIONS, (short) 1))).all().get();
            ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, share(topic));
            admin.incrementalAlterConfigs(Map.of(group, List.of(
                new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET)))).all().get();
            Scenario.produce(broker, topic, "lz4", 0, COUNT);
            consume(broker, topic, 0, COUNT, "lz4");
            share(broker, topic, 0, COUNT);
            Map<String, String> types = admin.listGroups().all().get().stream()
                .collect(Collectors.toMap(GroupListing::groupId, listing -> listing.type().map(Object::toString).orElse("none")));
            Interop.check("Consumer".equals(types.get(consumers(topic))) && "Share".equals(types.get(share(topic))), "groups " + types);
        }
    }

    private static void after(String broker, String topic) throws Exception {
        // Whatever is old would be one too many, or out of order.
        Scenario.produce(broker, topic, "none", COUNT, MORE);
        consume(broker, topic, COUNT, MORE, "none");
        share(broker, topic, COUNT, MORE);
    }

    /** Two members read all, and end up with some of the partitions each. */
    private static void consume(String broker, String topic, int first, int count, String label) {
        Map<String, String> settings = Map.of("group.protocol", "consumer");
        Sample.Reader reader = new Sample.Reader(first);
        try (KafkaConsumer<String, String> one = Clients.consumer(broker, consumers(topic), settings);
             KafkaConsumer<String, String> two = Clients.consumer(broker, consumers(topic), settings)) {
            List<KafkaConsumer<String, String>> members = List.of(one, two);
            members.forEach(member -> member.subscribe(List.of(topic)));
            long until = System.nanoTime() + Clients.PATIENCE.toNanos();
            while (reader.total() < count || one.assignment().isEmpty() || two.assignment().isEmpty()) {
                Interop.check(System.nanoTime() < until, "came " + reader.total() + " of " + count + ", assigned "
                    + one.assignment() + " and " + two.assignment());
                for (KafkaConsumer<String, String> member : members) {
                    member.poll(Duration.ofMillis(50)).forEach(reader::take);
                    // At once, since a partition may move to the other member in the next poll.
                    member.commitSync();
                }
            }
            int owned = one.assignment().size() + two.assignment().size();
            Interop.check(owned == Sample.PARTITIONS, "assigned " + one.assignment() + " and " + two.assignment());
            members.forEach(Clients::expectNothing);
        }
        reader.expect(List.of(label), count);
    }

    /** Accepts every record, but rejects every tenth and releases every tenth once: those come a second time. */
    private static void share(String broker, String topic, int first, int count) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("group.id", share(topic));
        settings.put("share.acknowledgement.mode", "explicit");
        Map<Integer, Integer> deliveries = new HashMap<>();
        try (KafkaShareConsumer<String, String> consumer =
                 new KafkaShareConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic));
            long until = System.nanoTime() + Clients.PATIENCE.toNanos();
            long quietUntil = Long.MAX_VALUE;
            while (System.nanoTime() < quietUntil) {
                Interop.check(System.nanoTime() < until, "came " + deliveries.size() + " of " + count);
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(100));
                for (ConsumerRecord<String, String> record : records) {
                    consumer.acknowledge(record, acknowledgement(record, first, deliveries));
                }
                consumer.commitSync().forEach((partition, error) -> error.ifPresent(e -> { throw new IllegalStateException("" + partition, e); }));
                boolean complete = deliveries.size() == count
                    && deliveries.entrySet().stream().allMatch(entry -> entry.getValue() == expectedDeliveries(entry.getKey()));
                if (!complete) {
                    quietUntil = Long.MAX_VALUE;
                } else if (quietUntil == Long.MAX_VALUE || !records.isEmpty()) {
                    quietUntil = System.nanoTime() + Clients.QUIET.toNanos();
                }
            }
        }
    }

    private static AcknowledgeType acknowledgement(ConsumerRecord<String, String> record, int first, Map<Integer, Integer> deliveries) {
        int n = Integer.parseInt(Sample.header(record, "n"));
        Interop.check(n >= first, "an old record came: " + n);
        int delivery = deliveries.merge(n, 1, Integer::sum);
        Interop.check(delivery <= expectedDeliveries(n), n + " came " + delivery + " times");
        int counted = record.deliveryCount().orElse((short) 0);
        Interop.check(counted == delivery, n + " came the " + delivery + ". time, the broker counted " + counted);
        if (n % 10 == 5) {
            return AcknowledgeType.REJECT;
        }
        return delivery < expectedDeliveries(n) ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT;
    }

    private static int expectedDeliveries(int n) {
        return n % 10 == 0 ? 2 : 1;
    }

    private static String consumers(String topic) {
        return topic + "-consumers";
    }

    private static String share(String topic) {
        return topic + "-share";
    }
}
