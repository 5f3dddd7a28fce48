import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.github.luben.zstd.ZstdOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Enumeration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/**
 * Writes what Apache Kafka's own generated classes write: one line for every message, version and kind of content.
 * Usage: CorpusMaker LIBS OUT, with LIBS the folder of its jars (also on the class path).
 */
public class CorpusMaker {
    /** Where the generated classes of the jars' schemas live. */
    private static final List<String> PACKAGES = List.of(
        "org.apache.kafka.common.message", "org.apache.kafka.common.metadata", "org.apache.kafka.raft.generated",
        "org.apache.kafka.coordinator.group.generated", "org.apache.kafka.coordinator.share.generated",
        "org.apache.kafka.coordinator.transaction.generated",
        "org.apache.kafka.server.log.remote.metadata.storage.generated", "org.apache.kafka.streams.internals.generated");

    public static void main(String[] args) throws Exception {
        Map<String, JsonNode> schemas = readSchemas(Path.of(args[0]));
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        PrintStream out = new PrintStream(text, false, StandardCharsets.UTF_8);
        int lines = 0;
        int without = 0;
        for (JsonNode schema : schemas.values()) {
            Versions valid = Versions.parse(schema.get("validVersions").asText());
            if (valid.isEmpty()) {
                without++;
            }
            for (int version = valid.lowest; version <= valid.highest; version++) {
                lines += writeVersion(schema, (short) version, out);
            }
        }
        out.flush();
        write(Path.of(args[1]), text.toByteArray());
        System.out.printf("%d schemas, %d of them without a valid version, %d lines%n", schemas.size(), without, lines);
    }

    private static int writeVersion(JsonNode schema, short version, PrintStream out) throws Exception {
        String name = schema.get("name").asText();
        boolean flexible = Versions.parse(schema.path("flexibleVersions").asText("none")).contains(version);
        List<Filler.Kind> kinds = new ArrayList<>(List.of(Filler.Kind.DEFAULT, Filler.Kind.FULL));
        if (schema.toString().contains("\"nullableVersions\"")) {
            kinds.add(Filler.Kind.NULLS);
        }
        if (flexible) {
            kinds.add(Filler.Kind.UNKNOWN);
        }
        for (Filler.Kind kind : kinds) {
            Message message = messageClass(name).getDeclaredConstructor().newInstance();
            new Filler(schema, version, kind).fill(message);
            String hex = HexFormat.of().formatHex(bytesOf(message, version, name));
            // An empty message (all its fields are of other versions) keeps its fourth column as a dash.
            out.print(name + " " + version + " " + kind.name().toLowerCase() + " " + (hex.isEmpty() ? "-" : hex) + "\n");
        }
        return kinds.size();
    }

    /** The message as Kafka sends it, after a check that Kafka also reads it back as the same. */
    private static byte[] bytesOf(Message message, short version, String name) throws Exception {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining()) {
            throw new IllegalStateException(name + " " + version + ": shorter than the size it gave");
        }
        Message again = message.getClass().getDeclaredConstructor().newInstance();
        buffer.flip();
        again.read(new ByteBufferAccessor(buffer.duplicate()), version);
        ByteBuffer second = ByteBuffer.allocate(again.size(cache = new ObjectSerializationCache(), version));
        again.write(new ByteBufferAccessor(second), cache, version);
        if (!Arrays.equals(buffer.array(), second.array())) {
            throw new IllegalStateException(name + " " + version + ": read and written again, other bytes");
        }
        return buffer.array();
    }

    private static Class<? extends Message> messageClass(String name) throws ClassNotFoundException {
        for (String pack : PACKAGES) {
            for (String suffix : new String[] {"Data", ""}) {
                try {
                    return Class.forName(pack + "." + name + suffix).asSubclass(Message.class);
                } catch (ClassNotFoundException e) {
                    // The next package.
                }
            }
        }
        throw new ClassNotFoundException("no generated class for schema " + name);
    }

    /** Every schema of the jars, by name. */
    private static Map<String, JsonNode> readSchemas(Path libs) throws Exception {
        ObjectMapper mapper = new ObjectMapper().enable(JsonParser.Feature.ALLOW_COMMENTS);
        Map<String, JsonNode> schemas = new TreeMap<>();
        List<Path> jars;
        try (var files = Files.list(libs)) {
            jars = files.filter(file -> file.getFileName().toString().startsWith("kafka-")).sorted().toList();
        }
        for (Path path : jars) {
            try (JarFile jar = new JarFile(path.toFile())) {
                for (Enumeration<JarEntry> all = jar.entries(); all.hasMoreElements(); ) {
                    JarEntry entry = all.nextElement();
                    if (entry.getName().matches("(common/)?(message|metadata)/[^/]+\\.json")) {
                        JsonNode schema = mapper.readTree(jar.getInputStream(entry));
                        if (schemas.put(schema.get("name").asText(), schema) != null) {
                            throw new IllegalStateException("two schemas are called " + schema.get("name"));
                        }
                    }
                }
            }
        }
        return schemas;
    }

    private static void write(Path file, byte[] text) throws Exception {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (ZstdOutputStream zstd = new ZstdOutputStream(packed, 19)) {
            zstd.setChecksum(true);
            zstd.write(text);
        }
        Files.write(file, packed.toByteArray());
    }
}
