//! The one way to say what an action does, in the plan, in logs and in transcripts.

use super::{Action, Division, Words, World};
use crate::model::{GenerationNumber, Weight, Weights};
use std::fmt::Write;

/// Says what an action does to a world: `create generation 4: 6 members of web@1.5.0`.
#[must_use]
pub fn wording(action: &Action, world: &World) -> String {
    match action {
        Action::Configure(_) if world.settings.is_none() => "set up the fleet".to_owned(),
        Action::Configure(_) => "change front and checks".to_owned(),
        Action::CreateGeneration {
            number,
            launch,
            size,
            ..
        } => format!(
            "create generation {number}: {} of {}",
            members(*size),
            launch.release
        ),
        Action::ResizeGeneration { number, size } => resizing(*number, *size, world),
        Action::ShiftTraffic { weights, before } if weights == before => {
            format!("take traffic as it is: {}", Division(weights))
        }
        Action::ShiftTraffic { weights, .. } if weights.is_empty() => {
            "take all traffic off".to_owned()
        }
        Action::ShiftTraffic { weights, before } => {
            format!("shift traffic: {}", shifting(weights, before))
        }
        Action::Condemn { number, cause, .. } => {
            format!("give up generation {number}: {}", cause.summary)
        }
        Action::Promote { number } => format!("trust generation {number}"),
        Action::DrainGeneration { number } => match &world.settings {
            Some(settings) => format!("drain generation {number} ({})", Words(settings.drain)),
            None => format!("drain generation {number}"),
        },
        Action::DestroyGeneration { number, park } => {
            let mut text = format!("destroy generation {number}");
            if let Some(generation) = world.generations.get(number) {
                let count = members(generation.desired);
                let _ = write!(text, ": {count} of {}", generation.release);
            }
            if let Some(member) = park {
                let _ = write!(text, ", parking member {member}");
            }
            text
        }
        Action::Park(parked) => format!(
            "take member {} out of the traffic for {}: {}",
            parked.member, parked.by, parked.reason
        ),
        Action::Unpark { member } => {
            format!("remove member {member}, which was out of the traffic")
        }
        Action::DestroyFleet => "remove the fleet".to_owned(),
    }
}

fn resizing(number: GenerationNumber, size: u32, world: &World) -> String {
    let generation = world.generations.get(&number);
    match generation.map(|generation| (generation.wanted, generation.desired)) {
        Some((has, told)) if told == size && has != size => {
            format!("take generation {number} as it is: {}", members(size))
        }
        Some((has, _)) if has < size => {
            format!("grow generation {number}: {has} -> {}", members(size))
        }
        Some((has, _)) if has > size => {
            format!("shrink generation {number}: {has} -> {}", members(size))
        }
        Some(_) | None => format!("keep generation {number} at {}", members(size)),
    }
}

/// Says the changes, those that get more first: `generation 4 0% -> 100%, generation 3 100% -> 0%`.
fn shifting(weights: &Weights, before: &Weights) -> String {
    let of = |weights: &Weights, number| weights.get(number).copied().unwrap_or(Weight::NONE);
    let mut changes: Vec<_> = weights
        .keys()
        .chain(before.keys())
        .map(|number| (of(before, number), of(weights, number), *number))
        .filter(|(from, to, _)| from != to)
        .collect();
    changes.sort_unstable_by_key(|(from, to, number)| (to < from, *number));
    changes.dedup();
    let said: Vec<String> = changes
        .iter()
        .map(|(from, to, number)| format!("generation {number} {from} -> {to}"))
        .collect();
    said.join(", ")
}

/// Says how many members: `1 member`, `6 members`.
#[must_use]
pub fn members(count: u32) -> String {
    match count {
        1 => "1 member".to_owned(),
        _ => format!("{count} members"),
    }
}
