//! Tells people what the host does.

use super::super::claimant::Claimant;
use super::super::status::{FleetStatus, GenerationStatus, MemberStatus, ReleaseStatus, Status};
use super::door::Door;
use super::fleets::Fleets;
use super::machine::Machine;
use super::observation;
use super::state::State;
use crate::cloud::Result;
use crate::model::GenerationNumber;

/// Describes everything that lives here.
pub(super) fn status(machine: &Machine, fleets: &Fleets) -> Result<Status> {
    let lines = machine.store.all_lines()?;
    let releases = lines.readable.iter().flat_map(|line| {
        line.releases.iter().map(|release| ReleaseStatus {
            id: release.id.to_string(),
            digest: release.digest.clone(),
            released_at: release.released_at,
            is_current: line.current.as_ref() == Some(&release.id),
        })
    });
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process: std::process::id(),
        directory: machine.directory.path().to_owned(),
        has_namespaces: machine.isolation.is_whole(),
        fleets: fleets
            .all()
            .iter()
            .map(|fleet| {
                observation::mark_drift(machine, fleet);
                fleet_status(&fleet.state())
            })
            .collect(),
        releases: releases.collect(),
        unreadable: fleets
            .unreadable()?
            .into_iter()
            .map(|(_, error)| error)
            .chain(lines.unreadable.into_iter().map(|(_, error)| error))
            .map(|error| format!("{error}: {}", error.source))
            .collect(),
    })
}

fn fleet_status(state: &State) -> FleetStatus {
    let (listener, unroutable) = match &state.door {
        Door::None => (None, 0),
        Door::Open(front) => (
            Some(front.address().to_string()),
            front.traffic().unroutable,
        ),
        Door::Shut(why) => (Some(format!("shut: {why}")), 0),
    };
    FleetStatus {
        name: state.record.name.to_string(),
        listener,
        unroutable,
        generations: state
            .record
            .generations
            .keys()
            .map(|number| generation_status(state, *number))
            .collect(),
        lease: state
            .record
            .lease
            .as_ref()
            .filter(|lease| !lease.released)
            .filter(|lease| !lease.claimant.as_ref().is_some_and(Claimant::is_gone))
            .map(|lease| format!("{} until {}", lease.holder.0, lease.until)),
    }
}

fn generation_status(state: &State, number: GenerationNumber) -> GenerationStatus {
    let generation = &state.record.generations[&number];
    let traffic = match &state.door {
        Door::Open(front) => front
            .traffic()
            .generations
            .get(&number.0)
            .copied()
            .unwrap_or_default(),
        Door::None | Door::Shut(_) => Default::default(),
    };
    let members = state
        .members
        .values()
        .filter(|member| member.generation == Some(number));
    GenerationStatus {
        number: number.0,
        release: generation.launch.release.to_string(),
        is_stable: state.record.stable == Some(number),
        is_condemned: generation.condemned.is_some(),
        is_previous: generation.retired_at.is_some(),
        is_draining: generation.draining_since.is_some(),
        wanted: generation.wanted,
        weight: state.record.weight(number).percent(),
        served: traffic.served,
        failed: traffic.failed,
        in_flight: state.in_flight(number).unwrap_or_default(),
        members: members.map(|member| member_status(member)).collect(),
    }
}

fn member_status(member: &super::member::Member) -> MemberStatus {
    let condition = member.condition();
    let drift = observation::drift(&condition);
    MemberStatus {
        id: member.id.to_string(),
        state: condition.state(),
        is_healthy: condition.is_eligible(),
        streak: condition.streak,
        address: member.address().map(|address| address.to_string()),
        process: condition.program,
        launched_at: member.launched_at,
        last_error: condition.last_error,
        drift,
    }
}
