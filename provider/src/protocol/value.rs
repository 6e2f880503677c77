//! Values, paths and diagnostics to and from the wire.

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::value::{Finding, Findings, Path, Step, Tree, Type, json, msgpack};
use immutable_proto::tfplugin6 as wire;

/// Reads a value of a type; absent means null.
pub(super) fn decode(value: Option<&wire::DynamicValue>, of: &Type) -> Result<Tree, Diagnostics> {
    let decoded = match value {
        Some(value) if !value.msgpack.is_empty() => msgpack::decode(&value.msgpack, of),
        Some(value) if !value.json.is_empty() => {
            json::decode(&value.json).and_then(|tree| json::conform(tree, of))
        }
        Some(_) | None => Ok(Tree::Null),
    };
    decoded.map_err(|finding| Findings::from(finding).into())
}

/// Claims that a value is null, whatever its type.
pub(super) fn is_null(value: Option<&wire::DynamicValue>) -> bool {
    value.is_none_or(|value| match value.msgpack.as_slice() {
        [] => value.json.is_empty() || value.json == b"null",
        bytes => bytes == msgpack::NULL,
    })
}

/// Writes a value of a type.
pub(super) fn encode(tree: &Tree, of: &Type) -> Result<wire::DynamicValue, Diagnostics> {
    let msgpack = msgpack::encode(tree, of).map_err(unwritable)?;
    Ok(wire::DynamicValue {
        msgpack,
        json: Vec::new(),
    })
}

/// A value that does not fit its own schema is our bug.
fn unwritable(Finding { path, message }: Finding) -> Diagnostics {
    let summary = "The provider made a value that does not fit its schema";
    let detail = format!("{path}: {message}. This is a bug in the provider; please report it.");
    Diagnostic::error(summary, detail).into()
}

pub(super) fn diagnostics(diagnostics: Diagnostics) -> Vec<wire::Diagnostic> {
    diagnostics.into_iter().map(diagnostic).collect()
}

fn diagnostic(diagnostic: Diagnostic) -> wire::Diagnostic {
    let severity = match diagnostic.severity {
        Severity::Error => wire::diagnostic::Severity::Error,
        Severity::Warning => wire::diagnostic::Severity::Warning,
    };
    let is_placed = !diagnostic.path.steps().is_empty();
    wire::Diagnostic {
        severity: severity.into(),
        summary: diagnostic.summary,
        detail: diagnostic.detail,
        attribute: is_placed.then(|| path(&drawable(&diagnostic.path))),
    }
}

/// Returns the part of a path that Terraform can draw. It knows no lines within nested attributes
/// and shows the whole resource for them, so the path ends at the top-level attribute and the
/// element of it; the summary names the rest.
fn drawable(path: &Path) -> Path {
    let mut steps = path.steps().iter().cloned();
    let top = steps.next();
    let elements = steps.take_while(|step| !matches!(step, Step::Attribute(_)));
    top.into_iter()
        .chain(elements)
        .fold(Path::root(), Path::then)
}

pub(super) fn path(path: &Path) -> wire::AttributePath {
    use wire::attribute_path::step::Selector;
    let steps = path.steps().iter().map(|step| {
        let selector = match step {
            Step::Attribute(name) => Selector::AttributeName(name.clone()),
            Step::Key(key) => Selector::ElementKeyString(key.clone()),
            Step::Index(index) => {
                Selector::ElementKeyInt(i64::try_from(*index).unwrap_or(i64::MAX))
            }
        };
        wire::attribute_path::Step {
            selector: Some(selector),
        }
    });
    wire::AttributePath {
        steps: steps.collect(),
    }
}
