//! What a data source is: a declared struct and one function that reads.

use super::Context;
use super::checked::checked;
use super::named::Named;
use super::outcome::Outcome;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::schema::{Applied, Attributes, Field, Planned, Schema, Stage, with_defaults};
use crate::value::Tree;
use async_trait::async_trait;
use std::future::Future;
use std::sync::Arc;

/// Something that is read in every plan and never changed, typed.
pub trait DataSource: Send + Sync + Sized + 'static {
    /// The name behind the provider's: `inventory` is `immutable_inventory`.
    const NAME: &'static str;

    /// The declared attributes: what is asked, and what is computed from it.
    type Model<S: Stage>: Attributes;

    /// What configuring the provider made; see [`Provider::Configured`](super::Provider::Configured).
    type Configured: Send + Sync + 'static;

    /// Checks what field types cannot. Runs without a configured provider; anything may be unknown.
    fn validate(&self, config: &Self::Model<Planned>) -> Diagnostics {
        let _ = config;
        Diagnostics::none()
    }

    /// Answers. What is computed is null in `asked`; what was asked must come back as it was.
    fn read(
        &self,
        context: &Context<Self::Configured>,
        asked: Self::Model<Applied>,
    ) -> impl Future<Output = Outcome<Self::Model<Applied>>> + Send;
}

/// A data source without its types.
#[async_trait]
pub trait AnyDataSource<C>: Send + Sync {
    /// What is declared.
    fn schema(&self) -> &Schema;

    /// Checks a configuration, all of it.
    fn validate(&self, config: &Tree) -> Diagnostics;

    /// Answers a configuration that is known.
    async fn read(&self, context: &Context<C>, config: Tree) -> Outcome<Tree>;
}

/// The data sources of a provider by name.
pub type DataSources<C> = Named<dyn AnyDataSource<C>>;

impl<C: Send + Sync + 'static> DataSources<C> {
    /// Adds one.
    #[must_use]
    pub fn with<D: DataSource<Configured = C>>(self, source: D) -> DataSources<C> {
        let schema = Schema::of::<D::Model<Planned>>(0);
        self.and(D::NAME, Arc::new(Typed { source, schema }))
    }
}

struct Typed<D> {
    source: D,
    schema: Schema,
}

#[async_trait]
impl<D: DataSource> AnyDataSource<D::Configured> for Typed<D> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate(&self, config: &Tree) -> Diagnostics {
        checked::<D::Model<Planned>>(&self.schema, config, |it| self.source.validate(it))
    }

    async fn read(&self, context: &Context<D::Configured>, config: Tree) -> Outcome<Tree> {
        let asked = with_defaults(&self.schema.attributes, config);
        let outcome = match D::Model::<Applied>::decode(&asked) {
            Ok(asked) => self.source.read(context, asked).await,
            Err(findings) => Outcome::refused(findings),
        };
        let is_silent = outcome.state.is_none() && !outcome.diagnostics.has_errors();
        let outcome = if is_silent {
            outcome.with(silent::<D>())
        } else {
            outcome
        };
        outcome.encoded()
    }
}

/// A read that returned neither an answer nor an error: our bug, told as such.
fn silent<D: DataSource>() -> Diagnostic {
    Diagnostic::error(
        format!("No answer from {}", D::NAME),
        "The provider finished without an answer. This is a bug in the provider; please report it.",
    )
}
