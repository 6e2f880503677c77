//! What a list of objects is: a declared filter and one function that finds.
//!
//! `terraform query` asks for it. It finds objects of a managed resource by what identifies them;
//! the resource itself tells the rest, as it does when one of them is imported.

use super::checked::checked;
use super::named::Named;
use super::{Context, Resource};
use crate::diagnostic::Diagnostics;
use crate::schema::{Applied, Attributes, Field, Planned, Schema, Stage, with_defaults};
use crate::value::Tree;
use async_trait::async_trait;
use std::future::Future;
use std::sync::Arc;

/// A list of the objects of one resource, typed.
pub trait Listing: Send + Sync + Sized + 'static {
    /// The resource whose objects are listed.
    type Of: Resource;

    /// The declared filters.
    type Filter<S: Stage>: Attributes;

    /// Finds the objects that the filter lets through, in an order that stays.
    fn list(
        &self,
        context: &Context<<Self::Of as Resource>::Configured>,
        filter: Self::Filter<Applied>,
    ) -> impl Future<Output = Result<Vec<Listed>, Diagnostics>> + Send;
}

/// One object that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What identifies it.
    pub identity: String,
    /// What people read in the list.
    pub display_name: String,
}

/// A list without its types.
#[async_trait]
pub trait AnyListing<C>: Send + Sync {
    /// What is declared of the filter.
    fn schema(&self) -> &Schema;

    /// Checks a filter, all of it.
    fn validate(&self, filter: &Tree) -> Diagnostics;

    /// Finds what a filter that is known lets through.
    async fn list(&self, context: &Context<C>, filter: Tree) -> Result<Vec<Listed>, Diagnostics>;
}

/// The lists of a provider, by the name of what they list.
pub type Listings<C> = Named<dyn AnyListing<C>>;

impl<C: Send + Sync + 'static> Listings<C> {
    /// Adds one.
    #[must_use]
    pub fn with<L>(self, listing: L) -> Listings<C>
    where
        L: Listing,
        L::Of: Resource<Configured = C>,
    {
        let schema = Schema::of::<L::Filter<Planned>>(0);
        self.and(L::Of::NAME, Arc::new(Typed { listing, schema }))
    }
}

struct Typed<L> {
    listing: L,
    schema: Schema,
}

#[async_trait]
impl<L: Listing> AnyListing<<L::Of as Resource>::Configured> for Typed<L> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate(&self, filter: &Tree) -> Diagnostics {
        checked::<L::Filter<Planned>>(&self.schema, filter, |_| Diagnostics::none())
    }

    async fn list(
        &self,
        context: &Context<<L::Of as Resource>::Configured>,
        filter: Tree,
    ) -> Result<Vec<Listed>, Diagnostics> {
        let filter = with_defaults(&self.schema.attributes, filter);
        let filter = L::Filter::<Applied>::decode(&filter)?;
        self.listing.list(context, filter).await
    }
}
