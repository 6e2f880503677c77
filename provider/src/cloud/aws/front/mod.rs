//! The one listener rule that a fleet owns.
//!
//! It forwards to the target groups of all its generations, each with its weight; a target group that
//! no rule uses is never checked, so a new one is added at weight 0. Where no generation has any
//! weight, the rule asks for a host that nobody asks for: requests go on to the rules behind it, as if
//! the fleet were not there, and the members are checked all the same.
//!
//! Nobody else's rule is touched, nor the default action of a listener for HTTP. A listener for TCP
//! knows no rules: there the fleet owns the listener's one action instead (`listener`).

mod as_it_is;
mod listener;
mod place;

pub(super) use as_it_is::as_it_is;
pub(super) use listener::unclaimable;

use super::call::{Calls, Conditions, TargetCheck, Targets, Thresholds};
use super::failure::{Failure, Result};
use super::names::{self, Tags};
use super::record::{FleetRecord, FrontRecord};
use crate::cloud::ErrorKind;
use crate::model::{
    FleetName, Front, GenerationNumber, HealthCheck, Protocol, Settings, Weight, Weights,
};
use aws_sdk_elasticloadbalancingv2::types::{Rule, TargetGroupTuple};
use std::time::Duration;

/// So often a fleet that asked for no place on its listener takes another one.
const PLACES: usize = 5;

/// What a generation's target group asks.
///
/// A load balancer for HTTP knows no check that only connects. Without a path it asks for `/`, and
/// any answer below 500 shows that the port is served.
pub(super) fn check(settings: &Settings, path: Option<&String>) -> TargetCheck {
    TargetCheck {
        path: match (path, protocol(settings)) {
            (Some(path), _) => Some(path.clone()),
            (None, Protocol::Http) => Some("/".to_owned()),
            (None, Protocol::Tcp) => None,
        },
        statuses: if path.is_some() { "200-399" } else { "200-499" },
        thresholds: thresholds(&settings.check),
    }
}

/// How a target group counts, within what AWS allows: an interval of 5 to 300 seconds, a timeout below
/// it, 2 to 10 successes. Our own count goes on where AWS's ends.
pub(super) fn thresholds(check: &HealthCheck) -> Thresholds {
    let seconds = |duration: Duration| i32::try_from(duration.as_secs()).unwrap_or(i32::MAX);
    let interval = seconds(check.interval).clamp(5, 300);
    let successes = i32::try_from(check.streak).unwrap_or(i32::MAX);
    Thresholds {
        interval_seconds: interval,
        timeout_seconds: seconds(check.timeout).clamp(2, 120).min(interval - 1),
        successes: successes.clamp(2, 10),
        failures: 2,
    }
}

/// What a fleet's target groups speak.
pub(super) fn protocol(settings: &Settings) -> Protocol {
    let front = settings.front.as_ref();
    front.map_or(Protocol::Http, |front| front.protocol)
}

/// How long a target that leaves may finish, within what AWS allows.
pub(super) fn drain_seconds(drain: Duration) -> u64 {
    let whole = drain.as_secs() + u64::from(drain.subsec_nanos() > 0);
    whole.min(3600)
}

/// The weights that a rule shows of our generations, in percent. Weights of another sum than 100 are
/// somebody else's, and are brought to percent; a target group that is not ours keeps its share, so
/// that the rest does not add up to 100.
pub(super) fn shown(rule: &Rule, record: &FleetRecord) -> Weights {
    shares(&tuples(rule), |arn| {
        let mut generations = record.generations.iter();
        let ours =
            generations.find(|(_, generation)| generation.target_group.as_deref() == Some(arn));
        ours.map(|(number, _)| *number)
    })
}

fn shares(targets: &Targets, ours: impl Fn(&str) -> Option<GenerationNumber>) -> Weights {
    let sum: u64 = targets.iter().map(|(_, weight)| weight_of(*weight)).sum();
    let share = |(arn, weight): &(String, i32)| {
        let percent = (weight_of(*weight) * 100).checked_div(sum)?;
        let weight = u8::try_from(percent).ok().and_then(Weight::new)?;
        let number = ours(arn)?;
        (weight > Weight::NONE).then_some((number, weight))
    };
    targets.iter().filter_map(share).collect()
}

fn weight_of(weight: i32) -> u64 {
    u64::try_from(weight).unwrap_or_default()
}

/// The target groups that a rule forwards to, with what each gets. A rule that no request meets gives
/// none anything, whatever it says: the weight of a single target group means nothing to AWS, which
/// may tell it as another one than was written.
fn tuples(rule: &Rule) -> Targets {
    let mut targets = forwards(rule);
    if is_nobodys(rule) {
        targets.iter_mut().for_each(|(_, weight)| *weight = 0);
    }
    targets
}

