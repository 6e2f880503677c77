//! A look at a fleet: what its record, its groups, its target groups and its rule tell, joined.
//!
//! A whole look costs one call for all groups, one for the rule, one for each target group, and one
//! for the alarms where there are any, however many members there are; a look while waiting costs four
//! at most (`agenda`). A fleet at rest is not asked about its targets: its group asks the target group
//! itself and replaces whoever is ill, so that its word is enough where nothing depends on seconds.

use super::agenda::{Agenda, Open, Purpose, Question};
use super::call::Calls;
use super::failure::Result;
use super::front;
use super::journal::now;
use super::members;
use super::memory::{Memory, REQUEST_LASTS, RULE_LASTS};
use super::names;
use super::reads::Reads;
use super::record::{FleetRecord, GenerationRecord};
use crate::model::{FleetName, Front, GenerationNumber, MemberId, Settings, Timestamp, nonzero};
use crate::rollout::{self, AlarmState, Member, Traffic, World};
use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_elasticloadbalancingv2::types::Rule;
use std::collections::BTreeMap;
use std::time::Duration;

/// A size between what it was and what it shall be is taken for a change of ours that was cut off for
/// so long after it was begun; then it is somebody's doing.
const CUT_OFF_WITHIN: Duration = Duration::from_secs(120);

/// What is needed to look at one fleet.
pub(super) struct Looks<'a> {
    pub(super) calls: &'a Calls,
    pub(super) reads: &'a Reads,
    pub(super) memory: &'a Memory,
    pub(super) fleet: &'a FleetName,
    pub(super) record: &'a FleetRecord,
}

/// The groups that exist, by name.
type Groups = BTreeMap<String, AutoScalingGroup>;

impl Looks<'_> {
    /// Tells what is known of the fleet: to decide, all of it as it is now; to wait on, some of it as
    /// it was seen in the last looks.
    pub(super) async fn world(&self, alarms: &[String], purpose: Purpose) -> Result<World> {
        if self.record.settings.is_none() {
            return Ok(World::absent(now()));
        }
        let numbers = self.record.generations.keys();
        let names: Vec<String> = numbers.map(|number| self.group_name(*number)).collect();
        let groups = self.reads.groups.ask(&names).await?;
        let agenda = match purpose {
            Purpose::Deciding => Agenda::Everything,
            Purpose::Waiting => Agenda::of(self.open(&groups, alarms)),
        };
        self.told(&groups, alarms, &agenda).await
    }

    async fn told(&self, groups: &Groups, alarms: &[String], agenda: &Agenda) -> Result<World> {
        let record = self.record;
        let (traffic, alarms, request, scaling, generations) = futures_util::join!(
            self.traffic(agenda),
            self.alarms(alarms, agenda),
            self.request(agenda),
            self.scaling(groups, agenda),
            self.generations(groups, agenda)
        );
        let generations = generations?;
        let highest = generations.keys().copied().max().unwrap_or_default();
        let ((traffic, front), scaling) = (traffic?, scaling?);
        Ok(World {
            now: now(),
            settings: record.settings.clone().map(|settings| Settings {
                front: front.or(settings.front),
                scaling: scaling.unwrap_or(settings.scaling),
                ..settings
            }),
            stable: record
                .stable
                .filter(|stable| generations.contains_key(stable)),
            latest: record.latest.max(highest),
            generations,
            traffic,
            alarms: alarms?,
            failure: record.failure.clone(),
            request: request?,
            parked: record.looked_at.clone(),
        })
    }

    async fn generations(
        &self,
        groups: &Groups,
        agenda: &Agenda,
    ) -> Result<BTreeMap<GenerationNumber, rollout::Generation>> {
        let mut generations = BTreeMap::new();
        for (number, generation) in &self.record.generations {
            let group = groups.get(&self.group_name(*number));
            let members = match group {
                Some(group) => self.members(*number, group, agenda).await?,
                None => Vec::new(),
            };
            if group.is_some() || generation.removing {
                let told = told(self.record, *number, generation, group, members);
                generations.insert(*number, told);
            }
        }
        Ok(generations)
    }

    /// Tells the weights in force, and the front as the rule shows it; absent: as it was set.
    async fn traffic(&self, agenda: &Agenda) -> Result<(Traffic, Option<Front>)> {
        let (fleet, record) = (self.fleet, self.record);
        let set = record.settings.as_ref();
        let set = set.and_then(|settings| settings.front.as_ref());
        let (Some(place), Some(set)) = (&record.front, set) else {
            return Ok((Traffic::None, None));
        };
        let rule = match &place.rule {
            None => None,
            Some(arn) => match self.rule(arn, agenda).await {
                Ok(rule) => rule,
                Err(failure) if failure.kind.is_transient() => {
                    let why = failure.to_string();
                    return Ok((Traffic::Unreadable { why }, None));
                }
                Err(failure) => return Err(failure),
            },
        };
        let rule = rule.as_ref();
        let traffic = Traffic::Known {
            weights: rule
                .map(|rule| front::shown(rule, record))
                .unwrap_or_default(),
            written: record.traffic.written.clone(),
            before: record.traffic.before.clone(),
            written_at: record.traffic.written_at,
        };
        Ok((traffic, rule.map(|rule| front::as_it_is(set, fleet, rule))))
    }

    async fn rule(&self, arn: &String, agenda: &Agenda) -> Result<Option<Rule>> {
        let rules = &self.memory.rules;
        if !agenda.holds(Question::Rule)
            && let Some(rule) = rules.last(arn)
        {
            return Ok(rule);
        }
        let mut found = self.reads.rules.ask(std::slice::from_ref(arn)).await?;
        let rule = found.remove(arn);
        rules.keep(arn, rule.clone(), now());
        Ok(rule)
    }

    async fn alarms(
        &self,
        names: &[String],
        agenda: &Agenda,
    ) -> Result<BTreeMap<String, AlarmState>> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names = names.to_vec();
        if !agenda.holds(Question::Alarms)
            && let Some(states) = self.memory.alarms.last(&names)
        {
            return Ok(states);
        }
        let unreadable = |why: &str| AlarmState::Unreadable {
            why: why.to_owned(),
        };
        match self.reads.alarms.ask(&names).await {
            Ok(mut states) => {
                for name in &names {
                    states
                        .entry(name.clone())
                        .or_insert_with(|| unreadable("there is no such alarm"));
                }
                self.memory.alarms.keep(&names, states.clone(), now());
                Ok(states)
            }
            Err(failure) if failure.kind.is_transient() => {
                let why = failure.to_string();
                Ok(names
                    .into_iter()
                    .map(|name| (name, unreadable(&why)))
                    .collect())
            }
            Err(failure) => Err(failure),
        }
    }

    /// What a look may ask besides the groups.
    fn open(&self, groups: &Groups, alarms: &[String]) -> Vec<Open> {
        let mut open: Vec<Open> = self.open_rule().into_iter().collect();
        let now = now();
        let asked = |question, age, lasts| Open {
            question,
            age,
            lasts,
            is_awaited: false,
        };
        if !alarms.is_empty() {
            let age = self.memory.alarms.age(&alarms.to_vec(), now);
            open.push(asked(Question::Alarms, age, Duration::ZERO));
        }
        let age = self.memory.requests.age(self.fleet, now);
        open.push(asked(Question::Request, age, REQUEST_LASTS));
        let numbers = self.record.generations.keys();
        let there: Vec<_> = numbers
            .filter_map(|number| Some((*number, groups.get(&self.group_name(*number))?)))
            .collect();
        let ids = there.iter().flat_map(|(_, group)| members::ids(group));
        let oldest = ids
            .filter(|id| self.wants_facts(id, now))
            .map(|id| self.memory.facts.age(&id, now))
            .max_by_key(|age| age.unwrap_or(Duration::MAX));
        open.extend(oldest.map(|age| asked(Question::Instances, age, Duration::ZERO)));
        let newest = there.last().map(|(number, _)| *number);
        for (number, group) in there {
            open.extend(self.open_of(number, group, newest == Some(number)));
        }
        open
    }

    /// A rule that does not show yet what was written is awaited.
    fn open_rule(&self) -> Option<Open> {
        let arn = self.record.front.as_ref()?.rule.as_ref()?;
        let last = self.memory.rules.last(arn).flatten();
        let shown = last.map(|rule| front::shown(&rule, self.record));
        Some(Open {
            question: Question::Rule,
            age: self.memory.rules.age(arn, now()),
            lasts: RULE_LASTS,
            is_awaited: shown != Some(nonzero(&self.record.traffic.written)),
        })
    }

    pub(super) fn group_name(&self, number: GenerationNumber) -> String {
        names::generation(self.fleet, number)
    }
}

