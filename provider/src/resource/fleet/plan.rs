//! The plan of a fleet: what is known before apply, the steps included.
//!
//! Everything here is a function of prior state and configuration alone. It runs in the plan and
//! again in the apply, and Terraform refuses another answer.

use super::FleetResource;
use super::attributes::{Failure, Fleet, ParkedState, Role};
use super::observed::Phase;
use super::private::Private;
use super::{preflight, recalled, validate};
use crate::cloud::Wish;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::Fingerprint;
use crate::resource::Plan;
use crate::resource::site::Site;
use crate::rollout::{FleetGoal, Forecast, Foreseen, Goal, World, forecast};
use crate::schema::{Applied, Attributes, Field, Maybe, Planned};
use crate::value::Path;

/// Fills in what is computed, refuses what cannot come true, and says what should be looked at
/// before. Absent site: the provider's settings are not known yet.
pub(super) fn fill(
    plan: &mut Plan<FleetResource>,
    site: Option<&Site>,
    private: &Private,
) -> (Diagnostics, Option<Wish>) {
    let name = plan.planned.name.known();
    plan.planned.id = name.map_or(Maybe::Unknown, |name| Maybe::Known(Some(name.to_string())));
    let mut told = Diagnostics::none();
    told.extend(protected(plan));
    if let Some(site) = site {
        told.extend(validate::on(site.kind, &plan.planned));
    }
    let is_new = plan.changed(|fleet| &fleet.name);
    let prior = plan.prior.take().filter(|_| !is_new);
    let wish = match (site, wanted(&plan.planned), &prior) {
        (None, ..) => {
            leave_open(&mut plan.planned);
            None
        }
        (Some(site), None, _) => {
            leave_open(&mut plan.planned);
            preflight::part(&plan.planned, site.kind)
        }
        (Some(site), Some(want), None) => create(&mut plan.planned, &want, site),
        (Some(site), Some(want), Some(prior)) => {
            let goal = FleetGoal {
                beyond: private.held,
                ..want.goal(site)
            };
            told.extend(looked_at(prior));
            told.extend(refused(prior, &goal));
            let ahead = Ahead {
                fingerprint: goal.fingerprint.clone(),
                forecast: foreseen(&recalled::world(prior, private), goal, &want, site),
            };
            update(&mut plan.planned, prior, &want, &ahead);
            preflight::whole(&want, site, &ahead.forecast, is_reheard(prior, &want))
        }
    };
    let wish = wish.filter(|_| !told.has_errors());
    (told, wish)
}

/// Returns what an apply from one state to another will ask of the cloud; absent state: the fleet
/// is new.
pub(super) fn wish(
    prior: Option<&Fleet>,
    want: &Fleet,
    site: &Site,
    private: &Private,
) -> Option<Wish> {
    let world = prior.map_or_else(
        || World::absent(recalled::NOW),
        |prior| recalled::world(prior, private),
    );
    let goal = FleetGoal {
        beyond: private.held,
        ..want.goal(site)
    };
    let forecast = foreseen(&world, goal, want, site);
    let is_reheard = prior.is_some_and(|prior| is_reheard(prior, want));
    preflight::whole(want, site, &forecast, is_reheard)
}

fn is_reheard(prior: &Fleet, want: &Fleet) -> bool {
    prior.rollout.alarms != want.rollout.alarms
}

/// Returns the wanted state when everything that the user configures is known.
fn wanted(planned: &Fleet<Planned>) -> Option<Fleet> {
    let tree = planned.encode();
    let attributes = Fleet::<Planned>::attributes().into_iter();
    let mut configured = attributes.filter(|attribute| attribute.required || attribute.optional);
    let is_known = configured.all(|attribute| tree.entry(attribute.name).is_wholly_known());
    is_known
        .then(|| Fleet::<Applied>::decode(&tree.unknown_to_null()).ok())
        .flatten()
}

