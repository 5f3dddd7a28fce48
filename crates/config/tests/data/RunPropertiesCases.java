// Prints what java.util.Properties reads from odd files, and what it writes. See README.md beside this file.
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;

public class RunPropertiesCases {
    /** As a Java literal without the quotes, so that a case stays on its line. */
    static String shown(String s) {
        StringBuilder b = new StringBuilder();
        for (char c : s.toCharArray()) b.append(c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '\r' ? "\\r" : c < 0x20 || c > 0x7e
            ? String.format("\\u%04x", (int) c) : String.valueOf(c));
        return b.toString();
    }

    static void read(String text) {
        String outcome;
        try {
            Properties p = new Properties();
            p.load(new ByteArrayInputStream(text.getBytes(StandardCharsets.ISO_8859_1)));
            StringJoiner j = new StringJoiner(" ; ");
            new TreeMap<>(p).forEach((k, v) -> j.add("[" + shown((String) k) + "]=[" + shown((String) v) + "]"));
            outcome = j.toString();
        } catch (Exception e) {
            outcome = "error";
        }
        System.out.println("read " + shown(text) + " -> " + outcome);
    }

    static void write(String... pairs) throws IOException {
        Properties p = new Properties();
        for (int i = 0; i < pairs.length; i += 2) p.setProperty(pairs[i], pairs[i + 1]);
        StringWriter w = new StringWriter();
        p.store(new PrintWriter(w), "");
        String text = w.toString();
        StringJoiner j = new StringJoiner(" ; ");
        for (String s : pairs) j.add(shown(s));
        // The second line is the date.
        System.out.println("write " + j + " -> " + shown(text.replaceFirst("#.*\n#.*\n", "")));
    }

    public static void main(String[] args) throws IOException {
        for (String text : new String[] {
            "", "a=b", "a:b", "a b", "a = b", "a  b", "a\tb", "a =  b  ", "a", "a=", "=b", ":b", "a==b", "a=:b", "a:=b", " a=b",
            "#c\na=b", "!c\na=b", "  # c\na=b", "a=b#c", "a=b\\\nc", "a=b\\\n   c", "a=b\\\\\nc=d", "a=b\\\\\\\nc", "a=b\\", "\\",
            "a\\=b=c", "a\\:b:c", "a\\ b c", "a=\\t\\n\\r\\f", "a=\\q\\\"", "a=\\u0041\\u00e9", "a=\\ud83d\\ude00", "a=\\u00", "a=\\u00zz",
            "\\u0061=b", "a=b\r\nc=d", "a=b\rc=d", "a=b\\\r\nc", "a=b\n\n\nc=d", "a=1\na=2", "a=b\\\n#c", "#c\\\na=b", "a=b\\\n\nc=d",
            "a=\u00e9", "\fa\f=\fb", "a b=c", "a\\\nb=c", "  \\\na=b", "a= \\\n b", "key=val ue ", "a\\#b=c", "x\\\\=y", "\\\n\\\na=b"
        }) read(text);
        write("a", "b");
        write("a b", " c d", "k=:#!", "v=:#!", "t", "x\ty\nz\rq\fw", "back", "\\", "e", "\u00e9", "empty", "");
        write("version", "1", "node.id", "1", "cluster.id", "abc", "directory.id", "QQ");
        write("cluster.id", "MkU3OEVBNTcwNTJENDM2Qk", "directory.id", "x", "node.id", "2", "version", "1");
        String[] many = new String[60];
        for (int i = 0; i < 30; i++) {
            many[2 * i] = "key." + i;
            many[2 * i + 1] = "" + i;
        }
        write(many);
        write(Arrays.copyOf(many, 24));
        write(Arrays.copyOf(many, 22));
        write(Arrays.copyOf(many, 48));
    }
}
