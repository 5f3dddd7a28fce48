//! Command lines as those of Kafka's tools read them that use argparse4j: subcommands, `--name value`, `--name=value`,
//! `-nvalue`, unambiguous beginnings of long names, and `@file` for words that stand in a file.

use std::collections::BTreeMap;

use crate::stop::{Outcome, Stop, complain, say};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Takes a value; given twice, the last counts.
    Store,
    StoreTrue,
    /// Takes a value each time.
    Append,
}

#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// With its dashes: `--cluster-id`.
    pub long: &'static str,
    /// `-t`, or empty.
    pub short: &'static str,
    pub action: Action,
    pub required: bool,
    /// At most one of those with the same number may be given.
    pub group: Option<u8>,
    pub help: &'static str,
}

impl Arg {
    pub const fn new(long: &'static str, short: &'static str, action: Action, help: &'static str) -> Arg {
        Arg { long, short, action, required: false, group: None, help }
    }

    pub const fn required(mut self) -> Arg {
        self.required = true;
        self
    }

    pub const fn grouped(mut self, group: u8) -> Arg {
        self.group = Some(group);
        self
    }

    /// As errors name it.
    fn label(&self) -> String {
        if self.short.is_empty() { self.long.to_owned() } else { format!("{}/{}", self.long, self.short) }
    }

    fn value_name(&self) -> String {
        self.long.trim_start_matches('-').replace('-', "_").to_uppercase()
    }

    fn usage(&self) -> String {
        let value = if self.action == Action::StoreTrue { String::new() } else { format!(" {}", self.value_name()) };
        format!("{}{value}", self.long)
    }
}

pub struct Subcommand {
    pub name: &'static str,
    pub help: &'static str,
    pub args: &'static [Arg],
}

/// A tool with subcommands.
pub struct Tool {
    pub name: &'static str,
    pub about: &'static str,
    pub subcommands: &'static [Subcommand],
}

/// What was given, by the long names without dashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    pub subcommand: &'static str,
    values: BTreeMap<&'static str, Vec<String>>,
}

impl Parsed {
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    pub fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Of usage and help.
const WIDTH: usize = 75;

impl Tool {
    /// Prints help or what is wrong, where there is nothing to run.
    pub fn parse(&self, arguments: &[String]) -> Outcome<Parsed> {
        let words = expand_files(arguments).map_err(|message| self.fail(None, &message))?;
        let Some((first, rest)) = words.split_first() else {
            return Err(self.fail(None, "too few arguments"));
        };
        if matches!(first.as_str(), "-h" | "--help") {
            say(self.help())?;
            return Err(Stop(0));
        }
        if first.starts_with('-') {
            return Err(self.fail(None, &format!("unrecognized arguments: '{first}'")));
        }
        let Some(subcommand) = self.subcommands.iter().find(|subcommand| subcommand.name == first) else {
            let names: Vec<String> = self.subcommands.iter().map(|s| format!("'{}'", s.name)).collect();
            return Err(self.fail(None, &format!("invalid choice: '{first}' (choose from {})", names.join(", "))));
        };
        if rest.iter().any(|word| matches!(word.as_str(), "-h" | "--help")) {
            say(self.subcommand_help(subcommand))?;
            return Err(Stop(0));
        }
        self.parse_subcommand(subcommand, rest)
    }