/// The target groups of a rule's actions. AWS tells a single one in one of two ways.
fn forwards(rule: &Rule) -> Targets {
    let actions = rule.actions();
    let forward = actions.iter().find_map(|action| action.forward_config());
    let of = |tuple: &TargetGroupTuple| {
        Some((tuple.target_group_arn.clone()?, tuple.weight.unwrap_or(1)))
    };
    let groups: Targets = forward
        .map(|config| config.target_groups().iter().filter_map(of).collect())
        .unwrap_or_default();
    if groups.is_empty() {
        let single = actions.iter().find_map(|action| action.target_group_arn());
        return single.map(|arn| (arn.to_owned(), 1)).into_iter().collect();
    }
    groups
}

/// A fleet's rule, with what is needed to write it.
pub(super) struct FleetRule<'a> {
    pub(super) calls: &'a Calls,
    pub(super) fleet: &'a FleetName,
    pub(super) settings: &'a Front,
    pub(super) owner: &'a str,
}

impl FleetRule<'_> {
    /// Brings the rule to where it shall be, from where it was. Requests are answered throughout: on
    /// another listener the new rule is there before the old one goes.
    pub(super) async fn settle(
        &self,
        there: Option<&FrontRecord>,
        place: FrontRecord,
    ) -> Result<FrontRecord> {
        let Some(there) = there else {
            return Ok(place);
        };
        let Some(arn) = &there.rule else {
            return Ok(place);
        };
        let Some(rule) = self.read(arn).await? else {
            return Ok(FrontRecord {
                rule: None,
                ..place
            });
        };
        let targets = without_fallback(there, tuples(&rule));
        if there.listener != place.listener {
            let place = self.made(&place, &targets).await?;
            self.gone(there, arn).await?;
            return Ok(place);
        }
        if self.settings.protocol == Protocol::Http && !is_at(&rule, place.priority) {
            let priority = i32::try_from(place.priority).unwrap_or(i32::MAX);
            self.calls.move_rule(arn, priority).await?;
        }
        self.write(&place, arn, &targets).await?;
        Ok(place)
    }

    /// Writes who gets which share.
    async fn write(&self, front: &FrontRecord, arn: &str, targets: &Targets) -> Result<()> {
        match self.settings.protocol {
            Protocol::Http => {
                let conditions = self.conditions(targets);
                self.calls.modify_rule(arn, &conditions, targets).await
            }
            Protocol::Tcp => self.write_listener(front, arn, targets).await,
        }
    }

    /// Makes what the weights are written into, or finds what an earlier attempt made.
    async fn made(&self, front: &FrontRecord, targets: &Targets) -> Result<FrontRecord> {
        match self.settings.protocol {
            Protocol::Http => self.made_rule(front, targets).await,
            Protocol::Tcp => self.claimed(front, targets).await,
        }
    }

    /// Lets go of what the weights were written into.
    async fn gone(&self, front: &FrontRecord, arn: &str) -> Result<()> {
        match self.settings.protocol {
            Protocol::Http => self.calls.delete_rule(arn).await,
            Protocol::Tcp => self.given_back(front, arn).await,
        }
    }

    /// Reads the rule; absent: it does not exist.
    pub(super) async fn read(&self, arn: &str) -> Result<Option<Rule>> {
        match self.calls.rules(&[arn.to_owned()]).await {
            Ok(rules) => Ok(rules.into_iter().next()),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Adds a target group at weight 0, making the rule where there is none.
    pub(super) async fn with(&self, front: &FrontRecord, target: &str) -> Result<FrontRecord> {
        let rule = match &front.rule {
            Some(arn) => self.read(arn).await?.map(|rule| (arn, rule)),
            None => None,
        };
        let Some((arn, rule)) = rule else {
            return self.made(front, &vec![(target.to_owned(), 0)]).await;
        };
        let mut targets = without_fallback(front, tuples(&rule));
        if !targets.iter().any(|(arn, _)| arn == target) {
            targets.push((target.to_owned(), 0));
            self.write(front, arn, &targets).await?;
        }
        Ok(front.clone())
    }

    /// Takes a target group out; a rule that would forward to none goes.
    pub(super) async fn without(&self, front: &FrontRecord, target: &str) -> Result<FrontRecord> {
        let Some(arn) = &front.rule else {
            return Ok(front.clone());
        };
        let none = FrontRecord {
            rule: None,
            ..front.clone()
        };
        let Some(rule) = self.read(arn).await? else {
            return Ok(none);
        };
        let before = without_fallback(front, tuples(&rule));
        let mut targets = before.clone();
        targets.retain(|(arn, _)| arn != target);
        if targets.is_empty() {
            self.gone(front, arn).await?;
            return Ok(none);
        }
        if targets != before {
            self.write(front, arn, &targets).await?;
        }
        Ok(front.clone())
    }

    /// Writes the weights of all generations that have a target group.
    pub(super) async fn weigh(
        &self,
        (front, arn): (&FrontRecord, &str),
        record: &FleetRecord,
        weights: &Weights,
    ) -> Result<()> {
        let groups = record
            .generations
            .iter()
            .filter_map(|(number, generation)| {
                let arn = generation.target_group.clone()?;
                let weight = weights.get(number).copied().unwrap_or_default();
                (!generation.removing || weight > Weight::NONE)
                    .then(|| (arn, i32::from(weight.percent())))
            });
        self.write(front, arn, &groups.collect()).await
    }

    /// Makes the rule, or finds the one that an earlier attempt made. A fleet that asked for no place takes
    /// another one where somebody was quicker.
    async fn made_rule(&self, front: &FrontRecord, targets: &Targets) -> Result<FrontRecord> {
        let mut front = front.clone();
        for _ in 0..PLACES {
            let failure = match self.create_rule(&front, targets).await {
                Ok(rule) => return Ok(FrontRecord { rule, ..front }),
                Err(failure) if !failure.has_code("PriorityInUse") => return Err(failure),
                Err(failure) => failure,
            };
            if let Some(rule) = self.earlier_rule(&front).await? {
                let arn = rule.rule_arn.unwrap_or_default();
                let conditions = self.conditions(targets);
                self.calls.modify_rule(&arn, &conditions, targets).await?;
                let there = rule.priority.and_then(|priority| priority.parse().ok());
                return Ok(FrontRecord {
                    priority: there.unwrap_or(front.priority),
                    rule: Some(arn),
                    ..front
                });
            }
            if self.settings.priority.is_some() {
                return Err(match self.rule_at(front.priority).await? {
                    Some((arn, _)) => place::taken(front.priority, &arn),
                    // Whoever had it is gone again.
                    None => failure.passing(),
                });
            }
            front.priority = self.free_priority().await?;
        }
        let words =
            "others take each place on the listener first: apply again, or set traffic.priority";
        Err(Failure::refused(ErrorKind::Conflict, words))
    }

    async fn create_rule(&self, front: &FrontRecord, targets: &Targets) -> Result<Option<String>> {
        let conditions = self.conditions(targets);
        let priority = i32::try_from(front.priority).unwrap_or(i32::MAX);
        let rule = (&conditions, targets);
        let made = self
            .calls
            .create_rule(&front.listener, priority, rule, &self.tags())
            .await?;
        Ok(made.and_then(|rule| rule.rule_arn))
    }

    /// The rule that an earlier attempt made: where it was meant to be, or anywhere.
    async fn earlier_rule(&self, front: &FrontRecord) -> Result<Option<Rule>> {
        match (self.settings.priority, self.rule_at(front.priority).await?) {
            (_, Some((arn, true))) => self.read(&arn).await,
            (Some(_), Some((_, false)) | None) => Ok(None),
            (None, Some((_, false)) | None) => self.own_rule().await,
        }
    }

    /// Deletes the rule, also one whose making was not recorded.
    pub(super) async fn delete(&self, front: &FrontRecord) -> Result<()> {
        if let Some(arn) = &front.rule {
            return self.gone(front, arn).await;
        }
        if self.settings.protocol == Protocol::Tcp {
            return Ok(());
        }
        match self.earlier_rule(front).await {
            Ok(Some(rule)) => {
                let arn = rule.rule_arn.unwrap_or_default();
                self.calls.delete_rule(&arn).await
            }
            Ok(None) => Ok(()),
            // The listener is gone, and its rules with it.
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    fn conditions(&self, targets: &Targets) -> Conditions {
        if targets.iter().all(|(_, weight)| *weight == 0) {
            return nobodys(self.fleet);
        }
        wanted(self.settings)
    }

    fn tags(&self) -> Tags {
        names::fleet_tags(self.fleet, self.owner)
    }
}

/// A host of this ending is nobody's for ever (RFC 2606).
const NOBODYS: &str = ".immutable.invalid";

/// The conditions of a rule that no request meets.
fn nobodys(fleet: &FleetName) -> Conditions {
    Conditions {
        hosts: vec![format!("{fleet}{NOBODYS}")],
        paths: Vec::new(),
    }
}

/// Whether no request meets a rule: it asks for such a host, and all of its conditions must hold.
fn is_nobodys(rule: &Rule) -> bool {
    let hosts = as_it_is::hosts_of(rule);
    !hosts.is_empty() && hosts.iter().all(|host| host.ends_with(NOBODYS))
}

/// The conditions of a rule that serves.
fn wanted(front: &Front) -> Conditions {
    let (hosts, mut paths) = (front.hosts.clone(), front.paths.clone());
    // A rule needs a condition, and this one holds for every request.
    if hosts.is_empty() && paths.is_empty() {
        paths.push("/*".to_owned());
    }
    Conditions { hosts, paths }
}

fn is_at(rule: &Rule, priority: u32) -> bool {
    rule.priority() == Some(priority.to_string().as_str())
}

/// Our own target groups alone.
fn without_fallback(front: &FrontRecord, mut targets: Targets) -> Targets {
    targets.retain(|(arn, _)| front.fallback.as_ref() != Some(arn));
    targets
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::Scaling;
    use aws_sdk_elasticloadbalancingv2::types::{Action, ForwardActionConfig};

    #[test]
    fn thresholds_are_brought_to_what_aws_allows() {
        let asked = |interval, timeout, streak| {
            let told = thresholds(&HealthCheck {
                interval: Duration::from_secs(interval),
                timeout: Duration::from_secs(timeout),
                streak,
            });
            (told.interval_seconds, told.timeout_seconds, told.successes)
        };
        assert_eq!(asked(10, 2, 3), (10, 2, 3));
        assert_eq!(asked(1, 1, 1), (5, 2, 2));
        assert_eq!(asked(5, 60, 30), (5, 4, 10));
        assert_eq!(asked(9999, 9999, 3), (300, 120, 3));
    }

    #[test]
    fn a_drain_is_never_shorter_than_asked_for() {
        let told = |milliseconds| drain_seconds(Duration::from_millis(milliseconds));
        assert_eq!([told(0), told(200), told(1000), told(1001)], [0, 1, 1, 2]);
        assert_eq!(told(10_000_000), 3600);
    }

    #[test]
    fn without_a_path_any_answer_shows_that_the_port_is_served() {
        let settings = Settings {
            front: None,
            check: HealthCheck {
                interval: Duration::from_secs(10),
                timeout: Duration::from_secs(2),
                streak: 3,
            },
            drain: Duration::ZERO,
            scaling: Scaling::Configured,
        };
        let asked = |path: Option<&str>| {
            let told = check(&settings, path.map(str::to_owned).as_ref());
            (told.path, told.statuses)
        };
        let page = "/healthz".to_owned();
        assert_eq!(asked(Some("/healthz")), (Some(page), "200-399"));
        assert_eq!(asked(None), (Some("/".to_owned()), "200-499"));
    }

    #[test]
    fn weights_are_told_in_percent_whoever_wrote_them() {
        let rule = |weights: &[(&str, i32)]| {
            let groups = weights.iter().map(|(arn, weight)| {
                TargetGroupTuple::builder()
                    .target_group_arn(*arn)
                    .weight(*weight)
                    .build()
            });
            let forward = ForwardActionConfig::builder()
                .set_target_groups(Some(groups.collect()))
                .build();
            Rule::builder()
                .actions(Action::builder().forward_config(forward).build())
                .build()
        };
        let told = |weights: &[(&str, i32)]| -> Vec<u8> {
            let ours = |arn: &str| match arn {
                "first" => Some(GenerationNumber(1)),
                "second" => Some(GenerationNumber(2)),
                _ => None,
            };
            let shown = shares(&tuples(&rule(weights)), ours);
            shown.values().map(|weight| weight.percent()).collect()
        };
        assert_eq!(told(&[("first", 90), ("second", 10)]), [90, 10]);
        assert_eq!(told(&[("first", 0), ("second", 100)]), [100]);
        assert_eq!(told(&[("first", 1), ("second", 1)]), [50, 50]);
        assert_eq!(told(&[("first", 50), ("a stranger's", 50)]), [50]);
        assert!(told(&[("first", 0), ("second", 0)]).is_empty());
        let single = Action::builder().target_group_arn("first").build();
        let rule = Rule::builder().actions(single.clone()).build();
        assert_eq!(tuples(&rule), [("first".to_owned(), 1)]);
        let nobodys = nobodys(&"web".parse().unwrap()).built();
        let nobodys = Rule::builder().set_conditions(Some(nobodys));
        assert_eq!(
            tuples(&nobodys.actions(single).build()),
            [("first".to_owned(), 0)]
        );
    }
}
