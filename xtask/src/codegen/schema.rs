//! Kafka's message schemas, as its jars hold them.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// An inclusive range of message versions; empty when `first > last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub first: i16,
    pub last: i16,
}

impl Versions {
    pub const NONE: Versions = Versions { first: 0, last: -1 };

    fn parse(text: &str) -> Versions {
        let number = |t: &str| t.trim().parse::<i16>().unwrap_or_else(|_| panic!("bad version range '{text}'"));
        if text == "none" {
            return Versions::NONE;
        }
        if let Some(first) = text.strip_suffix('+') {
            return Versions { first: number(first), last: i16::MAX };
        }
        match text.split_once('-') {
            Some((first, last)) => Versions { first: number(first), last: number(last) },
            None => Versions { first: number(text), last: number(text) },
        }
    }

    pub fn is_empty(self) -> bool {
        self.first > self.last
    }

    pub fn intersect(self, other: Versions) -> Versions {
        Versions { first: self.first.max(other.first), last: self.last.min(other.last) }
    }

    pub fn covers(self, other: Versions) -> bool {
        other.is_empty() || (self.first <= other.first && self.last >= other.last)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    Bool,
    I8,
    I16,
    U16,
    U32,
    I32,
    I64,
    F64,
    Uuid,
    String,
    Bytes,
    Records,
    Struct(String),
    Array(Box<Type>),
}

impl Type {
    fn parse(text: &str) -> Type {
        match text {
            "bool" => Type::Bool,
            "int8" => Type::I8,
            "int16" => Type::I16,
            "uint16" => Type::U16,
            "uint32" => Type::U32,
            "int32" => Type::I32,
            "int64" => Type::I64,
            "float64" => Type::F64,
            "uuid" => Type::Uuid,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "records" => Type::Records,
            other => match other.strip_prefix("[]") {
                Some(element) => Type::Array(Box::new(Type::parse(element))),
                None => Type::Struct(other.to_owned()),
            },
        }
    }
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub kind: Type,
    pub versions: Versions,
    pub nullable: Versions,
    pub tagged: Versions,
    pub tag: u32,
    pub ignorable: bool,
    /// As the schema writes it; `None` where the type's own default holds.
    pub default: Option<String>,
    /// Where the field departs from its message (the client id of a request header).
    pub flexible: Option<Versions>,
}

#[derive(Clone, Debug)]
pub struct Struct {
    pub name: String,
    pub versions: Versions,
    pub fields: Vec<Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Request,
    Response,
    Header,
    Data,
    Metadata,
    CoordinatorKey,
    CoordinatorValue,
}

#[derive(Clone, Debug)]
pub struct Schema {
    pub name: String,
    pub kind: Kind,
    /// The folder of generated code: which family of messages this is of.
    pub family: &'static str,
    pub api_key: Option<i16>,
    pub valid: Versions,
    pub flexible: Versions,
    pub latest_unstable: bool,
    pub listeners: Vec<String>,
    /// The message itself first, then every struct inside it.
    pub structs: Vec<Struct>,
}

/// The jars that hold schemas, and the family each belongs to.
const JARS: &[(&str, &str)] = &[
    ("kafka-clients", "messages"),
    ("kafka-metadata", "metadata_records"),
    ("kafka-group-coordinator", "group_records"),
    ("kafka-transaction-coordinator", "transaction_records"),
    ("kafka-share-coordinator", "share_records"),
    ("kafka-raft", "data"),
    ("kafka-storage", "data"),
    ("kafka-streams", "data"),
];

/// Every schema in the jars of one release, by name.
pub fn read_jars(dir: &Path, kafka_version: &str) -> Result<Vec<Schema>, String> {
    let mut schemas = BTreeMap::new();
    for (jar, family) in JARS {
        let path = dir.join(format!("{jar}-{kafka_version}.jar"));
        // The one schema of the streams client is none that a broker needs, and its jar comes late.
        if *jar == "kafka-streams" && !path.exists() {
            eprintln!("codegen: {} is not there, going on without it", path.display());
            continue;
        }
        let file = File::open(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut archive = zip::ZipArchive::new(file).map_err(|e| format!("{}: {e}", path.display()))?;
        for i in 0..archive.len() {
            let mut entry = archive.by_index(i).map_err(|e| e.to_string())?;
            if !entry.name().ends_with(".json") || !entry.name().contains("/") || !is_schema(entry.name()) {
                continue;
            }
            let name = entry.name().to_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(|e| format!("{name}: {e}"))?;
            let schema = parse(&text, family).map_err(|e| format!("{name}: {e}"))?;
            if !schema.valid.is_empty() {
                schemas.insert(schema.name.clone(), schema);
            }
        }
    }
    Ok(schemas.into_values().collect())
}

fn is_schema(name: &str) -> bool {
    ["common/message/", "common/metadata/", "message/"].iter().any(|folder| name.starts_with(folder))
}

fn parse(text: &str, family: &'static str) -> Result<Schema, String> {
    let json: Value = serde_json::from_str(&without_comments(text)).map_err(|e| e.to_string())?;
    let name = string(&json, "name")?;
    let kind = match string(&json, "type")?.as_str() {
        "request" => Kind::Request,
        "response" => Kind::Response,
        "header" => Kind::Header,
        "data" => Kind::Data,
        "metadata" => Kind::Metadata,
        "coordinator-key" => Kind::CoordinatorKey,
        "coordinator-value" => Kind::CoordinatorValue,
        other => return Err(format!("unknown message type '{other}'")),
    };
    let family = match kind {
        // Headers and embedded data live apart from the RPCs.
        Kind::Header | Kind::Data => "data",
        _ => family,
    };
    let valid = Versions::parse(&string(&json, "validVersions")?);
    let flexible = json.get("flexibleVersions").and_then(Value::as_str).map_or(Versions::NONE, Versions::parse);
    let mut structs = vec![];
    collect_structs(&name, valid, &json, &mut structs)?;
    for common in json.get("commonStructs").and_then(Value::as_array).into_iter().flatten() {
        let versions = common.get("versions").and_then(Value::as_str).map_or(valid, Versions::parse);
        collect_structs(&string(common, "name")?, versions, common, &mut structs)?;
    }
    Ok(Schema {
        name,
        kind,
        family,
        api_key: json.get("apiKey").and_then(Value::as_i64).map(|key| key as i16),
        valid,
        flexible,
        latest_unstable: json.get("latestVersionUnstable").and_then(Value::as_bool).unwrap_or(false),
        listeners: json
            .get("listeners")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect(),
        structs,
    })
}

/// The schemas are JSON with comments: whole lines, and behind a value.
fn without_comments(text: &str) -> String {
    let code = |line: &str| {
        let outside_string = |at: &usize| line[..*at].matches('"').count().is_multiple_of(2);
        let end = line.match_indices("//").map(|(at, _)| at).find(outside_string).unwrap_or(line.len());
        line[..end].to_owned()
    };
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("/*") && !line.trim_start().starts_with('*'));
    lines.map(code).collect::<Vec<_>>().join("\n")
}

fn collect_structs(name: &str, versions: Versions, json: &Value, out: &mut Vec<Struct>) -> Result<(), String> {
    let index = out.len();
    out.push(Struct { name: name.to_owned(), versions, fields: vec![] });
    let mut fields = vec![];
    for field in json.get("fields").and_then(Value::as_array).into_iter().flatten() {
        let parsed = parse_field(field)?;
        if field.get("fields").is_some() {
            let element = match &parsed.kind {
                Type::Array(element) => element.as_ref(),
                other => other,
            };
            let Type::Struct(inner) = element else {
                return Err(format!("field {} has fields but is no struct", parsed.name));
            };
            collect_structs(inner, parsed.versions, field, out)?;
        }
        fields.push(parsed);
    }
    out[index].fields = fields;
    Ok(())
}

fn parse_field(json: &Value) -> Result<Field, String> {
    let versions = |key: &str| json.get(key).and_then(Value::as_str).map_or(Versions::NONE, Versions::parse);
    let tagged = versions("taggedVersions");
    // A few tagged fields leave their versions out: they are those of the tag.
    let present = if json.get("versions").is_some() { versions("versions") } else { tagged };
    // A bare null is no default at all; only the word "null" makes null the default.
    let default = json.get("default").filter(|value| !value.is_null()).map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    Ok(Field {
        name: string(json, "name")?,
        kind: Type::parse(&string(json, "type")?),
        versions: present,
        nullable: versions("nullableVersions"),
        tagged,
        tag: json.get("tag").and_then(Value::as_u64).unwrap_or(0) as u32,
        ignorable: json.get("ignorable").and_then(Value::as_bool).unwrap_or(false),
        default,
        flexible: json.get("flexibleVersions").and_then(Value::as_str).map(Versions::parse),
    })
}

fn string(json: &Value, key: &str) -> Result<String, String> {
    json.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| format!("no '{key}'"))
}
