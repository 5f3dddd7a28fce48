// Prints every config definition of the real Apache Kafka as CSV. See README.md beside this file.
import java.lang.reflect.Field;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.common.config.ConfigDef;

public class DumpConfigs {
    static Object get(Object o, String field) throws Exception {
        for (Class<?> c = o.getClass(); c != null; c = c.getSuperclass()) {
            try {
                Field f = c.getDeclaredField(field);
                f.setAccessible(true);
                return f.get(o);
            } catch (NoSuchFieldException e) {
                // look in the superclass
            }
        }
        throw new NoSuchFieldException(field);
    }

    static String validator(ConfigDef.Validator v) throws Exception {
        if (v == null) return "";
        String name = v.getClass().getSimpleName();
        switch (name) {
            case "Range": return "range " + get(v, "min") + " " + get(v, "max");
            case "ValidString": return "in " + String.join("|", (List<String>) get(v, "validStrings"));
            case "CaseInsensitiveValidString":
                return "in-ignoring-case " + String.join("|", (Set<String>) get(v, "validStrings"));
            case "ValidList":
                return "list " + ((boolean) get(v, "isEmptyAllowed") ? "empty" : "-") + " "
                    + ((boolean) get(v, "isNullAllowed") ? "null" : "-") + " "
                    + String.join("|", (List<String>) get(get(v, "validString"), "validStrings"));
            case "LambdaValidator": return "lambda " + v;
            case "CompositeValidator": {
                List<String> parts = new ArrayList<>();
                for (ConfigDef.Validator part : (List<ConfigDef.Validator>) get(v, "validators")) parts.add(validator(part));
                return "all " + String.join(" & ", parts);
            }
            default: return name;
        }
    }

    static String csv(String s) {
        return s.contains(",") || s.contains("\"") ? "\"" + s.replace("\"", "\"\"") + "\"" : s;
    }

    static void dump(String resource, ConfigDef def, Map<String, String> modes) throws Exception {
        for (ConfigDef.ConfigKey k : def.configKeys().values()) {
            String value = k.defaultValue == ConfigDef.NO_DEFAULT_VALUE ? "(required)"
                : k.defaultValue == null ? "null" : ConfigDef.convertToString(k.defaultValue, k.type);
            System.out.println(String.join(",", resource, k.name, k.type.name().toLowerCase(Locale.ROOT), csv(value),
                csv(validator(k.validator)), k.importance.name().toLowerCase(Locale.ROOT),
                modes == null ? "" : modes.getOrDefault(k.name, "read-only"), k.internalConfig ? "internal" : ""));
        }
    }

    public static void main(String[] args) throws Exception {
        System.out.println("resource,name,type,default,validator,importance,update mode,internal");
        ConfigDef broker = new ConfigDef(org.apache.kafka.server.config.AbstractKafkaConfig.CONFIG_DEF);
        org.apache.kafka.server.config.QuotaConfig.brokerQuotaConfigs().configKeys().values().forEach(broker::define);
        dump("broker", broker, org.apache.kafka.server.config.DynamicBrokerConfig.dynamicConfigUpdateModes());
        dump("topic", org.apache.kafka.storage.internals.log.LogConfig.configDefCopy(), null);
        dump("group", org.apache.kafka.coordinator.group.GroupConfig.CONFIG_DEF, null);
        dump("client-metrics", org.apache.kafka.server.metrics.ClientMetricsConfigs.configDef(), null);
        dump("user", org.apache.kafka.server.config.QuotaConfig.userAndClientQuotaConfigs(), null);
        dump("ip", org.apache.kafka.server.config.QuotaConfig.ipConfigs(), null);
    }
}