/// A replacement destroys the fleet, and Terraform asks nobody again before it does.
fn protected(plan: &Plan<FleetResource>) -> Option<Diagnostic> {
    let prior = plan.prior.as_ref()?;
    let is_replaced = plan.changed(|fleet| &fleet.name);
    (prior.deletion_protection && is_replaced)
        .then(|| super::refused_removal(prior).at(Path::of("name")))
}

/// Nothing can be foreseen yet.
fn leave_open(planned: &mut Fleet<Planned>) {
    leave_open_end(planned);
    planned.endpoint = Maybe::Unknown;
    planned.forecast = Maybe::Unknown;
    leave_open_world(planned);
}

/// What only the apply can tell, as soon as it does anything.
fn leave_open_world(planned: &mut Fleet<Planned>) {
    planned.drifted = Maybe::Unknown;
    planned.parked = Maybe::Unknown;
    planned.generations = Maybe::Unknown;
    planned.latest_generation = Maybe::Unknown;
    planned.failure = Maybe::Unknown;
}

/// A new fleet's first generation is number 1: what an apply that was killed has left is either
/// that generation or removed first. The phase stays open, because Terraform lets a create that
/// was interrupted keep what it made only if no known value turns out differently.
fn create(planned: &mut Fleet<Planned>, want: &Fleet, site: &Site) -> Option<Wish> {
    let goal = want.goal(site);
    leave_open(planned);
    planned.generation = Maybe::Known(Some(1));
    planned.fingerprint = Maybe::Known(Some(goal.fingerprint.to_string()));
    let foreseen = foreseen(&World::absent(recalled::NOW), goal, want, site);
    planned.forecast = Maybe::Known(Some(foreseen.lines()));
    preflight::whole(want, site, &foreseen, false)
}

/// What an apply will make of a fleet, and how.
struct Ahead {
    fingerprint: Fingerprint,
    forecast: Forecast,
}

/// Leaves what the state tells as it is, unless something will happen.
fn update(planned: &mut Fleet<Planned>, prior: &Fleet, want: &Fleet, ahead: &Ahead) {
    let fingerprint = ahead.fingerprint.to_string();
    let is_same = prior.fingerprint.as_ref() == Some(&fingerprint);
    let is_at_rest = prior.phase.as_deref() == Some(Phase::Stable.word());
    if is_same && is_at_rest && !does_anything(&ahead.forecast) {
        return;
    }
    leave_open_world(planned);
    // Nothing failed before, and an apply in which something fails does not end well.
    if prior.failure.is_none() {
        planned.failure = Maybe::Known(None);
    }
    if prior.traffic != want.traffic {
        planned.endpoint = Maybe::Unknown;
    }
    planned.forecast = Maybe::Known(Some(ahead.forecast.lines()));
    if ahead.forecast.held.is_some() {
        leave_open_end(planned);
        return;
    }
    if !is_same {
        planned.image_id = Maybe::Unknown;
    }
    planned.generation = generation(prior, &fingerprint);
    planned.fingerprint = Maybe::Known(Some(fingerprint));
    planned.phase = Maybe::Known(Some(Phase::Stable.word().to_owned()));
}

/// What an apply that will rest on its way comes to, unless a person tells it to go on meanwhile.
fn leave_open_end(planned: &mut Fleet<Planned>) {
    planned.generation = Maybe::Unknown;
    planned.fingerprint = Maybe::Unknown;
    planned.image_id = Maybe::Unknown;
    planned.phase = Maybe::Unknown;
}

/// Returns the number of the generation that will serve. An earlier generation that is still warm
/// serves again only while its members are well, which nobody knows before the apply.
fn generation(prior: &Fleet, fingerprint: &str) -> Maybe<Option<u32>> {
    let known = prior.generations.iter().flatten();
    let same = known.filter(|generation| generation.fingerprint == fingerprint);
    let found = |role| same.clone().find(|generation| generation.role == role);
    let standing = found(Role::Stable).or_else(|| found(Role::Candidate));
    let next = prior
        .latest_generation
        .unwrap_or_default()
        .saturating_add(1);
    match (standing, found(Role::Previous)) {
        (Some(standing), _) => Maybe::Known(Some(standing.number)),
        (None, Some(_)) => Maybe::Unknown,
        (None, None) => Maybe::Known(Some(next)),
    }
}

