//! Checking a configuration: what its field types refuse, and what its own check does.

use super::plan;
use crate::diagnostic::Diagnostics;
use crate::schema::{Attributes, Schema};
use crate::value::Tree;

/// Returns everything that is wrong with a configuration. Defaults are filled in before `check`
/// sees it; anything may be unknown.
pub(super) fn checked<A: Attributes>(
    schema: &Schema,
    config: &Tree,
    check: impl Fn(&A) -> Diagnostics,
) -> Diagnostics {
    let config = plan::configured(schema, config);
    let findings = match A::decode(&config) {
        Ok(config) => return check(&config),
        Err(findings) => findings,
    };
    // What a value can never be says nothing about the others: they are checked beside it.
    let refused = findings.clone().into_iter();
    let readable = refused.fold(config, |config, it| config.unknown_at(&it.path));
    let others = A::decode(&readable);
    let others = others.map(|config| check(&config));
    let mut all = Diagnostics::from(findings);
    all.extend(others.into_iter().flatten());
    all
}
