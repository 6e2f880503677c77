//! The referee: the rules that hold at every step, whoever decides.
//!
//! It knows the words of the world and nothing of how steps are decided; what it counts, it counts
//! itself. It runs in every test, after every action.

mod case;
mod steps;

use self::steps::{alarms_are_heard, steps_are_held};
use super::{
    Action, AlarmState, FleetGoal, Generation, Goal, HoldPoint, MemberState, Policy, Strategy,
    Traffic, Wish, World,
};
use crate::model::{GenerationNumber, Timestamp, Weight, Weights};
use std::fmt;
use std::time::Duration;

/// A rule of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Healthy serving members never fall below the minimum by our doing.
    KeepsServing,
    /// Members never rise above size and surge by our doing.
    KeepsBelowSurge,
    /// Traffic grows only on a generation that has the healthy members for it and may serve.
    TrafficOnlyToHealthy,
    /// Nobody touches or condemns the stable generation before another one is trusted.
    StableUntouched,
    /// A generation is trusted only with all of the traffic, healthy, baked and unalarmed.
    TrustIsEarned,
    /// Weights count only when they were read back; until then nothing rests on them.
    ReadBack,
    /// Nothing is removed before its weight is 0, has settled, and its requests have drained.
    RemovedOnlyWhenIdle,
    /// A creation carries its intent, takes the next number, and has only the stable one beside it.
    OneRolloutAtATime,
    /// What failed is not tried again until it or the retry token changes.
    FailedStaysFailed,
    /// What someone else changed is not fought over.
    NoFights,
    /// A canary takes each of its steps, and holds it.
    StepsAreHeld,
    /// Traffic is not moved to a candidate while an alarm fires or cannot be read.
    AlarmsAreHeard,
    /// The generation that served last stays until the one that serves now is well.
    EarlierStaysUntilWell,
}

/// A rule that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The rule.
    pub rule: Rule,
    /// What happened.
    pub what: String,
}

/// Everything that an action is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What was seen when it was decided.
    pub before: &'a World,
    /// What was true before it, which a cloud that lags does not show.
    pub was: &'a World,
    /// The action.
    pub action: &'a Action,
    /// What is true after it.
    pub after: &'a World,
    /// What was wanted.
    pub goal: &'a Goal,
    /// The limits.
    pub policy: &'a Policy,
}

