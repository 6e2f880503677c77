//! `immutable_fleet`: members of one release behind one front, replaced generation by generation.
//!
//! Start at [`FleetResource`]. A configuration becomes a goal and a policy in `goal`; `plan` shows
//! the steps that lead there from what `recalled` knows, `apply` takes them, `observed` tells the
//! state what the world is like.

mod apply;
pub mod attributes;
mod ending;
mod explained;
mod goal;
mod imported;
pub(super) mod observed;
pub(crate) mod order;
mod plan;
mod preflight;
pub(super) mod preview;
mod private;
mod recalled;
mod scaling;
mod texts;
mod validate;

pub use self::explained::{configurable, explained};

use self::apply::Apply;
use self::attributes::Fleet;
use self::observed::View;
use self::private::Private;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::FleetName;
use crate::resource::site::{Configured, Site};
use crate::resource::{Context, Outcome, Plan, Resource, trouble};
use crate::rollout::World;
use crate::schema::{Planned, Stage};

/// The resource `immutable_fleet`.
#[derive(Debug)]
pub struct FleetResource;

impl Resource for FleetResource {
    const NAME: &'static str = "fleet";
    type Model<S: Stage> = Fleet<S>;
    type Configured = Configured;

    fn validate(&self, config: &Fleet<Planned>) -> Diagnostics {
        validate::everywhere(config)
    }

    async fn plan(&self, context: &Context<Configured>, plan: &mut Plan<Self>) -> Diagnostics {
        let private = Private::read(&context.private);
        let site = context.configured.known();
        let (mut told, wish) = plan::fill(plan, site, &private);
        if let (Some(site), Some(wish)) = (site, wish) {
            told.extend(preflight::in_plan(site, &wish).await);
        }
        told
    }

    async fn plan_destroy(&self, _: &Context<Configured>, have: &Fleet) -> Diagnostics {
        let refused = have.deletion_protection.then(|| refused_removal(have));
        refused.into_iter().collect()
    }

    async fn create(&self, context: &Context<Configured>, want: Fleet) -> Outcome<Fleet> {
        match context.configured.site("create the fleet") {
            Ok(site) => Apply::new(context, site).create(want).await,
            Err(error) => Outcome::refused(error),
        }
    }

    async fn read(&self, context: &Context<Configured>, have: Fleet) -> Outcome<Fleet> {
        let site = match context.configured.site("read the fleet") {
            Ok(site) => site,
            Err(error) => return Outcome::refused(error),
        };
        match site.cloud.glance(&have.name).await {
            Ok(world) if !observed::exists(&world) => Outcome::gone(),
            Ok(world) => read(site, have, &world).await,
            Err(error) => Outcome::refused(trouble(&error)),
        }
    }

    async fn update(
        &self,
        context: &Context<Configured>,
        have: Fleet,
        want: Fleet,
    ) -> Outcome<Fleet> {
        match context.configured.site("update the fleet") {
            Ok(site) => Apply::new(context, site).update(have, want).await,
            Err(error) => Outcome::refused(error),
        }
    }

    async fn delete(&self, context: &Context<Configured>, have: Fleet) -> Outcome<Fleet> {
        match context.configured.site("destroy the fleet") {
            Ok(site) => Apply::new(context, site).remove(have).await,
            Err(error) => Outcome::refused(error),
        }
    }

    async fn import(&self, context: &Context<Configured>, name: &str) -> Outcome<Fleet> {
        let site = match context.configured.site("import the fleet") {
            Ok(site) => site,
            Err(error) => return Outcome::refused(error),
        };
        let name: FleetName = match name.parse() {
            Ok(name) => name,
            Err(error) => return Outcome::refused(not_importable(name, &format!("{error}."))),
        };
        let world = match site.cloud.observe(&name, &[]).await {
            Ok(world) => world,
            Err(error) => return Outcome::refused(trouble(&error)),
        };
        match imported::fleet(site, &name, &world).await {
            Ok(Some(fleet)) => read(site, fleet, &world).await,
            Err(error) => Outcome::refused(trouble(&error)),
            Ok(None) => {
                let why = "There is no such fleet where the provider is configured to look, or it has no \
                           generation yet. Check the name and the provider's settings.";
                Outcome::refused(not_importable(name.as_str(), why))
            }
        }
    }
}

/// Returns the state with what the world tells.
async fn read(site: &Site, have: Fleet, world: &World) -> Outcome<Fleet> {
    let endpoint = match site.cloud.endpoint(&have.name).await {
        Ok(endpoint) => endpoint,
        Err(error) => return Outcome::refused(trouble(&error)),
    };
    let policy = have.policy(site.timing);
    let view = View {
        world,
        policy: &policy,
        held: observed::held(world, have.goal(site), &policy),
    };
    let have = match &world.settings {
        Some(settings) => observed::with_settings(have, settings),
        None => have,
    };
    // What the last plan foresaw has happened; a plan shows the new steps alone.
    let have = Fleet {
        forecast: None,
        ..have
    };
    Outcome {
        private: Some(Private::of(&view).bytes()),
        ..Outcome::done(observed::told(have, &view, endpoint))
    }
}

fn refused_removal(fleet: &Fleet) -> Diagnostic {
    Diagnostic::error(
        format!(
            "Could not remove the fleet {}: it is protected from deletion",
            fleet.name
        ),
        "deletion_protection is true, and nothing was changed. To remove or replace the fleet, set \
         it to false and apply that first.",
    )
}

fn not_importable(name: &str, why: &str) -> Diagnostic {
    Diagnostic::error(format!("Cannot import the fleet \"{name}\""), why)
}
