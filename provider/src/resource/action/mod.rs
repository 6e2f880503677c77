//! What an action is: a declared configuration and the work, without state.
//!
//! Terraform keeps nothing of an action and never tries one again by itself, so each looks up what
//! it needs, says in its progress what it does, and may be repeated. Start at [`Invocable`].

mod abort;
mod any;
mod break_glass;
mod operation;
mod promote;
mod rehearse;
mod rollback;

pub use crate::driver::Progress;
pub use abort::{Abort, FleetAbort};
pub use any::{Actions, AnyAction};
pub use break_glass::{BreakGlass, GlassBreak};
pub use promote::{FleetPromote, Promote};
pub use rehearse::{FleetRehearse, Rehearse};
pub use rollback::{FleetRollback, Rollback};

use crate::diagnostic::Diagnostics;
use crate::resource::Context;
use crate::schema::{Applied, Attributes, Planned, Stage};
use std::future::Future;

/// An action, typed.
pub trait Invocable: Send + Sync + Sized + 'static {
    /// The name behind the provider's: `fleet_abort` is `immutable_fleet_abort`.
    const NAME: &'static str;

    /// The declared configuration. Its attributes are required or optional, never computed.
    type Model<S: Stage>: Attributes;

    /// What configuring the provider made.
    type Configured: Send + Sync + 'static;

    /// Checks what field types cannot. Defaults are filled in; anything may be unknown.
    fn validate(&self, config: &Self::Model<Planned>) -> Diagnostics {
        let _ = config;
        Diagnostics::none()
    }

    /// Does it, and tells its progress while it goes on. Without an error it was done, now or by an
    /// earlier call.
    fn invoke(
        &self,
        context: &Context<Self::Configured>,
        config: Self::Model<Applied>,
        progress: &Progress,
    ) -> impl Future<Output = Diagnostics> + Send;
}
