// Builds the real KafkaConfig from each case in the file given, and prints what became of it. See README.md beside this file.
import java.io.StringReader;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import kafka.server.KafkaConfig;
import org.apache.kafka.common.Endpoint;

public class RunBrokerCases {
    static String endpoints(scala.collection.Seq<Endpoint> seq) {
        return scala.jdk.javaapi.CollectionConverters.asJava(seq).stream()
            .map(e -> e.listener() + "|" + e.securityProtocol().name + "|" + (e.host() == null ? "" : e.host()) + "|" + e.port())
            .collect(Collectors.joining(" "));
    }

    static String describe(KafkaConfig c) {
        return String.join("\n", "ok",
            "listeners: " + endpoints(c.listeners()),
            "controller listeners: " + endpoints(c.controllerListeners()),
            "data plane listeners: " + endpoints(c.dataPlaneListeners()),
            "advertised for brokers: " + endpoints(c.effectiveAdvertisedBrokerListeners()),
            "advertised for controllers: " + endpoints(c.effectiveAdvertisedControllerListeners()),
            "inter broker: " + c.interBrokerListenerName().value() + "|" + c.interBrokerSecurityProtocol().name,
            "early start: " + scala.jdk.javaapi.CollectionConverters.asJava(c.earlyStartListeners()).stream()
                .map(l -> l.value()).sorted().collect(Collectors.joining(" ")),
            "node id: " + c.nodeId(),
            "log dirs: " + c.logDirs(),
            "cordoned log dirs: " + c.cordonedLogDirs(),
            "metadata log dir: " + c.metadataLogDir(),
            "times: " + c.logRetentionTimeMillis() + " " + c.logRollTimeMillis() + " " + c.logRollTimeJitterMillis() + " "
                + c.logFlushIntervalMs());
    }

    public static void main(String[] args) throws Exception {
        for (String block : Files.readString(Path.of(args[0])).split("(?m)^== ")) {
            if (block.isBlank() || block.startsWith("//")) continue;
            String name = block.substring(0, block.indexOf('\n'));
            Properties props = new Properties();
            props.load(new StringReader(block.substring(block.indexOf('\n') + 1)));
            String outcome;
            try {
                outcome = describe(new KafkaConfig(props, false));
            } catch (Throwable e) {
                outcome = e.getClass().getSimpleName() + ": " + e.getMessage();
            }
            System.out.println("== " + name + "\n" + outcome);
        }
    }
}