/// What breaks a rule, in words; absent: it holds.
type Judgement = fn(&Case<'_>) -> Option<String>;

/// Judges an action; no breach: it was fair.
#[must_use]
pub fn judge(case: &Case<'_>) -> Vec<Breach> {
    let rules: [(Rule, Judgement); 13] = [
        (Rule::KeepsServing, keeps_serving),
        (Rule::KeepsBelowSurge, keeps_below_surge),
        (Rule::TrafficOnlyToHealthy, traffic_only_to_healthy),
        (Rule::StableUntouched, stable_untouched),
        (Rule::TrustIsEarned, trust_is_earned),
        (Rule::ReadBack, read_back),
        (Rule::RemovedOnlyWhenIdle, removed_only_when_idle),
        (Rule::OneRolloutAtATime, one_rollout_at_a_time),
        (Rule::FailedStaysFailed, failed_stays_failed),
        (Rule::NoFights, no_fights),
        (Rule::StepsAreHeld, steps_are_held),
        (Rule::AlarmsAreHeard, alarms_are_heard),
        (Rule::EarlierStaysUntilWell, earlier_stays_until_well),
    ];
    rules
        .into_iter()
        .filter_map(|(rule, broken)| broken(case).map(|what| Breach { rule, what }))
        .collect()
}

fn healthy(generation: &Generation, policy: &Policy, now: Timestamp) -> u32 {
    let is_healthy = |member: &&super::Member| {
        member.state == MemberState::Running
            && member.streak >= policy.streak
            && member
                .healthy_since
                .is_some_and(|since| since + policy.steady <= now)
    };
    count(generation.members.iter().filter(is_healthy).count())
}

fn count(members: usize) -> u32 {
    u32::try_from(members).unwrap_or(u32::MAX)
}

fn weight(weights: &Weights, number: GenerationNumber) -> Weight {
    weights.get(&number).copied().unwrap_or(Weight::NONE)
}

/// The healthy members in service, with the weights as the last write has them. Without a front, and
/// as long as workers are trusted, these are the stable ones and the wanted ones; what must go is not
/// counted on.
fn serving(world: &World, goal: &FleetGoal, policy: &Policy, now: Timestamp) -> u32 {
    let is_counted_on = |number: GenerationNumber, generation: &Generation| {
        let is_wanted = generation.fingerprint == goal.fingerprint
            && generation.condemned.is_none()
            && generation.draining_since.is_none();
        Some(number) == world.stable || is_wanted
    };
    let trusted = world
        .stable
        .and_then(|number| world.generations.get(&number));
    let is_divided = trusted.is_none_or(|trusted| trusted.takes_traffic);
    let serves = |number: GenerationNumber, generation: &Generation| match &world.traffic {
        Traffic::Known { written, .. } if is_divided => weight(written, number) > Weight::NONE,
        Traffic::Known { .. } | Traffic::None | Traffic::Unreadable { .. } => {
            is_counted_on(number, generation)
        }
    };
    world
        .generations
        .iter()
        .filter(|(number, generation)| serves(**number, generation))
        .map(|(_, generation)| healthy(generation, policy, now))
        .sum()
}

fn keeps_serving(case: &Case<'_>) -> Option<String> {
    let goal = case.fleet()?;
    let Some(stable) = case.stable() else {
        return case.leaves_nobody();
    };
    let is_adopted =
        matches!(case.action, Action::ShiftTraffic { weights, before } if weights == before);
    if is_adopted || is_return_of_traffic(case) || gives_or_takes_the_front(case) {
        return None;
    }
    // A verdict takes nothing away; and what a look that lagged did not show is not our doing.
    if matches!(case.action, Action::Condemn { .. })
        || case.before != case.was
        || is_sent_again(case)
    {
        return None;
    }
    let minimum = case.minimum(case.size(goal));
    let minimum = match &case.policy.strategy {
        Strategy::Rolling { .. } => minimum,
        Strategy::BlueGreen | Strategy::Canary { .. } => minimum.min(case.shall_have(stable)),
    };
    let now = case.before.now;
    let (was, is) = (
        serving(case.was, goal, case.policy, now),
        serving(case.after, goal, case.policy, now),
    );
    (is < was && is < minimum).then(|| format!("{was} served, now {is}, at least {minimum} must"))
}

/// A fleet begins or ceases to take traffic, by the user's own word.
fn gives_or_takes_the_front(case: &Case<'_>) -> bool {
    let Action::Configure(settings) = case.action else {
        return false;
    };
    let before = case.before.settings.as_ref();
    settings.front.is_some() != before.is_some_and(|before| before.front.is_some())
}

/// A shift away from a generation that must go, to what there is of the stable one.
fn is_return_of_traffic(case: &Case<'_>) -> bool {
    let Action::ShiftTraffic { weights, before } = case.action else {
        return false;
    };
    let gains = |number: &GenerationNumber| weight(weights, *number) > weight(before, *number);
    let gaining: Vec<_> = weights.keys().filter(|number| gains(number)).collect();
    let loses_unwanted = before.keys().any(|number| {
        weight(weights, *number) < weight(before, *number)
            && !case.is_candidate_in_good_standing(*number)
    });
    loses_unwanted
        && gaining
            .iter()
            .all(|number| Some(**number) == case.before.stable)
}

impl Case<'_> {
    /// The healthy members that are enough for a generation because a person has asked to go back to
    /// it: as many as the one has that is gone back from.
    fn asked_of(&self, number: GenerationNumber) -> u32 {
        let request = self.before.request.as_ref();
        let request = request.filter(|request| request.stands(self.before.now));
        match (request.map(|request| &request.wish), self.stable()) {
            (Some(Wish::Rollback { to, .. }), Some(stable)) if *to == number => {
                self.healthy(stable).max(1)
            }
            _ => u32::MAX,
        }
    }

    /// Whether a plan was approved, or a person asked, to go on from there.
    fn is_told_to_go_on(&self, from: HoldPoint) -> bool {
        let asked = self.before.request.as_ref();
        let is_asked = asked.is_some_and(|request| {
            request.wish == Wish::Promote(from) && request.stands(self.before.now)
        });
        is_asked || self.fleet().and_then(|goal| goal.beyond) == Some(from)
    }
}

