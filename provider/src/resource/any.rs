//! Any resource, whatever its types: what the protocol talks to.
//!
//! Here values become models and models values; nothing else in the crate does both. What the
//! protocol demands of every answer holds here for all resources: an error keeps the state that
//! was reached, private data is never forgotten.

use super::checked::checked;
use super::generated::generated;
use super::{Context, Outcome, Plan, Resource, State, plan};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::schema::{Field, Planned, Schema, with_defaults};
use crate::value::{Path, Tree, json};
use async_trait::async_trait;

/// A change to plan or to apply. Null stands for an object that does not exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The state before.
    pub prior: Tree,
    /// The state wanted: what Terraform proposes when planning, what was planned when applying.
    pub wanted: Tree,
    /// What the user wrote.
    pub config: Tree,
}

/// A change as planned.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedChange {
    /// The state that apply will reach, as far as it is known. Means nothing beside an error.
    pub planned: Tree,
    /// Attributes whose change needs a new object.
    pub replace: Vec<Path>,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
}

/// A resource without its types.
#[async_trait]
pub trait AnyResource<C>: Send + Sync {
    /// What is declared.
    fn schema(&self) -> &Schema;

    /// The attribute that is the identity.
    fn identity(&self) -> &'static str;

    /// Checks a configuration, all of it.
    fn validate(&self, config: &Tree) -> Diagnostics;

    /// Brings stored state of any version to the schema of today.
    ///
    /// # Errors
    /// The state cannot be converted.
    fn upgrade(&self, version: i64, stored: Tree) -> Result<Tree, Diagnostics>;

    /// The configuration that describes an object's state: what the user must write, and nothing that
    /// leaving out means as well.
    fn configuration(&self, state: &Tree) -> Tree;

    /// Plans a create, an update or a destroy.
    async fn plan(&self, context: &Context<C>, change: Change) -> PlannedChange;

    /// Applies what was planned.
    async fn apply(&self, context: &Context<C>, change: Change) -> Outcome<Tree>;

    /// Observes the object.
    async fn read(&self, context: &Context<C>, state: Tree) -> Outcome<Tree>;

    /// Finds an object by its identity.
    async fn import(&self, context: &Context<C>, identity: &str) -> Outcome<Tree>;
}

/// A typed resource behind [`AnyResource`].
pub(super) struct Typed<R> {
    resource: R,
    schema: Schema,
}

impl<R: Resource> Typed<R> {
    pub(super) fn new(resource: R) -> Typed<R> {
        Typed {
            resource,
            schema: Schema::of::<R::Model<Planned>>(R::VERSION),
        }
    }

    async fn plan_typed(
        &self,
        context: &Context<R::Configured>,
        change: &Change,
    ) -> Result<PlannedChange, Diagnostics> {
        let Change {
            prior,
            wanted,
            config,
        } = change;
        let usual = plan::usual(&self.schema, config, prior, wanted);
        let mut plan = Plan::<R>::read(prior, &usual)?;
        let diagnostics = self.resource.plan(context, &mut plan).await;
        let (planned, mut replace) = plan.into_parts();
        let planned = plan::settled(&self.schema, config, prior, planned);
        replace.extend(plan::replaced(&self.schema.attributes, prior, &planned));
        Ok(PlannedChange {
            planned,
            replace,
            diagnostics,
        })
    }

    async fn plan_destroy(
        &self,
        context: &Context<R::Configured>,
        prior: &Tree,
    ) -> Result<PlannedChange, Diagnostics> {
        let have = State::<R>::decode(prior)?;
        let diagnostics = self.resource.plan_destroy(context, &have).await;
        Ok(PlannedChange {
            planned: Tree::Null,
            replace: Vec::new(),
            diagnostics,
        })
    }

    async fn apply_typed(
        &self,
        context: &Context<R::Configured>,
        change: &Change,
    ) -> Result<Outcome<State<R>>, Diagnostics> {
        let wanted = change.wanted.clone().unknown_to_null();
        let have = Option::<State<R>>::decode(&change.prior)?;
        let want = Option::<State<R>>::decode(&wanted)?;
        Ok(match (have, want) {
            (None, Some(want)) => self.resource.create(context, want).await,
            (Some(have), Some(want)) => self.resource.update(context, have, want).await,
            (Some(have), None) => self.resource.delete(context, have).await,
            (None, None) => Outcome::gone(),
        })
    }
}

#[async_trait]
impl<R: Resource> AnyResource<R::Configured> for Typed<R> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn identity(&self) -> &'static str {
        R::IDENTITY
    }

    fn validate(&self, config: &Tree) -> Diagnostics {
        checked::<R::Model<Planned>>(&self.schema, config, |it| self.resource.validate(it))
    }

    fn configuration(&self, state: &Tree) -> Tree {
        generated(&self.schema.attributes, state)
    }

    fn upgrade(&self, version: i64, stored: Tree) -> Result<Tree, Diagnostics> {
        let current = if version == R::VERSION {
            stored
        } else {
            self.resource.upgrade(version, stored)?
        };
        let conformed = json::conform(current, &self.schema.value_type()).map_err(|finding| {
            Diagnostic::error(
                format!("Cannot read the stored state of {}", R::NAME),
                format!("{}: {}.", finding.path, finding.message),
            )
        })?;
        Ok(with_defaults(&self.schema.attributes, conformed))
    }

    async fn plan(&self, context: &Context<R::Configured>, change: Change) -> PlannedChange {
        let planned = if change.wanted.is_null() {
            self.plan_destroy(context, &change.prior).await
        } else {
            self.plan_typed(context, &change).await
        };
        planned.unwrap_or_else(|diagnostics| PlannedChange {
            planned: change.wanted,
            replace: Vec::new(),
            diagnostics,
        })
    }

    async fn apply(&self, context: &Context<R::Configured>, change: Change) -> Outcome<Tree> {
        let outcome = self.apply_typed(context, &change).await;
        let outcome = outcome.unwrap_or_else(Outcome::refused).encoded();
        let is_delete = change.wanted.is_null();
        let outcome = match (&outcome.state, is_delete) {
            (None, false) if !outcome.diagnostics.has_errors() => outcome.with(silent::<R>()),
            _ => outcome,
        };
        keep(outcome, change.prior, context)
    }

    async fn read(&self, context: &Context<R::Configured>, state: Tree) -> Outcome<Tree> {
        let outcome = match State::<R>::decode(&state) {
            Ok(have) => self.resource.read(context, have).await,
            Err(findings) => Outcome::refused(findings),
        };
        keep(outcome.encoded(), state, context)
    }

    async fn import(&self, context: &Context<R::Configured>, identity: &str) -> Outcome<Tree> {
        self.resource.import(context, identity).await.encoded()
    }
}

/// Keeps the earlier state beside an error without one, and the private data that was not
/// replaced: an answer without them would erase both.
fn keep<C>(outcome: Outcome<Tree>, earlier: Tree, context: &Context<C>) -> Outcome<Tree> {
    let is_kept = outcome.state.is_none() && outcome.diagnostics.has_errors();
    let earlier = (is_kept && !earlier.is_null()).then_some(earlier);
    Outcome {
        state: outcome.state.or(earlier),
        private: outcome.private.or_else(|| Some(context.private.clone())),
        diagnostics: outcome.diagnostics,
    }
}

/// A create or update that returned neither a state nor an error: our bug, told as such.
fn silent<R: Resource>() -> Diagnostic {
    Diagnostic::error(
        format!("No result for {}", R::NAME),
        "The provider finished without saying what it reached. This is a bug in the provider; \
         please report it. The earlier state is kept.",
    )
}
