//! The reference pages say what the schema says.
//!
//! A page's examples and explanations are written by hand; its part about attributes stands between
//! two marks and comes from the schema. `UPDATE_DOCS=1` writes it anew.

use immutable::resource::Provider;
use immutable::resource::configuration::{Configuration, ImmutableProvider};
use immutable::resource::fleet::attributes::Fleet;
use immutable::resource::inventory::{FleetFilter, Question, ReleaseFilter, Search, Wanted};
use immutable::resource::release::attributes::ImageRelease;
use immutable::schema::{
    Planned, RESERVED_IN_PROVIDER, RESERVED_IN_RESOURCE, Schema, function_reference, problems,
    reference,
};
use std::collections::BTreeSet;
use std::path::Path;

const BEGINS: &str = "<!-- What follows comes from the schema. -->\n";
const ENDS: &str = "<!-- What follows is written by hand. -->\n";

#[test]
fn every_declaration_has_a_page_that_says_what_it_says() {
    let provider = ImmutableProvider::new(Box::new(|_| unreachable!("no cloud is opened")));
    let (resources, sources) = (provider.resources(), provider.data_sources());
    let (functions, lists) = (provider.functions(), provider.listings());
    let mut pages = vec![(
        "index.md".to_owned(),
        reference(&Schema::of::<Configuration<Planned>>(0)),
    )];
    let page = |folder: &str, name: &str| format!("{folder}/{name}.md");
    pages.extend(
        resources
            .iter()
            .map(|(name, it)| (page("resources", name), reference(it.schema()))),
    );
    pages.extend(
        sources
            .iter()
            .map(|(name, it)| (page("data-sources", name), reference(it.schema()))),
    );
    pages.extend(
        functions
            .iter()
            .map(|(name, it)| (page("functions", name), function_reference(it.signature()))),
    );
    pages.extend(
        lists
            .iter()
            .map(|(name, it)| (page("list-resources", name), reference(it.schema()))),
    );
    let actions = provider.actions();
    pages.extend(
        actions
            .iter()
            .map(|(name, it)| (page("actions", name), reference(it.schema()))),
    );
    let declared: BTreeSet<String> = pages.iter().map(|(page, _)| page.clone()).collect();
    let folders = [
        "actions",
        "data-sources",
        "functions",
        "list-resources",
        "resources",
    ];
    let there: BTreeSet<String> = folders.iter().flat_map(|folder| pages_in(folder)).collect();
    let strays: Vec<&String> = there.difference(&declared).collect();
    assert!(strays.is_empty(), "pages of nothing: {strays:?}");
    for (page, expected) in pages {
        check(&page, &expected);
    }
}

fn pages_in(folder: &str) -> Vec<String> {
    let path = docs().join(folder);
    let entries = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = entries.map(|entry| entry.expect("the entry is readable").file_name());
    names
        .map(|name| format!("{folder}/{}", name.to_string_lossy()))
        .collect()
}

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

#[test]
fn declarations_are_sound() {
    let problems = [
        problems::<Configuration<Planned>>(&RESERVED_IN_PROVIDER),
        problems::<Fleet<Planned>>(&RESERVED_IN_RESOURCE),
        problems::<ImageRelease<Planned>>(&RESERVED_IN_RESOURCE),
        problems::<Question<Planned>>(&RESERVED_IN_RESOURCE),
        problems::<Wanted<Planned>>(&RESERVED_IN_RESOURCE),
        problems::<Search<Planned>>(&RESERVED_IN_RESOURCE),
        problems::<FleetFilter<Planned>>(&RESERVED_IN_RESOURCE),
        problems::<ReleaseFilter<Planned>>(&RESERVED_IN_RESOURCE),
    ];
    let problems = problems.concat();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn functions_are_described() {
    for (name, function) in immutable::resource::functions::all().iter() {
        let signature = function.signature();
        assert!(!signature.description.is_empty(), "{name}");
        for parameter in &signature.parameters {
            assert!(
                parameter.required,
                "{name}: {} has a position",
                parameter.name
            );
            assert!(
                !parameter.description.is_empty(),
                "{name}: {}",
                parameter.name
            );
        }
    }
}

fn check(page: &str, schema: &str) {
    let path = docs().join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    let (head, rest) = text
        .split_once(BEGINS)
        .unwrap_or_else(|| panic!("{page} has no line {BEGINS}"));
    let (_, tail) = rest
        .split_once(ENDS)
        .unwrap_or_else(|| panic!("{page} has no line {ENDS}"));
    let expected = format!("{head}{BEGINS}\n{schema}\n{ENDS}{tail}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap_or_else(|error| panic!("{page}: {error}"));
        return;
    }
    assert!(
        text == expected,
        "docs/{page} is not what the schema says; write it with: UPDATE_DOCS=1 cargo test --test tidy"
    );
}
