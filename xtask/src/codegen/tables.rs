//! What is said of all messages together: modules, the API table, record enums, the schema table.

use super::emit::MARK;
use super::names::{snake, type_name};
use super::schema::{Kind, Schema};
use std::fmt::Write;

pub fn root_module<'a>(families: impl Iterator<Item = &'a &'a str>) -> String {
    let mut out = format!("{MARK}\npub mod api_table;\npub mod schema_table;\n");
    for family in families {
        writeln!(out, "pub mod {family};").unwrap();
    }
    out
}

pub fn family_module(family: &str, schemas: &[&Schema]) -> String {
    let mut out = String::from(MARK);
    for schema in schemas {
        writeln!(out, "pub mod {};", snake(&schema.name)).unwrap();
    }
    for schema in schemas {
        writeln!(out, "pub use {}::{};", snake(&schema.name), type_name(&schema.name)).unwrap();
    }
    if family == "metadata_records" {
        out.push_str(&record_enum("MetadataRecord", "metadata", Kind::Metadata, schemas, "Record"));
    } else if let Some(name) = family.strip_suffix("_records") {
        let title = type_name(name);
        out.push_str(&record_enum(&format!("{title}RecordKey"), name, Kind::CoordinatorKey, schemas, "Key"));
        out.push_str(&record_enum(&format!("{title}RecordValue"), name, Kind::CoordinatorValue, schemas, "Value"));
    }
    out
}

fn record_enum(name: &str, family: &str, kind: Kind, schemas: &[&Schema], suffix: &str) -> String {
    let members: Vec<(&Schema, i16, String)> = schemas
        .iter()
        .filter(|s| s.kind == kind)
        .filter_map(|s| Some((*s, s.api_key?, s.name.strip_suffix(suffix).unwrap_or(&s.name).to_owned())))
        .collect();
    let mut out = format!(
        "\nuse crate::codec::{{Message as _, Reader, WireError, Writer}};\n\n/// Any {family} {} record, by the id that stands before it.\n#[derive(Clone, Debug, PartialEq)]\npub enum {name} {{\n",
        suffix.to_lowercase()
    );
    // The `use` must stand once only.
    if suffix == "Value" {
        out = out.replacen("\nuse crate::codec::{Message as _, Reader, WireError, Writer};\n", "", 1);
    }
    for (schema, _, variant) in &members {
        writeln!(out, "    {variant}({}),", type_name(&schema.name)).unwrap();
    }
    writeln!(out, "}}\n\nimpl {name} {{\n    pub fn id(&self) -> i16 {{\n        match self {{").unwrap();
    for (_, key, variant) in &members {
        writeln!(out, "            {name}::{variant}(_) => {key},").unwrap();
    }
    writeln!(out, "        }}\n    }}\n\n    pub fn max_version(&self) -> i16 {{\n        match self {{").unwrap();
    for (schema, _, variant) in &members {
        writeln!(out, "            {name}::{variant}(_) => {}::MAX_VERSION,", type_name(&schema.name)).unwrap();
    }
    writeln!(out, "        }}\n    }}\n\n    /// `None`: no such id.\n    pub fn decode(id: i16, r: &mut Reader, version: i16) -> Option<Result<Self, WireError>> {{\n        Some(match id {{").unwrap();
    for (schema, key, variant) in &members {
        writeln!(out, "            {key} => {}::decode(r, version).map({name}::{variant}),", type_name(&schema.name))
            .unwrap();
    }
    writeln!(out, "            _ => return None,\n        }})\n    }}\n\n    pub fn encode(&self, w: &mut Writer, version: i16) -> Result<(), WireError> {{\n        match self {{").unwrap();
    for (_, _, variant) in &members {
        writeln!(out, "            {name}::{variant}(record) => record.encode(w, version),").unwrap();
    }
    out.push_str("        }\n    }\n}\n");
    for (schema, _, variant) in &members {
        let inner = type_name(&schema.name);
        writeln!(out, "\nimpl From<{inner}> for {name} {{\n    fn from(record: {inner}) -> Self {{\n        {name}::{variant}(record)\n    }}\n}}").unwrap();
    }
    out
}

pub fn api_table(schemas: &[Schema], kafka_version: &str) -> String {
    let mut requests: Vec<&Schema> = schemas.iter().filter(|s| s.kind == Kind::Request).collect();
    requests.sort_by_key(|s| s.api_key);
    let mut out = format!(
        "{MARK}\nuse crate::api::{{ApiInfo, Listeners}};\n\n/// The release whose protocol this is.\npub const KAFKA_VERSION: &str = \"{kafka_version}\";\n\n"
    );
    out.push_str(
        "#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]\n#[repr(i16)]\npub enum ApiKey {\n",
    );
    let api_name = |s: &Schema| s.name.strip_suffix("Request").unwrap_or(&s.name).to_owned();
    for schema in &requests {
        writeln!(out, "    {} = {},", api_name(schema), schema.api_key.unwrap_or(-1)).unwrap();
    }
    out.push_str("}\n\n/// In the order of their keys.\npub static APIS: &[ApiInfo] = &[\n");
    for schema in &requests {
        let flexible = schema.flexible.intersect(schema.valid);
        let first_flexible = if flexible.is_empty() { "i16::MAX".into() } else { flexible.first.to_string() };
        let on = |name: &str| schema.listeners.iter().any(|l| l == name);
        writeln!(
            out,
            "    ApiInfo {{ key: ApiKey::{0}, name: \"{0}\", min_version: {1}, max_version: {2}, first_flexible: {first_flexible}, latest_unstable: {3}, listeners: Listeners {{ broker: {4}, controller: {5} }} }},",
            api_name(schema), schema.valid.first, schema.valid.last, schema.latest_unstable, on("broker"), on("controller")
        )
        .unwrap();
    }
    out.push_str("];\n");
    out
}

pub fn schema_table(schemas: &[Schema]) -> String {
    let mut out = format!(
        "{MARK}\nuse crate::schema::{{Schema, schema_of}};\n\n/// Every message there is, by name: for tools, tests and fuzzing.\npub static SCHEMAS: &[Schema] = &[\n"
    );
    for schema in schemas {
        writeln!(out, "    schema_of::<super::{}::{}>(),", schema.family, type_name(&schema.name)).unwrap();
    }
    out.push_str("];\n");
    out
}
