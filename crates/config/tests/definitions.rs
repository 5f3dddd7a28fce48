//! The tables agree with what the real classes say of themselves (`data/definitions-4.3.1.csv`).

use ottla_config::{ConfigDef, DefaultValue, Importance, UpdateMode, Validator, definitions};

/// The fields of a CSV line; quotes keep commas together.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

fn validator(validator: &Validator) -> String {
    let word = |is: bool, word: &str| if is { word.to_owned() } else { "-".to_owned() };
    match validator {
        Validator::Any => String::new(),
        Validator::Range { min, max } if max.is_infinite() => format!("range {min} null"),
        Validator::Range { min, max } => format!("range {min} {max}"),
        Validator::OneOf(names) => format!("in {}", names.join("|")),
        Validator::OneOfIgnoringCase(names) => format!("in-ignoring-case {}", names.join("|")),
        Validator::List { empty, null, of } => {
            format!("list {} {} {}", word(*empty, "empty"), word(*null, "null"), of.join("|"))
        }
        Validator::NonEmptyString => "NonEmptyString".to_owned(),
        Validator::NonNull => "NonNullValidator".to_owned(),
        Validator::GzipLevel => "lambda [1,...,9] or -1".to_owned(),
        Validator::ThrottledReplicas => "ThrottledReplicaListValidator".to_owned(),
        Validator::QuorumVoters => "ControllerQuorumVotersValidator".to_owned(),
        Validator::BootstrapServers => "ControllerQuorumBootstrapServersValidator".to_owned(),
        Validator::ShareAutoOffsetReset => "Validator".to_owned(),
    }
}

fn row(resource: &str, def: &ConfigDef) -> Vec<String> {
    let default = match def.default {
        DefaultValue::Required => "(required)".to_owned(),
        DefaultValue::Null => "null".to_owned(),
        // Parsed and shown again, so that Java's way of writing numbers is compared too.
        DefaultValue::Text(_) => def.default_value().to_text().unwrap(),
    };
    let importance = match def.importance {
        Importance::High => "high",
        Importance::Medium => "medium",
        Importance::Low => "low",
    };
    let mode = match def.update_mode {
        UpdateMode::ReadOnly => "read-only",
        UpdateMode::PerBroker => "per-broker",
        UpdateMode::ClusterWide => "cluster-wide",
        UpdateMode::Resource => "",
    };
    let text = |text: &str| text.to_owned();
    vec![
        text(resource),
        text(def.name),
        def.config_type.name().to_lowercase(),
        default,
        validator(&def.validator),
        text(importance),
        text(mode),
        text(if def.internal { "internal" } else { "" }),
    ]
}

#[test]
fn tables_are_as_the_real_classes_have_them() {
    let tables: [(&str, &[ConfigDef]); 6] = [
        ("broker", &definitions::BROKER),
        ("topic", &definitions::TOPIC),
        ("group", &definitions::GROUP),
        ("client-metrics", &definitions::CLIENT_METRICS),
        ("user", &definitions::USER),
        ("ip", &definitions::IP),
    ];
    let ours: Vec<Vec<String>> =
        tables.iter().flat_map(|(resource, table)| table.iter().map(|def| row(resource, def))).collect();
    let theirs: Vec<Vec<String>> = include_str!("data/definitions-4.3.1.csv").lines().skip(1).map(fields).collect();
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn synonyms_are_as_the_real_classes_have_them() {
    let tables: [(&str, &[ConfigDef]); 2] = [("topic", &definitions::TOPIC), ("group", &definitions::GROUP)];
    let mut ours = Vec::new();
    for (resource, table) in tables {
        let mut table: Vec<&ConfigDef> = table.iter().collect();
        table.sort_by_key(|def| def.name);
        for def in table {
            ours.extend(def.synonyms.iter().map(|s| format!("{resource},{},{},{}", def.name, s.name, s.factor)));
        }
    }
    let theirs: Vec<&str> = include_str!("data/synonyms-4.3.1.csv").lines().skip(1).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn every_default_satisfies_its_own_validator() {
    let tables: [&[ConfigDef]; 4] =
        [&definitions::BROKER, &definitions::TOPIC, &definitions::GROUP, &definitions::CLIENT_METRICS];
    for def in tables.into_iter().flatten() {
        if let DefaultValue::Text(text) = def.default {
            assert_eq!(def.parse_value(text).unwrap(), def.default_value(), "{}", def.name);
        }
    }
}
