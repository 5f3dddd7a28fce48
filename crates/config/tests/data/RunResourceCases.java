// Asks the real Apache Kafka about each case in the file given: settings of topics, groups, subscriptions, and dynamic
// settings of brokers. See README.md beside this file.
import java.io.StringReader;
import java.lang.reflect.Proxy;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import kafka.server.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.message.DescribeConfigsRequestData.DescribeConfigsResource;
import org.apache.kafka.common.message.DescribeConfigsResponseData.*;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.metadata.*;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.metrics.ClientMetricsConfigs;
import org.apache.kafka.storage.internals.log.LogConfig;

public class RunResourceCases {
    static final Map<String, Properties> parts = new LinkedHashMap<>();

    static Properties part(String name) {
        return parts.getOrDefault(name, new Properties());
    }

    static Map<String, String> map(Properties p) {
        Map<String, String> m = new HashMap<>();
        p.forEach((k, v) -> m.put((String) k, (String) v));
        return m;
    }

    static KafkaConfig broker() {
        Properties p = new Properties();
        p.put("process.roles", "broker,controller");
        p.put("node.id", "1");
        p.put("controller.listener.names", "CONTROLLER");
        p.put("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093");
        p.put("controller.quorum.voters", "1@localhost:9093");
        p.putAll(part("static"));
        KafkaConfig c = new KafkaConfig(p, false);
        c.dynamicConfig().initialize(scala.Option.empty());
        c.dynamicConfig().updateDefaultConfig(part("default"), false);
        c.dynamicConfig().updateBrokerConfig(1, part("broker"), false);
        return c;
    }

    interface Action { void run() throws Exception; }

    static void attempt(String what, Action action) {
        try {
            action.run();
            System.out.println(what + ": ok");
        } catch (Throwable e) {
            System.out.println(what + ": " + e.getClass().getSimpleName() + ": " + e.getMessage());
        }
    }

    static void topicSettings(LogConfig c) {
        Map<String, Object> values = new TreeMap<>(c.values());
        values.forEach((k, v) -> {
            if (!Objects.equals(v, LogConfig.configKeys().get(k).defaultValue))
                System.out.println(k + "=" + (v instanceof List<?> l
                    ? l.stream().map(Object::toString).collect(Collectors.joining(",")) : String.valueOf(v)));
        });
        System.out.println("derived: " + c.segmentSize() + " " + c.maxSegmentMs() + " " + c.localRetentionMs() + " "
            + c.localRetentionBytes());
    }

    static void describe(KafkaConfig config, ConfigResource.Type type, String name) {
        MetadataCache cache = (MetadataCache) Proxy.newProxyInstance(RunResourceCases.class.getClassLoader(),
            new Class<?>[] {MetadataCache.class}, (p, method, args) -> method.getName().equals("contains") ? true : null);
        ConfigRepository repository = r -> switch (r.type()) {
            case TOPIC -> part("topic");
            case GROUP -> part("group");
            case CLIENT_METRICS -> part("client-metrics");
            default -> new Properties();
        };
        ConfigHelper helper = new ConfigHelper(cache, config, repository);
        DescribeConfigsResource resource = new DescribeConfigsResource().setResourceType(type.id()).setResourceName(name)
            .setConfigurationKeys(null);
        DescribeConfigsResult result = helper.describeConfigs(
            scala.collection.immutable.Nil$.MODULE$.$colon$colon(resource), true, false).head();
        if (result.errorCode() != 0) System.out.println("error " + result.errorCode() + ": " + result.errorMessage());
        result.configs().stream().sorted(Comparator.comparing(DescribeConfigsResourceResult::name)).forEach(c -> {
            // What is default through and through is compared only where a case asks for all.
            if (c.configSource() == 5 && !parts.containsKey("all")) return;
            System.out.println(c.name() + "=" + c.value() + " source " + c.configSource() + " type " + c.configType()
                + (c.readOnly() ? " read-only" : "") + (c.isSensitive() ? " sensitive" : "") + c.synonyms().stream()
                    .map(s -> " {" + s.name() + "=" + s.value() + " " + s.source() + "}").collect(Collectors.joining()));
        });
    }

