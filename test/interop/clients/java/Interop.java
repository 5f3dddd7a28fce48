import java.util.Arrays;
import java.util.List;

/** The Java half of the suite: one program, whose first argument says what to do. */
public class Interop {
    public static void main(String[] args) throws Exception {
        String[] rest = Arrays.copyOfRange(args, 1, args.length);
        switch (args[0]) {
            case "before" -> Scenario.before(rest[0], rest[1]);
            case "after" -> Scenario.after(rest[0], rest[1], Integer.parseInt(rest[2]));
            case "go-on" -> Scenario.goOn(rest[0], rest[1], Integer.parseInt(rest[2]));
            case "shapes" -> Shapes.make(rest[0], rest[1]);
            case "read-committed" -> ReadAll.print(rest[0], List.of(rest).subList(1, rest.length));
            case "steady" -> Steady.run(rest[0], rest[1], Integer.parseInt(rest[2]));
            case "crash-produce" -> Crash.produce(rest[0], rest[1], Integer.parseInt(rest[2]), Short.parseShort(rest[3]));
            case "in-sync" -> Crash.waitUntilInSync(rest[0], rest[1], Integer.parseInt(rest[2]));
            case "crash-check" -> Crash.check(rest[0], rest[1], Integer.parseInt(rest[2]));
            default -> throw new IllegalArgumentException("unknown command " + args[0]);
        }
        System.out.println("OK");
    }

    /** Whether the broker under test has that ability; harness/abilities.py says so. */
    static boolean can(String ability) {
        return !List.of(System.getProperty("not.yet", "").split(",")).contains(ability);
    }

    static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }
}
