//! The members of a generation, as a look tells them.

use super::activity;
use super::agenda::{Agenda, Open, Question};
use super::failure::Result;
use super::journal::now;
use super::look::{Looks, time, whole};
use super::member::MemberLook;
use super::memory::{FACTS_LAST, Facts};
use super::record::{FleetRecord, GenerationRecord};
use super::remove;
use super::streaks::Found;
use crate::model::{GenerationNumber, MemberId, Timestamp};
use crate::rollout::{Member, MemberState};
use aws_sdk_autoscaling::types::{AutoScalingGroup, Instance, LifecycleHook, LifecycleState};
use aws_sdk_ec2::types::{InstanceStateName, InstanceStatus, SummaryStatus};
use aws_sdk_elasticloadbalancingv2::types::{TargetHealthDescription, TargetHealthStateEnum};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Looks<'_> {
    /// Tells a generation's members.
    pub(super) async fn members(
        &self,
        number: GenerationNumber,
        group: &AutoScalingGroup,
        agenda: &Agenda,
    ) -> Result<Vec<Member>> {
        let generation = self.record.generations.get(&number);
        let (Some(generation), Some(settings)) = (generation, &self.record.settings) else {
            return Ok(Vec::new());
        };
        let now = now();
        let ids = ids(group);
        let facts = self.facts(&ids, agenda).await?;
        let found = if rests(self.record, number, group, &facts) {
            BTreeMap::from_iter(ids.iter().map(|id| (id.clone(), Found::Well)))
        } else {
            self.health((number, generation), group, agenda).await?
        };
        let hooks = self.hooks(number, group, agenda).await?;
        let interval = settings.check.interval;
        let mut members: Vec<Member> = group
            .instances()
            .iter()
            .filter_map(|instance| {
                let id = instance.instance_id.clone()?;
                let look = MemberLook {
                    facts: facts.get(&id),
                    found: found.get(&id),
                    generation,
                    hooks: &hooks,
                    is_going: remove::is_going(group),
                };
                Some(self.member(id, instance, &look, (interval, now)))
            })
            .collect();
        let failed = self.failed((number, generation), group, agenda).await?;
        members.retain(|member| !failed.iter().any(|failed| failed.id == member.id));
        members.extend(failed);
        Ok(members)
    }

    /// The lifecycle hooks that members of a group wait for. Ours have none, but someone may have
    /// put one on a group; they are asked for while a member waits.
    async fn hooks(
        &self,
        number: GenerationNumber,
        group: &AutoScalingGroup,
        agenda: &Agenda,
    ) -> Result<Vec<LifecycleHook>> {
        if !waits_for_hook(group) {
            return Ok(Vec::new());
        }
        let name = self.group_name(number);
        if !agenda.holds(Question::Hooks(number)) {
            return Ok(self.memory.hooks.last(&name).unwrap_or_default());
        }
        let hooks = self.calls.hooks(&name).await?;
        self.memory.hooks.keep(&name, hooks.clone(), now());
        Ok(hooks)
    }

    async fn facts(&self, ids: &[String], agenda: &Agenda) -> Result<BTreeMap<String, Facts>> {
        let now = now();
        let known = &self.memory.facts;
        let unknown: Vec<String> = ids
            .iter()
            .filter(|id| self.wants_facts(id, now))
            .cloned()
            .collect();
        if !unknown.is_empty() && agenda.holds(Question::Instances) {
            let mut found = self.reads.instances.ask(&unknown).await?;
            for id in &unknown {
                let facts = found.remove(id).map(|instance| facts_of(&instance, now));
                known.keep(id, facts, now);
            }
        }
        let of = |id: &String| Some((id.clone(), known.last(id)??));
        Ok(ids.iter().filter_map(of).collect())
    }

    /// Whether what EC2 tells of an instance is not known, or was told too long ago.
    pub(super) fn wants_facts(&self, id: &String, now: Timestamp) -> bool {
        let facts = &self.memory.facts;
        !matches!(facts.within(FACTS_LAST, id, now), Some(Some(_)))
    }

    /// Tells whether members are well: what their checks told, and their group.
    async fn health(
        &self,
        (number, generation): (GenerationNumber, &GenerationRecord),
        group: &AutoScalingGroup,
        agenda: &Agenda,
    ) -> Result<BTreeMap<String, Found>> {
        let ids = ids(group);
        let name = self.group_name(number);
        let last = self.memory.checks.last(&name);
        let told = match last.filter(|_| !agenda.holds(Question::Checks(number))) {
            Some(told) => told,
            None => {
                let told = self.checks(generation, &ids).await?;
                self.memory.checks.keep(&name, told.clone(), now());
                told
            }
        };
        let mut found = match told {
            Some(found) => found,
            // Its group asks nobody but EC2 then. Members that were proven may serve again as soon
            // as traffic is sent to them, which is when the target group is made again.
            None if generation.promoted_at.is_some() => {
                ids.iter().map(|id| (id.clone(), Found::Well)).collect()
            }
            None => all(&ids, "its target group is gone"),
        };
        for instance in group.instances() {
            if instance.health_status() == Some("Unhealthy")
                && let Some(id) = instance.instance_id()
                && !matches!(found.get(id), Some(Found::Ill(Some(_))))
            {
                let words = "its Auto Scaling group found it unhealthy".to_owned();
                found.insert(id.to_owned(), Found::Ill(Some(words)));
            }
        }
        Ok(found)
    }

    /// Asks who checks members: the target group, or EC2 for a fleet of workers. Absent: the target
    /// group is gone.
    async fn checks(
        &self,
        generation: &GenerationRecord,
        ids: &[String],
    ) -> Result<Option<BTreeMap<String, Found>>> {
        match (&generation.target_group, generation.port) {
            (Some(arn), _) => {
                let targets = self.calls.target_health(arn).await?;
                Ok(targets.map(|targets| targets.iter().filter_map(target).collect()))
            }
            (None, None) if !ids.is_empty() => {
                let statuses = self.calls.statuses(ids).await?;
                Ok(Some(statuses.iter().filter_map(status).collect()))
            }
            (None, Some(_) | None) => Ok(Some(BTreeMap::new())),
        }
    }

    fn member(
        &self,
        id: String,
        instance: &Instance,
        look: &MemberLook<'_>,
        (interval, now): (Duration, Timestamp),
    ) -> Member {
        let state = look.state(instance);
        let launched_at = look.facts.map_or(now, |facts| facts.launched_at);
        let ill = Found::Ill(None);
        let found = match state {
            MemberState::Running => look.found.unwrap_or(&ill),
            MemberState::Launching
            | MemberState::Leaving
            | MemberState::Failed
            | MemberState::Parked => &ill,
        };
        let streaks = &self.memory.streaks;
        let streak = streaks.after(&id, (launched_at, now), interval, found);
        let ended = (state == MemberState::Failed)
            .then(|| "it was stopped or terminated outside of its group".to_owned());
        Member {
            id: MemberId(id),
            state,
            launched_at,
            streak: streak.count,
            healthy_since: streak.since,
            ill_since: streak.ill_since,
            last_error: ended
                .or(look.held(instance, launched_at))
                .or(streak.last_error),
            drift: look.drift(),
        }
    }

    /// The members that came to nothing. They are asked for when some are missing.
    async fn failed(
        &self,
        (number, generation): (GenerationNumber, &GenerationRecord),
        group: &AutoScalingGroup,
        agenda: &Agenda,
    ) -> Result<Vec<Member>> {
        let name = self.group_name(number);
        let is_missing = self.is_missing(group);
        if is_missing && agenda.holds(Question::Activities(number)) {
            let since = activity::begin(group, generation.created_at);
            let back_to = activity::back_to(since, now());
            let activities = self.calls.activities(&name, back_to).await?;
            let told = activity::told(&activities, since, now());
            self.memory.told.keep(&name, told, now());
        }
        if !is_missing || agenda.holds(Question::Activities(number)) {
            self.memory.note(&name, live_ids(group));
        }
        let told = self.memory.told.last(&name).unwrap_or_default();
        let waiting = told.waiting.filter(|_| is_missing && is_short(group));
        Ok(told.failed.into_iter().chain(waiting).collect())
    }

    /// Whether a group has fewer members than it shall have, or lost some since the last look.
    fn is_missing(&self, group: &AutoScalingGroup) -> bool {
        let name = group.auto_scaling_group_name().unwrap_or_default();
        !remove::is_going(group)
            && (is_short(group) || self.memory.has_lost(name, &live_ids(group)))
    }

    /// What a look may ask about a generation. The newest one is what a run waits for.
    pub(super) fn open_of(
        &self,
        number: GenerationNumber,
        group: &AutoScalingGroup,
        is_newest: bool,
    ) -> Vec<Open> {
        let (name, now) = (self.group_name(number), now());
        let facts = ids(group).into_iter();
        let facts = facts.filter_map(|id| Some((id.clone(), self.memory.facts.last(&id)??)));
        let mut open = Vec::new();
        if !rests(self.record, number, group, &facts.collect()) {
            open.push(Open {
                question: Question::Checks(number),
                age: self.memory.checks.age(&name, now),
                lasts: Duration::ZERO,
                is_awaited: is_newest,
            });
        }
        let asked = |question, age| Open {
            question,
            age,
            lasts: Duration::ZERO,
            is_awaited: false,
        };
        if self.is_missing(group) {
            let age = self.memory.told.age(&name, now);
            open.push(asked(Question::Activities(number), age));
        }
        if waits_for_hook(group) {
            let age = self.memory.hooks.age(&name, now);
            open.push(asked(Question::Hooks(number), age));
        }
        open
    }
}

