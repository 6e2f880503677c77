//! The ways of a fleet: made, changed, removed. All three are one run of the driver.

use super::attributes::Fleet;
use super::ending::{self, Attempt, Told};
use super::observed::{self, Phase, View};
use super::order;
use super::private::Private;
use super::{plan, preflight};
use crate::cloud::{self, Holder};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::driver::{self, Driver, Ending, Order, Progress};
use crate::model::{Fingerprint, FleetName, GenerationNumber};
use crate::resource::site::{Configured, Site};
use crate::resource::{Context, Outcome, trouble};
use crate::rollout::{FleetGoal, Foreign, Goal, Intent, Policy, Reason, World};
use crate::value::Path;
use std::time::Duration;

/// One apply of one fleet.
pub(super) struct Apply<'a> {
    /// What the call came with.
    pub(super) context: &'a Context<Configured>,
    /// Where.
    pub(super) site: &'a Site,
    /// Who does it: each apply holds a lease of its own, also beside another one in this process.
    holder: Holder,
}

/// What is there when a fleet is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Nothing, or the beginning of exactly what is wanted.
    Ours,
    /// The remains of another attempt, which never served.
    Remains,
    /// Another fleet that serves.
    Other,
}

impl Found {
    /// A create promises generation 1, so only what can still become that is taken over.
    fn of(world: &World, wanted: &Fingerprint) -> Self {
        let first = GenerationNumber::default().next();
        let is_wanted = |number: &GenerationNumber| {
            let found = world.generations.get(number);
            *number == first
                && found.is_some_and(|it| it.fingerprint == *wanted && it.condemned.is_none())
        };
        match world.stable {
            Some(stable) if is_wanted(&stable) => Self::Ours,
            Some(_) => Self::Other,
            None if world.latest == GenerationNumber::default() => Self::Ours,
            None if world.latest == first && is_wanted(&first) => Self::Ours,
            None if observed::serves(world) => Self::Other,
            None => Self::Remains,
        }
    }
}

/// Whether a run ended in an error and not because somebody asked for it, or was quicker.
fn is_failure(ending: &Ending) -> bool {
    match ending {
        Ending::RolledBack(_)
        | Ending::Held(_)
        | Ending::Halted(_)
        | Ending::TimedOut(_)
        | Ending::CloudFailed(_) => true,
        Ending::Reached(_) | Ending::Interrupted | Ending::LeaseHeld(_) => false,
    }
}

impl<'a> Apply<'a> {
    pub(super) fn new(context: &'a Context<Configured>, site: &'a Site) -> Self {
        Self {
            context,
            site,
            holder: order::holder(),
        }
    }

    /// Makes a fleet, or takes over what an apply that was killed has left of it.
    pub(super) async fn create(&self, want: Fleet) -> Outcome<Fleet> {
        let goal = want.goal(self.site);
        let world = match self.site.cloud.observe(&want.name, &[]).await {
            Ok(world) => world,
            Err(error) => return Outcome::refused(trouble(&error)),
        };
        match Found::of(&world, &goal.fingerprint) {
            Found::Ours => {}
            Found::Remains => {
                let run = self.clear(&want).await;
                if !run.ending.is_reached() {
                    return Outcome::refused(self.told(Attempt::Create, &want, &run));
                }
            }
            Found::Other => return Outcome::refused(exists(&want.name)),
        }
        let refused = self.refused(None, &want).await;
        if refused.has_errors() {
            return Outcome::refused(refused);
        }
        let time = want.timeouts.create.duration();
        let run = self.run(&want, Goal::Fleet(Box::new(goal)), time).await;
        if observed::exists(&world) && run.ending.is_reached() {
            self.site.adopted.add(&want.name);
        }
        let may_serve = observed::serves(&world) || run.world.as_ref().is_none_or(observed::serves);
        if may_serve && is_failure(&run.ending) {
            return Outcome::refused(self.told(Attempt::TakeOver, &want, &run));
        }
        self.created(want, run).await
    }

