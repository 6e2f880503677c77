//! Generations and fleets on their way out.

use super::failure::{Failure, Result};
use super::front;
use super::names::{self, Tags};
use super::record::{FleetRecord, GenerationRecord};
use super::turn::Turn;
use super::written::Entry;
use crate::cloud::ErrorKind;
use crate::model::{GenerationNumber, MemberId, Weight};
use aws_sdk_autoscaling::types::{AutoScalingGroup, LifecycleState};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long one removal waits for its group. It goes when its last instance is gone, which takes
/// minutes at most; a caller that may be told to stop is not kept waiting for that.
const GOES_WITHIN: Duration = Duration::from_secs(10);
/// The time before the second look at the group; it doubles.
const FIRST_LOOK: Duration = Duration::from_millis(200);
/// The longest time from one look at the group to the next.
const LOOKS_EVERY: Duration = Duration::from_secs(2);

impl Turn<'_> {
    /// Removes a generation. Its group takes a while to go; until then it is shown as leaving, and
    /// this is asked for again.
    pub(super) async fn destroy(
        &self,
        entry: Entry,
        number: GenerationNumber,
        park: Option<&MemberId>,
    ) -> Result<()> {
        let Some(there) = entry.record.generations.get(&number).cloned() else {
            return Ok(());
        };
        self.check_weight(&entry.record, number).await?;
        let mut entry = self.write(&entry, entry.record.removing(number)?).await?;
        let name = names::generation(self.fleet, number);
        let group = self.calls.group(&name).await?;
        if let Some(group) = group.as_ref().filter(|group| !is_going(group)) {
            // Asked for once more, another member looks like the culprit when that one has left.
            let may_park = |member: &&MemberId| {
                let parked = entry.record.parked.as_ref();
                !there.removing || parked.is_none_or(|parked| parked == *member)
            };
            if let Some(member) = park.filter(may_park) {
                entry = self.park(entry, group, member).await?;
            }
            if !self.has_let_go(&name, entry.record.parked.as_ref()).await? {
                return Ok(());
            }
            self.calls.delete_group(&name).await?;
        }
        let entry = self.out_of_front(entry, &there).await?;
        self.delete_parts(number, &there).await?;
        if group.is_some() && !self.is_gone(&name).await? {
            return Ok(());
        }
        self.write(&entry, entry.record.without(number))
            .await
            .map(drop)
    }

    /// Waits a little for a group to go.
    async fn is_gone(&self, name: &str) -> Result<bool> {
        self.comes_to(name, |group| group.is_none()).await
    }

    /// Waits a little for a member to leave a group that lets it go: until then it would end with it.
    async fn has_let_go(&self, name: &str, member: Option<&MemberId>) -> Result<bool> {
        let Some(member) = member else {
            return Ok(true);
        };
        let holds = |group: &AutoScalingGroup| {
            let state = state_of(group, member);
            state.is_some_and(|state| state.as_str().starts_with("Detach"))
        };
        let has_left = |group: Option<&AutoScalingGroup>| !group.is_some_and(holds);
        self.comes_to(name, has_left).await
    }

    /// Looks at a group for a little while, until it is as it shall be.
    async fn comes_to(
        &self,
        name: &str,
        is_so: impl Fn(Option<&AutoScalingGroup>) -> bool,
    ) -> Result<bool> {
        let ends = Instant::now() + GOES_WITHIN;
        let mut pause = FIRST_LOOK;
        loop {
            if is_so(self.calls.group(name).await?.as_ref()) {
                return Ok(true);
            }
            if Instant::now() + pause > ends {
                return Ok(false);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LOOKS_EVERY);
        }
    }

    /// What the rule shows counts, not what we wrote: removing what serves would lose requests.
    async fn check_weight(&self, record: &FleetRecord, number: GenerationNumber) -> Result<()> {
        let settings = record
            .settings
            .as_ref()
            .and_then(|settings| settings.front.as_ref());
        let place = record.front.as_ref().and_then(|place| place.rule.as_ref());
        let (Some(settings), Some(arn)) = (settings, place) else {
            return Ok(());
        };
        let Some(rule) = self.rule(settings, record).read(arn).await? else {
            return Ok(());
        };
        match front::shown(&rule, record).get(&number) {
            Some(weight) if *weight > Weight::NONE => Err(Failure::refused(
                ErrorKind::Invalid,
                format!("the rule still sends generation {number} {weight} of the traffic"),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes a member out of its group before that goes. A fleet parks one at a time. A group lets only
    /// those go that serve: any other one goes with it.
    async fn park(
        &self,
        entry: Entry,
        group: &AutoScalingGroup,
        member: &MemberId,
    ) -> Result<Entry> {
        let name = group.auto_scaling_group_name().unwrap_or_default();
        if !may_leave(group, member) {
            return Ok(entry);
        }
        if let Some(earlier) = entry
            .record
            .parked
            .as_ref()
            .filter(|earlier| *earlier != member)
        {
            self.calls.terminate(&earlier.0).await?;
        }
        let tags = Tags::from([(names::PARKED.to_owned(), self.fleet.to_string())]);
        self.calls.tag(&member.0, &tags).await?;
        let mut next = entry.record.clone();
        next.parked = Some(member.clone());
        // It is written down first: a parked member that nobody knows of would run for ever.
        let entry = self.write(&entry, next).await?;
        let most = u32::try_from(group.max_size.unwrap_or_default()).unwrap_or_default();
        self.calls.size_group(name, (0, most), None).await?;
        self.calls.detach_member(name, &member.0, false).await?;
        let goes =
            |group: Option<&AutoScalingGroup>| !group.is_some_and(|it| may_leave(it, member));
        if self.comes_to(name, goes).await? {
            return Ok(entry);
        }
        let words = format!("{name} does not show yet that it lets {member} go");
        Err(Failure::refused(ErrorKind::Unavailable, words))
    }

    async fn out_of_front(&self, entry: Entry, there: &GenerationRecord) -> Result<Entry> {
        let settings = entry.record.settings.as_ref();
        let settings = settings.and_then(|settings| settings.front.as_ref());
        let (Some(settings), Some(place), Some(arn)) =
            (settings, &entry.record.front, &there.target_group)
        else {
            return Ok(entry);
        };
        let place = self
            .rule(settings, &entry.record)
            .without(place, arn)
            .await?;
        let mut next = entry.record.clone();
        next.front = Some(place);
        self.write(&entry, next).await
    }

    /// Clears away what the interrupted making of another generation of this number left.
    pub(super) async fn clear(
        &self,
        record: &FleetRecord,
        number: GenerationNumber,
        there: &GenerationRecord,
    ) -> Result<()> {
        let settings = record
            .settings
            .as_ref()
            .and_then(|settings| settings.front.as_ref());
        let name = names::target_group(self.fleet, number);
        let mut arn = there.target_group.clone();
        if arn.is_none() && there.port.is_some() {
            arn = self.calls.target_group(&name).await?;
        }
        if let (Some(settings), Some(place), Some(arn)) = (settings, &record.front, &arn) {
            self.rule(settings, record).without(place, arn).await?;
        }
        let there = GenerationRecord {
            target_group: arn,
            ..there.clone()
        };
        self.delete_parts(number, &there).await
    }

    async fn delete_parts(&self, number: GenerationNumber, there: &GenerationRecord) -> Result<()> {
        if let Some(arn) = &there.target_group {
            self.calls.delete_target_group(arn).await?;
        }
        let name = names::generation(self.fleet, number);
        self.calls.delete_template(&name).await
    }

    /// Removes the fleet's rule, its parked member and its record.
    pub(super) async fn destroy_fleet(&self, entry: &Entry) -> Result<()> {
        let record = &entry.record;
        for (number, there) in &record.generations {
            let name = names::generation(self.fleet, *number);
            if self.calls.group(&name).await?.is_some() {
                let words = format!("generation {number} is still there");
                return Err(Failure::refused(ErrorKind::Invalid, words));
            }
            self.clear(record, *number, there).await?;
        }
        let settings = record
            .settings
            .as_ref()
            .and_then(|settings| settings.front.as_ref());
        if let (Some(settings), Some(place)) = (settings, &record.front) {
            self.rule(settings, record).delete(place).await?;
        }
        let looked_at = record.looked_at.iter().map(|parked| &parked.member);
        for parked in record.parked.iter().chain(looked_at) {
            self.calls.terminate(&parked.0).await?;
        }
        self.memory.forget(self.fleet);
        self.journal.delete(self.fleet).await
    }
}

/// Where a member of a group is in its life; absent: it is none of them.
fn state_of<'a>(group: &'a AutoScalingGroup, member: &MemberId) -> Option<&'a LifecycleState> {
    let mut instances = group.instances().iter();
    let instance = instances.find(|one| one.instance_id() == Some(&member.0))?;
    instance.lifecycle_state()
}

/// Whether a group has a member that it can let go, running.
fn may_leave(group: &AutoScalingGroup, member: &MemberId) -> bool {
    matches!(
        state_of(group, member),
        Some(LifecycleState::InService | LifecycleState::Standby)
    )
}

/// Whether a group's deletion has begun.
pub(super) fn is_going(group: &AutoScalingGroup) -> bool {
    group
        .status()
        .is_some_and(|status| status.starts_with("Delete"))
}