fn told(
    record: &FleetRecord,
    number: GenerationNumber,
    generation: &GenerationRecord,
    group: Option<&AutoScalingGroup>,
    members: Vec<Member>,
) -> rollout::Generation {
    let desired = match group {
        Some(group) if !generation.removing => desired(record, generation, group),
        Some(_) | None => generation.wanted,
    };
    rollout::Generation {
        fingerprint: generation.fingerprint.clone(),
        release: generation.release.clone(),
        image_id: generation.image_id.clone(),
        takes_traffic: generation.port.is_some(),
        wanted: generation.wanted,
        wanted_before: generation.wanted_before,
        desired,
        created_at: generation.created_at,
        resized_at: generation.resized_at,
        members,
        condemned: generation.verdict(number, record.failure.as_ref()),
        promoted_at: generation.promoted_at,
        retired_at: generation.retired_at,
        draining_since: generation.draining_since,
        // Target groups tell who drains, not what is still being served.
        in_flight: None,
    }
}

/// The size that a group is told to have. One that lost a part of the members that were to go, because
/// that was cut off, is told as it was before: what is half done is to be done again.
fn desired(record: &FleetRecord, generation: &GenerationRecord, group: &AutoScalingGroup) -> u32 {
    let desired = whole(group.desired_capacity);
    let settings = record.settings.as_ref();
    let sizes_itself = settings.is_some_and(|settings| settings.scaling.is_live());
    let is_between = generation.wanted < desired && desired < generation.wanted_before;
    let is_fresh = now() < generation.resized_at + CUT_OFF_WITHIN;
    if is_between && is_fresh && !sizes_itself {
        return generation.wanted_before;
    }
    desired
}

/// Whether a member is a launch that came to nothing and not an instance.
pub(super) fn is_launch(id: &MemberId) -> bool {
    !id.0.starts_with("i-")
}

/// A count as AWS tells it.
pub(super) fn whole(count: Option<i32>) -> u32 {
    count
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or_default()
}

/// A time as AWS tells it.
pub(super) fn time(at: &aws_smithy_types::DateTime) -> Timestamp {
    let milliseconds = at.to_millis().unwrap_or_default();
    Timestamp::from_milliseconds(u64::try_from(milliseconds).unwrap_or_default())
}
