//! How a run ended, told to the user: what happened, what is true now, what comes next.

use super::attributes::Fleet;
use crate::diagnostic::{Diagnostic, Severity};
use crate::driver::{self, Ending};
use crate::model::GenerationNumber;
use crate::resource::{trouble, words};
use crate::rollout::{Generation, Headcount, Policy, Reason, RolloutFailure, Traffic, World};
use crate::schema::Text;
use crate::value::Path;
use std::fmt::Write;

/// What was attempted with a fleet, for the sentences about it.
pub(super) struct Told<'a> {
    /// The fleet as it was wanted.
    pub(super) fleet: &'a Fleet,
    /// What should have become of it.
    pub(super) attempt: Attempt,
    /// The limits on the way.
    pub(super) policy: &'a Policy,
}

/// What should have become of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It was to be made.
    Create,
    /// It was to be made and serves already. Terraform would destroy what it knew of, so it is not
    /// told; the next create finds it.
    TakeOver,
    /// It was to be changed.
    Update,
    /// It was to be removed.
    Remove,
    /// What a failed create had made of it was to be removed.
    Clear,
}

impl Told<'_> {
    fn verb(&self) -> &'static str {
        match self.attempt {
            Attempt::Create | Attempt::TakeOver => "create",
            Attempt::Update => "update",
            Attempt::Remove => "destroy",
            Attempt::Clear => "clean up",
        }
    }

    fn timeout(&self) -> (&'static str, &str) {
        let timeouts = &self.fleet.timeouts;
        match self.attempt {
            Attempt::Create | Attempt::TakeOver => ("create", timeouts.create.text()),
            Attempt::Update => ("update", timeouts.update.text()),
            Attempt::Remove | Attempt::Clear => ("delete", timeouts.delete.text()),
        }
    }

    /// What the next apply does about a run that ended before its goal.
    fn next(&self) -> &'static str {
        match self.attempt {
            Attempt::Create => "The next apply removes what there is and starts over.",
            Attempt::TakeOver => {
                "Somebody may rely on it, so it stays as it is, and Terraform's state does not have it: \
                 it would be destroyed. The next apply takes it over and goes on from here. To remove \
                 it instead, import it and destroy it."
            }
            Attempt::Update => {
                "The next plan shows the rest of the way, and the next apply goes on from here."
            }
            Attempt::Remove | Attempt::Clear => "The next destroy goes on from here.",
        }
    }
}

/// Tells how a run ended before its goal.
pub(super) fn told(told: &Told<'_>, run: &driver::Outcome) -> Diagnostic {
    let name = &told.fleet.name;
    let verb = told.verb();
    let world = run.world.as_ref();
    let standing = world.map_or_else(String::new, |world| standing(world, told.policy));
    let error = |summary: String, what: String, next: &str| {
        let parts = [what.as_str(), standing.as_str(), next];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Diagnostic::error(summary, parts.join("\n\n"))
    };
    match &run.ending {
        Ending::Reached(reason) => {
            Diagnostic::warning(format!("The fleet {name} is as wanted"), sentence(reason))
        }
        Ending::Held(reason) => error(
            format!("The rollout to the fleet {name} is held, as its steps ask for"),
            sentence(reason),
            "The next plan shows the rest of the way, and the next apply goes on.",
        ),
        Ending::RolledBack(failure) => rolled_back(told, failure, &standing),
        Ending::Halted(reason) => error(
            format!("Could not {verb} the fleet {name}: it stands still until someone looks"),
            sentence(reason),
            told.next(),
        ),
        Ending::Interrupted => error(
            format!("Interrupted: the fleet {name} stands where it was"),
            "The apply was told to stop and did so before the next step.".to_owned(),
            match told.attempt {
                Attempt::Create | Attempt::TakeOver => "The next apply goes on from here.",
                Attempt::Update | Attempt::Remove | Attempt::Clear => told.next(),
            },
        ),
        Ending::TimedOut(reason) => {
            let (which, time) = told.timeout();
            let waited = reason.as_ref().map_or_else(String::new, |reason| {
                format!(" What it waited for last: {}", sentence(reason))
            });
            error(
                format!("Could not {verb} the fleet {name} in time"),
                format!("timeouts.{which} is {time}, and that is over.{waited}"),
                told.next(),
            )
        }
        Ending::LeaseHeld(cause) => error(
            format!("Could not {verb} the fleet {name}: another process changes it"),
            words(cause),
            "Wait until it is done, or until its lease is over, then apply again. If it was \
             killed, the next apply goes on where it was.",
        ),
        Ending::CloudFailed(cause) => {
            let trouble = trouble(cause);
            error(trouble.summary, trouble.detail, told.next())
        }
    }
}

