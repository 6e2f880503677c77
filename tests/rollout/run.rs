//! A rollout on a simulated fleet, step by step, under the eyes of the referee.

use immutable::cloud::ErrorKind;
use immutable::cloud::sim::{Event, Fleet};
use immutable::model::{Timestamp, Weight};
use immutable::rollout::invariant::{Breach, Case, judge};
use immutable::rollout::{
    Action, Decision, Foreign, Goal, HoldPoint, Policy, Reason, Request, Step, Wish, World, adopt,
    decide, wording,
};
use std::fmt::Write;
use std::time::Duration;

pub type Decide = fn(&World, &Goal, &Policy) -> Decision;

/// More turns than any rollout of the tests takes by an order of magnitude.
const TURNS: u32 = 6_000;

/// The time between two looks.
const POLL: Duration = Duration::from_secs(5);

pub struct Run {
    pub fleet: Fleet,
    pub goal: Goal,
    pub policy: Policy,
    pub decide: Decide,
    pub accepted: Foreign,
    pub transcript: String,
    pub actions: Vec<String>,
    pub breaches: Vec<Breach>,
    said: String,
    sent: Option<Action>,
}

/// The kinds of wishes.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    Abort,
    Rollback,
    Promote,
    Rehearse,
    BreakGlass,
}

impl Ask {
    pub const ALL: [Self; 5] = [
        Self::Abort,
        Self::Rollback,
        Self::Promote,
        Self::Rehearse,
        Self::BreakGlass,
    ];
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Done,
    RolledBack,
    /// It rests until the next apply.
    Held(HoldPoint),
    Halted(String),
    /// The cloud refused an action for good.
    Refused(String),
    /// It went on for ever.
    Endless,
}

impl Run {
    pub fn new(fleet: Fleet, goal: Goal, policy: Policy) -> Self {
        Self {
            fleet,
            goal,
            policy,
            decide,
            accepted: Foreign::default(),
            transcript: String::new(),
            actions: Vec::new(),
            breaches: Vec::new(),
            said: String::new(),
            sent: None,
        }
    }

    /// Brings the first goal about, without a transcript.
    pub fn settled(fleet: Fleet, goal: Goal, policy: Policy) -> Self {
        let mut run = Self::new(fleet, goal, policy);
        assert_eq!(run.finish(), End::Done, "{}", run.transcript);
        run.transcript.clear();
        run.actions.clear();
        run
    }

    /// Wants something else from now on; times of the transcript count from here.
    pub fn then(&mut self, goal: Goal) -> End {
        self.goal = goal;
        self.finish()
    }

    /// Wants something else and applies, again where it rests, until it rests no more.
    pub fn applied_to_the_end(&mut self, goal: Goal) -> End {
        let mut end = self.then(goal);
        while let End::Held(point) = end {
            self.plan();
            let (goal, before) = (self.goal.clone(), point);
            end = self.then(goal);
            assert_ne!(end, End::Held(before), "{}", self.transcript);
        }
        end
    }

    /// Makes a plan and approves it: it goes on past the hold where the rollout rests now.
    pub fn plan(&mut self) {
        let world = self.fleet.look();
        let held = match (self.decide)(&world, &self.goal, &self.policy).reason {
            Reason::Held(point) => Some(point),
            _ => None,
        };
        if let Goal::Fleet(goal) = &mut self.goal {
            goal.beyond = held;
        }
    }

    /// What a person could ask for now.
    pub fn wish(&self, ask: Ask) -> Option<Wish> {
        let stable = self.fleet.stable?;
        let world = self.fleet.look();
        if let Ask::BreakGlass = ask {
            let member = world.generations.get(&stable)?.members.first()?;
            return Some(Wish::BreakGlass {
                member: member.id.clone(),
                ticket: "OPS-42".to_owned(),
                until: world.now + Duration::from_secs(7200),
            });
        }
        let others = world.generations.iter().rev();
        let other = others.map(|(number, _)| *number).find(|it| *it != stable);
        let other = other?;
        let weight = self.fleet.weights.get(&other).copied();
        Some(match ask {
            Ask::Abort | Ask::BreakGlass => Wish::Abort { generation: other },
            Ask::Rollback => Wish::Rollback {
                from: stable,
                to: other,
            },
            Ask::Promote => Wish::Promote(HoldPoint {
                generation: other,
                weight: weight.unwrap_or_default(),
            }),
            Ask::Rehearse => Wish::Rehearse {
                to: other,
                weight: Weight::new(10)?,
            },
        })
    }