    public static void main(String[] args) throws Exception {
        for (String block : Files.readString(Path.of(args[0])).split("(?m)^== ")) {
            if (block.isBlank()) continue;
            String name = block.substring(0, block.indexOf('\n'));
            Properties all = new Properties();
            all.load(new StringReader(block.substring(block.indexOf('\n') + 1)));
            parts.clear();
            all.forEach((k, v) -> {
                String[] key = ((String) k).split("/", 2);
                if (key.length == 1) parts.put((String) k, new Properties());
                else parts.computeIfAbsent(key[0], x -> new Properties()).put(key[1], v);
            });
            System.out.println("== " + name);
            KafkaConfig config = broker();
            boolean remote = config.remoteLogManagerConfig().isRemoteStorageSystemEnabled();
            if (parts.containsKey("topic")) {
                attempt("alone", () -> LogConfig.validate(map(part("topic"))));
                attempt("with broker", () -> LogConfig.validate(map(part("existing")), map(part("topic")),
                    config.extractLogConfigMap(), remote));
                attempt("settings", () -> topicSettings(LogConfig.fromProps(config.extractLogConfigMap(), part("topic"))));
                if (parts.containsKey("describe")) describe(config, ConfigResource.Type.TOPIC, "t");
            }
            if (parts.containsKey("schema")) {
                KafkaConfigSchema schema = KafkaRaftServer.configSchema();
                schema.resolveEffectiveTopicConfigs(map(part("static")), map(part("default")), map(part("broker")),
                    map(part("topic"))).values().stream().sorted(Comparator.comparing(e -> e.name()))
                    .filter(e -> e.source() != org.apache.kafka.clients.admin.ConfigEntry.ConfigSource.DEFAULT_CONFIG)
                    .forEach(e -> System.out.println("schema " + e.name() + "=" + e.value() + " "
                        + KafkaConfigSchema.translateConfigSource(e.source()).id()));
            }
            if (parts.containsKey("group")) {
                attempt("validate", () -> GroupConfig.validate(map(part("group")), config.groupCoordinatorConfig(),
                    config.shareGroupConfig()));
                attempt("settings", () -> {
                    Properties evaluated = GroupConfig.evaluate(part("group"), "g", config.groupCoordinatorConfig(),
                        config.shareGroupConfig());
                    new TreeMap<>(GroupConfig.fromProps(config.extractGroupConfigMap(), evaluated).values())
                        .forEach((k, v) -> {
                            if (!Objects.equals(v, GroupConfig.CONFIG_DEF.configKeys().get(k).defaultValue))
                                System.out.println(k + "=" + v);
                        });
                });
                if (parts.containsKey("describe")) describe(config, ConfigResource.Type.GROUP, "g");
            }
            if (parts.containsKey("client-metrics")) {
                attempt("validate", () -> ClientMetricsConfigs.validate("s", map(part("client-metrics"))));
                if (parts.containsKey("describe")) describe(config, ConfigResource.Type.CLIENT_METRICS, "s");
            }
            if (parts.containsKey("change-broker"))
                attempt("change of a broker", () -> DynamicBrokerConfig.validateConfigs(part("change-broker"), true));
            if (parts.containsKey("change-default"))
                attempt("change of the default", () -> DynamicBrokerConfig.validateConfigs(part("change-default"), false));
            if (parts.containsKey("validate-broker"))
                attempt("validate for a broker", () -> config.dynamicConfig().validate(part("validate-broker"), true));
            if (parts.containsKey("validate-default"))
                attempt("validate the default", () -> config.dynamicConfig().validate(part("validate-default"), false));
            if (parts.containsKey("describe-broker")) describe(config, ConfigResource.Type.BROKER, "1");
            if (parts.containsKey("describe-default")) describe(config, ConfigResource.Type.BROKER, "");
        }
    }
}
