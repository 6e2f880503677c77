//! What a resource, a data source, a function and a list are: a declared struct and plain functions.
//!
//! Start at [`Resource`]; a resource's author writes a struct, its exceptions to the usual plan
//! and the work. Null, unknown and known are types there, diagnostics carry paths, and everything
//! that Terraform demands of a plan is done in `plan` for all of them.

pub mod action;
mod any;
mod checked;
pub mod configuration;
mod context;
mod data_source;
pub mod fleet;
mod function;
pub mod functions;
mod generated;
pub mod inventory;
mod listing;
mod name;
mod named;
mod outcome;
mod packer;
mod page;
mod plan;
mod program;
mod provider;
pub mod release;
mod sbom;
pub mod site;
mod trouble;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::schema::{Applied, Attributes, Planned, Stage};
use crate::value::Tree;
use std::future::Future;

pub use any::{AnyResource, Change, PlannedChange};
pub use context::Context;
pub use data_source::{AnyDataSource, DataSource, DataSources};
pub use function::{AnyFunction, BadCall, Function, Functions};
pub use listing::{AnyListing, Listed, Listing, Listings};
pub use outcome::Outcome;
pub use plan::Plan;
pub use provider::{Provider, Resources};
pub use trouble::{trouble, words};

/// The model of a resource as it is stored and applied.
pub type State<R> = <R as Resource>::Model<Applied>;

/// A managed resource, typed.
///
/// Every function may be called in a process of its own: nothing that one leaves in memory can be
/// relied on by another. A panic in any of them becomes a diagnostic that keeps the user's state.
pub trait Resource: Send + Sync + Sized + 'static {
    /// The name behind the provider's: `fleet` is `immutable_fleet`.
    const NAME: &'static str;

    /// The version of stored state; grows only together with [`Resource::upgrade`].
    const VERSION: i64 = 0;

    /// The required top-level string that tells one object from another for as long as it lives:
    /// its identity, and what import takes.
    const IDENTITY: &'static str = "name";

    /// The declared attributes.
    type Model<S: Stage>: Attributes;

    /// What configuring the provider made; see [`Provider::Configured`].
    type Configured: Send + Sync + 'static;

    /// Checks what field types cannot, such as two attributes against each other. Runs without a
    /// configured provider. Defaults are filled in; anything may be unknown.
    fn validate(&self, config: &Self::Model<Planned>) -> Diagnostics {
        let _ = config;
        Diagnostics::none()
    }

    /// Changes the usual plan where this resource is different: computed attributes that will
    /// change or are already known. See [`Plan`] for what is done without it.
    ///
    /// Must be a pure function of prior state and configuration in all that it makes known: it
    /// runs again in the apply, and Terraform refuses another answer.
    fn plan(
        &self,
        context: &Context<Self::Configured>,
        plan: &mut Plan<Self>,
    ) -> impl Future<Output = Diagnostics> + Send {
        let _ = (context, plan);
        async { Diagnostics::none() }
    }

    /// Says what a destroy will mean. A refusal belongs into [`Resource::delete`] as well, because
    /// a replacement is destroyed without being planned so.
    fn plan_destroy(
        &self,
        context: &Context<Self::Configured>,
        have: &State<Self>,
    ) -> impl Future<Output = Diagnostics> + Send {
        let _ = (context, have);
        async { Diagnostics::none() }
    }

    /// Makes the object. Computed attributes that the plan left unknown are null in `want`.
    ///
    /// Must be idempotent and find what an earlier attempt left: a crash stores nothing.
    fn create(
        &self,
        context: &Context<Self::Configured>,
        want: State<Self>,
    ) -> impl Future<Output = Outcome<State<Self>>> + Send;

    /// Observes the object; [`Outcome::gone`] only when its absence is proven, never because it
    /// could not be asked.
    fn read(
        &self,
        context: &Context<Self::Configured>,
        have: State<Self>,
    ) -> impl Future<Output = Outcome<State<Self>>> + Send;

    /// Takes the object from `have` to `want`. On failure the state must hold the earlier value
    /// of everything that was not reached, or the next plan will show nothing to do.
    fn update(
        &self,
        context: &Context<Self::Configured>,
        have: State<Self>,
        want: State<Self>,
    ) -> impl Future<Output = Outcome<State<Self>>> + Send;

    /// Removes the object: [`Outcome::gone`] when nothing is left of it.
    fn delete(
        &self,
        context: &Context<Self::Configured>,
        have: State<Self>,
    ) -> impl Future<Output = Outcome<State<Self>>> + Send;

    /// Finds an existing object by its identity. Terraform reads it right afterwards, so what
    /// reading fills may be left out.
    fn import(
        &self,
        context: &Context<Self::Configured>,
        identity: &str,
    ) -> impl Future<Output = Outcome<State<Self>>> + Send;

    /// Converts state that an older version stored. What is merely new or gone is filled and
    /// dropped without it.
    ///
    /// # Errors
    /// The state cannot be converted; the diagnostic says what to do.
    fn upgrade(&self, from_version: i64, stored: Tree) -> Result<Tree, Diagnostic> {
        let _ = stored;
        Err(Diagnostic::error(
            format!("Cannot upgrade the state of {}", Self::NAME),
            format!(
                "The state has version {from_version}, which this version of the provider does \
                 not know. Install a version of the provider that does, or remove the resource \
                 from the state and import it again."
            ),
        ))
    }
}