    /// Terraform destroys what a failed create leaves before it tries again, so what will never
    /// serve is removed at once; what was merely interrupted is kept for the next apply.
    async fn created(&self, want: Fleet, run: driver::Outcome) -> Outcome<Fleet> {
        let told = self.told(Attempt::Create, &want, &run);
        let is_there = run.world.as_ref().is_some_and(observed::exists);
        match &run.ending {
            Ending::Reached(_) => self.reached(want, &run).await,
            Ending::LeaseHeld(_) => Outcome::refused(told),
            Ending::Interrupted if is_there => {
                let promised = (want.generation, want.fingerprint.clone());
                let mut reached = self.standing(want, &run).await;
                if let Some(state) = &mut reached.state {
                    // Nothing may run yet. What the next apply makes is the generation that the plan
                    // promised, and Terraform insists on what was promised.
                    (state.generation, state.fingerprint) = promised;
                }
                reached.with(ending::as_warning(told))
            }
            Ending::Interrupted => Outcome::refused(told),
            Ending::CloudFailed(error) if error.kind.is_transient() => {
                self.standing(want, &run).await.with(told)
            }
            Ending::TimedOut(_) => self.standing(want, &run).await.with(told),
            Ending::RolledBack(_)
            | Ending::Held(_)
            | Ending::Halted(_)
            | Ending::CloudFailed(_) => {
                let cleared = self.clear(&want).await;
                if cleared.ending.is_reached() {
                    return Outcome::refused(told);
                }
                let remains = self.told(Attempt::Clear, &want, &cleared);
                let reached = self.standing(want, &cleared).await;
                reached.with(told).with(remains)
            }
        }
    }

    /// Brings a fleet from one state to another.
    pub(super) async fn update(&self, have: Fleet, want: Fleet) -> Outcome<Fleet> {
        // The plan left what only the world can tell as it was: nothing of the fleet changes, and
        // it is not held up by a fleet that is not well.
        if want.generations.is_some() {
            let untold = self.leave_intent(&have, &want).await;
            let done = Outcome::done(want);
            return untold.into_iter().fold(done, Outcome::with);
        }
        let refused = self.refused(Some(&have), &want).await;
        if refused.has_errors() {
            return Outcome::refused(refused);
        }
        let private = Private::read(&self.context.private);
        let goal = FleetGoal {
            beyond: private.held,
            ..want.goal(self.site)
        };
        let time = want.timeouts.update.duration();
        let run = self.run(&want, Goal::Fleet(Box::new(goal)), time).await;
        match &run.ending {
            Ending::Reached(_) => return self.reached(want, &run).await,
            // Terraform takes an end that its plan had otherwise for a bug; then it is told as an error.
            Ending::Held(_) if want.phase.is_none() => return self.held(want, &run).await,
            Ending::RolledBack(_)
            | Ending::Held(_)
            | Ending::Halted(_)
            | Ending::Interrupted
            | Ending::TimedOut(_)
            | Ending::LeaseHeld(_)
            | Ending::CloudFailed(_) => {}
        }
        let told = self.told(Attempt::Update, &want, &run);
        let true_now = self.true_now(have, want, &run);
        self.standing(true_now, &run).await.with(told)
    }

    /// Removes a fleet with everything that belongs to it.
    pub(super) async fn remove(&self, have: Fleet) -> Outcome<Fleet> {
        if have.deletion_protection {
            return Outcome::refused(super::refused_removal(&have));
        }
        if self.site.adopted.holds(&have.name) {
            return Outcome::gone().with(adopted(&have.name));
        }
        let run = self.clear(&have).await;
        if run.ending.is_reached() {
            return Outcome::gone();
        }
        let told = self.told(Attempt::Remove, &have, &run);
        self.standing(have, &run).await.with(told)
    }

    /// Says what stands against a change before anything of it is begun.
    async fn refused(&self, have: Option<&Fleet>, want: &Fleet) -> Diagnostics {
        let private = Private::read(&self.context.private);
        let wish = plan::wish(have, want, self.site, &private);
        preflight::in_apply(self.site, wish).await
    }

    async fn clear(&self, fleet: &Fleet) -> driver::Outcome {
        let time = fleet.timeouts.delete.duration();
        self.run(fleet, Goal::Absent, time).await
    }

    /// Leaves the new limits and the new retry token where a person's action finds them. Nothing else
    /// depends on it, so that a fleet which cannot be told now does not hold the change up.
    async fn leave_intent(&self, have: &Fleet, want: &Fleet) -> Option<Diagnostic> {
        let intent = |fleet: &Fleet| Intent::of(&fleet.goal(self.site), &self.policy(fleet));
        if intent(have) == intent(want) {
            return None;
        }
        let goal = Goal::Fleet(Box::new(want.goal(self.site)));
        let order = self.order(want, goal, want.timeouts.update.duration());
        let error = self.driver().leave_intent(&order).await.err()?;
        Some(untold(&want.name, &error))
    }

    async fn run(&self, fleet: &Fleet, goal: Goal, deadline: Duration) -> driver::Outcome {
        self.driver().run(&self.order(fleet, goal, deadline)).await
    }

