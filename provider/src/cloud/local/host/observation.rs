//! Tells what is known of a fleet.

use super::super::fleet_record::GenerationRecord;
use super::door::Door;
use super::fleet::Fleet;
use super::machine::Machine;
use super::member::{self, Stage};
use super::state::State;
use crate::model::{GenerationNumber, Timestamp};
use crate::rollout::{AlarmState, Generation, Member, MemberState, Parked, Traffic, World};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

/// Looks at a fleet.
pub(super) fn world(machine: &Machine, fleet: &Fleet, alarms: &[String]) -> World {
    mark_drift(machine, fleet);
    let state = fleet.state();
    let record = &state.record;
    World {
        now: SystemTime::now().into(),
        settings: record.settings.clone(),
        generations: record
            .generations
            .iter()
            .map(|(number, generation)| (*number, told(&state, *number, generation)))
            .collect(),
        stable: record.stable,
        latest: record.latest,
        traffic: traffic(&state),
        alarms: alarms
            .iter()
            .map(|name| (name.clone(), no_alarm()))
            .collect::<BTreeMap<_, _>>(),
        failure: record.failure.clone(),
        request: record.request.clone(),
        parked: parked(&state),
    }
}

/// The world of a fleet that does not exist.
pub(in crate::cloud::local) fn nothing(alarms: &[String]) -> World {
    World {
        now: SystemTime::now().into(),
        settings: None,
        generations: BTreeMap::new(),
        stable: None,
        latest: GenerationNumber::default(),
        traffic: Traffic::None,
        alarms: alarms
            .iter()
            .map(|name| (name.clone(), no_alarm()))
            .collect(),
        failure: None,
        request: None,
        parked: Vec::new(),
    }
}

/// Members die with their host, the parked ones too.
fn parked(state: &State) -> Vec<Parked> {
    let lives = |parked: &&Parked| {
        let member = state.members.get(&parked.member);
        member.is_some_and(|member| member.condition().state() == Some(MemberState::Parked))
    };
    state.record.parked.iter().filter(lives).cloned().collect()
}

fn no_alarm() -> AlarmState {
    AlarmState::Unreadable {
        why: "the local cloud has no alarms".to_owned(),
    }
}

/// Compares the images in use with what they were. Whoever runs from one that was changed has
/// drifted and stays so. So has whoever runs from one that is lost: it runs, and nobody can start
/// another one like it.
pub(super) fn mark_drift(machine: &Machine, fleet: &Fleet) {
    for (image, members) in in_use(&fleet.state()) {
        if let Some(difference) = machine.difference(&image) {
            members
                .iter()
                .for_each(|member| member.set_drift(&difference));
        }
    }
}

/// The images of a fleet, each with the members that were started from it. One that is still being
/// launched gets an image that is set right before, whatever is found until then.
fn in_use(state: &State) -> Vec<(String, Vec<Arc<member::Member>>)> {
    let generations = state.record.generations.iter();
    let started = |number: GenerationNumber| {
        let members = state.members.values().filter(move |member| {
            member.generation == Some(number) && member.condition().stage != Stage::Launching
        });
        members.cloned().collect()
    };
    generations
        .map(|(number, generation)| (generation.image.clone(), started(*number)))
        .collect()
}

fn told(state: &State, number: GenerationNumber, generation: &GenerationRecord) -> Generation {
    let members = state
        .members
        .values()
        .filter(|member| member.generation == Some(number));
    Generation {
        fingerprint: generation.fingerprint.clone(),
        release: generation.launch.release.clone(),
        image_id: generation.image.clone(),
        takes_traffic: generation.launch.port.is_some(),
        wanted: generation.wanted,
        wanted_before: generation.wanted_before,
        desired: generation.wanted,
        created_at: generation.created_at,
        resized_at: generation.resized_at,
        members: members.filter_map(|member| told_member(member)).collect(),
        condemned: generation.condemned.clone(),
        promoted_at: generation.promoted_at,
        retired_at: generation.retired_at,
        draining_since: generation.draining_since,
        in_flight: state.in_flight(number),
    }
}

fn told_member(member: &member::Member) -> Option<Member> {
    let condition = member.condition();
    let drift = drift(&condition);
    Some(Member {
        id: member.id.clone(),
        state: condition.state()?,
        launched_at: member.launched_at,
        streak: condition.streak,
        healthy_since: condition.healthy_since,
        ill_since: ill_since(&condition),
        last_error: condition.last_error,
        drift,
    })
}

/// Since when a member that was well fails its checks.
fn ill_since(condition: &member::Condition) -> Option<Timestamp> {
    let since = condition.failing_since?;
    let is_ill = condition.is_proven && condition.streak == 0;
    let moment = SystemTime::now().checked_sub(since.elapsed())?;
    is_ill.then(|| moment.into())
}

/// How a member differs from what was launched; absent: it does not.
pub(super) fn drift(condition: &member::Condition) -> Option<String> {
    let stopped = || {
        let program = condition.program.filter(|program| is_stopped(*program))?;
        Some(format!("its process {program} was stopped by hand"))
    };
    condition.drift.clone().or_else(stopped)
}

/// Whether a process is stopped by a signal. The state stands behind the name, which may itself
/// have parentheses and spaces.
fn is_stopped(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

fn traffic(state: &State) -> Traffic {
    let record = &state.record.traffic;
    match &state.door {
        Door::None => Traffic::None,
        Door::Shut(why) => Traffic::Unreadable { why: why.clone() },
        Door::Open(_) => Traffic::Known {
            weights: record.weights.clone(),
            written: record.weights.clone(),
            before: record.before.clone(),
            written_at: record.written_at,
        },
    }
}
