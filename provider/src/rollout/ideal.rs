//! A world in which everything that is done works at once and nothing goes wrong.

use super::{
    Action, AlarmState, Condemned, Generation, Headcount, Member, MemberState, Policy, Traffic,
    World,
};
use crate::model::{GenerationNumber, MemberId, Settings, Timestamp, Weights, nonzero};
use std::time::Duration;

/// Returns a world as it would be if all its members were well, its alarms quiet, and what was
/// written were in force.
pub(crate) fn healed(world: &World, policy: &Policy) -> World {
    let mut healed = world.clone();
    for (number, generation) in &mut healed.generations {
        let drifted = |member: &&Member| is_live(member) && member.drift.is_some();
        let drifted = generation.members.iter().filter(drifted).count();
        let is_new = generation.promoted_at.is_none();
        let proof = if is_new {
            shortest_proof(policy, world.settings.as_ref())
        } else {
            Duration::ZERO
        };
        let since = healthy_since(generation, world.now, is_new, proof, policy);
        let well = well_already(generation, world.now, is_new, policy);
        generation.desired = generation.wanted;
        generation.in_flight = Some(0);
        generation.members = members(*number, 0, generation.wanted, since);
        for member in generation.members.iter_mut().take(well) {
            member.launched_at = Timestamp::default();
            member.healthy_since = Some(Timestamp::default());
        }
        for member in generation.members.iter_mut().take(drifted) {
            member.drift = Some("differs from its image".to_owned());
        }
    }
    if let Traffic::Known {
        weights,
        written,
        before,
        ..
    } = &mut healed.traffic
    {
        *weights = written.clone();
        *before = written.clone();
    }
    healed.alarms = policy
        .alarms
        .iter()
        .map(|alarm| (alarm.clone(), AlarmState::Quiet))
        .collect();
    healed
}

/// Since when a generation's members are well in the ideal: as observed where all are, else from now.
fn healthy_since(
    generation: &Generation,
    now: Timestamp,
    is_new: bool,
    proof: Duration,
    policy: &Policy,
) -> Timestamp {
    let known = super::health::healthy_at(generation, generation.wanted, policy);
    let observed = generation
        .members
        .iter()
        .filter_map(|member| member.healthy_since)
        .max();
    match (known, observed) {
        (Some(_), Some(since)) => since,
        _ if is_new => now + proof.saturating_sub(policy.steady),
        _ => Timestamp::default(),
    }
}

/// How many members of a generation that is still growing are well by now: they may serve already,
/// and only the others are waited for.
fn well_already(generation: &Generation, now: Timestamp, is_new: bool, policy: &Policy) -> usize {
    let healthy = Headcount::of(generation, policy, now).healthy;
    if is_new && healthy < generation.wanted {
        usize::try_from(healthy).unwrap_or(usize::MAX)
    } else {
        0
    }
}

fn is_live(member: &Member) -> bool {
    matches!(member.state, MemberState::Launching | MemberState::Running)
}

fn members(number: GenerationNumber, first: u32, count: u32, since: Timestamp) -> Vec<Member> {
    (first..first.saturating_add(count))
        .map(|index| Member {
            id: MemberId(format!("g{number}-{index}")),
            state: MemberState::Running,
            launched_at: since,
            streak: u32::MAX,
            healthy_since: Some(since),
            ill_since: None,
            last_error: None,
            drift: None,
        })
        .collect()
}

/// The shortest time from a member's launch until it counts: it boots at once, then passes its
/// checks and stays well.
fn shortest_proof(policy: &Policy, settings: Option<&Settings>) -> Duration {
    let interval = settings.map_or(Duration::ZERO, |settings| settings.check.interval);
    let streak = interval.saturating_mul(policy.streak.saturating_sub(1));
    policy.steady.max(streak)
}

