//! A plan as Terraform prints it: JSON of format 1.

use super::{Attribute, Change, FleetChange, Page};
use crate::resource::fleet::{configurable, explained};
use crate::rollout::Forecast;
use serde_json::{Map, Value};

/// The type of the resource that a page has most to say about.
const FLEET: &str = "immutable_fleet";

/// What was given is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a plan as JSON: {why}; make one with: terraform plan -out=plan && terraform show -json plan > plan.json"
)]
pub struct NotAPlan {
    why: String,
}

fn not_a_plan(why: impl Into<String>) -> NotAPlan {
    NotAPlan { why: why.into() }
}

pub(super) fn page(json: &[u8]) -> Result<Page, NotAPlan> {
    let plan: Value =
        serde_json::from_slice(json).map_err(|error| not_a_plan(error.to_string()))?;
    let version = plan["format_version"].as_str().unwrap_or_default();
    if !version.starts_with("1.") {
        return Err(not_a_plan("it has no format_version 1"));
    }
    if !plan["planned_values"].is_object() {
        return Err(not_a_plan(
            "it is a state, or something else that Terraform prints",
        ));
    }
    let changes = plan["resource_changes"].as_array();
    let changes = changes.into_iter().flatten();
    let effective = changes.filter(|change| !is_quiet(change));
    let (fleets, others): (Vec<&Value>, Vec<&Value>) =
        effective.partition(|change| change["type"] == FLEET);
    Ok(Page {
        terraform_version: text(&plan["terraform_version"]),
        fleets: fleets.into_iter().map(fleet).collect(),
        others: others.into_iter().map(change).collect(),
    })
}

/// Whether nothing is done: what is read or stays as it is.
fn is_quiet(change: &Value) -> bool {
    let actions = change["change"]["actions"].as_array();
    let mut actions = actions.into_iter().flatten();
    actions.all(|action| action == "no-op" || action == "read")
}

fn change(change: &Value) -> Change {
    let actions = change["change"]["actions"].as_array();
    let actions: Vec<String> = actions.into_iter().flatten().map(text).collect();
    Change {
        address: text(&change["address"]),
        actions: actions.join(", "),
    }
}

fn fleet(of: &Value) -> FleetChange {
    let between = &of["change"];
    let lines = between["after"]["forecast"].as_array();
    let lines: Vec<String> = lines.into_iter().flatten().map(text).collect();
    FleetChange {
        change: change(of),
        attributes: attributes(between),
        forecast: course(between).filter(|course| course.lines() == lines),
        lines,
    }
}

fn course(between: &Value) -> Option<Forecast> {
    let (before, after) = (&between["before"], &between["after"]);
    if after.is_null() {
        return None;
    }
    let before = (!before.is_null()).then(|| before.to_string());
    explained(
        before.as_deref().map(str::as_bytes),
        after.to_string().as_bytes(),
    )
}

/// The values that the configuration changes, each where it stands.
fn attributes(between: &Value) -> Vec<Attribute> {
    let mut found = Vec::new();
    for name in configurable() {
        let pick = |side: &str| between[side].get(name).unwrap_or(&Value::Null);
        let difference = Difference {
            before: pick("before"),
            after: pick("after"),
            unknown: pick("after_unknown"),
            hidden: [pick("before_sensitive"), pick("after_sensitive")],
        };
        difference.write(name, &mut found);
    }
    found
}

/// A value before and after, with what the plan says about it.
#[derive(Clone, Copy)]
struct Difference<'a> {
    before: &'a Value,
    after: &'a Value,
    unknown: &'a Value,
    hidden: [&'a Value; 2],
}

impl Difference<'_> {
    fn write(&self, path: &str, found: &mut Vec<Attribute>) {
        if self.before == self.after && !holds_true(self.unknown) {
            return;
        }
        let is_hidden = self.hidden.iter().any(|it| **it == Value::Bool(true));
        let empty = Map::new();
        let object = |value: &'_ Value| value.as_object().cloned();
        let (before, after) = (object(self.before), object(self.after));
        if is_hidden || *self.unknown == Value::Bool(true) || (before.is_none() && after.is_none())
        {
            found.push(self.attribute(path, is_hidden));
            return;
        }
        let (before, after) = (
            before.unwrap_or_else(|| empty.clone()),
            after.unwrap_or_else(|| empty.clone()),
        );
        let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let inner = |of: &'_ Value| of.get(key).cloned().unwrap_or(Value::Null);
            let values = [
                inner(self.before),
                inner(self.after),
                inner(self.unknown),
                inner(self.hidden[0]),
                inner(self.hidden[1]),
            ];
            let inner = Difference {
                before: &values[0],
                after: &values[1],
                unknown: &values[2],
                hidden: [&values[3], &values[4]],
            };
            inner.write(&format!("{path}.{key}"), found);
        }
    }

    fn attribute(&self, path: &str, is_hidden: bool) -> Attribute {
        let say = |value: &Value, hidden: &Value| match value {
            Value::Null => "not set".to_owned(),
            _ if is_hidden || holds_true(hidden) => "sensitive".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let after = if holds_true(self.unknown) {
            "known after apply".to_owned()
        } else {
            say(self.after, self.hidden[1])
        };
        Attribute {
            path: path.to_owned(),
            before: say(self.before, self.hidden[0]),
            after,
        }
    }
}

/// Whether a mark stands anywhere in a value.
fn holds_true(marks: &Value) -> bool {
    match marks {
        Value::Bool(mark) => *mark,
        Value::Array(items) => items.iter().any(holds_true),
        Value::Object(entries) => entries.values().any(holds_true),
        Value::Null | Value::Number(_) | Value::String(_) => false,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
