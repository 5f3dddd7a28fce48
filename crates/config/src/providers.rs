//! `config.providers`: values kept elsewhere, written `${provider:path:key}` (KIP-297).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::Properties;
use crate::error::ConfigError;
use crate::java;

/// Kafka's three providers. Its classes are known by these; others cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// A key of a `.properties` file.
    File,
    /// A file in a directory, all of it.
    Directory,
    /// An environment variable.
    EnvVar,
}

/// One of `config.providers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub name: String,
    pub kind: ProviderKind,
    /// `config.providers.<name>.param.*`, such as `allowed.paths` and `allowlist.pattern`.
    pub params: BTreeMap<String, String>,
}

const CLASSES: [(&str, ProviderKind); 3] = [
    ("org.apache.kafka.common.config.provider.FileConfigProvider", ProviderKind::File),
    ("org.apache.kafka.common.config.provider.DirectoryConfigProvider", ProviderKind::Directory),
    ("org.apache.kafka.common.config.provider.EnvVarConfigProvider", ProviderKind::EnvVar),
];

static VARIABLE: LazyLock<Regex> = LazyLock::new(|| match Regex::new(r"\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}") {
    Ok(regex) => regex,
    // Invariant: the pattern stands here, and tests use it.
    Err(error) => panic!("our own pattern: {error}"),
});

impl Properties {
    /// The providers that these settings name, and that have a class.
    pub fn providers(&self) -> Result<Vec<Provider>, ConfigError> {
        let names = self.get("config.providers").unwrap_or_default();
        let mut providers = Vec::new();
        for name in names.split(',').filter(|name| !name.is_empty()) {
            let class_key = format!("config.providers.{name}.class");
            let Some(class) = self.get(&class_key) else { continue };
            let Some((_, kind)) = CLASSES.iter().find(|(known, _)| *known == java::trim(class)) else {
                let why = "Could not load config provider class or one of its dependencies";
                let known: Vec<&str> = CLASSES.iter().map(|(class, _)| *class).collect();
                let error = ConfigError::value(&class_key, class, why);
                return Err(error.helped(format!("Allowed: {}.", known.join(", "))));
            };
            let prefix = format!("config.providers.{name}.param.");
            let param = |(key, entry): (&str, &crate::Entry)| {
                key.strip_prefix(&prefix).filter(|key| !key.is_empty()).map(|key| (key.to_owned(), entry.value.clone()))
            };
            let params = self.iter().filter_map(param).collect();
            providers.push(Provider { name: name.to_owned(), kind: *kind, params });
        }
        Ok(providers)
    }

    /// Replaces each `${provider:path:key}` by what `look_up` finds for the provider, the path (empty where there is none)
    /// and the key. What it does not find stays as it is, as in Kafka.
    pub fn resolve_variables(
        &mut self,
        look_up: &dyn Fn(&Provider, &str, &str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        let providers = self.providers()?;
        if providers.is_empty() {
            return Ok(());
        }
        let replace = |captures: &Captures<'_>| {
            let part = |index| captures.get(index).map_or("", |part| part.as_str());
            let provider = providers.iter().find(|provider| provider.name == part(1));
            let found = provider.and_then(|provider| look_up(provider, part(2), part(3)));
            found.unwrap_or_else(|| part(0).to_owned())
        };
        let resolved: Vec<(String, String, String)> = self
            .iter()
            .filter(|(_, entry)| entry.value.contains("${"))
            .map(|(key, entry)| {
                (key.to_owned(), VARIABLE.replace_all(&entry.value, replace).into_owned(), entry.origin.clone())
            })
            .collect();
        for (key, value, origin) in resolved {
            self.set(&key, &value, &origin);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "org.apache.kafka.common.config.provider.FileConfigProvider";

    #[test]
    fn variables_are_replaced_where_they_are_found() {
        let mut properties: Properties = [
            ("config.providers", "file,absent"),
            ("config.providers.file.class", FILE),
            ("config.providers.file.param.allowed.paths", "/secrets"),
            ("ssl.key.password", "${file:/secrets/a.properties:password}"),
            ("two", "<${file:/secrets/a.properties:password}|${file:user}>"),
            ("unknown.provider", "${env:HOME}"),
            ("unknown.key", "${file:/secrets/a.properties:nothing}"),
            ("plain", "$password"),
        ]
        .into_iter()
        .collect();
        let look_up = |provider: &Provider, path: &str, key: &str| {
            assert_eq!(provider.kind, ProviderKind::File);
            assert_eq!(provider.params["allowed.paths"], "/secrets");
            match (path, key) {
                ("/secrets/a.properties", "password") => Some("hunter2".to_owned()),
                ("", "user") => Some("me".to_owned()),
                _ => None,
            }
        };
        properties.resolve_variables(&look_up).unwrap();
        assert_eq!(properties.get("ssl.key.password"), Some("hunter2"));
        assert_eq!(properties.get("two"), Some("<hunter2|me>"));
        assert_eq!(properties.get("unknown.provider"), Some("${env:HOME}"));
        assert_eq!(properties.get("unknown.key"), Some("${file:/secrets/a.properties:nothing}"));
    }

    #[test]
    fn a_provider_that_cannot_be_loaded() {
        let properties: Properties =
            [("config.providers", "vault"), ("config.providers.vault.class", "com.example.Vault")]
                .into_iter()
                .collect();
        let error = properties.providers().unwrap_err();
        assert_eq!(
            error.message,
            "Invalid value com.example.Vault for configuration config.providers.vault.class: Could not load config \
             provider class or one of its dependencies"
        );
    }
}
