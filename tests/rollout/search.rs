//! Every world that a small fleet can get into, with faults and newer goals at every moment.
//!
//! A process that dies between two actions needs no step of its own: deciding remembers nothing, so
//! whoever goes on does the same. One that dies inside an action has done it or not; both are here.

use crate::fixture::*;
use immutable::cloud::ErrorKind;
use immutable::cloud::sim::{Event, Fleet};
use immutable::model::{GenerationNumber, Weight};
use immutable::rollout::invariant::{Case, judge};
use immutable::rollout::{AlarmState, Goal, HoldPoint, Policy, Reason, Step, Strategy, decide};
use stateright::{Checker, Model, Property};
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// The time between two looks; all times of the searched fleets are multiples of it.
const TICK: u64 = 30;

/// More than any of these rollouts takes, each of its waits running to its deadline.
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// More actions than any of these rollouts takes.
const ACTIONS: u16 = 120;

struct Search {
    policy: Policy,
    goals: Vec<Goal>,
    faults: u8,
    changes: u8,
}

#[derive(Debug, Clone, PartialEq)]
struct State {
    fleet: Fleet,
    goal: usize,
    beyond: Option<HoldPoint>,
    faults: u8,
    changes: u8,
    actions: u16,
    end: Option<Step>,
    wrong: Option<String>,
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fleet.hash(state);
        (self.goal, self.faults, self.changes, self.actions).hash(state);
        (self.end.is_some(), &self.wrong).hash(state);
        let beyond = self.beyond.map(|it| (it.generation, it.weight));
        beyond.hash(state);
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Happening {
    /// One look, one decision, one action or wait.
    Turn,
    /// The same, but the action is lost.
    Lost,
    Fault(Fault),
    /// The rollout rests, and the next apply goes on.
    Approved,
    Wanted(usize),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Exit(u32),
    Ill(u32),
    Alarm,
    Unreadable,
    Stranger,
}

const FAULTS: [Fault; 7] = [
    Fault::Exit(1),
    Fault::Exit(2),
    Fault::Ill(1),
    Fault::Ill(2),
    Fault::Alarm,
    Fault::Unreadable,
    Fault::Stranger,
];

impl Model for Search {
    type State = State;
    type Action = Happening;

    fn init_states(&self) -> Vec<State> {
        let mut fleet = Fleet::new(1, seconds(TICK));
        fleet.alarms.insert("errors".to_owned(), AlarmState::Quiet);
        let start = State {
            fleet,
            goal: 0,
            beyond: None,
            faults: 0,
            changes: 0,
            actions: 0,
            end: None,
            wrong: None,
        };
        let mut rested = start.clone();
        while rested.end.is_none() {
            rested = self.turn(rested, true);
        }
        rested.goal = 1;
        rested.actions = 0;
        rested.end = None;
        vec![start, rested]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Happening>) {
        if state.wrong.is_some() {
            return;
        }
        if state.end.is_none() {
            actions.push(Happening::Turn);
            if state.faults < self.faults {
                actions.push(Happening::Lost);
                actions.extend(FAULTS.map(Happening::Fault));
            }
        }
        if state.end == Some(Step::Held) {
            actions.push(Happening::Approved);
        }
        if state.changes < self.changes {
            let others = (0..self.goals.len()).filter(|goal| *goal != state.goal);
            actions.extend(others.map(Happening::Wanted));
        }
    }

    fn next_state(&self, state: &State, action: Happening) -> Option<State> {
        let state = state.clone();
        Some(match action {
            Happening::Turn => self.turn(state, true),
            Happening::Lost => {
                let faults = state.faults + 1;
                State {
                    faults,
                    ..self.turn(state, false)
                }
            }
            Happening::Fault(fault) => {
                let mut state = State {
                    faults: state.faults + 1,
                    ..state
                };
                state.fleet.happen(event(fault, &state.fleet));
                state
            }
            Happening::Approved => State {
                beyond: self.rests(&state),
                end: None,
                ..state
            },
            Happening::Wanted(goal) => State {
                goal,
                changes: state.changes + 1,
                end: None,
                ..state
            },
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("the referee is content", |_, state: &State| {
                state.wrong.is_none()
            }),
            Property::always("it ends", |_, state: &State| {
                state.actions < ACTIONS
                    && Duration::from_millis(state.fleet.now.milliseconds()) < LONGEST
            }),
            Property::always("done means done", |search: &Self, state: &State| {
                search.is_honest(state)
            }),
            Property::always(
                "what is trusted and well has traffic",
                |search: &Self, state| search.leaves_no_traffic_unused(state),
            ),
            Property::sometimes("a goal is reached", |_, state: &State| {
                state.end == Some(Step::Done)
            }),
            Property::sometimes("a rollout is rolled back", |_, state: &State| {
                state.end == Some(Step::RolledBack)
            }),
            Property::sometimes("a person is asked", |_, state: &State| {
                state.end == Some(Step::Halt)
            }),
        ]
    }
}

fn event(fault: Fault, fleet: &Fleet) -> Event {
    match fault {
        Fault::Exit(number) => Event::Exit(GenerationNumber(number)),
        Fault::Ill(number) => Event::Ill(GenerationNumber(number)),
        Fault::Alarm => {
            let why = "errors".to_owned();
            Event::Alarm("errors".to_owned(), AlarmState::Firing { why })
        }
        Fault::Unreadable => {
            let why = "no data".to_owned();
            Event::Alarm("errors".to_owned(), AlarmState::Unreadable { why })
        }
        Fault::Stranger => {
            let newest = fleet.latest;
            Event::Weights([(newest, Weight::ALL)].into())
        }
    }
}

impl Search {
    fn turn(&self, mut state: State, is_done: bool) -> State {
        let goal = &self.goal(&state);
        let before = state.fleet.look();
        let decision = decide(&before, goal, &self.policy);
        match decision.step {
            Step::Act(action) => {
                state.actions += 1;
                if !is_done {
                    return state;
                }
                let acted = state.fleet.act(&action);
                let after = state.fleet.truth();
                let case = Case {
                    before: &before,
                    was: &before,
                    action: &action,
                    after: &after,
                    goal,
                    policy: &self.policy,
                };
                state.wrong = judge(&case).first().map(ToString::to_string);
                if let Err(refusal) = acted
                    && refusal.kind == ErrorKind::Invalid
                {
                    state.wrong = Some(refusal.why);
                }
            }
            Step::Wait { .. } => {
                let next = state.fleet.now + seconds(TICK);
                state.fleet.pass(next);
            }
            Step::Halt | Step::Held | Step::RolledBack | Step::Done => {
                state.end = Some(decision.step);
            }
        }
        state
    }