/// Whether a fleet is at rest, so that its group's word on its members is enough: one trusted
/// generation of the wanted size, of which every member serves and is either older than the trust in
/// its generation or past the time in which its group does not look.
fn rests(
    record: &FleetRecord,
    number: GenerationNumber,
    group: &AutoScalingGroup,
    facts: &BTreeMap<String, Facts>,
) -> bool {
    let Some(generation) = record.generations.get(&number) else {
        return false;
    };
    let Some(promoted_at) = generation.promoted_at else {
        return false;
    };
    let grace = Duration::from_secs(u64::from(whole(group.health_check_grace_period)) * 2);
    let is_proven = |instance: &Instance| {
        let facts = instance.instance_id().and_then(|id| facts.get(id));
        facts.is_some_and(|facts| {
            facts.is_alive && (facts.launched_at < promoted_at || facts.launched_at + grace < now())
        })
    };
    let serves = |instance: &Instance| {
        instance.lifecycle_state() == Some(&LifecycleState::InService)
            && instance.health_status() == Some("Healthy")
    };
    let desired = whole(group.desired_capacity);
    let settings = record.settings.as_ref();
    let sizes_itself = settings.is_some_and(|settings| settings.scaling.is_live());
    record.generations.len() == 1
        && record.stable == Some(number)
        && generation.draining_since.is_none()
        && !generation.removing
        && generation.target_group.is_some() == generation.port.is_some()
        && (sizes_itself || desired == generation.wanted)
        && group.instances().len() == usize::try_from(desired).unwrap_or(usize::MAX)
        && group
            .instances()
            .iter()
            .all(|one| serves(one) && is_proven(one))
}

