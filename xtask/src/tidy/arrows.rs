//! Dependencies point downwards only, and the pure crates stay pure.

use super::Report;
use super::packages::{Kind, Package, short_name};

/// Our crates, from the bottom up. A crate may depend on those of the layers below its own, or, where
/// `only` is given, on these alone.
const LAYERS: &[&[Crate]] = &[
    &[only("base", &[])],
    &[pure("wire"), only("raft", &["base"]), only("config", &["base"]), only("disk", &["base"])],
    &[only("log", &["base", "wire"]), only("replication", &["base", "wire"])],
    &[pure("metadata"), pure("coordinator")],
    &[pure("security"), pure("storage")],
    &[pure("broker")],
    &[driver("server"), only("client", &["base", "wire"])],
    &[driver("cli")],
    &[driver("checker")],
    &[driver("sim"), driver("chaos"), driver("interop"), driver("bench")],
    &[driver("xtask")],
];

/// Crates that may reach the outside world themselves: sockets, files, clocks, threads.
const DRIVERS: &[&str] = &["disk", "server", "client", "cli", "sim", "chaos", "interop", "bench", "xtask"];

/// What a pure crate must not depend on: these reach the outside world, or are a source of chance.
const IMPURE: &[&str] = &[
    "ottla-disk",
    "tokio",
    "mio",
    "socket2",
    "rustix",
    "libc",
    "nix",
    "async-std",
    "smol",
    "rayon",
    "crossbeam",
    "rand",
    "fastrand",
    "getrandom",
    "tempfile",
    "notify",
    "signal-hook",
    "hyper",
    "axum",
    "reqwest",
    "chrono",
    "time",
];

struct Crate {
    name: &'static str,
    only: Option<&'static [&'static str]>,
}

const fn only(name: &'static str, only: &'static [&'static str]) -> Crate {
    Crate { name, only: Some(only) }
}

const fn pure(name: &'static str) -> Crate {
    Crate { name, only: None }
}

const fn driver(name: &'static str) -> Crate {
    Crate { name, only: None }
}

fn layer(name: &str) -> Option<(usize, &'static Crate)> {
    let in_layer = |(height, crates): (usize, &'static &'static [Crate])| {
        crates.iter().find(|c| c.name == name).map(|found| (height, found))
    };
    LAYERS.iter().enumerate().find_map(in_layer)
}

pub fn is_pure(name: &str) -> bool {
    layer(name).is_some() && !DRIVERS.contains(&name)
}

pub fn check(packages: &[Package], report: &mut Report) {
    let ours: Vec<&str> = packages.iter().filter(|p| p.is_ours).map(|p| p.name.as_str()).collect();
    for package in packages.iter().filter(|p| p.is_ours) {
        let name = package.short_name();
        let Some((height, found)) = layer(name) else {
            report.error("arrows", &package.name, "this crate has no layer yet: add it to xtask/src/tidy/arrows.rs");
            continue;
        };
        for dependency in &package.dependencies {
            if ours.contains(&dependency.name.as_str()) {
                let target = short_name(&dependency.name);
                check_arrow(&package.name, (height, found), target, dependency.kind, report);
            }
            if is_pure(name) && dependency.kind != Kind::Dev && IMPURE.contains(&dependency.name.as_str()) {
                let message = format!("a pure crate must not depend on {} (a dev-dependency may be)", dependency.name);
                report.error("arrows", &package.name, message);
            }
        }
    }
}

fn check_arrow(place: &str, (height, from): (usize, &Crate), target: &str, kind: Kind, report: &mut Report) {
    // A crate that has no layer is reported where it stands itself.
    let Some((target_height, _)) = layer(target) else { return };
    // Tests may reach sideways: to ottla-disk for real files, say.
    let points_up = if kind == Kind::Dev { target_height > height } else { target_height >= height };
    if points_up {
        report.error("arrows", place, format!("depends on ottla-{target}, which is not below it"));
    } else if let Some(allowed) = from.only.filter(|allowed| kind != Kind::Dev && !allowed.contains(&target)) {
        let allowed = if allowed.is_empty() { "none of our crates".to_owned() } else { allowed.join(", ") };
        report.error("arrows", place, format!("depends on ottla-{target}, but may only on: {allowed}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::packages::Dependency;
    use super::*;

    fn package(name: &str, dependencies: &[(&str, Kind)]) -> Package {
        Package {
            name: name.to_owned(),
            version: String::new(),
            license: None,
            is_ours: true,
            manifest: String::new(),
            dependencies: dependencies
                .iter()
                .map(|(n, kind)| Dependency { name: (*n).to_owned(), kind: *kind })
                .collect(),
            targets: vec![],
        }
    }

    #[track_caller]
    fn expect(from: &str, to: &str, kind: Kind, message: &str) {
        let mut report = Report::default();
        check(&[package(from, &[(to, kind)]), package(to, &[])], &mut report);
        let found: Vec<&str> = report.errors.iter().filter(|e| e.place == from).map(|e| e.message.as_str()).collect();
        assert_eq!(found.join("\n"), message);
    }

    #[test]
    fn arrows_point_down() {
        expect("ottla-broker", "ottla-metadata", Kind::Normal, "");
        expect(
            "ottla-metadata",
            "ottla-coordinator",
            Kind::Normal,
            "depends on ottla-coordinator, which is not below it",
        );
        expect("ottla-base", "ottla-wire", Kind::Dev, "depends on ottla-wire, which is not below it");
        expect("ottla-client", "ottla-broker", Kind::Normal, "depends on ottla-broker, but may only on: base, wire");
        expect(
            "ottla-new",
            "ottla-base",
            Kind::Normal,
            "this crate has no layer yet: add it to xtask/src/tidy/arrows.rs",
        );
    }

    #[test]
    fn pure_crates_stay_pure() {
        expect("ottla-log", "ottla-disk", Kind::Dev, "");
        let expected = "a pure crate must not depend on ottla-disk (a dev-dependency may be)";
        expect("ottla-broker", "ottla-disk", Kind::Normal, expected);
        expect(
            "ottla-broker",
            "tokio",
            Kind::Normal,
            "a pure crate must not depend on tokio (a dev-dependency may be)",
        );
        expect("ottla-server", "tokio", Kind::Normal, "");
    }
}
