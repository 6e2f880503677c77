//! The scaling policy of a generation as it really is, which someone may have changed by hand.
//!
//! What differs shows as a fleet that is sized in another way than it was set to. The next plan shows
//! both, and its apply makes the policy anew.

use super::agenda::Agenda;
use super::call::Calls;
use super::failure::Result;
use super::journal::now;
use super::look::{Looks, whole};
use super::names;
use super::record::FleetRecord;
use super::remove;
use super::scaling::{Reach, serves_most};
use crate::model::{FleetName, Scaling, Tracking};
use aws_sdk_autoscaling::types::{AutoScalingGroup, ScalingPolicy};
use std::collections::BTreeMap;

/// A policy that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy {
    /// The load that the size is kept for, in percent.
    percent: u32,
}

/// Reads the policies that work of some groups, by group. One that is switched off, or that lost one
/// of its alarms, does nothing and is left out.
pub(super) async fn read(calls: Calls, groups: Vec<String>) -> Result<BTreeMap<String, Policy>> {
    let policies = match groups.as_slice() {
        [group] => calls.policies(Some(group)).await?,
        _ => calls.policies(None).await?,
    };
    let is_asked = |policy: &ScalingPolicy| {
        let group = policy.auto_scaling_group_name.as_ref();
        group.is_some_and(|group| groups.contains(group)) && policy.enabled != Some(false)
    };
    let policies: Vec<ScalingPolicy> = policies.into_iter().filter(is_asked).collect();
    let alarms: Vec<String> = policies.iter().flat_map(alarms_of).collect();
    let there = calls.alarms(&alarms).await?;
    let works = |policy: &ScalingPolicy| {
        let mut alarms = alarms_of(policy).peekable();
        alarms.peek().is_some() && alarms.all(|alarm| there.contains_key(&alarm))
    };
    let policies = policies.into_iter().filter(works);
    let told = policies.filter_map(|policy| {
        let tracking = policy.target_tracking_configuration?;
        let percent = percent(tracking.target_value?);
        Some((policy.auto_scaling_group_name?, Policy { percent }))
    });
    Ok(told.collect())
}

/// The group whose policy sizes a fleet; absent: none shall.
pub(super) fn group_of(fleet: &FleetName, record: &FleetRecord) -> Option<String> {
    let settings = record.settings.as_ref()?;
    let sizes_itself = matches!(settings.scaling, Scaling::Tracking(_));
    let number = serves_most(record).filter(|_| sizes_itself)?;
    Some(names::generation(fleet, number))
}

fn alarms_of(policy: &ScalingPolicy) -> impl Iterator<Item = String> {
    let alarms = policy.alarms().iter();
    alarms.filter_map(|alarm| alarm.alarm_name.clone())
}

/// A target of whole percents, as all of ours are; another one is told by the nearest that differs
/// from none of ours.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is brought between 0 and 100"
)]
fn percent(target: f64) -> u32 {
    target.clamp(0.0, 100.0).round() as u32
}

impl Looks<'_> {
    /// Tells what sizes the fleet, as its policy and its group show it; absent: as it was set.
    ///
    /// A run that only waits does not ask.
    pub(super) async fn scaling(
        &self,
        groups: &BTreeMap<String, AutoScalingGroup>,
        agenda: &Agenda,
    ) -> Result<Option<Scaling>> {
        let settings = self.record.settings.as_ref();
        let scaling = settings.map(|settings| &settings.scaling);
        let (Some(Scaling::Tracking(set)), Some(number)) = (scaling, serves_most(self.record))
        else {
            return Ok(None);
        };
        let name = self.group_name(number);
        let Some(group) = groups.get(&name).filter(|group| !remove::is_going(group)) else {
            return Ok(None);
        };
        let Some(policy) = self.policy(&name, agenda).await? else {
            return Ok(Some(Scaling::External));
        };
        let (min, max) = match Reach::of(self.record, number) {
            Reach::Free(_) => (whole(group.min_size), whole(group.max_size)),
            // While another one is tried, the bounds follow its size.
            Reach::Upwards(_) | Reach::Held => (set.min, set.max),
        };
        let cpu = policy.percent;
        Ok(Some(Scaling::Tracking(Tracking { min, max, cpu })))
    }

    async fn policy(&self, group: &String, agenda: &Agenda) -> Result<Option<Policy>> {
        let last = self.memory.policies.last(group);
        if let (Agenda::Only(_), Some(last)) = (agenda, last) {
            return Ok(last);
        }
        let mut found = self.reads.policies.ask(std::slice::from_ref(group)).await?;
        let policy = found.remove(group);
        self.memory.policies.keep(group, policy, now());
        Ok(policy)
    }
}