/// Tells of an end as a warning. After an interrupted create an error would make Terraform destroy
/// what was made; a rollout that rests is as it was asked for.
pub(super) fn as_warning(error: Diagnostic) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        ..error
    }
}

fn rolled_back(told: &Told<'_>, failure: &RolloutFailure, standing: &str) -> Diagnostic {
    let name = &told.fleet.name;
    let (summary, then) = match told.attempt {
        Attempt::Create => (
            format!("The first rollout of the fleet {name} failed"),
            "Nothing of the fleet is left; the next apply starts over.".to_owned(),
        ),
        Attempt::Update => (
            format!(
                "The rollout of {} to the fleet {name} failed",
                told.fleet.release.text()
            ),
            format!(
                "{standing}\n\nThe next plan refuses exactly this change. Choose another release, \
                 correct the configuration, or give retry a value that it did not have yet to try \
                 the same again."
            ),
        ),
        Attempt::TakeOver | Attempt::Remove | Attempt::Clear => (
            format!("The fleet {name} was rolled back"),
            standing.to_owned(),
        ),
    };
    let member = failure.cause.member.as_ref();
    let member = member.map_or_else(String::new, |member| format!(", member {member}"));
    let mut detail = format!(
        "Generation {} ({}){member}: {}.",
        failure.generation,
        failure.release,
        failure.cause.summary.trim_end_matches('.')
    );
    let output = failure.cause.output.trim_end();
    if !output.is_empty() {
        detail.push_str(" The end of its output:\n");
        for line in output.lines() {
            let _ = write!(detail, "\n    {line}");
        }
    }
    Diagnostic::error(summary, format!("{detail}\n\n{then}")).at(Path::of("release"))
}

/// What is true of a fleet now, generation by generation.
fn standing(world: &World, policy: &Policy) -> String {
    let newest_first = world.generations.iter().rev();
    let lines = newest_first.map(|(number, generation)| {
        let trust = if world.stable == Some(*number) {
            ", stable"
        } else {
            ""
        };
        format!(
            "  - generation {number} ({}): {}{}{trust}",
            generation.release,
            members(generation, &Headcount::of(generation, policy, world.now)),
            weight(world, *number),
        )
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("Now there are:\n{}", lines.join("\n"))
}

/// A member that passes its checks is not healthy before it has done so for long enough.
fn members(generation: &Generation, count: &Headcount) -> String {
    let Headcount {
        healthy,
        recovering,
        ..
    } = count;
    let soon = match recovering {
        0 => String::new(),
        1 => " and 1 is about to be".to_owned(),
        _ => format!(" and {recovering} are about to be"),
    };
    format!(
        "{healthy} of {} members are healthy{soon}",
        generation.desired
    )
}

fn weight(world: &World, number: GenerationNumber) -> String {
    match &world.traffic {
        Traffic::None => String::new(),
        Traffic::Known { weights, .. } => {
            let weight = weights.get(&number).copied().unwrap_or_default();
            format!(", {weight} of the traffic")
        }
        Traffic::Unreadable { why } => format!(", traffic unreadable ({why})"),
    }
}

/// A reason as a sentence of its own.
fn sentence(reason: &Reason) -> String {
    let text = reason.to_string();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => format!(
            "{}{}.",
            first.to_uppercase(),
            letters.as_str().trim_end_matches('.')
        ),
        None => String::new(),
    }
}