    fn parse_subcommand(&self, subcommand: &'static Subcommand, words: &[String]) -> Outcome<Parsed> {
        let fail = |message: String| self.fail(Some(subcommand), &message);
        let mut parsed = Parsed { subcommand: subcommand.name, ..Parsed::default() };
        let mut given: Vec<&Arg> = Vec::new();
        let mut queue: Vec<String> = words.iter().rev().cloned().collect();
        while let Some(word) = queue.pop() {
            let (arg, value) = find(subcommand.args, &word).map_err(fail)?;
            if let Some(other) = given
                .iter()
                .find(|other| other.group.is_some_and(|_| other.group == arg.group) && other.long != arg.long)
            {
                return Err(fail(format!("argument {}: not allowed with argument {}", arg.label(), other.label())));
            }
            given.push(arg);
            let name = arg.long.trim_start_matches('-');
            if arg.action == Action::StoreTrue {
                parsed.values.entry(name).or_default();
                // `-sg` is `-s -g`.
                if let Some(more) = value {
                    queue.push(format!("-{more}"));
                }
                continue;
            }
            let value = value.or_else(|| queue.pop_if(|next| !looks_like_flag(next)));
            let value = value.ok_or_else(|| fail(format!("argument {}: expected one argument", arg.label())))?;
            parsed.values.entry(name).or_default().push(value);
        }
        let mut required = subcommand.args.iter().filter(|arg| arg.required);
        // Of several the real tools name the one declared last.
        match required.rfind(|arg| !parsed.has(arg.long.trim_start_matches('-'))) {
            Some(arg) => Err(fail(format!("argument {} is required", arg.label()))),
            None => Ok(parsed),
        }
    }

    fn fail(&self, subcommand: Option<&Subcommand>, message: &str) -> Stop {
        complain(self.usage(subcommand));
        complain(format!("{}: error: {message}", self.name));
        Stop(1)
    }

    fn usage(&self, subcommand: Option<&Subcommand>) -> String {
        let indent = "usage: ".len() + self.name.len() + 1;
        let mut words = vec!["[-h]".to_owned()];
        let Some(subcommand) = subcommand else {
            let names: Vec<&str> = self.subcommands.iter().map(|subcommand| subcommand.name).collect();
            words.push(format!("{{{}}}", names.join(",")));
            words.push("...".to_owned());
            return wrapped(&format!("usage: {}", self.name), &words, indent);
        };
        let mut args = subcommand.args.iter().peekable();
        while let Some(arg) = args.next() {
            let opens = arg.group.is_some();
            match (arg.required, opens) {
                (true, _) => words.extend(arg.usage().split(' ').map(str::to_owned)),
                (false, false) => words.push(format!("[{}]", arg.usage())),
                (false, true) => {
                    // Alternatives break between them.
                    words.push(format!("[{} |", arg.usage()));
                    while let Some(next) = args.next_if(|next| next.group == arg.group) {
                        let last = args.peek().is_none_or(|after| after.group != arg.group);
                        words.push(format!("{}{}", next.usage(), if last { "]" } else { " |" }));
                    }
                }
            }
        }
        wrapped(&format!("usage: {} {}", self.name, subcommand.name), &words, indent)
    }

    fn help(&self) -> String {
        let mut text = format!("{}\n\n{}\n\npositional arguments:\n", self.usage(None), self.about);
        for subcommand in self.subcommands {
            text.push_str(&described(&format!("  {}", subcommand.name), subcommand.help));
        }
        text.push_str("\noptional arguments:\n");
        text.push_str(&described("  -h, --help", "show this help message and exit"));
        text.trim_end().to_owned()
    }

    fn subcommand_help(&self, subcommand: &Subcommand) -> String {
        let mut text = format!("{}\n\noptional arguments:\n", self.usage(Some(subcommand)));
        text.push_str(&described("  -h, --help", "show this help message and exit"));
        for arg in subcommand.args {
            let value = if arg.action == Action::StoreTrue { String::new() } else { format!(" {}", arg.value_name()) };
            let short = if arg.short.is_empty() { String::new() } else { format!(", {}{value}", arg.short) };
            text.push_str(&described(&format!("  {}{value}{short}", arg.long), arg.help));
        }
        text.trim_end().to_owned()
    }
}

fn looks_like_flag(word: &str) -> bool {
    word.starts_with('-') && word != "-" && word.parse::<f64>().is_err()
}

/// `@file` stands for the lines of the file.
fn expand_files(arguments: &[String]) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    for argument in arguments {
        match argument.strip_prefix('@') {
            None => words.push(argument.clone()),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("Could not read arguments from file '{path}': {error}"))?;
                words.extend(text.lines().map(str::to_owned));
            }
        }
    }
    Ok(words)
}