fn facts_of(instance: &aws_sdk_ec2::types::Instance, now: Timestamp) -> Facts {
    let mut groups: Vec<String> = instance
        .security_groups()
        .iter()
        .filter_map(|group| group.group_id.clone())
        .collect();
    groups.sort_unstable();
    let state = instance.state().and_then(|state| state.name());
    Facts {
        launched_at: instance.launch_time().map_or(now, time),
        image_id: instance.image_id.clone().unwrap_or_default(),
        security_group_ids: groups,
        is_alive: matches!(
            state,
            Some(InstanceStateName::Pending | InstanceStateName::Running) | None
        ),
    }
}

fn target(described: &TargetHealthDescription) -> Option<(String, Found)> {
    let id = described.target.as_ref()?.id.clone()?;
    let health = described.target_health.as_ref()?;
    let words = health.description.clone().or_else(|| {
        let reason = health.reason.as_ref()?;
        Some(reason.as_str().to_owned())
    });
    let found = match &health.state {
        Some(TargetHealthStateEnum::Healthy) => Found::Well,
        Some(TargetHealthStateEnum::Initial) | None => Found::Ill(None),
        Some(other) => Found::Ill(Some(match words {
            Some(words) => format!("{}: {words}", other.as_str()),
            None => format!("its target group calls it {}", other.as_str()),
        })),
    };
    Some((id, found))
}

fn status(status: &InstanceStatus) -> Option<(String, Found)> {
    let id = status.instance_id.clone()?;
    let of = |summary: Option<&aws_sdk_ec2::types::InstanceStatusSummary>| {
        summary.and_then(|summary| summary.status().cloned())
    };
    let (instance, system) = (of(status.instance_status()), of(status.system_status()));
    let is = |wanted: &SummaryStatus| {
        instance.as_ref() == Some(wanted) && system.as_ref() == Some(wanted)
    };
    if is(&SummaryStatus::Ok) {
        return Some((id, Found::Well));
    }
    let impaired = [instance, system]
        .into_iter()
        .flatten()
        .find(|status| !matches!(status, SummaryStatus::Ok | SummaryStatus::Initializing));
    let words = impaired.map(|status| format!("EC2 calls it {}", status.as_str()));
    Some((id, Found::Ill(words)))
}

fn all(ids: &[String], words: &str) -> BTreeMap<String, Found> {
    let ill = Found::Ill(Some(words.to_owned()));
    ids.iter().map(|id| (id.clone(), ill.clone())).collect()
}

/// The members of a group.
pub(super) fn ids(group: &AutoScalingGroup) -> Vec<String> {
    let instances = group.instances().iter();
    instances.filter_map(|i| i.instance_id.clone()).collect()
}

fn live_ids(group: &AutoScalingGroup) -> BTreeSet<String> {
    let live = group.instances().iter().filter(|one| is_live(one));
    live.filter_map(|one| one.instance_id.clone()).collect()
}

/// Whether a group has fewer members than it shall have.
fn is_short(group: &AutoScalingGroup) -> bool {
    live_ids(group).len() < usize::try_from(whole(group.desired_capacity)).unwrap_or(0)
}

fn waits_for_hook(group: &AutoScalingGroup) -> bool {
    let waits = |instance: &Instance| {
        let state = instance.lifecycle_state().map(LifecycleState::as_str);
        state.is_some_and(|state| state.ends_with(":Wait"))
    };
    group.instances().iter().any(waits)
}

fn is_live(instance: &Instance) -> bool {
    instance.lifecycle_state().is_some_and(|state| {
        matches!(state.as_str(), "InService") || state.as_str().starts_with("Pending")
    })
}
