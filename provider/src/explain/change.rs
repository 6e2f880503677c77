//! What a plan changes.

use crate::rollout::Forecast;

/// One thing that a plan changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its address in the configuration.
    pub address: String,
    /// What is done to it, as Terraform names it: `create`, `update`, `delete`, `delete, create`.
    pub actions: String,
}

/// A fleet that a plan changes.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetChange {
    /// Which one, and what is done to it.
    pub change: Change,
    /// What the configuration changes about it.
    pub attributes: Vec<Attribute>,
    /// The steps that the plan shows.
    pub lines: Vec<String>,
    /// The same steps with their course; absent: what the plan prints is not enough to draw it.
    pub forecast: Option<Forecast>,
}

/// One value that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Where it is: `rollout.bake`.
    pub path: String,
    /// The value before.
    pub before: String,
    /// The value after.
    pub after: String,
}
