//! What the provider is: a declared configuration and the resources that work with it.

use super::Resource;
use super::action::Actions;
use super::any::{AnyResource, Typed};
use super::data_source::DataSources;
use super::function::Functions;
use super::listing::Listings;
use super::named::Named;
use crate::diagnostic::Diagnostics;
use crate::schema::{Attributes, Planned, Stage};
use std::future::Future;
use std::sync::Arc;

/// A provider, typed.
pub trait Provider: Send + Sync + 'static {
    /// The first part of every type name: `immutable`.
    const NAME: &'static str;

    /// The declared configuration. Its attributes are required or optional, never computed.
    type Config<S: Stage>: Attributes;

    /// What the resources work with.
    type Configured: Send + Sync + 'static;

    /// Checks what field types cannot.
    fn validate(&self, config: &Self::Config<Planned>) -> Diagnostics {
        let _ = config;
        Diagnostics::none()
    }

    /// Makes what the resources work with. May run many times; the latest counts.
    ///
    /// Must not fail because a setting is not known yet, which happens in plans: a call that needs
    /// the setting fails then, if it ever comes.
    fn configure(
        &self,
        config: Self::Config<Planned>,
    ) -> impl Future<Output = Result<Self::Configured, Diagnostics>> + Send;

    /// The resources that there are.
    fn resources(&self) -> Resources<Self::Configured>;

    /// The actions that there are.
    fn actions(&self) -> Actions<Self::Configured> {
        Actions::none()
    }

    /// The data sources that there are.
    fn data_sources(&self) -> DataSources<Self::Configured> {
        DataSources::none()
    }

    /// The functions that there are.
    fn functions(&self) -> Functions {
        Functions::none()
    }

    /// The lists of objects that there are.
    fn listings(&self) -> Listings<Self::Configured> {
        Listings::none()
    }
}

/// The resources of a provider by name.
pub type Resources<C> = Named<dyn AnyResource<C>>;

impl<C: Send + Sync + 'static> Resources<C> {
    /// Adds one.
    #[must_use]
    pub fn with<R: Resource<Configured = C>>(self, resource: R) -> Resources<C> {
        self.and(R::NAME, Arc::new(Typed::new(resource)))
    }
}
