//! How command lines are read: as jopt-simple reads them.

use ottla_cli::options::{HELP, Opt, OptionError, Options, Parser, VERSION, flag, value};

const OPTIONS: &[Opt] = &[
    HELP,
    VERSION,
    value(&["topic"], "topic", "A topic."),
    value(&["partitions"], "number", "How many of them, in words that do not fit on one line of a terminal's width."),
    value(&["codec"], "codec", "Which.").optional(),
    value(&["c", "config"], "file", "A file.").or("default.properties"),
    value(&["broker-list"], "server", "Old.").hidden(),
    flag(&["list"], "Lists."),
    flag(&["v"], "Says more."),
];
const PARSER: Parser = Parser::new(OPTIONS);

fn parse(line: &str) -> Result<Options, String> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    PARSER.parse(&words).map_err(|error| error.to_string())
}

fn topic(line: &str) -> Result<Option<String>, String> {
    parse(line).and_then(|options| options.text("topic").map_err(|error| error.to_string()))
}

#[test]
fn values_come_in_all_forms() {
    for line in ["--topic x", "--topic=x", "-topic x", "-topic=x", "--list --topic x", "-v --topic x"] {
        assert_eq!(topic(line), Ok(Some("x".to_owned())), "{line}");
    }
    assert_eq!(topic("--list"), Ok(None));
    assert_eq!(topic("--topic="), Ok(Some(String::new())));
    assert_eq!(topic("--topic --list"), Ok(Some("--list".to_owned())));
    assert_eq!(
        topic("--topic a --topic b"),
        Err("Found multiple arguments for option topic, but you asked for only one".to_owned())
    );
    assert_eq!(topic("--topic"), Err("Option topic requires an argument".to_owned()));
    assert_eq!(topic("--nope"), Err("nope is not a recognized option".to_owned()));
    assert_eq!(topic("--top x"), Err("top is not a recognized option".to_owned()));
    assert_eq!(topic("-x"), Err("x is not a recognized option".to_owned()));
}

#[test]
fn short_options_may_stand_together() {
    let options = parse("-vcfile").unwrap();
    assert!(options.has("v"));
    assert_eq!(options.text("config").unwrap().as_deref(), Some("file"));
    assert_eq!(parse("-vx").unwrap_err(), "x is not a recognized option");
}

#[test]
fn defaults_and_optional_values() {
    let options = parse("--codec --list").unwrap();
    assert!(options.has("codec") && options.has("list"));
    assert_eq!(options.text("codec").unwrap(), None);
    assert_eq!(parse("--codec zstd").unwrap().text("codec").unwrap().as_deref(), Some("zstd"));
    assert!(!options.has("config"));
    assert_eq!(options.text("config").unwrap().as_deref(), Some("default.properties"));
}

#[test]
fn numbers_are_read_when_they_are_wanted() {
    let options = parse("--partitions x").unwrap();
    let error = options.int("partitions").unwrap_err();
    assert_eq!(error, OptionError::CannotParse { value: "x".to_owned(), option: "partitions".to_owned() });
    assert_eq!(error.to_string(), "Cannot parse argument 'x' of option partitions");
    assert_eq!(parse("--partitions 7").unwrap().int("partitions"), Ok(Some(7)));
}

#[test]
fn abbreviations_only_where_the_tool_has_them() {
    let words = ["--top".to_owned(), "x".to_owned()];
    let options = PARSER.with_abbreviations().parse(&words).unwrap();
    assert_eq!(options.text("topic").unwrap().as_deref(), Some("x"));
}

#[test]
fn words_that_belong_to_no_option_are_kept() {
    assert_eq!(parse("a --list b -- --topic").unwrap().rest, ["a", "b", "--topic"]);
}

#[test]
fn the_help_is_a_table_without_hidden_options() {
    let help = PARSER.help();
    assert!(help.starts_with("Option"), "{help}");
    assert!(help.contains("--topic <topic>"), "{help}");
    assert!(help.contains("(default: default.properties)"), "{help}");
    assert!(!help.contains("broker-list"), "{help}");
    assert!(help.lines().all(|line| line.len() <= 80), "{help}");
}