fn keeps_below_surge(case: &Case<'_>) -> Option<String> {
    let goal = case.fleet()?;
    let running = |world: &World| -> u32 {
        let is_running = |member: &&super::Member| {
            matches!(
                member.state,
                MemberState::Launching | MemberState::Running | MemberState::Leaving
            )
        };
        // The earlier generation is kept on top of the limit, by the user's own word.
        let generations = world.generations.values();
        generations
            .filter(|generation| generation.retired_at.is_none())
            .map(|generation| count(generation.members.iter().filter(is_running).count()))
            .sum()
    };
    let stable = case.stable();
    let stable = stable.map_or(0, |stable| stable.wanted.max(stable.desired));
    let launches = matches!(
        case.action,
        Action::CreateGeneration { .. } | Action::ResizeGeneration { .. }
    );
    if !launches || is_sent_again(case) {
        return None;
    }
    let size = case.size(goal);
    let limit = match &case.policy.strategy {
        Strategy::Rolling { surge, .. } => size + surge.rounded_up(size).max(1),
        Strategy::BlueGreen | Strategy::Canary { .. } => size + stable.max(size),
    };
    // What someone else launched unseen is not our doing.
    let launched = running(case.after).saturating_sub(running(case.was));
    let is = running(case.before) + launched;
    (launched > 0 && is > limit).then(|| format!("{is} members run, at most {limit} may"))
}

/// A change of capacity that was lost on the way, or undone by someone else meanwhile.
fn is_sent_again(case: &Case<'_>) -> bool {
    let Action::ResizeGeneration { number, size } = case.action else {
        return false;
    };
    let generation = case.before.generations.get(number);
    generation.is_some_and(|generation| generation.wanted == *size)
}

fn traffic_only_to_healthy(case: &Case<'_>) -> Option<String> {
    let Action::ShiftTraffic { weights, before } = case.action else {
        return None;
    };
    // Adopted, or sent again because it did not show: it was judged when it was first sent.
    let is_written =
        matches!(&case.before.traffic, Traffic::Known { written, .. } if weights == written);
    if weights == before || is_written {
        return None;
    }
    let goal = case.fleet()?;
    let nobody_had_any = before.values().all(|share| *share == Weight::NONE);
    weights.iter().find_map(|(number, share)| {
        // What nobody has is worth as much on a stable generation that is ill.
        let is_restored = nobody_had_any && Some(*number) == case.before.stable;
        if *share <= weight(before, *number) {
            return None;
        }
        let Some(generation) = case.before.generations.get(number) else {
            return Some(format!("generation {number} does not exist"));
        };
        if !generation.takes_traffic {
            return Some(format!("generation {number} has no port and gets {share}"));
        }
        if is_restored {
            return None;
        }
        let has = case.healthy(generation);
        let may_serve = generation.condemned.is_none() && generation.draining_since.is_none();
        let needs = if Some(*number) == case.before.stable {
            let others = case.before.generations.iter().filter(|(n, _)| *n != number);
            u32::from(others.map(|(_, other)| case.healthy(other)).sum::<u32>() > 0)
        } else {
            case.needed(*share, case.size(goal))
                .min(case.asked_of(*number))
        };
        (!may_serve || has < needs).then(|| {
            format!("generation {number} gets {share} with {has} healthy, it needs {needs}")
        })
    })
}

