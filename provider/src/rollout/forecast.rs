//! What an apply will do: `decide` on an ideal world.

use super::ideal::{after, healed};
use super::{
    Action, Decision, Foreign, Generation, Goal, HoldPoint, Policy, Reason, Step, Traffic, Words,
    World, adopt, decide, live, wording,
};
use crate::model::{GenerationNumber, Timestamp, Weight};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A forecast ends after this many steps, so that a plan ends; a rollout of thousands of batches has
/// more.
const LONGEST: usize = 2000;

/// Of more lines than this a plan shows the beginning and the end.
const READABLE: usize = 60;

/// What an apply will do when nothing goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// Every step, in order.
    pub steps: Vec<Foreseen>,
    /// The fewest healthy members in service at any moment; absent: the fleet does not serve yet,
    /// or shall be gone.
    pub least_serving: Option<u32>,
    /// The members of today.
    pub running: u32,
    /// The most members at any moment.
    pub most_running: u32,
    /// Whether a generation is made on the way.
    pub makes_generation: bool,
    /// Whether front, checks or drain time are set.
    pub configures: bool,
    /// The least time that it takes: proofs of health, settling, holds and bakes. Booting and
    /// requests in flight come on top.
    pub least_duration: Duration,
    /// Where the rollout will rest until the next apply; absent: it goes to its end.
    pub held: Option<HoldPoint>,
    /// What the fleet is like at the beginning and after each step.
    pub course: Vec<Moment>,
}

/// A fleet after one step of a forecast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The least time that has passed since the beginning.
    pub at: Duration,
    /// The step that was taken; empty at the beginning.
    pub step: String,
    /// The members in service: those that get traffic, or all where there is no front.
    pub serving: u32,
    /// The generations that exist.
    pub places: BTreeMap<GenerationNumber, Place>,
}

/// A generation at one moment of a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its members.
    pub members: u32,
    /// Its share of the traffic; none where there is no front.
    pub weight: Weight,
}

/// One step of a forecast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreseen {
    /// Something is changed.
    Action(String),
    /// Something is waited for.
    Wait(String),
    /// What remains for later, or stands against going on.
    Remark(String),
}

/// Foresees what an apply will do. It rests on the arguments alone, and its texts hold no moment in
/// time: the same world a minute later gives the same forecast, unless a wait ended meanwhile.
///
/// What someone else changed is taken as accepted: a plan that shows it and is approved accepts it.
#[must_use]
pub fn forecast(world: &World, goal: &Goal, policy: &Policy) -> Forecast {
    let accepted = Foreign::of(world);
    let mut foreseen = Forecast::new(world);
    let mut at = world.clone();
    while let Some(decision) = adopt(&at, &accepted) {
        let Step::Act(action) = decision.step else {
            break;
        };
        foreseen.steps.push(Foreseen::Action(wording(&action, &at)));
        at = adopted(&at, &action, policy);
    }
    at = healed(&live::seen(&at), policy);
    let (start, was_serving) = (at.now, serving(&at));
    (foreseen.running, foreseen.most_running) = (running(&at), running(&at));
    foreseen.least_serving = (was_serving > 0 && *goal != Goal::Absent).then_some(was_serving);
    foreseen.course.push(moment(&at, start, String::new()));
    while foreseen.steps.len() < LONGEST {
        let decision = decide(&at, goal, policy);
        foreseen.held = match decision.reason {
            Reason::Held(point) => Some(point),
            _ => None,
        };
        match next(&at, decision, policy) {
            Ok((step, world)) => {
                let after = moment(&world, start, step.to_string());
                foreseen.course.push(after);
                foreseen = foreseen.with(step, &at, &world);
                at = world;
            }
            Err(remark) => {
                if let Some(remark) = remark {
                    foreseen.steps.push(Foreseen::Remark(remark));
                }
                break;
            }
        }
    }
    foreseen.least_duration = at.now.since(start);
    foreseen
}

/// The world after one step, or what remains to be said at the end.
fn next(
    world: &World,
    decision: Decision,
    policy: &Policy,
) -> Result<(Foreseen, World), Option<String>> {
    match decision.step {
        Step::Act(action) => {
            let step = Foreseen::Action(wording(&action, world));
            Ok((step, after(world, &action, policy)))
        }
        Step::Wait { until, expected } => {
            let ends = expected.filter(|at| *at > world.now).unwrap_or(until);
            let text = waiting(&decision.reason, ends.since(world.now));
            let now = ends.max(world.now + Duration::from_millis(1));
            let world = World {
                now,
                ..world.clone()
            };
            Ok((Foreseen::Wait(text), world))
        }
        Step::Halt | Step::RolledBack => Err(Some(decision.reason.to_string())),
        Step::Held | Step::Done => Err(remains(&decision.reason)),
    }
}

/// What an apply leaves for a later one.
fn remains(reason: &Reason) -> Option<String> {
    match reason {
        Reason::Reached {
            kept: Some((kept, keep)),
            ..
        } => Some(format!(
            "keep generation {kept} warm for {}; the first apply after that removes it",
            Words(*keep)
        )),
        Reason::Held(HoldPoint { generation, weight }) => Some(format!(
            "hold generation {generation} at {weight} until the next apply"
        )),
        _ => None,
    }
}

