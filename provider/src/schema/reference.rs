//! The reference page's part about attributes, in the form of the registry's pages.

use super::{Attribute, Kind, Nesting, Schema, Signature};
use crate::value::{Tree, Type};
use std::fmt::Write;

/// Renders the part `## Schema` of a page: what is required, optional and read-only, then each
/// nested object the same way.
pub fn reference(schema: &Schema) -> String {
    let mut page = "## Schema\n".to_owned();
    write_groups(&schema.attributes, "", &mut page);
    write_nested(&schema.attributes, "", &mut page);
    page
}

/// Renders the parts `## Signature`, `## Arguments` and `## Return Type` of a function's page, then
/// each nested object.
pub fn function_reference(signature: &Signature) -> String {
    let Signature {
        name,
        parameters,
        answer,
        ..
    } = signature;
    let typed = parameters.iter().map(|it| {
        let of = type_name(&it.kind).to_lowercase();
        format!("{} {}", it.name, of.replace("attributes", "object"))
    });
    let typed: Vec<String> = typed.collect();
    let answers = type_name(answer).to_lowercase();
    let answers = answers.replace("attributes list", "list of object");
    let answers = answers.replace("attributes", "object");
    let mut page = format!(
        "## Signature\n\n```text\n{name}({}) {answers}\n```\n",
        typed.join(", ")
    );
    page.push_str("\n## Arguments\n\n");
    for (parameter, position) in parameters.iter().zip(1..) {
        let line = line(parameter, "");
        push(
            &mut page,
            format_args!("{position}. {}\n", line.trim_start_matches("- ")),
        );
    }
    if let Kind::Nested(_, attributes) = answer {
        page.push_str("\n## Return Type\n");
        write_groups(attributes, "answer", &mut page);
        write_nested(attributes, "answer", &mut page);
    }
    write_nested(parameters, "", &mut page);
    page
}

/// A group's title and who belongs there.
type Group = (&'static str, fn(&Attribute) -> bool);

/// The groups in their order on the page.
const GROUPS: [Group; 3] = [
    ("Required", |it| it.required),
    ("Optional", |it| it.optional),
    ("Read-Only", |it| !it.required && !it.optional),
];

fn write_groups(attributes: &[Attribute], under: &str, page: &mut String) {
    for (title, belongs) in GROUPS {
        let group: Vec<_> = attributes.iter().filter(|it| belongs(it)).collect();
        if group.is_empty() {
            continue;
        }
        let depth = if under.is_empty() { "### " } else { "" };
        let colon = if under.is_empty() { "" } else { ":" };
        push(page, format_args!("\n{depth}{title}{colon}\n\n"));
        for attribute in group {
            push(page, format_args!("{}\n", line(attribute, under)));
        }
    }
}

fn write_nested(attributes: &[Attribute], under: &str, page: &mut String) {
    for attribute in attributes {
        let Kind::Nested(_, nested) = &attribute.kind else {
            continue;
        };
        let anchor = anchor(attribute, under);
        let name = anchor.replace("--", ".");
        push(page, format_args!("\n<a id=\"nestedatt--{anchor}\"></a>\n"));
        push(page, format_args!("### Nested Schema for `{name}`\n"));
        write_groups(nested, &anchor, page);
        write_nested(nested, &anchor, page);
    }
}

fn anchor(attribute: &Attribute, under: &str) -> String {
    if under.is_empty() {
        attribute.name.to_owned()
    } else {
        format!("{under}--{}", attribute.name)
    }
}

/// One attribute: `- `size` (Number) How many members. Default: `3`.`
fn line(attribute: &Attribute, under: &str) -> String {
    let mut traits = vec![type_name(&attribute.kind)];
    traits.extend(attribute.sensitive.then(|| "Sensitive".to_owned()));
    let mut line = format!("- `{}` ({})", attribute.name, traits.join(", "));
    // A paragraph of its own stays in its list item when it is indented.
    let description = attribute.description.replace("\n\n", "\n\n  ");
    push(&mut line, format_args!(" {description}"));
    let is_written = attribute.required || attribute.optional;
    if is_written && !attribute.accepts.is_empty() {
        push(&mut line, format_args!(" Must be {}.", attribute.accepts));
    }
    if let Some(default) = &attribute.default {
        push(
            &mut line,
            format_args!(" Default: {}.", default_text(default)),
        );
    }
    if attribute.replace {
        line.push_str(" Changing it replaces the resource.");
    }
    if matches!(attribute.kind, Kind::Nested(..)) {
        let anchor = anchor(attribute, under);
        push(
            &mut line,
            format_args!(" (see [below](#nestedatt--{anchor}))"),
        );
    }
    line
}

fn type_name(kind: &Kind) -> String {
    match kind {
        Kind::Leaf(of) => leaf_name(of),
        Kind::Nested(Nesting::Single, _) => "Attributes".to_owned(),
        Kind::Nested(Nesting::List, _) => "Attributes List".to_owned(),
        Kind::Nested(Nesting::Set, _) => "Attributes Set".to_owned(),
        Kind::Nested(Nesting::Map, _) => "Attributes Map".to_owned(),
    }
}

fn leaf_name(of: &Type) -> String {
    match of {
        Type::String => "String".to_owned(),
        Type::Number => "Number".to_owned(),
        Type::Bool => "Boolean".to_owned(),
        Type::Dynamic => "Dynamic".to_owned(),
        Type::List(element) => format!("List of {}", leaf_name(element)),
        Type::Set(element) => format!("Set of {}", leaf_name(element)),
        Type::Map(element) => format!("Map of {}", leaf_name(element)),
        Type::Object(_) => "Object".to_owned(),
        Type::Tuple(_) => "Tuple".to_owned(),
    }
}

fn default_text(default: &Tree) -> String {
    match default {
        Tree::Null | Tree::Unknown => "none".to_owned(),
        Tree::Bool(value) => format!("`{value}`"),
        Tree::Num(value) => format!("`{value}`"),
        Tree::Str(text) => format!("`{text:?}`"),
        Tree::Seq(items) => {
            let items: Vec<_> = items.iter().map(default_text).collect();
            format!("`[{}]`", items.join(", ").replace('`', ""))
        }
        Tree::Map(_) => "the defaults of its attributes".to_owned(),
    }
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes every text");
}