fn stable_untouched(case: &Case<'_>) -> Option<String> {
    case.fleet()?;
    case.stable()?;
    let stable = case.before.stable?;
    let has_candidate = case
        .before
        .generations
        .keys()
        .any(|n| case.is_candidate(*n));
    let shrinks = |size: u32| case.stable().is_some_and(|stable| size < stable.wanted);
    let is_rolling = matches!(case.policy.strategy, Strategy::Rolling { .. });
    let touches = match case.action {
        Action::Condemn { number, .. }
        | Action::DrainGeneration { number }
        | Action::DestroyGeneration { number, .. } => *number == stable,
        Action::ResizeGeneration { number, size } => {
            *number == stable && has_candidate && !is_rolling && shrinks(*size)
        }
        Action::Configure(_)
        | Action::CreateGeneration { .. }
        | Action::ShiftTraffic { .. }
        | Action::Promote { .. }
        | Action::Park(_)
        | Action::Unpark { .. }
        | Action::DestroyFleet => false,
    };
    touches.then(|| format!("{:?} touches stable generation {stable}", case.action))
}

fn trust_is_earned(case: &Case<'_>) -> Option<String> {
    let Action::Promote { number } = case.action else {
        return None;
    };
    let goal = case.fleet()?;
    let generation = case.before.generations.get(number)?;
    if case.before.stable == Some(*number) {
        return None;
    }
    let is_tried = case.stable().is_some() && generation.retired_at.is_none();
    let full = HoldPoint {
        generation: *number,
        weight: Weight::ALL,
    };
    let bake = if is_tried && !case.is_told_to_go_on(full) {
        case.policy.bake
    } else {
        Duration::ZERO
    };
    let has = case.healthy(generation);
    let serves_alone = case.stable().is_none() && case.has_served_alone(*number);
    let needs = if generation.fingerprint == goal.fingerprint && !serves_alone {
        case.needed(Weight::ALL, case.size(goal))
    } else {
        1
    };
    let now = case.before.now;
    let is_early = match &case.before.traffic {
        Traffic::Known {
            weights,
            written_at,
            ..
        } => {
            if weight(weights, *number) != Weight::ALL && !serves_alone {
                return Some(format!("generation {number} has not all of the traffic"));
            }
            let settle = if generation.fingerprint == goal.fingerprint {
                case.policy.settle
            } else {
                Duration::ZERO
            };
            now < *written_at + settle + bake
        }
        Traffic::None => now < generation.resized_at + bake,
        Traffic::Unreadable { .. } => true,
    };
    if is_early {
        return Some(format!("generation {number} is trusted before it baked"));
    }
    if is_tried && !alarms_are_quiet(case) {
        return Some(format!(
            "generation {number} is trusted in spite of an alarm"
        ));
    }
    (has < needs).then(|| format!("generation {number} is trusted with {has} of {needs} healthy"))
}

fn alarms_are_quiet(case: &Case<'_>) -> bool {
    case.policy
        .alarms
        .iter()
        .all(|alarm| case.before.alarms.get(alarm) == Some(&AlarmState::Quiet))
}

fn read_back(case: &Case<'_>) -> Option<String> {
    let rests_on_weights = match case.action {
        Action::Promote { .. }
        | Action::DrainGeneration { .. }
        | Action::DestroyGeneration { .. }
        | Action::ShiftTraffic { .. } => true,
        Action::Configure(_)
        | Action::CreateGeneration { .. }
        | Action::ResizeGeneration { .. }
        | Action::Condemn { .. }
        | Action::Park(_)
        | Action::Unpark { .. }
        | Action::DestroyFleet => false,
    };
    if !rests_on_weights {
        return None;
    }
    match &case.before.traffic {
        Traffic::None => None,
        Traffic::Unreadable { .. } => Some(format!("{:?} on unreadable traffic", case.action)),
        Traffic::Known {
            weights, written, ..
        } => {
            let sends_again =
                matches!(case.action, Action::ShiftTraffic { weights, .. } if weights == written);
            let adopts =
                matches!(case.action, Action::ShiftTraffic { weights: to, before } if to == before);
            let takes_off = *case.goal == Goal::Absent
                && matches!(case.action, Action::ShiftTraffic { weights, .. } if weights.is_empty());
            (weights != written && !sends_again && !adopts && !takes_off)
                .then(|| format!("{:?} before the traffic was read back", case.action))
        }
    }
}

