//! Which module may use which.

use crate::source::{Source, sources};

/// A module and those of ours that it may use, as decision 9 argues. A new arrow needs a record.
const MAY_USE: [(&str, &[&str]); 15] = [
    ("value", &[]),
    ("diagnostic", &["value"]),
    ("model", &[]),
    ("schema", &["value", "diagnostic"]),
    ("rollout", &["model"]),
    ("cloud", &["model", "rollout"]),
    ("picture", &["model", "rollout"]),
    ("explain", &["model", "rollout", "picture", "resource"]),
    ("driver", &["rollout", "cloud", "model"]),
    (
        "resource",
        &[
            "value",
            "diagnostic",
            "model",
            "schema",
            "rollout",
            "cloud",
            "driver",
        ],
    ),
    // The plugin layer serves any implementation of the generated trait and runs its calls as work
    // that survives a dropped connection; it knows none of the layers above it.
    (
        "protocol",
        &["resource", "schema", "value", "diagnostic", "plugin"],
    ),
    ("plugin", &[]),
    ("lib", &[]),
    ("main", EVERYTHING),
    ("cli", EVERYTHING),
];

/// `main` wires the parts together, and `cli` is the part of it that talks to a person.
const EVERYTHING: &[&str] = &[
    "value",
    "diagnostic",
    "model",
    "schema",
    "rollout",
    "cloud",
    "driver",
    "explain",
    "picture",
    "resource",
    "protocol",
    "plugin",
];

/// The clouds themselves: each knows itself alone, and only `main` and the tests know them.
const CLOUDS: [&str; 3] = ["aws", "local", "sim"];

#[test]
fn modules_use_only_what_the_table_allows() {
    let breaches: Vec<String> = sources().iter().flat_map(breaches).collect();
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

fn breaches(source: &Source) -> Vec<String> {
    let module = source.module();
    let allowed = MAY_USE
        .iter()
        .find(|(name, _)| *name == module)
        .unwrap_or_else(|| panic!("{module} is not in the table"))
        .1;
    let uses = uses(source);
    let forbidden = uses.iter().filter(|used| {
        used.module != module && !allowed.contains(&used.module.as_str())
            || used.is_another_cloud(source)
    });
    forbidden
        .map(|used| {
            format!(
                "{}:{}: {module} uses {}",
                source.path.display(),
                used.line,
                used.path
            )
        })
        .collect()
}

struct Use {
    line: usize,
    module: String,
    path: String,
}

impl Use {
    fn is_another_cloud(&self, source: &Source) -> bool {
        let names = source.names();
        if ["main", "cli"].contains(&names[0].as_str()) {
            return false;
        }
        let own = names.get(1).map_or("", String::as_str);
        let named = self.path.strip_prefix("cloud::").unwrap_or_default();
        let cloud = named.split("::").next().unwrap_or_default();
        CLOUDS.contains(&cloud) && (names[0] != "cloud" || own != cloud)
    }
}

/// Finds every path that begins with `crate::` (`immutable::` in the executable), the members of
/// a grouped import one by one.
fn uses(source: &Source) -> Vec<Use> {
    let root = if ["main", "cli"].contains(&source.module().as_str()) {
        "immutable::"
    } else {
        "crate::"
    };
    let mut found = Vec::new();
    for (line, code) in source.code() {
        for (at, _) in code.match_indices(root) {
            let rest = &code[at + root.len()..];
            let paths = match rest.strip_prefix('{') {
                Some(group) => group.split(',').collect(),
                None => vec![rest],
            };
            found.extend(paths.into_iter().filter_map(|path| named(line, path)));
        }
    }
    found
}

fn named(line: usize, path: &str) -> Option<Use> {
    let path = path.trim();
    let end = path
        .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(path.len());
    let path = &path[..end];
    let module = path.split("::").next()?;
    let is_module = module.starts_with(|c: char| c.is_ascii_lowercase());
    is_module.then(|| Use {
        line,
        module: module.to_owned(),
        path: path.to_owned(),
    })
}
