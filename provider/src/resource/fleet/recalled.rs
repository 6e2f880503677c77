//! The world as the state remembers it: what the forecast starts from.
//!
//! A plan may not look at the cloud, because it runs twice and has to agree. Reading brought into
//! the state what the forecast needs. Points in time are not kept: the forecast assumes that every
//! wait begins anew, which is the longest that it can take. Only how long a generation was kept warm
//! by then is known, because it decides whether it goes or stays.

use super::attributes::{Failure, Fleet, GenerationState, ParkedState, Role};
use super::private::Private;
use crate::model::{
    Fingerprint, GenerationNumber, MemberId, ReleaseRef, Timestamp, Weight, Weights,
};
use crate::rollout::{
    AlarmState, Cause, Condemned, Foreign, Generation, Member, MemberState, Parked, RolloutFailure,
    Traffic, World,
};

/// The moment of the forecast. Any will do; what came before it came long before.
pub(super) const NOW: Timestamp = Timestamp::from_milliseconds(1_000_000_000_000);
/// When what is on trial was made: before anything was done about it.
const BEFORE: Timestamp = Timestamp::from_milliseconds(999_999_999_999);
/// Long after any forecast ends.
const NEVER: Timestamp = Timestamp::from_milliseconds(u64::MAX / 2);
/// Long before any wait began that could still go on.
const LONG_AGO: Timestamp = Timestamp::from_milliseconds(0);

/// Returns the world that a state tells of, with what was left beside it.
pub(super) fn world(have: &Fleet, private: &Private) -> World {
    let known = have.generations.iter().flatten();
    let generations = known
        .clone()
        .map(|it| (GenerationNumber(it.number), generation(it, have, private)))
        .collect();
    let stable = known.clone().find(|it| it.role == Role::Stable);
    World {
        settings: Some(have.settings()),
        generations,
        stable: stable.map(|it| GenerationNumber(it.number)),
        latest: GenerationNumber(have.latest_generation.unwrap_or_default()),
        traffic: traffic(have, &private.foreign),
        failure: have.failure.as_ref().and_then(failure),
        parked: have.parked.iter().flatten().map(parked).collect(),
        alarms: have
            .rollout
            .alarms
            .iter()
            .flatten()
            .map(|name| (name.clone(), AlarmState::Quiet))
            .collect(),
        ..World::absent(NOW)
    }
}

fn generation(of: &GenerationState, have: &Fleet, private: &Private) -> Generation {
    let retired_at = match of.role {
        Role::Stable | Role::Candidate | Role::Condemned => None,
        Role::Previous => Some(retired_at(GenerationNumber(of.number), private)),
        Role::Retiring => Some(NOW),
    };
    let condemned = (of.role == Role::Condemned).then(|| Condemned {
        cause: Cause {
            summary: have
                .failure
                .as_ref()
                .map_or_else(String::new, |failure| failure.reason.clone()),
            member: None,
            output: String::new(),
        },
        at: NOW,
    });
    let written = private.foreign.capacity.get(&GenerationNumber(of.number));
    let wanted = written.map_or(of.size, |foreign| foreign.written);
    let is_proven = of.role == Role::Stable || retired_at.is_some();
    let (created_at, unchanged_since) = if is_proven {
        (LONG_AGO, LONG_AGO)
    } else {
        (BEFORE, NOW)
    };
    Generation {
        fingerprint: Fingerprint(of.fingerprint.clone()),
        release: ReleaseRef::parse(&of.release)
            .unwrap_or_else(|_| ReleaseRef::Image(of.release.clone())),
        image_id: of.image_id.clone(),
        takes_traffic: have.traffic.is_some()
            && !private.workers.contains(&GenerationNumber(of.number)),
        wanted,
        wanted_before: wanted,
        desired: of.size,
        created_at,
        resized_at: if of.resized { NOW } else { unchanged_since },
        members: (0..of.size).map(|index| member(of, index, have)).collect(),
        condemned,
        promoted_at: is_proven.then_some(LONG_AGO),
        retired_at,
        draining_since: (of.role == Role::Retiring).then_some(NOW),
        in_flight: None,
    }
}

/// Without knowing, its time begins anew.
fn retired_at(number: GenerationNumber, private: &Private) -> Timestamp {
    let kept_for = private.kept_for.get(&number).copied().unwrap_or_default();
    let milliseconds = u64::try_from(kept_for.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_milliseconds(NOW.milliseconds().saturating_sub(milliseconds))
}

/// The members of a generation that was proven are taken for healthy: what died since then the
/// cloud has replaced or will. On a generation on trial only those count that did when it was read.
fn member(of: &GenerationState, index: u32, have: &Fleet) -> Member {
    let is_healthy = of.role != Role::Candidate || index < of.healthy;
    let drifted = have.drifted.iter().flatten();
    let drift = (of.role == Role::Stable)
        .then(|| drifted.map(|it| it.reason.clone()).nth(index as usize))
        .flatten();
    Member {
        id: MemberId(format!("{}-{}-{index}", have.name, of.number)),
        state: if is_healthy {
            MemberState::Running
        } else {
            MemberState::Launching
        },
        launched_at: if is_healthy { LONG_AGO } else { NOW },
        streak: if is_healthy { u32::MAX } else { 0 },
        healthy_since: is_healthy.then_some(LONG_AGO),
        ill_since: None,
        last_error: None,
        drift,
    }
}

fn traffic(have: &Fleet, foreign: &Foreign) -> Traffic {
    if have.traffic.is_none() {
        return Traffic::None;
    }
    let known = have.generations.iter().flatten();
    let weights: Weights = known
        .filter_map(|it| {
            let weight = u8::try_from(it.weight).ok().and_then(Weight::new)?;
            (weight > Weight::NONE).then_some((GenerationNumber(it.number), weight))
        })
        .collect();
    let written = foreign.weights.as_ref().map(|foreign| &foreign.written);
    let written = written.unwrap_or(&weights);
    Traffic::Known {
        written: written.clone(),
        before: written.clone(),
        weights,
        written_at: NOW,
    }
}

/// Only whether its time is over decides what becomes of a member that somebody looks at.
fn parked(of: &ParkedState) -> Parked {
    Parked {
        member: MemberId(of.member.clone()),
        generation: GenerationNumber(of.generation),
        release: ReleaseRef::parse(&of.release)
            .unwrap_or_else(|_| ReleaseRef::Image(of.release.clone())),
        by: of.by.clone(),
        reason: of.reason.clone(),
        ticket: of.ticket.clone(),
        until: if of.overdue { NOW } else { NEVER },
    }
}

fn failure(failure: &Failure) -> Option<RolloutFailure> {
    Some(RolloutFailure {
        generation: GenerationNumber(failure.generation),
        fingerprint: Fingerprint(failure.fingerprint.clone()),
        release: ReleaseRef::parse(&failure.release).ok()?,
        retry: failure.retry.clone(),
        cause: Cause {
            summary: failure.reason.clone(),
            member: None,
            output: String::new(),
        },
        at: NOW,
    })
}
