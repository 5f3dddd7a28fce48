//! Which topics a regular expression of the command line means.

use fancy_regex::Regex;

/// Topics that Kafka makes for itself.
pub const INTERNAL_TOPICS: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

pub fn is_internal(topic: &str) -> bool {
    INTERNAL_TOPICS.contains(&topic)
}

/// A Java pattern that must match a whole name.
#[derive(Debug)]
pub struct WholeMatch(Regex);

impl WholeMatch {
    pub fn new(pattern: &str) -> Option<WholeMatch> {
        // Alternatives at the top must not escape the anchors.
        Regex::new(&format!(r"\A(?:{pattern})\z")).ok().map(WholeMatch)
    }

    /// A pattern too expensive to decide on matches nothing.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }
}

/// `--topic` of the topics tool: commas separate alternatives, blanks and quotes around are dropped.
#[derive(Debug)]
pub struct IncludeList(WholeMatch);

impl IncludeList {
    pub fn new(raw: &str) -> Result<IncludeList, String> {
        let pattern = raw.trim().replace(',', "|").replace(' ', "");
        let quotes = ['"', '\''];
        let pattern = pattern.trim_start_matches(quotes).trim_end_matches(quotes);
        WholeMatch::new(pattern).map(IncludeList).ok_or_else(|| format!("{pattern} is an invalid regex."))
    }

    pub fn allows(&self, topic: &str, exclude_internal: bool) -> bool {
        self.0.matches(topic) && !(exclude_internal && is_internal(topic))
    }
}

/// Two names that differ only in these would be one name in metrics.
pub fn has_collision_chars(topic: &str) -> bool {
    topic.contains(['.', '_'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, topic: &str, expected: bool) {
        assert_eq!(IncludeList::new(raw).unwrap().allows(topic, false), expected, "{raw} on {topic}");
    }

    #[test]
    fn patterns_match_whole_names() {
        check("test", "test", true);
        check("test", "test2", false);
        check("test.*", "test2", true);
        check("a, b", "b", true);
        check("\"a|b\"", "a", true);
        check("a|b", "ab", false);
        check("(?!__).*", "__x", false);
        check("", "a", false);
        assert_eq!(IncludeList::new("[").unwrap_err(), "[ is an invalid regex.");
        assert!(!IncludeList::new(".*").unwrap().allows("__consumer_offsets", true));
    }
}