    fn driver(&self) -> Driver<'_> {
        Driver {
            cloud: self.site.cloud.as_ref(),
            clock: self.site.clock.as_ref(),
            pace: self.site.timing.pace,
            progress: Progress::silent(),
        }
    }

    fn order(&self, fleet: &Fleet, goal: Goal, deadline: Duration) -> Order {
        Order {
            fleet: fleet.name.clone(),
            goal,
            policy: self.policy(fleet),
            accepted: self.accepted(),
            holder: self.holder.clone(),
            deadline,
            cancel: self.context.cancel.clone(),
        }
    }

    fn told(&self, attempt: Attempt, fleet: &Fleet, run: &driver::Outcome) -> Diagnostic {
        let told = Told {
            fleet,
            attempt,
            policy: &self.policy(fleet),
        };
        ending::told(&told, run)
    }

    fn policy(&self, fleet: &Fleet) -> Policy {
        fleet.policy(self.site.timing)
    }

    /// What the plan has shown of others' changes, and nothing that was changed since.
    fn accepted(&self) -> Foreign {
        Private::read(&self.context.private).foreign
    }

    /// Returns the wanted state with what the apply has made of it.
    async fn reached(&self, want: Fleet, run: &driver::Outcome) -> Outcome<Fleet> {
        self.ended(want, run, Phase::Stable).await
    }

    /// Returns the wanted state of a rollout that rests; the next apply goes on.
    async fn held(&self, want: Fleet, run: &driver::Outcome) -> Outcome<Fleet> {
        let told = ending::as_warning(self.told(Attempt::Update, &want, run));
        self.ended(want, run, Phase::Held).await.with(told)
    }

    /// Returns a state whose configuration is the wanted one, as Terraform demands of an apply that
    /// ends well.
    async fn ended(&self, want: Fleet, run: &driver::Outcome, phase: Phase) -> Outcome<Fleet> {
        let (release, size) = (want.release.clone(), want.size);
        let standing = self.standing(want, run).await;
        let state = standing.state.map(|state| Fleet {
            release,
            size,
            phase: Some(phase.word().to_owned()),
            ..state
        });
        Outcome { state, ..standing }
    }

    /// Returns a state with what the world tells at the end of a run.
    async fn standing(&self, base: Fleet, run: &driver::Outcome) -> Outcome<Fleet> {
        let Some(world) = &run.world else {
            return Outcome::done(base);
        };
        let endpoint = match &base.endpoint {
            Some(endpoint) => Some(endpoint.clone()),
            None => self.site.cloud.endpoint(&base.name).await.ok().flatten(),
        };
        let policy = self.policy(&base);
        let held = match &run.ending {
            Ending::Held(Reason::Held(point)) => Some(*point),
            _ => None,
        };
        let view = View {
            world,
            policy: &policy,
            held,
        };
        Outcome {
            private: Some(Private::of(&view).bytes()),
            ..Outcome::done(observed::told(base, &view, endpoint))
        }
    }

    /// Returns what is true of the configuration after a run that did not reach its goal. What
    /// serves was made from the wanted configuration or from the earlier one; whatever was not
    /// reached keeps its earlier value, so that the next plan shows it.
    fn true_now(&self, have: Fleet, want: Fleet, run: &driver::Outcome) -> Fleet {
        let Some(world) = &run.world else {
            return have;
        };
        let goal = want.goal(self.site);
        let stable = world.stable.and_then(|it| world.generations.get(&it));
        let is_promoted = stable.is_some_and(|it| it.fingerprint == goal.fingerprint);
        let is_set = world.settings.as_ref() == Some(&goal.settings);
        match (is_promoted, is_set) {
            (true, true) => want,
            (true, false) => Fleet {
                traffic: have.traffic,
                health: have.health,
                drain: have.drain,
                autoscale: have.autoscale,
                capacity: have.capacity,
                ..want
            },
            (false, _) => have,
        }
    }
}

fn untold(name: &FleetName, error: &cloud::Error) -> Diagnostic {
    Diagnostic::warning(
        format!("The fleet {name} does not know of its new limits yet"),
        format!(
            "{}\n\nThe next apply that changes the fleet goes by them. Until one has, actions such as \
             immutable_fleet_rollback go by the earlier ones.",
            trouble::words(error)
        ),
    )
}

/// Says that a fleet stays although its object goes.
fn adopted(name: &FleetName) -> Diagnostic {
    Diagnostic::warning(
        format!("The fleet {name} stays: this apply has taken it over"),
        "It was to be made and was there already, and now that very fleet was to be destroyed, as \
         a replacement that creates before it destroys does it, or a new address without a moved \
         block. Terraform manages it at the address that it was made for, and nothing of it was \
         changed.",
    )
}

fn exists(name: &FleetName) -> Diagnostic {
    Diagnostic::error(
        format!("The fleet {name} exists already"),
        format!(
            "It serves, it was not made by this configuration, and nothing of it was changed. To \
             manage it here, import it: terraform import immutable_fleet.NAME {name}. Otherwise \
             choose another name."
        ),
    )
    .at(Path::of("name"))
}
