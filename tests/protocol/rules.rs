//! Terraform's rules, as far as the stories need them: what it proposes, what it refuses. Written
//! from its documentation and ignorant of how the provider keeps them.

use immutable::schema::{Attribute, Kind, Nesting};
use immutable::value::Tree;

/// No complaint.
pub(crate) const NONE: [String; 0] = [];

/// Makes unknown what is written as "?".
pub(crate) fn unknown(tree: Tree) -> Tree {
    match tree {
        Tree::Str(text) if text == "?" => Tree::Unknown,
        Tree::Seq(items) => Tree::Seq(items.into_iter().map(unknown).collect()),
        Tree::Map(entries) => Tree::Map(
            entries
                .into_iter()
                .map(|(key, value)| (key, unknown(value)))
                .collect(),
        ),
        other => other,
    }
}

/// What Terraform proposes: the configuration, and earlier values where the provider decides.
pub(crate) fn proposed(attributes: &[Attribute], prior: &Tree, config: &Tree) -> Tree {
    if config.is_null() {
        return Tree::Null;
    }
    let attributes = attributes.iter().map(|it| {
        let (prior, config) = (prior.entry(it.name), config.entry(it.name));
        let value = match (&it.kind, config) {
            (_, Tree::Null) if it.computed => prior.clone(),
            (Kind::Nested(Nesting::Single, inner), Tree::Map(_)) => proposed(inner, prior, config),
            (Kind::Nested(Nesting::List, inner), Tree::Seq(items)) => {
                let items = items.iter().enumerate();
                let items = items.map(|(at, item)| match item {
                    Tree::Map(_) => proposed(inner, prior.element(at), item),
                    other => other.clone(),
                });
                Tree::Seq(items.collect())
            }
            (Kind::Nested(Nesting::Map, inner), Tree::Map(items)) => {
                let items = items.iter().map(|(key, item)| match item {
                    Tree::Map(_) => (key.clone(), proposed(inner, prior.entry(key), item)),
                    other => (key.clone(), other.clone()),
                });
                Tree::Map(items.collect())
            }
            _ => config.clone(),
        };
        (it.name.to_owned(), value)
    });
    Tree::Map(attributes.collect())
}

/// Why Terraform would say "Provider produced invalid plan".
pub(crate) fn refusals(
    attributes: &[Attribute],
    config: &Tree,
    prior: &Tree,
    planned: &Tree,
) -> Vec<String> {
    let mut refusals = Vec::new();
    for it in attributes {
        let (config, prior) = (config.entry(it.name), prior.entry(it.name));
        let planned = planned.entry(it.name);
        let is_free = it.computed && config.is_null();
        let is_suppressed = !prior.is_null() && !config.is_null() && planned == prior;
        let nested = match (&it.kind, config, planned) {
            _ if is_free || is_suppressed || config == planned => continue,
            (Kind::Nested(Nesting::Single, inner), Tree::Map(_), Tree::Map(_)) => {
                refusals_in(inner, [(config, prior, planned)])
            }
            (Kind::Nested(Nesting::List, inner), Tree::Seq(a), Tree::Seq(b))
                if a.len() == b.len() =>
            {
                let items = a.iter().zip(b).enumerate();
                refusals_in(inner, items.map(|(at, (a, b))| (a, prior.element(at), b)))
            }
            (Kind::Nested(Nesting::Set, _), Tree::Seq(a), Tree::Seq(b)) if a.len() == b.len() => {
                continue;
            }
            (Kind::Nested(Nesting::Map, inner), Tree::Map(a), Tree::Map(b))
                if a.keys().eq(b.keys()) =>
            {
                refusals_in(
                    inner,
                    a.iter().map(|(key, a)| (a, prior.entry(key), &b[key])),
                )
            }
            _ => vec![format!("planned {planned:?} for a config value {config:?}")],
        };
        refusals.extend(
            nested
                .into_iter()
                .map(|refusal| format!("{}: {refusal}", it.name)),
        );
    }
    refusals
}

fn refusals_in<'a>(
    inner: &[Attribute],
    places: impl IntoIterator<Item = (&'a Tree, &'a Tree, &'a Tree)>,
) -> Vec<String> {
    let places = places.into_iter();
    let refusals = places.map(|(config, prior, planned)| match (config, planned) {
        (Tree::Map(_), Tree::Map(_)) => refusals(inner, config, prior, planned),
        (config, planned) if config == planned => Vec::new(),
        (config, planned) => vec![format!("planned {planned:?} for {config:?}")],
    });
    refusals.flatten().collect()
}

/// Why Terraform would say "Provider produced inconsistent result after apply".
pub(crate) fn inconsistencies(planned: &Tree, applied: &Tree) -> Vec<String> {
    let in_pairs = |pairs: Vec<(&Tree, &Tree)>| {
        let pairs = pairs.into_iter();
        pairs
            .flat_map(|(planned, applied)| inconsistencies(planned, applied))
            .collect()
    };
    match (planned, applied) {
        (Tree::Unknown, applied) if applied.is_wholly_known() => Vec::new(),
        (Tree::Seq(a), Tree::Seq(b)) if a.len() == b.len() => in_pairs(a.iter().zip(b).collect()),
        (Tree::Map(a), Tree::Map(b)) if a.keys().eq(b.keys()) => {
            in_pairs(a.values().zip(b.values()).collect())
        }
        (planned, applied) if planned == applied => Vec::new(),
        (planned, applied) => vec![format!("was {planned:?}, but now {applied:?}")],
    }
}

/// Where a later plan differs in what an earlier one knew; it may itself not know all.
pub(crate) fn disagreements(earlier: &Tree, later: &Tree) -> Vec<String> {
    let known = |tree: &Tree| tree.clone().unknown_to_null();
    match (earlier, later) {
        (Tree::Unknown, _) => Vec::new(),
        (Tree::Map(a), Tree::Map(b)) => a
            .iter()
            .flat_map(|(key, a)| disagreements(a, &b[key]))
            .collect(),
        (Tree::Seq(a), Tree::Seq(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .flat_map(|(a, b)| disagreements(a, b))
            .collect(),
        (earlier, later) => inconsistencies(&known(earlier), &known(later)),
    }
}

/// Every copy of a value in which one place is unknown.
pub(crate) fn with_one_unknown(tree: &Tree) -> Vec<Tree> {
    let mut copies = vec![Tree::Unknown];
    match tree {
        Tree::Seq(items) => {
            for (at, item) in items.iter().enumerate() {
                copies.extend(with_one_unknown(item).into_iter().map(|it| {
                    let mut items = items.clone();
                    items[at] = it;
                    Tree::Seq(items)
                }));
            }
        }
        Tree::Map(entries) => {
            for (key, item) in entries {
                copies.extend(with_one_unknown(item).into_iter().map(|it| {
                    let mut entries = entries.clone();
                    entries.insert(key.clone(), it);
                    Tree::Map(entries)
                }));
            }
        }
        Tree::Null | Tree::Unknown | Tree::Bool(_) | Tree::Num(_) | Tree::Str(_) => {}
    }
    copies
}

/// Claims that a configuration gives nothing that only the provider may.
pub(crate) fn is_configurable(attributes: &[Attribute], config: &Tree) -> bool {
    let mut only_computed = attributes.iter().filter(|it| !it.required && !it.optional);
    matches!(config, Tree::Map(_)) && only_computed.all(|it| config.entry(it.name).is_null())
}
