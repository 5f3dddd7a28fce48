/** A range of versions as the schemas write it: "3", "3-5", "3+" or "none". */
final class Versions {
    final int lowest;
    final int highest;

    private Versions(int lowest, int highest) {
        this.lowest = lowest;
        this.highest = highest;
    }

    static Versions parse(String text) {
        if (text.equals("none")) {
            return new Versions(0, -1);
        }
        if (text.endsWith("+")) {
            return new Versions(Integer.parseInt(text.substring(0, text.length() - 1)), Short.MAX_VALUE);
        }
        String[] ends = text.split("-");
        return new Versions(Integer.parseInt(ends[0]), Integer.parseInt(ends[ends.length - 1]));
    }

    boolean isEmpty() {
        return highest < lowest;
    }

    boolean contains(int version) {
        return lowest <= version && version <= highest;
    }
}