/// The argument that a word names, and the value in the same word.
fn find<'a>(args: &'a [Arg], word: &str) -> Result<(&'a Arg, Option<String>), String> {
    let unrecognized = || format!("unrecognized arguments: '{word}'");
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value.to_owned())));
        let is = |arg: &&Arg| &arg.long[2..] == name;
        let begins = |arg: &&Arg| arg.long[2..].starts_with(name);
        if let Some(arg) = args.iter().find(is) {
            return Ok((arg, value));
        }
        let candidates: Vec<&Arg> = args.iter().filter(begins).collect();
        return match candidates.as_slice() {
            [arg] if !name.is_empty() => Ok((arg, value)),
            [] => Err(unrecognized()),
            several => {
                let names: Vec<&str> = several.iter().map(|arg| arg.long).collect();
                Err(format!("ambiguous option: {word} could match {}", names.join(", ")))
            }
        };
    }
    let arg = args.iter().find(|arg| !arg.short.is_empty() && word.starts_with(arg.short)).ok_or_else(unrecognized)?;
    let rest = &word[arg.short.len()..];
    let value = rest.strip_prefix('=').unwrap_or(rest);
    Ok((arg, Some(value.to_owned()).filter(|value| !value.is_empty())))
}

fn wrapped(start: &str, words: &[String], indent: usize) -> String {
    let mut text = start.to_owned();
    let mut column = start.len();
    for word in words {
        if column + 1 + word.len() > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            text.push_str(word);
            column = indent + word.len();
        } else {
            text.push(' ');
            text.push_str(word);
            column += 1 + word.len();
        }
    }
    text
}

const HELP_COLUMN: usize = 25;

fn described(name: &str, help: &str) -> String {
    let mut text = String::new();
    let mut line = if name.len() + 2 > HELP_COLUMN {
        text.push_str(name);
        text.push('\n');
        " ".repeat(HELP_COLUMN)
    } else {
        format!("{name:<HELP_COLUMN$}")
    };
    for word in help.split_whitespace() {
        if line.len() + word.len() + 1 > WIDTH && line.len() > HELP_COLUMN {
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(HELP_COLUMN);
        }
        line.push_str(word);
        line.push(' ');
    }
    text.push_str(line.trim_end());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    static TOOL: Tool = Tool {
        name: "tool",
        about: "About.",
        subcommands: &[Subcommand {
            name: "do",
            help: "Does it.",
            args: &[
                Arg::new("--config", "-c", Action::Store, "A file.").required(),
                Arg::new("--feature", "-f", Action::Append, "Several."),
                Arg::new("--one", "-o", Action::StoreTrue, "This").grouped(0),
                Arg::new("--two", "-t", Action::StoreTrue, "or that.").grouped(0),
            ],
        }],
    };

    fn parse(line: &str) -> Result<Parsed, Stop> {
        TOOL.parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn values_come_in_all_forms() {
        for line in ["do --config x -o", "do --config=x --one", "do -cx -o", "do -oc x", "do --conf x --on"] {
            let parsed = parse(line).unwrap();
            assert_eq!(
                (parsed.text("config"), parsed.has("one"), parsed.has("two")),
                (Some("x"), true, false),
                "{line}"
            );
        }
        let parsed = parse("do -c x -f a -f b").unwrap();
        assert_eq!(parsed.all("feature"), ["a", "b"]);
        assert_eq!(parse("do -c -5").unwrap().text("config"), Some("-5"));
    }

    #[test]
    fn what_does_not_fit_ends_it() {
        for line in
            ["", "undo", "--version", "do", "do -c", "do -c -x", "do -c x --bogus", "do -c x -o -t", "do -c x y"]
        {
            assert_eq!(parse(line), Err(Stop(1)), "{line}");
        }
        assert_eq!(parse("do --help"), Err(Stop(0)));
    }
}