    /// The goal as it was planned last.
    fn goal(&self, state: &State) -> Goal {
        let mut goal = self.goals[state.goal].clone();
        if let Goal::Fleet(goal) = &mut goal {
            goal.beyond = state.beyond;
        }
        goal
    }

    /// Where a plan finds the rollout resting.
    fn rests(&self, state: &State) -> Option<HoldPoint> {
        let decision = decide(&state.fleet.look(), &self.goal(state), &self.policy);
        match decision.reason {
            Reason::Held(point) => Some(point),
            _ => None,
        }
    }

    /// No run ends with nobody serving who could.
    fn leaves_no_traffic_unused(&self, state: &State) -> bool {
        let is_wanted = matches!(self.goals[state.goal], Goal::Fleet(_));
        let stable = state
            .fleet
            .stable
            .map(|stable| &state.fleet.generations[&stable]);
        let has_front = state.fleet.settings.as_ref();
        let has_front = has_front.is_some_and(|settings| settings.front.is_some());
        let could = stable.is_some_and(|stable| {
            let mut members = stable.members.iter();
            has_front
                && stable.launch.port.is_some()
                && stable.draining_since.is_none()
                && members.any(|member| member.healthy_since(state.fleet.now).is_some())
        });
        let ended = state.end.is_some() && is_wanted;
        !(ended && could && state.fleet.weights.is_empty())
    }

    /// What was called done is what was wanted.
    fn is_honest(&self, state: &State) -> bool {
        if state.end != Some(Step::Done) {
            return true;
        }
        match &self.goals[state.goal] {
            Goal::Absent => state.fleet.generations.is_empty() && state.fleet.settings.is_none(),
            Goal::Fleet(goal) => state.fleet.stable.is_some_and(|stable| {
                let generation = &state.fleet.generations[&stable];
                generation.fingerprint == goal.fingerprint
                    && generation.live() == goal.size
                    && (goal.settings.front.is_none() || state.fleet.weight(stable) == Weight::ALL)
                    && state.fleet.generations.len() == 1
            }),
        }
    }
}

/// Searches everything for one strategy, size and beginning; returns the number of worlds.
fn search(strategy: Strategy, first: Goal, size: u32, faults: u8) -> usize {
    let policy = Policy {
        steady: seconds(TICK),
        settle: seconds(TICK),
        bake: seconds(2 * TICK),
        launch_deadline: seconds(4 * TICK),
        alarms: vec!["errors".to_owned()],
        ..policy(strategy)
    };
    let goals = vec![first, goal("2", size), goal("3", size + 1), Goal::Absent];
    let model = Search {
        policy,
        goals,
        faults,
        changes: 1,
    };
    let checker = model.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

#[test]
fn every_world_of_small_fleets_is_safe_and_ends() {
    let strategies = [
        ("blue_green", Strategy::BlueGreen),
        ("canary", canary(&[(34, TICK)])),
        ("resting", resting(&[34])),
        ("rolling", rolling("1", "50%")),
    ];
    // One fault takes seconds; two take minutes and see eight million worlds.
    let faults = std::env::var("IMMUTABLE_FAULTS").ok();
    let faults = faults.and_then(|faults| faults.parse().ok()).unwrap_or(1);
    let mut total = 0;
    for (name, strategy) in strategies {
        for size in 1..=3 {
            let worlds = search(strategy.clone(), goal("1", size), size, faults);
            println!("{name:<10} size {size}: {worlds} worlds");
            total += worlds;
        }
        let worlds = search(strategy, workers("1", 2), 2, faults);
        println!("{name:<10} size 2, workers first: {worlds} worlds");
        total += worlds;
    }
    println!("in all {total} worlds");
    assert!(
        total > 50_000,
        "the search became too narrow: {total} worlds"
    );
}
