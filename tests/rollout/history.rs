//! Histories: a fleet, its policy, and everything that happens to it, made by chance.

use crate::fixture::*;
use crate::run::{Ask, Decide, End, Run};
use immutable::cloud::sim::{Event, Fate, Faults, Fleet};
use immutable::model::{Fingerprint, GenerationNumber, Scaling, Tracking};
use immutable::rollout::{AlarmState, Foreign, Goal, Policy, Strategy};
use proptest::prelude::{Just, any, prop, prop_oneof};
use proptest::strategy::Strategy as _;
use std::time::Duration;

/// One thing that happens to a fleet.
#[derive(Debug, Clone)]
pub enum Happening {
    /// The driver turns so many times; then its process is gone and another one goes on.
    Turns(u32),
    /// A plan is made and approved: it goes on past the hold where the rollout rests by then.
    Planned,
    /// Another version, size or retry token is wanted.
    Wanted { version: u8, size: u32 },
    /// The fleet shall be gone.
    Unwanted,
    /// A person asks for something that fits the fleet as it is.
    Asked(Ask),
    /// Another strategy is wanted.
    Strategy(Strategy),
    /// Something happens to the newest generation, or to the one before.
    Member { what: What, newest: bool },
    /// An alarm fires, goes quiet or cannot be read.
    Alarm(AlarmState),
    /// The front can be read or not.
    Front(bool),
    /// Members launched from now on are well or not.
    Fate(Fate),
    /// Someone else divides the traffic or changes a capacity; the user sees it in the next plan.
    Stranger { weights: bool },
    /// What sizes a fleet whose size changes by itself asks for another size.
    Scales(u32),
    /// Someone else decides about the size from now on.
    Sized(Scaling),
    /// The same release shall take traffic, or none.
    Traffic(bool),
}

/// What happens to a member.
#[derive(Debug, Clone, Copy)]
pub enum What {
    Exits,
    FallsIll,
    Recovers,
    Drifts,
}

#[derive(Debug, Clone)]
pub struct History {
    pub seed: u64,
    pub size: u32,
    pub has_front: bool,
    pub scaling: Scaling,
    pub policy: Policy,
    pub faults: Faults,
    pub happenings: Vec<Happening>,
}

pub fn scalings() -> impl proptest::strategy::Strategy<Value = Scaling> {
    let tracking = |min, max| Scaling::Tracking(Tracking { min, max, cpu: 60 });
    prop_oneof![
        4 => Just(Scaling::Configured),
        2 => Just(Scaling::External),
        2 => Just(tracking(1, 9)),
        1 => Just(tracking(3, 5)),
    ]
}

pub fn strategies() -> impl proptest::strategy::Strategy<Value = Strategy> {
    prop_oneof![
        Just(Strategy::BlueGreen),
        Just(canary(&[])),
        Just(canary(&[(5, 60), (50, 120)])),
        Just(canary(&[(1, 0), (34, 30), (99, 60)])),
        Just(resting(&[20, 60])),
        Just(rolling("25%", "100%")),
        Just(rolling("1", "50%")),
        Just(rolling("2", "80%")),
        Just(rolling("100%", "0%")),
    ]
}

pub fn policies() -> impl proptest::strategy::Strategy<Value = Policy> {
    let seconds_of = |choices: &'static [u64]| prop::sample::select(choices).prop_map(seconds);
    (
        strategies(),
        seconds_of(&[0, 10]),
        seconds_of(&[0, 60, 300]),
        seconds_of(&[0, 0, 900]),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(strategy, settle, bake, keep_previous, alarmed, keep_failed)| Policy {
                settle,
                bake,
                keep_previous,
                keep_failed,
                alarms: alarmed.then(|| "errors".to_owned()).into_iter().collect(),
                ..policy(strategy)
            },
        )
}

