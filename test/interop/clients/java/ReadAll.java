import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/** Prints every record that a read_committed consumer sees: topic, partition, offset, timestamp, key, headers, size of the value. */
final class ReadAll {
    static void print(String broker, List<String> topics) {
        Map<String, String> settings = Map.of("isolation.level", "read_committed");
        try (KafkaConsumer<String, String> consumer = Clients.consumer(broker, "read-all", settings)) {
            List<TopicPartition> partitions = new ArrayList<>();
            topics.forEach(topic -> consumer.partitionsFor(topic).forEach(
                partition -> partitions.add(new TopicPartition(topic, partition.partition()))));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            long until = System.nanoTime() + Clients.PATIENCE.toNanos();
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                Interop.check(System.nanoTime() < until, "did not come to the ends " + ends);
                consumer.poll(Duration.ofMillis(100)).forEach(record -> System.out.println(line(record)));
            }
        }
    }

    private static String line(ConsumerRecord<String, String> record) {
        String headers = StreamSupport.stream(record.headers().spliterator(), false)
            .map(header -> header.key() + "=" + (header.value() == null ? "NULL" : new String(header.value(), StandardCharsets.UTF_8)))
            .collect(Collectors.joining(","));
        List<Object> columns = Arrays.asList(record.topic(), record.partition(), record.offset(), record.timestamp(), record.key() == null ? "" : record.key(), headers,
            record.serializedValueSize());
        return columns.stream().map(String::valueOf).collect(Collectors.joining("\t"));
    }
}
