//! Fleets whose size changes by itself: what they have is what they shall have.
//!
//! Everything else of the engine compares what was written with what is wanted. Here what is there is
//! put in the place of both, so that nothing else need know of it.

use super::traffic::SHOWS_WITHIN;
use super::{FleetGoal, Generation, Traffic, World};
use crate::model::{GenerationNumber, Timestamp, Weight};
use std::borrow::Cow;

/// Whether a fleet's size changes by itself, as it is set now.
pub(crate) fn is_live(world: &World) -> bool {
    world
        .settings
        .as_ref()
        .is_some_and(|settings| settings.scaling.is_live())
}

/// The members that a fleet shall have now. Where the size changes by itself it is that of the
/// generation that serves: a candidate is made as large, and is brought level with it until it has
/// all of the traffic and counts itself.
///
/// Goal 4, stable at 9, candidate at 10: 9 as long as the stable one has traffic, then 10.
pub(crate) fn size(world: &World, goal: &FleetGoal) -> u32 {
    if !goal.settings.scaling.is_live() {
        return goal.size;
    }
    let stable = world
        .stable
        .and_then(|number| world.generations.get(&number));
    let stable = stable.filter(|stable| stable.draining_since.is_none());
    let serving = world.generations.iter().filter(|(number, generation)| {
        generation.fingerprint == goal.fingerprint
            && generation.condemned.is_none()
            && generation.draining_since.is_none()
            && has_all_traffic(world, **number)
    });
    serving
        .map(|(_, generation)| generation.wanted)
        .fold(stable.map_or(goal.size, |stable| stable.wanted), u32::max)
}

fn has_all_traffic(world: &World, number: GenerationNumber) -> bool {
    match &world.traffic {
        Traffic::Known { written, .. } => written.get(&number) == Some(&Weight::ALL),
        Traffic::None | Traffic::Unreadable { .. } => false,
    }
}

/// The world with sizes that changed by themselves taken for ours.
pub(crate) fn seen(world: &World) -> Cow<'_, World> {
    let moved = |generation: &Generation| has_moved(generation, world.now);
    if !is_live(world) || !world.generations.values().any(moved) {
        return Cow::Borrowed(world);
    }
    let mut seen = world.clone();
    for generation in seen.generations.values_mut() {
        if has_moved(generation, world.now) {
            take(generation);
        }
    }
    Cow::Owned(seen)
}

/// Whether a size is neither what we wrote nor, for as long as a cloud may lag, what was before.
fn has_moved(generation: &Generation, now: Timestamp) -> bool {
    let is_fresh = now < generation.resized_at + SHOWS_WITHIN;
    generation.desired != generation.wanted
        && !(is_fresh && generation.desired == generation.wanted_before)
}

/// Members that came by themselves are not expected to be well before they can be: the size before
/// is kept for that, and their time counts from the newest one's launch.
fn take(generation: &mut Generation) {
    let launches = generation.members.iter().map(|member| member.launched_at);
    let newest = launches.max().unwrap_or(generation.resized_at);
    generation.wanted_before = generation.wanted.min(generation.desired);
    generation.wanted = generation.desired;
    generation.resized_at = generation.resized_at.max(newest);
}