fn happenings() -> impl proptest::strategy::Strategy<Value = Happening> {
    let alarms = prop_oneof![
        3 => Just(AlarmState::Quiet),
        1 => Just(AlarmState::Firing { why: "too many errors".to_owned() }),
        1 => Just(AlarmState::Unreadable { why: "throttled".to_owned() }),
    ];
    let fates = prop_oneof![
        3 => Just(Fate::well(BOOTS)),
        1 => Just(Fate::sick(BOOTS)),
        1 => Just(Fate::exiting(BOOTS, seconds(3))),
        1 => Just(Fate::exiting(BOOTS, seconds(400))),
    ];
    let whats =
        prop::sample::select(&[What::Exits, What::FallsIll, What::Recovers, What::Drifts][..]);
    prop_oneof![
        12 => (1..60_u32).prop_map(Happening::Turns),
        3 => Just(Happening::Planned),
        4 => (1..5_u8, 1..9_u32).prop_map(|(version, size)| Happening::Wanted { version, size }),
        2 => prop::sample::select(&Ask::ALL[..]).prop_map(Happening::Asked),
        1 => Just(Happening::Unwanted),
        1 => strategies().prop_map(Happening::Strategy),
        4 => (whats, any::<bool>()).prop_map(|(what, newest)| Happening::Member { what, newest }),
        2 => alarms.prop_map(Happening::Alarm),
        1 => any::<bool>().prop_map(Happening::Front),
        2 => fates.prop_map(Happening::Fate),
        1 => any::<bool>().prop_map(|weights| Happening::Stranger { weights }),
        4 => (1..12_u32).prop_map(Happening::Scales),
        1 => scalings().prop_map(Happening::Sized),
        1 => any::<bool>().prop_map(Happening::Traffic),
    ]
}

fn faults() -> impl proptest::strategy::Strategy<Value = Faults> {
    let often = || prop::sample::select(&[0_u32, 0, 50, 200][..]);
    (
        often(),
        often(),
        prop::sample::select(&[0_u64, 0, 3][..]),
        prop::sample::select(&[0_u64, 0, 4, 25][..]),
        any::<bool>(),
    )
        .prop_map(
            |(throttled, lost_replies, lag, shows_after, blind)| Faults {
                throttled,
                lost_replies,
                lag: seconds(lag),
                shows_after: seconds(shows_after),
                blind,
                ..Faults::default()
            },
        )
}

pub fn histories() -> impl proptest::strategy::Strategy<Value = History> {
    (
        any::<u64>(),
        1..9_u32,
        (prop::bool::weighted(0.8), scalings()),
        policies(),
        faults(),
        prop::collection::vec(happenings(), 0..14),
    )
        .prop_map(
            |(seed, size, (has_front, scaling), policy, faults, happenings)| History {
                seed,
                size,
                has_front,
                scaling,
                policy,
                faults,
                happenings,
            },
        )
}

/// Who decides about the size in a goal; `otherwise` where the fleet shall be gone.
fn scaling_of(goal: &Goal, otherwise: &Scaling) -> Scaling {
    match goal {
        Goal::Fleet(goal) => goal.settings.scaling.clone(),
        Goal::Absent => otherwise.clone(),
    }
}

/// Whether a goal's fleet takes traffic; `otherwise` where it shall be gone.
fn front_of(goal: &Goal, otherwise: bool) -> bool {
    match goal {
        Goal::Fleet(goal) => goal.settings.front.is_some(),
        Goal::Absent => otherwise,
    }
}

/// A fleet whose size changes by itself is not replaced in batches: a configuration that says so is
/// refused.
fn allowed(policy: &Policy, goal: &Goal) -> Policy {
    let is_live = scaling_of(goal, &Scaling::Configured).is_live();
    let strategy = match &policy.strategy {
        Strategy::Rolling { .. } if is_live => Strategy::BlueGreen,
        other => other.clone(),
    };
    Policy {
        strategy,
        ..policy.clone()
    }
}

impl History {
    /// Another version of what is wanted.
    fn goal(&self, of: &Goal, version: u8, size: u32) -> Goal {
        let version = version.to_string();
        let mut goal = fleet_goal(&version, size, front_of(of, self.has_front));
        goal.settings.scaling = scaling_of(of, &self.scaling);
        Goal::Fleet(Box::new(goal))
    }

    /// Plays the history; then everything gets well and a release that was never tried is wanted.
    ///
    /// The referee must be content with every action, the cloud must refuse none, and the last goal
    /// must be reached.
    pub fn play(&self, decide: Decide) -> Result<Run, String> {
        let mut fleet = Fleet::new(self.seed, BOOTS);
        fleet.alarms.insert("errors".to_owned(), AlarmState::Quiet);
        fleet.faults = self.faults.clone();
        let first = self.goal(&Goal::Absent, 1, self.size);
        let policy = allowed(&self.policy, &first);
        let mut run = Run::new(fleet, first, policy);
        run.decide = decide;
        run.turns(200);
        for happening in &self.happenings {
            self.happen(&mut run, happening);
        }
        self.get_well(&mut run);
        let last = self.goal(&run.goal, 99, self.size);
        run.policy = allowed(&run.policy, &last);
        let end = run.applied_to_the_end(last);
        if let Some(breach) = run.breaches.first() {
            return Err(format!("{breach}\n{}", run.transcript));
        }
        match end {
            End::Done => Ok(run),
            End::RolledBack | End::Held(_) | End::Halted(_) | End::Refused(_) | End::Endless => {
                Err(format!("ended {end:?}\n{}", run.transcript))
            }
        }
    }