    /// Leaves a request in the world.
    pub fn ask(&mut self, wish: Option<Wish>) {
        self.fleet.request = wish.map(|wish| Request {
            wish,
            by: "alice".to_owned(),
            reason: "it is slow".to_owned(),
            at: self.fleet.now + Duration::from_millis(1),
        });
    }

    pub fn event_in(&mut self, after: Duration, event: Event) {
        let at = self.fleet.now + after;
        self.fleet.plan(at, event);
    }

    pub fn finish(&mut self) -> End {
        let start = self.process_starts();
        self.said.clear();
        for _ in 0..TURNS {
            if let Some(end) = self.turn(start) {
                return end;
            }
        }
        End::Endless
    }

    /// Goes on for so many turns, then stops as if the process had died.
    pub fn turns(&mut self, turns: u32) -> Option<End> {
        let start = self.process_starts();
        (0..turns).find_map(|_| self.turn(start))
    }

    /// A process takes longer to start than a cloud lags behind what its predecessor did.
    fn process_starts(&mut self) -> Timestamp {
        self.sent = None;
        let start = self.fleet.now + self.fleet.faults.lag;
        self.fleet.pass(start);
        start
    }

    fn turn(&mut self, start: Timestamp) -> Option<End> {
        let now = self.fleet.now;
        self.fleet.pass(now);
        let world = self.fleet.look();
        let decision = match adopt(&world, &self.accepted) {
            Some(decision) => decision,
            None => {
                let decision = (self.decide)(&world, &self.goal, &self.policy);
                if let Step::Act(_) = decision.step {
                    self.accepted = Foreign::default();
                }
                decision
            }
        };
        self.say(start, &world, &decision);
        match decision.step {
            Step::Act(action) => self.act(&world, action),
            Step::Wait { until, expected } => {
                self.sent = None;
                let due = expected.filter(|at| *at > now).unwrap_or(until).min(until);
                let next = due.min(now + POLL).max(now + Duration::from_secs(1));
                self.fleet.pass(next);
                None
            }
            Step::Halt => Some(End::Halted(decision.reason.to_string())),
            Step::Held => match decision.reason {
                Reason::Held(point) => Some(End::Held(point)),
                other => panic!("held because {other}"),
            },
            Step::RolledBack => Some(End::RolledBack),
            Step::Done => Some(End::Done),
        }
    }

    fn act(&mut self, world: &World, action: Action) -> Option<End> {
        if self.sent.as_ref() == Some(&action) {
            // Its effect does not show yet.
            let next = self.fleet.now + Duration::from_secs(1);
            self.fleet.pass(next);
        }
        let before = self.fleet.truth();
        let result = self.fleet.attempt(&action);
        let after = self.fleet.truth();
        if before != after {
            self.breaches.extend(judge(&Case {
                before: world,
                was: &before,
                action: &action,
                after: &after,
                goal: &self.goal,
                policy: &self.policy,
            }));
        }
        self.sent = Some(action);
        match result {
            Ok(()) => None,
            Err(refusal) if refusal.kind == ErrorKind::Invalid => Some(End::Refused(refusal.why)),
            Err(_) => {
                let next = self.fleet.now + Duration::from_secs(1);
                self.fleet.pass(next);
                None
            }
        }
    }

    fn say(&mut self, start: Timestamp, world: &World, decision: &Decision) {
        let what = match &decision.step {
            Step::Act(action) => wording(action, world),
            Step::Wait { .. } => format!("wait: {}", waited_for(&decision.reason)),
            Step::Halt => "HALT".to_owned(),
            Step::Held => "HELD".to_owned(),
            Step::RolledBack => "ROLLED BACK".to_owned(),
            Step::Done => "DONE".to_owned(),
        };
        if what == self.said {
            return;
        }
        if let Step::Act(_) = decision.step {
            self.actions.push(what.clone());
        }
        let passed = self.fleet.now.since(start).as_secs();
        let why = match decision.step {
            Step::Wait { .. } => String::new(),
            Step::Act(_) | Step::Halt | Step::Held | Step::RolledBack | Step::Done => {
                format!("  [{}]", decision.reason)
            }
        };
        let _ = writeln!(
            self.transcript,
            "{:02}:{:02} {what}{why}",
            passed / 60,
            passed % 60
        );
        self.said = what;
    }
}

/// The subject of a wait, without the numbers that change while it lasts.
fn waited_for(reason: &Reason) -> String {
    match reason {
        Reason::AwaitsHealthy {
            generation, wanted, ..
        } => format!("generation {generation}: {wanted} healthy"),
        Reason::AwaitsLeaving { generation, .. } => {
            format!("generation {generation}: members leave")
        }
        Reason::AwaitsDrained { generation, .. } => format!("generation {generation} drains"),
        other => other.to_string(),
    }
}
