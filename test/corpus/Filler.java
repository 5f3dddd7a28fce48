import com.fasterxml.jackson.databind.JsonNode;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;

/** Gives a message the contents of one kind: the same ones in every run, since the seed is the schema's name. */
final class Filler {
    enum Kind {
        /** Nothing is set. */
        DEFAULT,
        /** Every field of the version has a value that is not its default; about one nullable field in four is null. */
        FULL,
        /** As FULL, but every field that may be null is. */
        NULLS,
        /** As FULL, with tagged fields that no schema knows at the end of every structure. */
        UNKNOWN
    }

    private static final int ARRAY_LENGTH = 2;
    private final JsonNode schema;
    private final short version;
    private final Kind kind;
    private final Random random;
    private final Map<String, JsonNode> commonFields = new HashMap<>();

    Filler(JsonNode schema, short version, Kind kind) {
        this.schema = schema;
        this.version = version;
        this.kind = kind;
        this.random = new Random((schema.get("name").asText() + " " + version + " " + kind).hashCode());
        for (JsonNode common : schema.path("commonStructs")) {
            commonFields.put(common.get("name").asText(), common.get("fields"));
        }
    }

    void fill(Message message) throws Exception {
        if (kind != Kind.DEFAULT) {
            fillStruct(message, schema.get("fields"));
        }
    }

    private void fillStruct(Message struct, JsonNode fields) throws Exception {
        for (JsonNode field : fields) {
            // A field that has only ever been a tagged one may leave out its versions.
            JsonNode versions = field.has("versions") ? field.get("versions") : field.get("taggedVersions");
            if (Versions.parse(versions.asText()).contains(version)) {
                Method setter = setter(struct.getClass(), field.get("name").asText());
                setter.setAccessible(true);
                setter.invoke(struct, mayBeNull(field) && makesNull() ? null
                    : value(field, field.get("type").asText(), setter.getGenericParameterTypes()[0]));
            }
        }
        if (kind == Kind.UNKNOWN) {
            struct.unknownTaggedFields().add(new RawTaggedField(9000, bytes(3)));
            struct.unknownTaggedFields().add(new RawTaggedField(70000, bytes(130)));
        }
    }

    private boolean mayBeNull(JsonNode field) {
        return Versions.parse(field.path("nullableVersions").asText("none")).contains(version);
    }

    private boolean makesNull() {
        return kind == Kind.NULLS || random.nextInt(4) == 0;
    }

    private static Method setter(Class<?> type, String field) {
        String name = "set" + Character.toUpperCase(field.charAt(0)) + field.substring(1);
        for (Method method : type.getDeclaredMethods()) {
            if (method.getName().equals(name) && method.getParameterCount() == 1) {
                return method;
            }
        }
        throw new IllegalStateException(type.getName() + " has no " + name);
    }

    private Object value(JsonNode field, String type, Type javaType) throws Exception {
        if (type.startsWith("[]")) {
            return array(field, type.substring(2), javaType);
        }
        return switch (type) {
            case "bool" -> !field.path("default").asBoolean(false);
            case "int8" -> (byte) number(field, Byte.MAX_VALUE, true);
            case "int16" -> (short) number(field, Short.MAX_VALUE, true);
            case "uint16" -> (int) number(field, 0xffff, false);
            case "int32" -> (int) number(field, Integer.MAX_VALUE, true);
            case "uint32" -> number(field, 0xffff_ffffL, false);
            case "int64" -> number(field, Long.MAX_VALUE, true);
            case "float64" -> random.nextInt() / 1024.0;
            case "string" -> string();
            case "uuid" -> new Uuid(random.nextLong(), random.nextLong());
            case "bytes" -> javaType == ByteBuffer.class ? ByteBuffer.wrap(bytes(length())) : bytes(length());
            case "records" -> records();
            default -> struct(field, type, (Class<?>) javaType);
        };
    }

    private Object array(JsonNode field, String elementType, Type javaType) throws Exception {
        Collection<Object> array = new ArrayList<>();
        Type element;
        if (javaType instanceof ParameterizedType list) {
            element = list.getActualTypeArguments()[0];
        } else {
            // A keyed array: its class says what it collects.
            Class<?> keyed = (Class<?>) javaType;
            array = newCollection(keyed);
            element = ((ParameterizedType) keyed.getGenericSuperclass()).getActualTypeArguments()[0];
        }
        for (int i = 0; i < ARRAY_LENGTH; i++) {
            array.add(value(field, elementType, element));
        }
        return array;
    }

    @SuppressWarnings("unchecked")
    private static Collection<Object> newCollection(Class<?> type) throws Exception {
        return (Collection<Object>) type.getDeclaredConstructor().newInstance();
    }

    private Message struct(JsonNode field, String type, Class<?> javaType) throws Exception {
        Message struct = (Message) javaType.getDeclaredConstructor().newInstance();
        fillStruct(struct, field.has("fields") ? field.get("fields") : commonFields.get(type));
        return struct;
    }

    /** Anything but the default, small and large, positive and (where there are signs) negative. */
    private long number(JsonNode field, long greatest, boolean signed) {
        // The default of an array field is not one of its elements.
        long unused = field.get("type").asText().startsWith("[]") ? 0 : Long.decode(field.path("default").asText("0"));
        while (true) {
            long value = switch (random.nextInt(4)) {
                case 0 -> 1 + random.nextInt(100);
                case 1 -> greatest - random.nextInt(3);
                case 2 -> signed ? -1 - random.nextInt(127) : random.nextInt(0xffff);
                default -> random.nextLong() & greatest;
            };
            if (value != unused) {
                return value;
            }
        }
    }

    private int length() {
        // Past 127 a compact length takes a second byte.
        return random.nextInt(8) == 0 ? 130 + random.nextInt(20) : 1 + random.nextInt(12);
    }

    private String string() {
        String letters = "abcdefghijklmnopqrstuvwxyz-._0123456789\u00e9\u0436\u6f22";
        StringBuilder text = new StringBuilder();
        for (int i = length(); i > 0; i--) {
            text.append(letters.charAt(random.nextInt(letters.length())));
        }
        // Outside the basic plane: two chars in Java, four bytes on the wire.
        return random.nextInt(8) == 0 ? text.append("\ud83e\udd86").toString() : text.toString();
    }

    private byte[] bytes(int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    private MemoryRecords records() {
        long timestamp = 1_700_000_000_000L + random.nextInt();
        return MemoryRecords.withRecords(Compression.NONE,
            new SimpleRecord(timestamp, bytes(length()), bytes(length())), new SimpleRecord(timestamp + 7, null, bytes(5)));
    }
}