fn waiting(reason: &Reason, least: Duration) -> String {
    match reason {
        Reason::AwaitsHealthy { wanted, .. } => format!(
            "wait until {wanted} of {wanted} are healthy (at least {})",
            Words(least)
        ),
        Reason::AwaitsSettled { settle } => {
            format!("let the traffic settle for {}", Words(*settle))
        }
        Reason::Holds { weight, hold } => format!("hold {} at {weight}", Words(*hold)),
        Reason::Bakes { bake } => format!("bake {} at full weight", Words(*bake)),
        other => format!("wait: {other}"),
    }
}

/// Adopting changes what we take for ours and nothing in the cloud.
fn adopted(world: &World, action: &Action, policy: &Policy) -> World {
    let mut next = after(world, action, policy);
    if let Action::ResizeGeneration { number, size } = action
        && let Some(generation) = next.generations.get_mut(number)
    {
        generation.desired = *size;
        generation.resized_at = Timestamp::default();
    }
    next
}

impl Forecast {
    fn new(world: &World) -> Self {
        Self {
            steps: Vec::new(),
            least_serving: None,
            running: running(world),
            most_running: running(world),
            makes_generation: false,
            configures: false,
            least_duration: Duration::ZERO,
            held: None,
            course: Vec::new(),
        }
    }

    fn with(mut self, step: Foreseen, before: &World, world: &World) -> Self {
        self.steps.push(step);
        self.makes_generation |= world.latest > before.latest;
        self.configures |= world.settings != before.settings;
        let serving = serving(world);
        self.least_serving = self.least_serving.map(|least| least.min(serving));
        self.most_running = self.most_running.max(running(world));
        self
    }

    /// The forecast as a plan shows it: every step on a line of its own, then the numbers. Empty
    /// when there is nothing to do.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let all: Vec<String> = self.steps.iter().map(ToString::to_string).collect();
        let mut lines = match all.len() {
            count if count > READABLE => {
                let left_out = count - READABLE + 1;
                let mut shown = all[..READABLE / 2].to_vec();
                shown.push(format!("... {left_out} more steps like these ..."));
                shown.extend_from_slice(&all[count - READABLE / 2 + 1..]);
                shown
            }
            _ => all,
        };
        if self.has_actions() {
            lines.push(self.summary());
        }
        lines
    }

    /// What is said after the steps: what remains for later, and the numbers.
    #[must_use]
    pub fn closing(&self) -> Vec<String> {
        let remarks = self.steps.iter().filter_map(|step| match step {
            Foreseen::Remark(remark) => Some(remark.clone()),
            Foreseen::Action(_) | Foreseen::Wait(_) => None,
        });
        let numbers = self.has_actions().then(|| self.summary());
        remarks.chain(numbers).collect()
    }

    fn has_actions(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Foreseen::Action(_)))
    }

    fn summary(&self) -> String {
        let least = self
            .least_serving
            .map(|least| format!("at least {least} serving, "))
            .unwrap_or_default();
        format!(
            "in all: {least}at most {} running, {} or more",
            self.most_running,
            Words(self.least_duration)
        )
    }
}

impl Moment {
    /// All members that there are.
    #[must_use]
    pub fn running(&self) -> u32 {
        self.places.values().map(|place| place.members).sum()
    }
}

impl fmt::Display for Foreseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(text) | Self::Wait(text) | Self::Remark(text) => f.write_str(text),
        }
    }
}

fn moment(world: &World, start: Timestamp, step: String) -> Moment {
    let weight = |number: &GenerationNumber| match &world.traffic {
        Traffic::Known { weights, .. } => weights.get(number).copied().unwrap_or_default(),
        Traffic::None | Traffic::Unreadable { .. } => Weight::NONE,
    };
    let places = world.generations.iter().map(|(number, generation)| {
        let members = u32::try_from(generation.members.len()).unwrap_or(u32::MAX);
        let weight = weight(number);
        (*number, Place { members, weight })
    });
    Moment {
        at: world.now.since(start),
        step,
        serving: serving(world),
        places: places.collect(),
    }
}

fn running(world: &World) -> u32 {
    let members = world.generations.values().map(|g| g.members.len());
    u32::try_from(members.sum::<usize>()).unwrap_or(u32::MAX)
}

/// The members in service: all well in the ideal, so those that get traffic, or all where there is
/// no front.
fn serving(world: &World) -> u32 {
    let is_in_service = |number, generation: &Generation| match &world.traffic {
        Traffic::Known { weights, .. } => weights.contains_key(number) || !generation.takes_traffic,
        Traffic::None | Traffic::Unreadable { .. } => true,
    };
    world
        .generations
        .iter()
        .filter(|(number, generation)| is_in_service(*number, generation))
        .map(|(_, generation)| u32::try_from(generation.members.len()).unwrap_or(u32::MAX))
        .sum()
}