fn removed_only_when_idle(case: &Case<'_>) -> Option<String> {
    let (number, is_destroyed) = match case.action {
        Action::DrainGeneration { number } => (number, false),
        Action::DestroyGeneration { number, .. } => (number, true),
        Action::Configure(_)
        | Action::CreateGeneration { .. }
        | Action::ResizeGeneration { .. }
        | Action::ShiftTraffic { .. }
        | Action::Condemn { .. }
        | Action::Promote { .. }
        | Action::Park(_)
        | Action::Unpark { .. }
        | Action::DestroyFleet => return None,
    };
    let generation = case.before.generations.get(number)?;
    let Traffic::Known {
        weights,
        written,
        written_at,
        ..
    } = &case.before.traffic
    else {
        return None;
    };
    let now = case.before.now;
    if weight(weights, *number).max(weight(written, *number)) > Weight::NONE {
        return Some(format!("generation {number} still has traffic"));
    }
    if now < *written_at + case.policy.settle {
        return Some(format!(
            "generation {number} goes before the traffic settled"
        ));
    }
    let is_drained = generation
        .draining_since
        .is_some_and(|since| generation.in_flight == Some(0) || since + case.policy.drain <= now);
    (is_destroyed && !is_drained).then(|| format!("generation {number} goes before it drained"))
}

fn one_rollout_at_a_time(case: &Case<'_>) -> Option<String> {
    let Action::CreateGeneration {
        number,
        fingerprint,
        size,
        ..
    } = case.action
    else {
        return None;
    };
    let Some(goal) = case.fleet() else {
        return Some("a generation is made for a fleet that shall be gone".to_owned());
    };
    let others = case.before.generations.keys();
    let others: Vec<_> = others.filter(|n| Some(**n) != case.before.stable).collect();
    let is_fair = *fingerprint == goal.fingerprint
        && *number == case.before.latest.next()
        && case.before.settings.is_some()
        && *size > 0
        && others.is_empty();
    (!is_fair).then(|| format!("generation {number} of {size} is made beside {others:?}"))
}

fn failed_stays_failed(case: &Case<'_>) -> Option<String> {
    let goal = case.fleet()?;
    let Action::CreateGeneration { .. } = case.action else {
        return None;
    };
    let failure = case.before.failure.as_ref()?;
    (failure.fingerprint == goal.fingerprint && failure.retry == goal.retry)
        .then(|| format!("{} failed and is tried again", failure.release))
}

fn no_fights(case: &Case<'_>) -> Option<String> {
    case.fleet()?;
    let is_adopted = match case.action {
        Action::ShiftTraffic { weights, before } => weights == before,
        Action::ResizeGeneration { number, size } => {
            let generation = case.before.generations.get(number);
            generation.is_some_and(|generation| generation.desired == *size)
        }
        Action::Configure(_) => true,
        Action::CreateGeneration { .. }
        | Action::Condemn { .. }
        | Action::Promote { .. }
        | Action::DrainGeneration { .. }
        | Action::DestroyGeneration { .. }
        | Action::Park(_)
        | Action::Unpark { .. }
        | Action::DestroyFleet => false,
    };
    let strange_weights = matches!(&case.before.traffic, Traffic::Known { weights, written, before, .. }
        if weights != written && weights != before);
    let strange_capacity = case.before.generations.iter().find(|(_, generation)| {
        !case.is_live()
            && generation.desired != generation.wanted
            && generation.desired != generation.wanted_before
            && generation.draining_since.is_none()
    });
    ((strange_weights || strange_capacity.is_some()) && !is_adopted)
        .then(|| format!("{:?} although someone else changed something", case.action))
}

fn earlier_stays_until_well(case: &Case<'_>) -> Option<String> {
    let goal = case.fleet()?;
    let Action::DrainGeneration { number } = case.action else {
        return None;
    };
    let stable = case.stable()?;
    let earlier = case.before.generations.get(number)?;
    let needs = case.needed(Weight::ALL, case.size(goal));
    let needs = needs.min(case.shall_have(stable));
    let has = case.healthy(stable);
    let is_earlier = earlier.retired_at.is_some()
        && earlier.condemned.is_none()
        && earlier.draining_since.is_none();
    (is_earlier && stable.fingerprint == goal.fingerprint && has < needs).then(|| {
        format!("generation {number} goes while the one that serves has {has} of {needs} healthy")
    })
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}