    fn happen(&self, run: &mut Run, happening: &Happening) {
        let latest = run.fleet.generations.keys().next_back().copied();
        let first = run.fleet.generations.keys().next().copied();
        match happening {
            Happening::Turns(turns) => {
                run.turns(*turns);
            }
            Happening::Planned => run.plan(),
            Happening::Wanted { version, size } => {
                run.goal = self.goal(&run.goal, *version, *size);
                run.policy = allowed(&run.policy, &run.goal);
            }
            Happening::Unwanted => run.goal = Goal::Absent,
            Happening::Asked(ask) => {
                let wish = run.wish(*ask);
                run.ask(wish);
            }
            Happening::Strategy(strategy) => {
                run.policy.strategy = strategy.clone();
                run.policy = allowed(&run.policy, &run.goal);
            }
            Happening::Scales(size) => run.fleet.happen(Event::Scale(*size)),
            Happening::Sized(scaling) => {
                if let Goal::Fleet(goal) = &mut run.goal {
                    goal.settings.scaling = scaling.clone();
                }
                run.policy = allowed(&run.policy, &run.goal);
            }
            Happening::Traffic(takes_some) => {
                if let Goal::Fleet(goal) = &mut run.goal
                    && let Some(launch) = &mut goal.launch
                {
                    launch.port = takes_some.then_some(80);
                    goal.fingerprint = Fingerprint::of(launch);
                    goal.settings.front = settings(*takes_some).front;
                }
            }
            Happening::Member { what, newest } => {
                let Some(number) = (if *newest { latest } else { first }) else {
                    return;
                };
                run.fleet.happen(match what {
                    What::Exits => Event::Exit(number),
                    What::FallsIll => Event::Ill(number),
                    What::Recovers => Event::Well(number),
                    What::Drifts => Event::Drift(number),
                });
            }
            Happening::Alarm(state) => {
                run.fleet
                    .happen(Event::Alarm("errors".to_owned(), state.clone()));
            }
            Happening::Front(readable) => {
                run.fleet.happen(Event::Front {
                    readable: *readable,
                });
            }
            Happening::Fate(fate) => run.fleet.happen(Event::Fate(*fate)),
            Happening::Stranger { weights } => {
                let Some(number) = latest else { return };
                self.meddle(run, number, *weights);
                run.turns(3);
                run.accepted = Foreign::of(&run.fleet.truth());
            }
        }
    }

    fn meddle(&self, run: &mut Run, number: GenerationNumber, weights: bool) {
        let generation = &run.fleet.generations[&number];
        let is_open = generation.draining_since.is_none() && generation.launch.port.is_some();
        let settings = run.fleet.settings.as_ref();
        let has_front = settings.is_some_and(|settings| settings.front.is_some());
        if weights && has_front && is_open {
            let all = immutable::model::Weight::ALL;
            run.fleet.happen(Event::Weights([(number, all)].into()));
        } else {
            run.fleet.happen(Event::Capacity(number, self.size + 1));
        }
    }

    /// Faults end, members recover, and the user approves what a plan shows.
    fn get_well(&self, run: &mut Run) {
        run.fleet.faults = Faults::default();
        run.fleet.is_readable = true;
        run.fleet.request = None;
        run.fleet.happen(Event::Fate(Fate::well(BOOTS)));
        run.fleet
            .happen(Event::Alarm("errors".to_owned(), AlarmState::Quiet));
        let numbers: Vec<GenerationNumber> = run.fleet.generations.keys().copied().collect();
        for number in numbers {
            run.fleet.happen(Event::Well(number));
            for member in &mut run.fleet.generations.get_mut(&number).unwrap().members {
                member.fate = if member.ended_at.is_some() {
                    member.fate
                } else {
                    Fate::well(BOOTS)
                };
            }
        }
        let now = run.fleet.now;
        run.fleet.pass(now + Duration::from_secs(1800));
        run.accepted = Foreign::of(&run.fleet.truth());
    }
}
