//! Known bugs, planted one at a time: each must be caught, and the table says by which proof.

use crate::fixture::*;
use crate::history::histories;
use crate::run::{Decide, End, Run};
use expect_test::expect;
use immutable::cloud::sim::{Event, Fate, Fleet};
use immutable::model::{GenerationNumber, Scaling, Timestamp, Weight, Weights};
use immutable::rollout::{
    Action, AlarmState, CanaryStep, Decision, Goal, Hold, MemberState, Policy, Reason, Step,
    Strategy, Traffic, World, decide,
};
use proptest::strategy::{Strategy as _, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::fmt::Write;
use std::time::Duration;

/// Whether a proof catches a decide.
type Proof = fn(Decide) -> bool;

/// A bug: what it is called, and a decide that has it.
const MUTANTS: &[(&str, Decide)] = &[
    ("shifts before members are healthy", shifts_before_healthy),
    ("destroys before the drain is over", destroys_before_drain),
    ("drains without settling", drains_without_settling),
    ("forgets a condemned candidate", forgets_the_condemned),
    ("launches one more than the surge", one_above_surge),
    ("takes one stable member too many", one_below_minimum),
    ("counts sick members", counts_the_sick),
    (
        "takes throttled or unread for shifted",
        believes_what_it_wrote,
    ),
    ("skips the bake", skips_the_bake),
    ("skips canary steps", skips_steps),
    ("goes on from a hold untold", passes_holds),
    ("hears no alarms", hears_no_alarms),
    ("passes an unreadable alarm", passes_the_unreadable),
    ("tries a failed release again", tries_again),
    ("removes the stable one on failure", removes_the_stable),
    ("fights strangers over weights", fights_strangers),
    ("waits for ever for a launch", waits_for_ever),
    ("starts a second rollout beside the first", starts_a_second),
    ("forgets that the size is a live one", forgets_the_live_size),
    (
        "trusts only a whole first generation",
        leaves_nobody_serving,
    ),
    ("forgives any number that falls ill", forgives_all_the_ill),
    ("sends requests to workers", sends_to_workers),
];

fn waits_more(world: &World) -> Decision {
    Decision {
        step: Step::Wait {
            until: world.now + Duration::from_secs(5),
            expected: None,
        },
        reason: Reason::OnlyOneServing,
    }
}

fn acts(action: Action) -> Decision {
    Decision {
        step: Step::Act(action),
        reason: Reason::OnlyOneServing,
    }
}

fn shifts_before_healthy(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let lenient = Policy {
        streak: 0,
        steady: Duration::ZERO,
        ..policy.clone()
    };
    let mut seen = world.clone();
    for generation in seen.generations.values_mut() {
        for member in &mut generation.members {
            member.state = match member.state {
                MemberState::Launching => MemberState::Running,
                other => other,
            };
            member.healthy_since = Some(Timestamp::default());
        }
    }
    decide(&seen, goal, &lenient)
}

fn destroys_before_drain(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let mut seen = world.clone();
    for generation in seen.generations.values_mut() {
        generation.in_flight = Some(0);
    }
    decide(&seen, goal, policy)
}

fn drains_without_settling(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    decide(
        world,
        goal,
        &Policy {
            settle: Duration::ZERO,
            ..policy.clone()
        },
    )
}

fn forgets_the_condemned(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let mut seen = world.clone();
    for generation in seen.generations.values_mut() {
        generation.condemned = None;
    }
    decide(&seen, goal, policy)
}

fn forgets_the_live_size(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let (mut seen, mut wanted) = (world.clone(), goal.clone());
    if let (Some(settings), Goal::Fleet(goal)) = (&mut seen.settings, &mut wanted)
        && settings.scaling == goal.settings.scaling
    {
        settings.scaling = Scaling::Configured;
        goal.settings.scaling = Scaling::Configured;
        for generation in seen.generations.values_mut() {
            generation.wanted = generation.desired;
        }
    }
    decide(&seen, &wanted, policy)
}

fn leaves_nobody_serving(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let decision = decide(world, goal, policy);
    match (&decision.step, &world.traffic) {
        (Step::Act(Action::Promote { number }), Traffic::Known { weights, .. })
            if world.stable.is_none()
                && world.generations[number]
                    .members
                    .iter()
                    .any(|it| it.streak == 0) =>
        {
            acts(Action::ShiftTraffic {
                weights: Weights::new(),
                before: weights.clone(),
            })
        }
        _ => decision,
    }
}

fn with_size(
    decision: Decision,
    change: impl Fn(u32) -> u32,
    of: impl Fn(GenerationNumber) -> bool,
) -> Decision {
    match decision.step {
        Step::Act(Action::ResizeGeneration { number, size }) if of(number) => {
            acts(Action::ResizeGeneration {
                number,
                size: change(size),
            })
        }
        _ => decision,
    }
}

fn one_above_surge(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let decision = decide(world, goal, policy);
    match decision.step {
        Step::Act(Action::CreateGeneration {
            number,
            launch,
            fingerprint,
            size,
            launch_deadline,
        }) => {
            let size = size + 1;
            acts(Action::CreateGeneration {
                number,
                launch,
                fingerprint,
                size,
                launch_deadline,
            })
        }
        _ => decision,
    }
}

fn one_below_minimum(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let stable = |number| Some(number) == world.stable;
    with_size(
        decide(world, goal, policy),
        |size| size.saturating_sub(1).max(1),
        stable,
    )
}

fn counts_the_sick(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let mut seen = world.clone();
    for generation in seen.generations.values_mut() {
        for member in &mut generation.members {
            if member.state == MemberState::Running {
                member.streak = 99;
                member.healthy_since.get_or_insert(member.launched_at);
            }
        }
    }
    decide(&seen, goal, policy)
}

fn believes_what_it_wrote(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let mut seen = world.clone();
    if let Traffic::Known {
        weights, written, ..
    } = &mut seen.traffic
    {
        *weights = written.clone();
    }
    decide(&seen, goal, policy)
}

fn skips_the_bake(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    decide(
        world,
        goal,
        &Policy {
            bake: Duration::ZERO,
            ..policy.clone()
        },
    )
}

fn skips_steps(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let strategy = match &policy.strategy {
        Strategy::Canary { .. } => Strategy::BlueGreen,
        other => other.clone(),
    };
    decide(
        world,
        goal,
        &Policy {
            strategy,
            ..policy.clone()
        },
    )
}

fn passes_holds(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let strategy = match &policy.strategy {
        Strategy::Canary { steps } => Strategy::Canary {
            steps: steps
                .iter()
                .map(|step| CanaryStep {
                    hold: Hold::For(Duration::ZERO),
                    ..*step
                })
                .collect(),
        },
        other => other.clone(),
    };
    decide(
        world,
        goal,
        &Policy {
            strategy,
            ..policy.clone()
        },
    )
}

fn hears_no_alarms(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    decide(
        world,
        goal,
        &Policy {
            alarms: Vec::new(),
            ..policy.clone()
        },
    )
}

fn passes_the_unreadable(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let mut seen = world.clone();
    for state in seen.alarms.values_mut() {
        if let AlarmState::Unreadable { .. } = state {
            *state = AlarmState::Quiet;
        }
    }
    decide(&seen, goal, policy)
}

fn tries_again(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    decide(
        &World {
            failure: None,
            ..world.clone()
        },
        goal,
        policy,
    )
}

fn removes_the_stable(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let condemned = world.generations.values().any(|g| g.condemned.is_some());
    match world.stable {
        Some(number) if condemned => acts(Action::DrainGeneration { number }),
        Some(_) | None => decide(world, goal, policy),
    }
}

fn fights_strangers(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    match &world.traffic {
        Traffic::Known {
            weights, written, ..
        } if weights != written => acts(Action::ShiftTraffic {
            weights: written.clone(),
            before: weights.clone(),
        }),
        Traffic::Known { .. } | Traffic::None | Traffic::Unreadable { .. } => {
            decide(world, goal, policy)
        }
    }
}

fn waits_for_ever(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let decision = decide(world, goal, policy);
    match decision.step {
        Step::Act(Action::Condemn { .. }) => waits_more(world),
        _ => decision,
    }
}

fn forgives_all_the_ill(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let decision = decide(world, goal, policy);
    match &decision.step {
        Step::Act(Action::Condemn { cause, .. }) if cause.summary.contains("stayed healthy") => {
            waits_more(world)
        }
        _ => decision,
    }
}

fn sends_to_workers(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let mut seen = world.clone();
    for generation in seen.generations.values_mut() {
        generation.takes_traffic = true;
    }
    decide(&seen, goal, policy)
}

fn starts_a_second(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    let Goal::Fleet(wanted) = goal else {
        return decide(world, goal, policy);
    };
    let mut seen = world.clone();
    seen.generations.retain(|number, generation| {
        Some(*number) == world.stable || generation.fingerprint == wanted.fingerprint
    });
    decide(&seen, goal, policy)
}

/// Whether something is wrong with a rollout that ends as `end` shall tell.
fn is_wrong(run: &Run, end: &End, expected: &End) -> bool {
    !run.breaches.is_empty() || end != expected
}

fn settled(decide: Decide, policy: Policy) -> Run {
    let mut fleet = Fleet::new(1, BOOTS);
    fleet.alarms.insert("errors".to_owned(), AlarmState::Quiet);
    let mut run = Run::settled(fleet, goal("1", 4), policy);
    run.decide = decide;
    run
}

fn watched(strategy: Strategy) -> Policy {
    Policy {
        alarms: vec!["errors".to_owned()],
        ..policy(strategy)
    }
}

/// A plain update by each strategy.
fn caught_by_updates(decide: Decide) -> bool {
    let strategies = [
        Strategy::BlueGreen,
        canary(&[(25, 60)]),
        rolling("1", "100%"),
    ];
    strategies.into_iter().any(|strategy| {
        let mut run = settled(decide, policy(strategy));
        let end = run.then(goal("2", 4));
        is_wrong(&run, &end, &End::Done)
    })
}

/// Releases that never get healthy, and alarms.
fn caught_by_failures(decide: Decide) -> bool {
    let sick = {
        let mut run = settled(decide, policy(Strategy::BlueGreen));
        run.fleet.fate = Fate::sick(BOOTS);
        let end = run.then(goal("2", 4));
        is_wrong(&run, &end, &End::RolledBack)
    };
    let alarmed = |state: AlarmState| {
        let mut run = settled(decide, watched(canary(&[(25, 60)])));
        run.event_in(seconds(120), Event::Alarm("errors".to_owned(), state));
        let end = run.then(goal("2", 4));
        is_wrong(&run, &end, &End::RolledBack)
    };
    let ill = {
        let mut run = settled(decide, policy(Strategy::BlueGreen));
        run.event_in(seconds(200), Event::Ill(GenerationNumber(2)));
        let known_by = run.fleet.now + seconds(210);
        let end = run.then(goal("2", 4));
        let late = run.fleet.failure.as_ref().is_none_or(|it| it.at > known_by);
        late || is_wrong(&run, &end, &End::RolledBack)
    };
    let why = "told so".to_owned();
    sick || ill
        || alarmed(AlarmState::Firing { why: why.clone() })
        || alarmed(AlarmState::Unreadable { why })
}

/// Weights that show late, and strangers.
fn caught_by_traffic(decide: Decide) -> bool {
    let late = {
        let mut run = settled(decide, policy(Strategy::BlueGreen));
        run.fleet.faults.shows_after = seconds(40);
        let end = run.then(goal("2", 4));
        is_wrong(&run, &end, &End::Done)
    };
    let strange = {
        let mut run = settled(decide, policy(canary(&[(25, 600)])));
        let half = Weight::new(50).unwrap();
        let weights = [(GenerationNumber(1), half), (GenerationNumber(2), half)];
        run.event_in(seconds(200), Event::Weights(weights.into()));
        let end = run.then(goal("2", 4));
        !run.breaches.is_empty() || !matches!(end, End::Halted(_))
    };
    let first_traffic = {
        let fleet = Fleet::new(1, BOOTS);
        let policy = policy(Strategy::BlueGreen);
        let mut run = Run::settled(fleet, workers("1", 4), policy);
        run.decide = decide;
        let end = run.then(goal("2", 4));
        is_wrong(&run, &end, &End::Done)
    };
    late || strange || first_traffic
}

/// A newer goal in the middle of a rollout.
fn caught_by_supersession(decide: Decide) -> bool {
    let unfinished = {
        let mut run = settled(decide, policy(canary(&[(25, 600)])));
        run.goal = goal("2", 4);
        run.turns(60);
        let end = run.then(goal("3", 4));
        is_wrong(&run, &end, &End::Done)
    };
    let first = {
        let fleet = Fleet::new(1, BOOTS);
        let mut run = Run::new(fleet, goal("1", 4), policy(Strategy::BlueGreen));
        while run.fleet.weights.is_empty() {
            run.turns(1);
        }
        run.decide = decide;
        run.fleet.happen(Event::Ill(GenerationNumber(1)));
        let end = run.then(goal("2", 4));
        is_wrong(&run, &end, &End::Done)
    };
    unfinished || first
}

fn caught_by_histories(decide: Decide) -> bool {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..400).any(|_| {
        let history = histories().new_tree(&mut runner).unwrap().current();
        history.play(decide).is_err()
    })
}

