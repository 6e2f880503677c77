//! What is wrong with a declaration itself. Terraform accepts some of it and users pay for it;
//! the rest makes every operation with the provider fail. A test runs this over all of ours.

use super::{Attribute, Attributes, Kind, Nesting, Schema, with_defaults};
use crate::value::{Tree, Type};

/// Names that Terraform's language takes for itself in resources, so that users could never set
/// them.
pub const RESERVED_IN_RESOURCE: [&str; 7] = [
    "connection",
    "count",
    "depends_on",
    "for_each",
    "lifecycle",
    "provider",
    "provisioner",
];

/// Names that Terraform's language takes for itself in provider blocks.
pub const RESERVED_IN_PROVIDER: [&str; 2] = ["alias", "version"];

/// Returns every rule that a declaration breaks, one sentence each; empty when it is sound.
/// `A` is the declaration at the stage in which values may be unknown.
pub fn problems<A: Attributes>(reserved: &[&str]) -> Vec<String> {
    let schema = Schema::of::<A>(0);
    let mut problems = Vec::new();
    if schema.description.is_empty() {
        problems.push("the declaration has no description".to_owned());
    }
    for attribute in &schema.attributes {
        if reserved.contains(&attribute.name) {
            problems.push(format!(
                "{} is a word of Terraform's language",
                attribute.name
            ));
        }
    }
    check_all(&schema.attributes, "", rules, &mut problems);
    check_defaults::<A>(&schema, &mut problems);
    problems
}

/// Whether a rule is broken, and the rule.
type Rule = (bool, &'static str);

fn check_all(
    attributes: &[Attribute],
    under: &str,
    rules: fn(&Attribute) -> Vec<Rule>,
    problems: &mut Vec<String>,
) {
    for attribute in attributes {
        let name = format!("{under}{}", attribute.name);
        let broken = rules(attribute)
            .into_iter()
            .filter(|(is_broken, _)| *is_broken);
        problems.extend(broken.map(|(_, rule)| format!("{name}: {rule}")));
        if let Kind::Nested(_, nested) = &attribute.kind {
            let rules = if is_only_computed(attribute) {
                rules_within_computed
            } else {
                rules
            };
            check_all(nested, &format!("{name}."), rules, problems);
        }
    }
}

fn is_only_computed(it: &Attribute) -> bool {
    it.computed && !it.optional && !it.required
}

/// An object that only the provider gives is null or unknown as a whole; its parts need not be.
fn rules_within_computed(it: &Attribute) -> Vec<Rule> {
    let rules = rules_within(it).into_iter();
    rules
        .chain([(
            !is_only_computed(it),
            "a part of a computed object is computed as well",
        )])
        .collect()
}

/// The rules of an attribute that is null and unknown by itself.
fn rules(it: &Attribute) -> Vec<Rule> {
    let rules = rules_within(it).into_iter();
    rules
        .chain([(
            is_only_computed(it) && !it.nullable,
            "a computed attribute is null before apply has filled it, so its type must be Option",
        )])
        .collect()
}

/// The rules of every attribute.
fn rules_within(it: &Attribute) -> Vec<Rule> {
    let is_word = |name: &str| {
        let mut letters = name.bytes();
        letters
            .next()
            .is_some_and(|first| first.is_ascii_lowercase())
            && letters.all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
    };
    vec![
        (
            !is_word(it.name),
            "the name is not lower case with underscores",
        ),
        (it.description.is_empty(), "there is no description"),
        (
            !it.required && !it.optional && !it.computed,
            "it is neither required nor optional nor computed",
        ),
        (
            it.required && (it.optional || it.computed),
            "a required attribute cannot be optional or computed",
        ),
        (
            it.default.is_some() && !it.optional,
            "only an optional attribute can have a default",
        ),
        (
            it.required && it.nullable,
            "a required attribute is never null, so its type must not be Option",
        ),
        (
            it.optional && it.default.is_none() && !it.nullable,
            "an optional attribute without default can be null, so its type must be Option",
        ),
        (
            within_set(&it.kind, |inner| inner.kind == Kind::Leaf(Type::Dynamic)),
            "a set cannot hold values of any type",
        ),
    ]
}

fn within_set(kind: &Kind, holds: fn(&Attribute) -> bool) -> bool {
    fn any(attributes: &[Attribute], holds: fn(&Attribute) -> bool) -> bool {
        attributes.iter().any(|it| {
            holds(it) || matches!(&it.kind, Kind::Nested(_, nested) if any(nested, holds))
        })
    }
    matches!(kind, Kind::Nested(Nesting::Set, attributes) if any(attributes, holds))
}

/// Reads an object that has nothing but defaults: each must be accepted by its own field.
fn check_defaults<A: Attributes>(schema: &Schema, problems: &mut Vec<String>) {
    let given = schema.attributes.iter().filter(|it| it.default.is_none());
    let given = given.map(|it| (it.name.to_owned(), Tree::Unknown));
    let object = with_defaults(&schema.attributes, Tree::Map(given.collect()));
    if let Err(findings) = A::decode(&object) {
        let findings = findings.into_iter();
        problems.extend(findings.map(|it| format!("{}: the default {}", it.path, it.message)));
    }
}
