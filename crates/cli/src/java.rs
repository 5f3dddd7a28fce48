//! What of Java shows in the output of Kafka's tools.

use ottla_base::java_string_hash;

/// The order in which a `HashMap<String, …>` made for `capacity` entries yields these keys, put in as they come.
pub fn hash_map_order(keys: Vec<String>, capacity: usize) -> Vec<String> {
    let mut table = capacity.max(1).next_power_of_two();
    // It doubles when it is more than three quarters full.
    while keys.len() * 4 > table * 3 {
        table *= 2;
    }
    let bucket = |key: &String| {
        let hash = java_string_hash(key) as u32;
        (hash ^ (hash >> 16)) as usize & (table - 1)
    };
    let mut keys = keys;
    keys.sort_by_key(bucket);
    keys
}

/// `String.split` with this text (no pattern) as the separator: empty strings at the end are dropped.
pub fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts: Vec<&str> = text.split(separator).collect();
    drop_empty_end(&mut parts);
    parts
}

/// As Java, which keeps one empty string when there was no separator.
fn drop_empty_end(parts: &mut Vec<&str>) {
    while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
}

/// `Integer.parseInt`, with the message of its exception.
pub fn parse_int(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("For input string: \"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_maps_have_javas_order() {
        let order =
            |keys: &[&str], capacity| hash_map_order(keys.iter().map(|key| (*key).to_owned()).collect(), capacity);
        // 'a' is 97 and 'z' 122: buckets 1 and 0 of two, 1 and 10 of sixteen.
        assert_eq!(order(&["a", "z"], 2), ["a", "z"]);
        assert_eq!(order(&["z", "a"], 16), ["a", "z"]);
        assert_eq!(order(&["b", "a", "c"], 3), ["a", "b", "c"]);
    }

    #[test]
    fn split_drops_what_is_empty_at_the_end() {
        assert_eq!(split("a,b,,", ","), ["a", "b"]);
        assert_eq!(split("", ","), [""]);
        assert_eq!(split(",a", ","), ["", "a"]);
    }
}