#[test]
fn every_planted_bug_is_caught() {
    let proofs: [(&str, Proof); 5] = [
        ("updates", caught_by_updates),
        ("failures", caught_by_failures),
        ("traffic", caught_by_traffic),
        ("newer goals", caught_by_supersession),
        ("histories", caught_by_histories),
    ];
    for (proof, catches) in proofs {
        assert!(!catches(decide), "{proof} blames the engine itself");
    }
    let mut table = String::new();
    for (bug, mutant) in MUTANTS {
        let by: Vec<&str> = proofs
            .iter()
            .filter(|(_, catches)| catches(*mutant))
            .map(|(proof, _)| *proof)
            .collect();
        let _ = writeln!(table, "{bug:<42}| {}", by.join(", "));
        assert!(!by.is_empty(), "nothing catches: {bug}");
    }
    println!("{table}");
    expect![[r#"
        shifts before members are healthy         | updates, failures, traffic, newer goals, histories
        destroys before the drain is over         | histories
        drains without settling                   | updates, failures, traffic, newer goals, histories
        forgets a condemned candidate             | failures, histories
        launches one more than the surge          | updates, failures, traffic, newer goals, histories
        takes one stable member too many          | updates, histories
        counts sick members                       | failures, histories
        takes throttled or unread for shifted     | traffic, histories
        skips the bake                            | updates, failures, traffic, newer goals, histories
        skips canary steps                        | updates, failures, traffic, newer goals, histories
        goes on from a hold untold                | traffic, newer goals, histories
        hears no alarms                           | failures, histories
        passes an unreadable alarm                | failures
        tries a failed release again              | failures, histories
        removes the stable one on failure         | failures, histories
        fights strangers over weights             | traffic
        waits for ever for a launch               | failures
        starts a second rollout beside the first  | newer goals, histories
        forgets that the size is a live one       | histories
        trusts only a whole first generation      | newer goals
        forgives any number that falls ill        | failures
        sends requests to workers                 | traffic, histories
    "#]].assert_eq(&table);
}
