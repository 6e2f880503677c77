//! Any action, whatever its types: what the protocol talks to.

use super::Invocable;
use crate::diagnostic::Diagnostics;
use crate::driver::Progress;
use crate::resource::Context;
use crate::resource::checked::checked;
use crate::schema::{Field, Planned, Schema, with_defaults};
use crate::value::Tree;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An action without its types.
#[async_trait]
pub trait AnyAction<C>: Send + Sync {
    /// What is declared.
    fn schema(&self) -> &Schema;

    /// Checks a configuration, of which anything may be unknown.
    fn validate(&self, config: &Tree) -> Diagnostics;

    /// Does it.
    async fn invoke(&self, context: &Context<C>, config: Tree, progress: &Progress) -> Diagnostics;
}

/// The actions of a provider by name.
pub struct Actions<C> {
    by_name: BTreeMap<&'static str, Arc<dyn AnyAction<C>>>,
}

impl<C: Send + Sync + 'static> Actions<C> {
    /// None yet.
    #[must_use]
    pub fn none() -> Self {
        Self {
            by_name: BTreeMap::new(),
        }
    }

    /// Adds one.
    #[must_use]
    pub fn with<A: Invocable<Configured = C>>(mut self, action: A) -> Self {
        self.by_name.insert(A::NAME, Arc::new(Typed::new(action)));
        self
    }

    /// Finds one by its name, without the provider's.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<dyn AnyAction<C>>> {
        self.by_name.get(name).cloned()
    }

    /// All, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &dyn AnyAction<C>)> {
        self.by_name.iter().map(|(name, action)| (*name, &**action))
    }
}

/// A typed action behind [`AnyAction`].
struct Typed<A> {
    action: A,
    schema: Schema,
}

impl<A: Invocable> Typed<A> {
    fn new(action: A) -> Self {
        Self {
            action,
            schema: Schema::of::<A::Model<Planned>>(0),
        }
    }
}

#[async_trait]
impl<A: Invocable> AnyAction<A::Configured> for Typed<A> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate(&self, config: &Tree) -> Diagnostics {
        checked::<A::Model<Planned>>(&self.schema, config, |it| self.action.validate(it))
    }

    async fn invoke(
        &self,
        context: &Context<A::Configured>,
        config: Tree,
        progress: &Progress,
    ) -> Diagnostics {
        let config = with_defaults(&self.schema.attributes, config);
        match A::Model::decode(&config) {
            Ok(config) => self.action.invoke(context, config, progress).await,
            Err(findings) => findings.into(),
        }
    }
}
