//! Command lines as Kafka's tools read them (their parser is jopt-simple): `--option value`, `--option=value`,
//! long options with one dash, clusters of short ones; the last word on a value is taken when it is used.

mod help;

use std::fmt;

/// Whether an option takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    /// Described by this word in the help.
    Value(&'static str),
    OptionalValue(&'static str),
}

/// One option of a tool.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// Without dashes; the shortest first when there are several.
    pub names: &'static [&'static str],
    pub takes: Takes,
    pub default: Option<&'static str>,
    /// Understood, but not shown: for command lines of older versions.
    pub hidden: bool,
    pub help: &'static str,
}

pub const fn flag(names: &'static [&'static str], help: &'static str) -> Opt {
    Opt { names, takes: Takes::Nothing, default: None, hidden: false, help }
}

pub const fn value(names: &'static [&'static str], what: &'static str, help: &'static str) -> Opt {
    Opt { names, takes: Takes::Value(what), default: None, hidden: false, help }
}

impl Opt {
    pub const fn or(mut self, default: &'static str) -> Opt {
        self.default = Some(default);
        self
    }

    pub const fn hidden(mut self) -> Opt {
        self.hidden = true;
        self
    }

    pub const fn optional(mut self) -> Opt {
        if let Takes::Value(what) = self.takes {
            self.takes = Takes::OptionalValue(what);
        }
        self
    }
}

/// Every tool has these.
pub const HELP: Opt = flag(&["help"], "Shows this help.");
pub const VERSION: Opt = flag(&["version"], "Shows the version of Kafka that this is compatible with, and its own.");

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionError {
    Unrecognized(String),
    MissingValue(String),
    Multiple(String),
    CannotParse { value: String, option: String },
}

impl OptionError {
    /// The Java exception that the real tools throw.
    pub fn java_class(&self) -> &'static str {
        match self {
            OptionError::Unrecognized(_) => "joptsimple.UnrecognizedOptionException",
            OptionError::MissingValue(_) => "joptsimple.OptionMissingRequiredArgumentException",
            OptionError::Multiple(_) => "joptsimple.MultipleArgumentsForOptionException",
            OptionError::CannotParse { .. } => "joptsimple.OptionArgumentConversionException",
        }
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionError::Unrecognized(name) => write!(f, "{name} is not a recognized option"),
            OptionError::MissingValue(name) => write!(f, "Option {name} requires an argument"),
            OptionError::Multiple(name) => {
                write!(f, "Found multiple arguments for option {name}, but you asked for only one")
            }
            OptionError::CannotParse { value, option } => {
                write!(f, "Cannot parse argument '{value}' of option {option}")
            }
        }
    }
}

impl std::error::Error for OptionError {}

#[derive(Clone, Copy, Debug)]
pub struct Parser {
    options: &'static [Opt],
    /// `--boot` for `--bootstrap-server`; most tools do without.
    abbreviations: bool,
}

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Options {
    parser: Parser,
    /// In the order given; `None` for an option without a value.
    given: Vec<(usize, Option<String>)>,
    /// Words that belong to no option.
    pub rest: Vec<String>,
}

impl Parser {
    pub const fn new(options: &'static [Opt]) -> Parser {
        Parser { options, abbreviations: false }
    }

    pub const fn with_abbreviations(mut self) -> Parser {
        self.abbreviations = true;
        self
    }

    fn find(&self, name: &str) -> Option<usize> {
        let exact = self.options.iter().position(|option| option.names.contains(&name));
        if exact.is_some() || !self.abbreviations {
            return exact;
        }
        // An abbreviation counts when only one option can be meant.
        let mut matching =
            (0..self.options.len()).filter(|i| self.options[*i].names.iter().any(|n| n.starts_with(name)));
        matching.next().filter(|_| matching.next().is_none())
    }

    fn looks_like_option(&self, word: &str) -> bool {
        word.starts_with('-') && word != "-"
    }

    pub fn parse(&self, arguments: &[String]) -> Result<Options, OptionError> {
        let mut options = Options { parser: *self, given: Vec::new(), rest: Vec::new() };
        let mut words = arguments.iter().peekable();
        while let Some(word) = words.next() {
            if word == "--" {
                options.rest.extend(words.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) = split_value(long);
                let found = self.find(name).ok_or_else(|| OptionError::Unrecognized(name.to_owned()))?;
                self.take(&mut options, found, value, &mut words)?;
            } else if self.looks_like_option(word) {
                self.parse_short(&mut options, word.trim_start_matches('-'), &mut words)?;
            } else {
                options.rest.push(word.clone());
            }
        }
        Ok(options)
    }

