import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** Leaves files of many shapes: rolled segments, a compacted log, a log start offset, changed and deleted topics. */
final class Shapes {
    static void make(String broker, String prefix) throws Exception {
        String rolled = prefix + "-rolled";
        String compacted = prefix + "-compacted";
        String deleted = prefix + "-deleted";
        try (Admin admin = Clients.admin(broker)) {
            admin.createTopics(List.of(
                new NewTopic(rolled, Sample.PARTITIONS, (short) 1).configs(Map.of("segment.bytes", "1048576")),
                new NewTopic(compacted, 1, (short) 1).configs(Map.of("cleanup.policy", "compact", "segment.bytes", "1048576",
                    "min.cleanable.dirty.ratio", "0.01", "delete.retention.ms", "100")),
                new NewTopic(deleted, 1, (short) 1))).all().get();
            Scenario.produce(broker, rolled, "none", 0, 40_000);
            Scenario.produce(broker, rolled, "zstd", 0, 40_000);
            overwrite(broker, compacted);
            admin.deleteRecords(Map.of(new TopicPartition(rolled, 0), RecordsToDelete.beforeOffset(9_000))).all().get();
            ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, rolled);
            admin.incrementalAlterConfigs(Map.of(topic, List.of(
                new AlterConfigOp(new ConfigEntry("max.message.bytes", "2000000"), AlterConfigOp.OpType.SET)))).all().get();
            admin.createPartitions(Map.of(deleted, NewPartitions.increaseTo(2))).all().get();
            admin.deleteTopics(List.of(deleted)).all().get();
        }
    }

    /** The same hundred keys again and again, some of them deleted at the end. */
    private static void overwrite(String broker, String topic) {
        try (KafkaProducer<String, String> producer = Clients.producer(broker, Map.of("compression.type", "lz4"))) {
            for (int n = 0; n < 30_000; n++) {
                // Not compressible, or the log would stay in one segment.
                String value = Long.toHexString(n * 0x9E3779B97F4A7C15L) + Long.toHexString(n * 0xD1342543DE82EF95L + n);
                producer.send(new ProducerRecord<>(topic, "key-" + n % 100, value + value.hashCode()));
            }
            for (int n = 0; n < 10; n++) {
                producer.send(new ProducerRecord<>(topic, "key-" + n, null));
            }
        }
    }
}
