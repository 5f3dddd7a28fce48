//! From the schemas' names to Rust's.

pub fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, c) in chars.iter().enumerate() {
        let previous_lower = i > 0 && !chars[i - 1].is_uppercase();
        let next_lower = chars.get(i + 1).is_some_and(|n| n.is_lowercase());
        if c.is_uppercase() && i > 0 && (previous_lower || next_lower) && !out.ends_with('_') {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    match out.as_str() {
        "type" | "match" | "use" | "move" | "ref" | "loop" | "in" => out + "_",
        _ => out,
    }
}

pub fn type_name(name: &str) -> String {
    let mut chars = name.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_like_rust() {
        assert_eq!(snake("TopicId"), "topic_id");
        assert_eq!(snake("ISRWithEpochs"), "isr_with_epochs");
        assert_eq!(snake("type"), "type_");
        assert_eq!(type_name("topicData"), "TopicData");
    }
}
