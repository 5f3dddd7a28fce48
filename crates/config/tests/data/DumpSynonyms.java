// Prints the synonyms of topic and group settings of the real Apache Kafka, in its order. See README.md beside this file.
import java.util.*;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.server.config.ConfigSynonym;
import org.apache.kafka.server.config.ServerTopicConfigSynonyms;

public class DumpSynonyms {
    public static void main(String[] args) {
        System.out.println("resource,name,synonym,milliseconds per unit");
        new TreeMap<>(ServerTopicConfigSynonyms.ALL_TOPIC_CONFIG_SYNONYMS).forEach((name, synonyms) -> {
            for (ConfigSynonym s : synonyms) System.out.println("topic," + name + "," + s.name() + "," + unit(s));
        });
        new TreeMap<>(GroupConfig.ALL_GROUP_CONFIG_SYNONYMS).forEach((name, synonym) ->
            synonym.ifPresent(s -> System.out.println("group," + name + "," + s + ",1")));
    }

    static String unit(ConfigSynonym s) {
        return s.converter().apply("1");
    }
}