/// Returns the world after an action that works at once.
pub(crate) fn after(world: &World, action: &Action, policy: &Policy) -> World {
    let mut next = world.clone();
    let now = world.now;
    match action {
        Action::Configure(settings) => configure(&mut next, settings),
        Action::CreateGeneration { .. } => create(&mut next, action, policy),
        Action::ResizeGeneration { number, size } => resize(&mut next, *number, *size, policy),
        Action::ShiftTraffic { weights, before } => {
            next.traffic = known(weights, before, now);
        }
        Action::Condemn { number, cause, .. } => {
            if let Some(generation) = next.generations.get_mut(number) {
                generation.condemned = Some(Condemned {
                    cause: cause.clone(),
                    at: now,
                });
            }
        }
        Action::Promote { number } => promote(&mut next, *number),
        Action::DrainGeneration { number } => {
            if let Some(generation) = next.generations.get_mut(number) {
                generation.draining_since = Some(now);
            }
        }
        Action::DestroyGeneration { number, .. } => {
            next.generations.remove(number);
            next.stable = next.stable.filter(|stable| stable != number);
        }
        // The ideal cloud has started another one by now.
        Action::Park(parked) => next.parked.push(parked.clone()),
        Action::Unpark { member } => next.parked.retain(|parked| parked.member != *member),
        Action::DestroyFleet => next = World::absent(now),
    }
    next
}

fn configure(world: &mut World, settings: &Settings) {
    world.traffic = match (&settings.front, &world.traffic) {
        (None, _) => Traffic::None,
        (Some(_), Traffic::None) => known(&Weights::new(), &Weights::new(), world.now),
        (Some(_), traffic) => traffic.clone(),
    };
    // Sizes that changed by themselves are taken as they are.
    for generation in world.generations.values_mut() {
        generation.wanted = generation.desired;
        generation.wanted_before = generation.desired;
    }
    world.settings = Some(settings.clone());
}

fn known(weights: &Weights, before: &Weights, now: Timestamp) -> Traffic {
    Traffic::Known {
        weights: nonzero(weights),
        written: nonzero(weights),
        before: nonzero(before),
        written_at: now,
    }
}

fn create(world: &mut World, action: &Action, policy: &Policy) {
    let Action::CreateGeneration {
        number,
        launch,
        fingerprint,
        size,
        ..
    } = action
    else {
        return;
    };
    let now = world.now;
    let since = now + shortest_proof(policy, world.settings.as_ref()).saturating_sub(policy.steady);
    world.latest = world.latest.max(*number);
    let generation = Generation {
        fingerprint: fingerprint.clone(),
        release: launch.release.clone(),
        image_id: launch.release.to_string(),
        takes_traffic: launch.port.is_some(),
        wanted: *size,
        wanted_before: *size,
        desired: *size,
        created_at: now,
        resized_at: now,
        members: members(*number, 0, *size, since),
        condemned: None,
        promoted_at: None,
        retired_at: None,
        draining_since: None,
        in_flight: Some(0),
    };
    world.generations.insert(*number, generation);
}

fn resize(world: &mut World, number: GenerationNumber, size: u32, policy: &Policy) {
    let now = world.now;
    let since = now + shortest_proof(policy, world.settings.as_ref()).saturating_sub(policy.steady);
    let Some(generation) = world.generations.get_mut(&number) else {
        return;
    };
    let has = generation.wanted;
    generation.wanted_before = has;
    generation.wanted = size;
    generation.desired = size;
    generation.resized_at = now;
    if size >= has {
        let named = u32::try_from(generation.members.len()).unwrap_or(u32::MAX);
        let next = generation.resized_names(named);
        generation
            .members
            .extend(members(number, next, size - has, since));
        return;
    }
    // Drifted ones go first, then the youngest.
    generation
        .members
        .sort_by_key(|member| (member.drift.is_some(), member.launched_at));
    generation
        .members
        .truncate(usize::try_from(size).unwrap_or(usize::MAX));
}

impl Generation {
    /// The first index above those that members made here have, so that no id is given twice.
    fn resized_names(&self, at_least: u32) -> u32 {
        let index = |member: &Member| member.id.0.rsplit('-').next()?.parse::<u32>().ok();
        let highest = self.members.iter().filter_map(index).max();
        highest.map_or(at_least, |highest| at_least.max(highest.saturating_add(1)))
    }
}

fn promote(world: &mut World, number: GenerationNumber) {
    let now = world.now;
    if let Some(earlier) = world.stable.filter(|stable| *stable != number)
        && let Some(generation) = world.generations.get_mut(&earlier)
    {
        generation.retired_at = Some(now);
    }
    if let Some(generation) = world.generations.get_mut(&number) {
        generation.promoted_at = Some(now);
        generation.retired_at = None;
    }
    world.stable = Some(number);
    world.failure = None;
}
