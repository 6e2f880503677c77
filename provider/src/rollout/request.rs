//! What a person has asked of a fleet, beside its configuration.
//!
//! A request is left in the world, so that whoever drives the fleet obeys it: an apply that is under
//! way does so at its next look. Each names exactly what it is about, and means nothing once that
//! has come about or passed.

use super::condemn::tolerated_exits;
use super::patience::Patience;
use super::roles::{Subject, View};
use super::traffic::{Flow, all_on, divided};
use super::{Action, Cause, Decision, FleetGoal, HoldPoint, Policy, Reason, World, clear, decide};
use crate::model::{GenerationNumber, MemberId, Timestamp, Weight};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a request is obeyed. Whoever asked at 2 AM and was not heard must not be surprised at 9.
const STANDS_FOR: Duration = Duration::from_secs(3600);

/// What a person has asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What shall happen.
    pub wish: Wish,
    /// Who asked.
    pub by: String,
    /// Why, in that person's words.
    pub reason: String,
    /// When, by the cloud's clock.
    pub at: Timestamp,
}

/// What a person can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// A rollout ends now: the candidate is given up and the traffic returns.
    Abort {
        /// The candidate.
        generation: GenerationNumber,
    },
    /// The earlier generation takes all of the traffic, and the one that serves is given up.
    Rollback {
        /// The generation that serves.
        from: GenerationNumber,
        /// The one that is kept warm.
        to: GenerationNumber,
    },
    /// A candidate is watched no longer where it stands. What it must prove, it must prove all the
    /// same: health, settled weights, quiet alarms.
    Promote(HoldPoint),
    /// A member goes out of the traffic, for a person to look at.
    BreakGlass {
        /// The member.
        member: MemberId,
        /// Where more is written about it; empty: nowhere.
        ticket: String,
        /// When it goes.
        until: Timestamp,
    },
    /// The earlier generation gets a share of the traffic for as long as weights take to settle, and
    /// gives it back.
    Rehearse {
        /// The one that is kept warm.
        to: GenerationNumber,
        /// Its share.
        weight: Weight,
    },
}

impl Request {
    /// Whether it is still obeyed.
    #[must_use]
    pub fn stands(&self, now: Timestamp) -> bool {
        now < self.at + STANDS_FOR
    }

    pub(crate) fn why(&self) -> Reason {
        Reason::Asked {
            by: self.by.clone(),
            reason: self.reason.clone(),
        }
    }
}

impl World {
    /// What a person has asked for, as long as it is obeyed.
    #[must_use]
    pub fn asked(&self) -> Option<&Request> {
        self.request
            .as_ref()
            .filter(|request| request.stands(self.now))
    }
}

/// Why a candidate shall be given up; absent: nobody asked for that.
pub(crate) fn abort(view: &View<'_>, candidate: &Subject<'_>) -> Option<String> {
    let request = view.world.asked()?;
    let Wish::Abort { generation } = request.wish else {
        return None;
    };
    (generation == candidate.number && view.stable.is_some())
        .then(|| format!("{} ended the rollout: {}", request.by, request.reason))
}

/// Whether a person has asked to go on from where a candidate stands.
pub(crate) fn is_promoted(world: &World, here: HoldPoint) -> bool {
    world
        .asked()
        .is_some_and(|request| request.wish == Wish::Promote(here))
}

/// Whether a person has asked to go back to a generation.
pub(crate) fn is_returned_to(world: &World, number: GenerationNumber) -> bool {
    let asked = world.asked().map(|request| &request.wish);
    matches!(asked, Some(Wish::Rollback { to, .. }) if *to == number)
}

/// The healthy members that a person's rollback must find: the fleet's minimum, or as many as the
/// generation has that is gone back from, where that has less. It serves no worse then, and a
/// rollback that waits for more would only prolong what it shall end. A fleet whose size changes by
/// itself has the size that its load asks for: what is gone back to is brought level first.
pub(crate) fn enough(view: &View<'_>, from: &Subject<'_>) -> u32 {
    let minimum = view.capacity.min_healthy;
    if view.goal.settings.scaling.is_live() {
        return minimum;
    }
    minimum.min(from.count.healthy).max(1)
}

/// Decides a rollback that was asked for; absent: none was, it is done, or the earlier generation
/// cannot take the traffic.
pub(crate) fn rollback(world: &World, goal: &FleetGoal, policy: &Policy) -> Option<Decision> {
    let request = world.asked()?;
    let Wish::Rollback { from, to } = request.wish else {
        return None;
    };
    let (given_up, earlier) = (world.generations.get(&from)?, world.generations.get(&to)?);
    // What never was trusted is on trial, and nothing to go back to.
    if given_up.condemned.is_some() || earlier.promoted_at.is_none() {
        return None;
    }
    if world.stable == Some(to) {
        let cause = Cause {
            summary: format!("{} went back from it: {}", request.by, request.reason),
            member: None,
            output: String::new(),
        };
        let action = Action::Condemn {
            number: from,
            cause,
            retry: goal.retry.clone(),
        };
        return Some(Decision::act(action, request.why()));
    }
    let back = FleetGoal {
        fingerprint: earlier.fingerprint.clone(),
        launch: None,
        beyond: None,
        ..goal.clone()
    };
    let view = View::of(world, &back, policy);
    let stable = view.stable.filter(|stable| stable.number == from)?;
    let candidate = view.candidate.filter(|earlier| earlier.number == to)?;
    let can_serve = earlier.takes_traffic || goal.settings.front.is_none();
    let is_able = candidate.weight > Weight::NONE
        || candidate.is_whole()
        || candidate.count.healthy >= enough(&view, &stable)
        || may_get_well(&view, &candidate);
    (can_serve && is_able).then(|| decide::decide_fleet(&view))
}

/// Whether the time is not over that an earlier generation has to get well. Nothing is held against
/// it when it is: its release was good, and its members can be made anew.
fn may_get_well(view: &View<'_>, earlier: &Subject<'_>) -> bool {
    let ends = Patience::to_recover(earlier.generation, view.policy, view.now()).ends();
    let tolerated = tolerated_exits(earlier.generation.wanted);
    view.now() < ends && earlier.count.failed < tolerated
}

/// Decides a rehearsal that was asked for; absent: none was, or it is over. What was shifted since it
/// was asked for tells how far it has come.
pub(crate) fn rehearse(view: &View<'_>, stable: &Subject<'_>) -> Option<Decision> {
    let request = view.world.asked()?;
    let (Wish::Rehearse { to, weight }, Some(kept)) = (&request.wish, &view.kept) else {
        return None;
    };
    let Flow::InForce { weights, since } = &view.flow else {
        return None;
    };
    let can_serve = kept.generation.takes_traffic && kept.is_whole();
    if kept.number != *to || !can_serve || !stable.is_whole() {
        return None;
    }
    let there = divided(kept.number, *weight, stable.number);
    if *weights == all_on(stable.number) && *since < request.at {
        return Some(clear::shift(view, there, request.why()));
    }
    let settle = view.policy.settle;
    (*weights == there)
        .then(|| clear::settling(view.world, &view.flow, settle))
        .flatten()
}
