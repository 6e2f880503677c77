//! A generation's size.

use super::agenda::Agenda;
use super::call::{ENDED_AT_ONCE, rebalances};
use super::failure::{Failure, Result};
use super::journal::now;
use super::look;
use super::names;
use super::scaling::Reach;
use super::turn::Turn;
use super::written::Entry;
use crate::cloud::ErrorKind;
use crate::model::GenerationNumber;
use crate::rollout::{Member, MemberState};
use aws_sdk_autoscaling::types::AutoScalingGroup;
use std::cmp::Reverse;
use std::collections::BTreeMap;

impl Turn<'_> {
    /// Gives a generation another size. Growing leaves the choice of zones to its group; shrinking
    /// names the members that go, because the group would not know which.
    ///
    /// A generation that loses many members loses them step by step, each of which is a whole change of
    /// size and is written down as one: whoever asked sees a size that is not reached yet and asks
    /// again, in time to prolong a lease or to heed a stop.
    pub(super) async fn resize(
        &self,
        entry: Entry,
        number: GenerationNumber,
        size: u32,
    ) -> Result<()> {
        entry.record.resized(number, size, now())?;
        let name = names::generation(self.fleet, number);
        let Some(group) = self.calls.group(&name).await? else {
            let words = format!("generation {number} has no group");
            return Err(Failure::refused(ErrorKind::NotFound, words));
        };
        let desired = look::whole(group.desired_capacity);
        let size = step(desired, size);
        let next = entry.record.resized(number, size, now())?;
        let entry = self.write(&entry, next).await?;
        self.hold_still(&group).await?;
        if size < desired {
            self.shrink(&entry, number, &group, size).await?;
        }
        let bounds = Reach::of(&entry.record, number).bounds(size);
        self.calls.size_group(&name, bounds, Some(size)).await
    }

    async fn shrink(
        &self,
        entry: &Entry,
        number: GenerationNumber,
        group: &AutoScalingGroup,
        size: u32,
    ) -> Result<()> {
        let looks = look::Looks {
            calls: self.calls,
            reads: self.reads,
            memory: self.memory,
            fleet: self.fleet,
            record: &entry.record,
        };
        let name = looks.group_name(number);
        let desired = look::whole(group.desired_capacity);
        let members = looks.members(number, group, &Agenda::Everything).await?;
        // The group lets members go only down to its least size.
        self.calls.size_group(&name, (size, desired), None).await?;
        let going = first_to_go(&members, &zones(group), size).into_iter();
        let most = usize::try_from(desired - size).unwrap_or(usize::MAX);
        let going: Vec<String> = going.take(most).map(|it| it.id.0.clone()).collect();
        self.calls.end_members(&name, &going).await
    }

    /// Stops a group from moving members between zones, where that was cut off after its making: with
    /// members that go by name, it would answer each step of a rollout with launches of its own.
    pub(super) async fn hold_still(&self, group: &AutoScalingGroup) -> Result<()> {
        match group.auto_scaling_group_name() {
            Some(name) if rebalances(group) => self.calls.suspend_rebalancing(name).await,
            Some(_) | None => Ok(()),
        }
    }
}

/// The size that is reached at once on the way from one to another: as many members go as one call
/// can end.
fn step(from: u32, to: u32) -> u32 {
    to.max(from.saturating_sub(ENDED_AT_ONCE))
}

/// The members that go so that `size` stay: those that differ from their image, then those that are
/// not healthy, then one of the fullest zone each time, the youngest there.
fn first_to_go<'a>(members: &'a [Member], zones: &Zones<'_>, size: u32) -> Vec<&'a Member> {
    let mut left: Vec<&Member> = members.iter().filter(|member| is_live(member)).collect();
    let zone = |member: &Member| zones.get(member.id.0.as_str()).copied();
    let mut in_zone: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for member in &left {
        *in_zone.entry(zone(member)).or_default() += 1;
    }
    let stay = usize::try_from(size).unwrap_or(usize::MAX);
    let mut going = Vec::new();
    while left.len() > stay {
        let rank = |member: &'a Member| {
            (
                member.drift.is_none(),
                member.streak > 0,
                Reverse(in_zone.get(&zone(member)).copied()),
                Reverse(member.launched_at),
                &member.id,
            )
        };
        let first = (0..left.len()).min_by_key(|index| rank(left[*index]));
        let member = left.swap_remove(first.unwrap_or_default());
        in_zone.entry(zone(member)).and_modify(|count| *count -= 1);
        going.push(member);
    }
    going
}

/// The zones of a group's members, by instance id.
type Zones<'a> = BTreeMap<&'a str, &'a str>;

fn zones(group: &AutoScalingGroup) -> Zones<'_> {
    let instances = group.instances().iter();
    instances
        .filter_map(|one| Some((one.instance_id()?, one.availability_zone()?)))
        .collect()
}

fn is_live(member: &Member) -> bool {
    match member.state {
        MemberState::Launching | MemberState::Running => !look::is_launch(&member.id),
        MemberState::Leaving | MemberState::Failed | MemberState::Parked => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberId, Timestamp};

    fn member(id: &str, launched: u64, streak: u32, drift: Option<&str>) -> Member {
        let launched_at = Timestamp::from_milliseconds(launched);
        Member {
            id: MemberId(id.to_owned()),
            state: MemberState::Running,
            launched_at,
            streak,
            healthy_since: (streak > 0).then_some(launched_at),
            ill_since: None,
            last_error: None,
            drift: drift.map(str::to_owned),
        }
    }

    #[test]
    fn many_go_in_steps_and_any_number_comes_at_once() {
        for (from, to, reached) in [
            (400, 100, 300),
            (200, 100, 100),
            (199, 100, 100),
            (101, 0, 1),
            (100, 400, 400),
            (7, 7, 7),
        ] {
            assert_eq!(step(from, to), reached, "from {from} to {to}");
        }
    }

    #[test]
    fn the_drifted_go_first_then_the_sick_then_the_youngest() {
        let members = [
            member("i-old", 1, 3, None),
            member("i-young", 9, 3, None),
            member("i-sick", 2, 0, None),
            member("i-touched", 1, 3, Some("touched")),
            Member {
                state: MemberState::Leaving,
                ..member("i-leaving", 1, 0, None)
            },
        ];
        let ids = |size| -> Vec<&str> {
            let going = first_to_go(&members, &Zones::new(), size);
            going.iter().map(|member| member.id.0.as_str()).collect()
        };
        assert_eq!(ids(1), ["i-touched", "i-sick", "i-young"]);
        assert_eq!(ids(3), ["i-touched"]);
        assert!(ids(4).is_empty());
    }

    #[test]
    fn of_equals_those_in_the_fullest_zone_go_first() {
        let places = [
            ("i-1", "a", 1),
            ("i-2", "a", 2),
            ("i-3", "a", 3),
            ("i-4", "b", 9),
            ("i-5", "c", 1),
            ("i-6", "c", 1),
        ];
        let members = places.map(|(id, _, launched)| member(id, launched, 3, None));
        let zones = Zones::from_iter(places.map(|(id, zone, _)| (id, zone)));
        let ids = |size| -> Vec<&str> {
            let going = first_to_go(&members, &zones, size);
            going.iter().map(|member| member.id.0.as_str()).collect()
        };
        assert_eq!(ids(3), ["i-3", "i-2", "i-5"]);
        assert_eq!(ids(2), ["i-3", "i-2", "i-5", "i-4"]);
    }
}
