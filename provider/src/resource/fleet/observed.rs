//! What the state tells of a fleet: the world in a reader's words.

use super::attributes::{Drifted, Failure, Fleet, GenerationState, Health, ParkedState, Role};
use super::imported;
use super::texts::ReleaseText;
use crate::model::{GenerationNumber, Settings, Timestamp, Weight, nonzero};
use crate::rollout::{
    AlarmState, FleetGoal, Foreign, Generation, Goal, Headcount, HoldPoint, MemberState, Policy,
    Reason, RolloutFailure, Traffic, World, decide,
};
use crate::schema::{Bounded, DurationText, Text};
use std::time::Duration;

/// How a generation's place in its fleet is judged.
pub(in crate::resource) struct View<'a> {
    /// What is known of the fleet.
    pub(in crate::resource) world: &'a World,
    /// Where the rollout rests; absent: nowhere.
    pub(in crate::resource) held: Option<HoldPoint>,
    /// The limits in force.
    pub(in crate::resource) policy: &'a Policy,
}

/// Where a fleet stands, as `phase` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::resource) enum Phase {
    /// At rest.
    Stable,
    /// A generation is on trial and has no traffic yet.
    Launching,
    /// A generation on trial has a part of the traffic.
    Shifting,
    /// A generation on trial rests at a step until the next apply.
    Held,
    /// A generation on trial has all of the traffic.
    Baking,
    /// A generation failed and goes.
    RollingBack,
    /// An earlier generation goes.
    Retiring,
    /// Someone else changed weights or sizes.
    Interfered,
}

impl Phase {
    /// Returns the word for the state.
    pub(in crate::resource) fn word(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Launching => "launching",
            Self::Shifting => "shifting",
            Self::Held => "held",
            Self::Baking => "baking",
            Self::RollingBack => "rolling_back",
            Self::Retiring => "retiring",
            Self::Interfered => "interfered",
        }
    }
}