/// Foresees the apply.
fn foreseen(world: &World, goal: FleetGoal, want: &Fleet, site: &Site) -> Forecast {
    let goal = Goal::Fleet(Box::new(goal));
    forecast(world, &goal, &want.policy(site.timing))
}

/// Claims that an apply would do something. A remark on what stays for later is nothing to do.
fn does_anything(forecast: &Forecast) -> bool {
    forecast.steps.iter().any(|step| match step {
        Foreseen::Action(_) | Foreseen::Wait(_) => true,
        Foreseen::Remark(_) => false,
    })
}

/// Says who looks at which member: nobody must wonder where it is.
fn looked_at(prior: &Fleet) -> Vec<Diagnostic> {
    let parked = prior.parked.iter().flatten();
    let tell = |it: &ParkedState| {
        let ticket = match it.ticket.as_str() {
            "" => String::new(),
            ticket => format!(" ({ticket})"),
        };
        let then = if it.overdue {
            "Its time is over, and this apply removes it."
        } else {
            "It never returns; the first apply after that removes it."
        };
        Diagnostic::warning(
            format!(
                "The member {} of the fleet {} is out of the traffic",
                it.member, prior.name
            ),
            format!(
                "{} looks at it{ticket}, until {}: {}. Another member runs in its place. {then}",
                it.by,
                it.until,
                it.reason.trim_end_matches('.')
            ),
        )
    };
    parked.map(tell).collect()
}

/// A release that was rolled back is not tried again by itself: nothing suggests that it would end
/// otherwise. A rollback that was cut off is finished first, whatever is wanted.
fn refused(prior: &Fleet, goal: &FleetGoal) -> Option<Diagnostic> {
    let failure = prior.failure.as_ref()?;
    let serves = prior.fingerprint.as_deref() == Some(goal.fingerprint.0.as_str());
    let is_same = failure.fingerprint == goal.fingerprint.0 && failure.retry == goal.retry;
    if !is_same || serves {
        return None;
    }
    let mut generations = prior.generations.iter().flatten();
    let is_cut_off = generations.any(|generation| generation.role == Role::Condemned);
    Some(if is_cut_off {
        is_rolled_back(prior, failure)
    } else {
        rolled_back(prior, failure)
    })
}

fn is_rolled_back(prior: &Fleet, failure: &Failure) -> Diagnostic {
    let Failure {
        generation,
        release,
        reason,
        at,
        ..
    } = failure;
    Diagnostic::warning(
        format!("The rollback of {release} is not finished"),
        format!(
            "Generation {generation} of the fleet {} was given up at {at}: {reason}\n\n\
             This apply finishes its rollback and then ends with an error, because {release} is not \
             tried again by itself. To go on to something else at once, choose another release or \
             give retry a value that it did not have yet.",
            prior.name
        ),
    )
    .at(Path::of("release"))
}

fn rolled_back(prior: &Fleet, failure: &Failure) -> Diagnostic {
    let Failure {
        generation,
        release,
        reason,
        at,
        ..
    } = failure;
    let serving = prior.generation.map_or_else(
        || "No generation serves.".to_owned(),
        |number| format!("Generation {number} ({}) serves.", served(prior, number)),
    );
    Diagnostic::error(
        format!("{release} was rolled back and is not tried again by itself"),
        format!(
            "Generation {generation} of the fleet {} was rolled back at {at}: {reason}\n\n\
             {serving} Choose another release or change what was wrong with this one's \
             configuration. To try exactly the same again, give retry a value that it did not have \
             yet. To destroy the fleet as it is, leave this plan out: terraform destroy \
             -refresh=false",
            prior.name
        ),
    )
    .at(Path::of("release"))
}

fn served(prior: &Fleet, number: u32) -> String {
    let known = prior.generations.iter().flatten();
    let mut serving = known.filter(|generation| generation.number == number);
    serving
        .next()
        .map_or_else(String::new, |generation| generation.release.clone())
}