    fn parse_short<'a>(
        &self,
        options: &mut Options,
        word: &str,
        words: &mut std::iter::Peekable<impl Iterator<Item = &'a String>>,
    ) -> Result<(), OptionError> {
        let (name, value) = split_value(word);
        if let Some(found) = self.find(name) {
            return self.take(options, found, value, words);
        }
        // Letters, each an option; the first that takes a value takes what follows it.
        let mut found = Vec::new();
        for (at, letter) in word.char_indices() {
            let end = at + letter.len_utf8();
            let name = &word[at..end];
            let option = self.find(name).ok_or_else(|| OptionError::Unrecognized(name.to_owned()))?;
            let takes_value = self.options[option].takes != Takes::Nothing;
            let value = Some(word[end..].to_owned()).filter(|value| takes_value && !value.is_empty());
            found.push((option, value));
            if takes_value {
                break;
            }
        }
        found.into_iter().try_for_each(|(option, value)| self.take(options, option, value, words))
    }

    fn take<'a>(
        &self,
        options: &mut Options,
        option: usize,
        value: Option<String>,
        words: &mut std::iter::Peekable<impl Iterator<Item = &'a String>>,
    ) -> Result<(), OptionError> {
        let value = match self.options[option].takes {
            Takes::Nothing => None,
            Takes::Value(_) => match value.or_else(|| words.next().cloned()) {
                None => return Err(OptionError::MissingValue(self.options[option].label())),
                some => some,
            },
            Takes::OptionalValue(_) => value.or_else(|| words.next_if(|word| !self.looks_like_option(word)).cloned()),
        };
        options.given.push((option, value));
        Ok(())
    }

    /// In the manner of the real tools: a table, alphabetically.
    pub fn help(&self) -> String {
        help::table(self.options)
    }
}

fn split_value(word: &str) -> (&str, Option<String>) {
    match word.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (word, None),
    }
}

impl Opt {
    /// As error messages name it.
    fn label(&self) -> String {
        match self.names {
            [name] => (*name).to_owned(),
            names => format!("[{}]", names.join("/")),
        }
    }

    /// As messages that list options have it: `[topic]`.
    pub fn bracketed(&self) -> String {
        format!("[{}]", self.names.join(", "))
    }
}

impl Options {
    pub fn parser(&self) -> &Parser {
        &self.parser
    }

    fn index(&self, name: &str) -> usize {
        let index = self.parser.options.iter().position(|option| option.names.contains(&name));
        // Invariant: a tool asks only for options of its own table.
        index.expect("every option that is asked for stands in the table")
    }

    pub fn option(&self, name: &str) -> &Opt {
        &self.parser.options[self.index(name)]
    }

    pub fn has(&self, name: &str) -> bool {
        let index = self.index(name);
        self.given.iter().any(|(option, _)| *option == index)
    }

    /// All values given; without any, the default.
    pub fn values(&self, name: &str) -> Vec<String> {
        let index = self.index(name);
        let given = self.given.iter().filter(|(option, _)| *option == index);
        let values: Vec<String> = given.filter_map(|(_, value)| value.clone()).collect();
        if values.is_empty() {
            return self.option(name).default.iter().map(|value| (*value).to_owned()).collect();
        }
        values
    }

    /// The one value; more than one is an error.
    pub fn text(&self, name: &str) -> Result<Option<String>, OptionError> {
        let mut values = self.values(name);
        if values.len() > 1 {
            return Err(OptionError::Multiple(self.option(name).label()));
        }
        Ok(values.pop())
    }

    pub fn int(&self, name: &str) -> Result<Option<i32>, OptionError> {
        self.number(name, |text| text.parse().ok())
    }

    pub fn long(&self, name: &str) -> Result<Option<i64>, OptionError> {
        self.number(name, |text| text.parse().ok())
    }

    fn number<T>(&self, name: &str, parse: fn(&str) -> Option<T>) -> Result<Option<T>, OptionError> {
        let Some(value) = self.text(name)? else { return Ok(None) };
        let number = parse(&value);
        let error = || OptionError::CannotParse { value: value.clone(), option: self.option(name).label() };
        number.map(Some).ok_or_else(error)
    }
}