impl View<'_> {
    /// Returns what a generation is for its fleet, and since when.
    pub(in crate::resource) fn role(
        &self,
        number: GenerationNumber,
        of: &Generation,
    ) -> (Role, Timestamp) {
        let is_stable = self.world.stable == Some(number);
        let retired = of.retired_at.or(of.promoted_at.filter(|_| !is_stable));
        match (&of.condemned, of.draining_since, retired) {
            (Some(condemned), ..) => (Role::Condemned, condemned.at),
            // Also the stable one, where the fleet was to be destroyed: what drains never serves again.
            (None, Some(since), _) => (Role::Retiring, since),
            (None, ..) if is_stable => (Role::Stable, of.promoted_at.unwrap_or(of.created_at)),
            (None, None, Some(retired)) => (Role::Previous, retired),
            (None, None, None) => (Role::Candidate, of.created_at),
        }
    }

    /// Claims that a generation shall not stay: it drains, or its time to be kept warm is over.
    fn is_going(&self, role: Role, since: Timestamp) -> bool {
        match role {
            Role::Retiring => true,
            Role::Previous => self.world.now >= since + self.policy.keep_previous,
            Role::Stable | Role::Candidate | Role::Condemned => false,
        }
    }

    /// Returns a generation's share of the traffic; none when that cannot be read.
    pub(in crate::resource) fn weight(&self, number: GenerationNumber) -> Weight {
        match &self.world.traffic {
            Traffic::Known { weights, .. } => weights.get(&number).copied().unwrap_or_default(),
            Traffic::None | Traffic::Unreadable { .. } => Weight::NONE,
        }
    }

    /// Returns where the fleet stands. Its members' health is no part of it: the cloud replaces
    /// what dies at rest by itself, and a plan need not show that.
    pub(in crate::resource) fn phase(&self) -> Phase {
        if !Foreign::of(self.world).is_empty() {
            return Phase::Interfered;
        }
        if self.held.is_some() {
            return Phase::Held;
        }
        let generations = self.world.generations.iter();
        let places: Vec<(GenerationNumber, Role, Timestamp)> = generations
            .map(|(number, generation)| {
                let (role, since) = self.role(*number, generation);
                (*number, role, since)
            })
            .collect();
        let newest = |role| places.iter().rev().find(|place| place.1 == role);
        let candidate = newest(Role::Candidate).map(|place| self.weight(place.0));
        let some_go = places.iter().any(|place| self.is_going(place.1, place.2));
        match (newest(Role::Condemned), candidate, newest(Role::Stable)) {
            (Some(_), ..) => Phase::RollingBack,
            (None, Some(Weight::ALL), _) => Phase::Baking,
            (None, Some(Weight::NONE), _) | (None, None, None) => Phase::Launching,
            (None, Some(_), _) => Phase::Shifting,
            (None, None, Some(stable)) if self.is_diverted_from(stable.0) => Phase::Shifting,
            (None, None, Some(_)) if some_go => Phase::Retiring,
            (None, None, Some(_)) => Phase::Stable,
        }
    }

    /// Claims that the generation that is trusted does not have all of the traffic.
    fn is_diverted_from(&self, stable: GenerationNumber) -> bool {
        match &self.world.traffic {
            Traffic::Known { .. } => self.weight(stable) != Weight::ALL,
            Traffic::None | Traffic::Unreadable { .. } => false,
        }
    }

    fn generations(&self) -> Vec<GenerationState> {
        let newest_first = self.world.generations.iter().rev();
        newest_first
            .map(|(number, generation)| {
                let (role, since) = self.role(*number, generation);
                GenerationState {
                    number: number.0,
                    release: generation.release.to_string(),
                    image_id: generation.image_id.clone(),
                    fingerprint: generation.fingerprint.to_string(),
                    size: generation.desired,
                    healthy: Headcount::of(generation, self.policy, self.world.now).healthy,
                    weight: self.weight(*number).percent().into(),
                    role,
                    since: since.to_string(),
                    resized: self.is_resized(*number, generation),
                }
            })
            .collect()
    }

    /// Claims that a rollout which is under way has changed how many members a generation has.
    fn is_resized(&self, number: GenerationNumber, of: &Generation) -> bool {
        let others = self.world.generations.iter();
        let others = others.filter(|(other, _)| **other != number);
        let newest = others.map(|(_, other)| other.created_at).max();
        newest.is_some_and(|newest| of.resized_at > newest)
    }

    fn parked(&self) -> Vec<ParkedState> {
        let parked = self.world.parked.iter();
        parked
            .map(|it| ParkedState {
                member: it.member.to_string(),
                generation: it.generation.0,
                release: it.release.to_string(),
                by: it.by.clone(),
                reason: it.reason.clone(),
                ticket: it.ticket.clone(),
                until: it.until.to_string(),
                overdue: it.until <= self.world.now,
            })
            .collect()
    }

    fn drifted(&self) -> Vec<Drifted> {
        let members = self.world.generations.values().flat_map(|it| &it.members);
        let here = members.filter(|member| match member.state {
            MemberState::Launching | MemberState::Running => true,
            MemberState::Leaving | MemberState::Failed | MemberState::Parked => false,
        });
        here.filter_map(|member| {
            Some(Drifted {
                member: member.id.to_string(),
                reason: member.drift.clone()?,
            })
        })
        .collect()
    }
}

/// Returns where the rollout to a goal rests; absent: it does not. Reading asks for no alarms; what
/// they say is asked by the apply that goes on.
pub(in crate::resource) fn held(
    world: &World,
    goal: FleetGoal,
    policy: &Policy,
) -> Option<HoldPoint> {
    let quiet = |alarm: &String| (alarm.clone(), AlarmState::Quiet);
    let world = World {
        alarms: policy.alarms.iter().map(quiet).collect(),
        ..world.clone()
    };
    match decide(&world, &Goal::Fleet(Box::new(goal)), policy).reason {
        Reason::Held(point) => Some(point),
        _ => None,
    }
}

/// Claims that there is something of a fleet.
pub(in crate::resource) fn exists(world: &World) -> bool {
    world.settings.is_some() || !world.generations.is_empty()
}

/// Whether anybody may rely on the fleet: it has been trusted, it has traffic, or nobody can tell.
pub(super) fn serves(world: &World) -> bool {
    let is_busy = match &world.traffic {
        Traffic::None => false,
        Traffic::Known {
            weights, written, ..
        } => !nonzero(weights).is_empty() || !nonzero(written).is_empty(),
        Traffic::Unreadable { .. } => !world.generations.is_empty(),
    };
    world.stable.is_some() || is_busy
}

/// Returns the state with the front and the checks that are in force. What means the same keeps
/// the user's own words.
pub(super) fn with_settings(have: Fleet, settings: &Settings) -> Fleet {
    if have.settings() == *settings {
        return have;
    }
    let check = &settings.check;
    let traffic = match (have.traffic, &settings.front) {
        (Some(traffic), Some(front)) => Some(imported::traffic(traffic.port, front)),
        // The members' port is part of how they were started, which the world does not tell.
        (None, Some(_)) | (_, None) => None,
    };
    Fleet {
        traffic,
        health: Health {
            path: have.health.path,
            interval: long(have.health.interval, check.interval),
            timeout: long(have.health.timeout, check.timeout),
            streak: Bounded::new(check.streak.into()).unwrap_or(have.health.streak),
            steady: have.health.steady,
        },
        drain: long(have.drain, settings.drain),
        ..have
    }
    .with_scaling(&settings.scaling)
}

/// Returns a duration in the user's words where they mean it, else in the largest unit that divides
/// it: "90s", "2m", "1h".
fn long(text: DurationText, duration: Duration) -> DurationText {
    if text.duration() == duration {
        return text;
    }
    let milliseconds = duration.as_millis();
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let written = units
        .iter()
        .find(|(_, unit)| milliseconds >= *unit && milliseconds.is_multiple_of(*unit))
        .map_or_else(
            || "0s".to_owned(),
            |(name, unit)| format!("{}{name}", milliseconds / unit),
        );
    DurationText::parse(&written).unwrap_or(text)
}

/// Returns the state with everything that the world tells; `have` gives the rest.
///
/// What the generation that serves was made from is read back where the cloud tells it, so that a
/// change by someone else shows as a difference to the configuration.
pub(super) fn told(have: Fleet, view: &View<'_>, endpoint: Option<String>) -> Fleet {
    let world = view.world;
    let newest = world.generations.keys().next_back().copied();
    let serving = world.stable.or(newest);
    let stable = world
        .stable
        .and_then(|number| world.generations.get(&number));
    let shown = serving.and_then(|number| world.generations.get(&number));
    let is_ours = world
        .settings
        .as_ref()
        .is_some_and(|settings| settings.scaling.is_configured());
    let size = stable.filter(|_| is_ours);
    let size = size.and_then(|stable| Bounded::new(stable.desired.into()));
    let release = stable.map(|stable| &stable.release);
    // A rollout that rests has not come to what its state asks for, and is not given up either.
    let release = release
        .filter(|release| *release != have.release.release())
        .filter(|_| view.held.is_none());
    Fleet {
        id: Some(have.name.to_string()),
        release: release.map_or(have.release, |release| ReleaseText::from(release.clone())),
        size: size.or(have.size),
        generation: serving.map(|number| number.0),
        fingerprint: shown.map(|generation| generation.fingerprint.to_string()),
        image_id: shown.map(|generation| generation.image_id.clone()),
        endpoint,
        phase: Some(view.phase().word().to_owned()),
        drifted: Some(view.drifted()),
        parked: Some(view.parked()),
        generations: Some(view.generations()),
        latest_generation: Some(world.latest.0),
        failure: world.failure.as_ref().map(failure),
        forecast: Some(have.forecast.unwrap_or_default()),
        ..have
    }
}

fn failure(failure: &RolloutFailure) -> Failure {
    let member = failure.cause.member.as_ref();
    let member = member.map_or_else(String::new, |member| format!("member {member}: "));
    Failure {
        generation: failure.generation.0,
        release: failure.release.to_string(),
        fingerprint: failure.fingerprint.to_string(),
        retry: failure.retry.clone(),
        reason: format!("{member}{}", failure.cause.summary),
        at: failure.at.to_string(),
    }
}
