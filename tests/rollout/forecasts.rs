//! What plan showed is what apply did.

use crate::fixture::*;
use crate::history::policies;
use crate::run::{End, Run};
use expect_test::expect;
use immutable::cloud::sim::{Event, Fleet};
use immutable::model::{GenerationNumber, Timestamp};
use immutable::rollout::{AlarmState, Foreseen, Goal, Policy, World, forecast};
use proptest::prelude::{Just, ProptestConfig, any, prop, prop_oneof};
use proptest::strategy::Strategy as _;

/// A fleet at rest, and what is wanted next.
#[derive(Debug, Clone)]
struct Change {
    policy: Policy,
    has_front: bool,
    size: u32,
    drifted: u32,
    next: Option<(&'static str, u32)>,
}

fn changes() -> impl proptest::strategy::Strategy<Value = Change> {
    let next = prop_oneof![
        6 => (prop::sample::select(&["1", "2", "2"][..]), 1..24_u32).prop_map(Some),
        1 => Just(None),
    ];
    (
        policies(),
        prop::bool::weighted(0.8),
        1..24_u32,
        0..3_u32,
        next,
        any::<bool>(),
    )
        .prop_map(
            |(policy, has_front, size, drifted, next, same_size)| Change {
                policy,
                has_front,
                size,
                drifted,
                next: next.map(|(version, other)| (version, if same_size { size } else { other })),
            },
        )
}

fn wanted(version: &str, size: u32, has_front: bool) -> Goal {
    Goal::Fleet(Box::new(fleet_goal(version, size, has_front)))
}

/// The actions that a forecast names.
fn foreseen(world: &World, goal: &Goal, policy: &Policy) -> Vec<String> {
    let steps = forecast(world, goal, policy).steps;
    let actions = steps.into_iter().filter_map(|step| match step {
        Foreseen::Action(text) => Some(text),
        Foreseen::Wait(_) | Foreseen::Remark(_) => None,
    });
    actions.collect()
}

fn plan_equals_apply(change: &Change) {
    let mut fleet = Fleet::new(7, BOOTS);
    fleet.alarms.insert("errors".to_owned(), AlarmState::Quiet);
    let first = wanted("1", change.size, change.has_front);
    let created = foreseen(&World::absent(Timestamp::default()), &first, &change.policy);
    let mut run = Run::new(fleet, first, change.policy.clone());
    assert_eq!(run.finish(), End::Done, "{}", run.transcript);
    assert_eq!(run.actions, created, "creation of {change:?}");

    for _ in 0..change.drifted {
        run.fleet.happen(Event::Drift(GenerationNumber(1)));
    }
    let next = match change.next {
        Some((version, size)) => wanted(version, size, change.has_front),
        None => Goal::Absent,
    };
    run.goal = next;
    for _ in 0..10 {
        let planned = foreseen(&run.fleet.look(), &run.goal, &change.policy);
        run.actions.clear();
        let end = run.finish();
        assert_eq!(run.actions, planned, "{change:?}\n{}", run.transcript);
        assert_eq!(run.breaches, []);
        match end {
            End::Held(_) => run.plan(),
            end => return assert_eq!(end, End::Done, "{}", run.transcript),
        }
    }
    panic!("it rests for ever: {}", run.transcript);
}

proptest::proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_healthy_apply_takes_the_steps_that_its_plan_showed(change in changes()) {
        plan_equals_apply(&change);
    }
}

#[test]
fn a_plan_reads_like_this() {
    let policy = policy(canary(&[(5, 300)]));
    let run = Run::settled(Fleet::new(1, BOOTS), goal("1", 6), policy.clone());
    let lines = forecast(&run.fleet.look(), &goal("2", 6), &policy).lines();
    expect![[r#"
        create generation 2: 1 member of web@2
        wait until 1 of 1 are healthy (at least 30s)
        shift traffic: generation 2 0% -> 5%, generation 1 100% -> 95%
        let the traffic settle for 10s
        hold 5m at 5%
        grow generation 2: 1 -> 6 members
        wait until 6 of 6 are healthy (at least 30s)
        shift traffic: generation 2 5% -> 100%, generation 1 95% -> 0%
        let the traffic settle for 10s
        bake 5m at full weight
        trust generation 2
        drain generation 1 (30s)
        destroy generation 1: 6 members of web@1
        in all: at least 6 serving, at most 12 running, 11m20s or more
    "#]]
    .assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn a_plan_says_what_stays_for_a_later_apply() {
    let policy = Policy {
        keep_previous: seconds(3600),
        ..policy(rolling("1", "100%"))
    };
    let run = Run::settled(Fleet::new(1, BOOTS), goal("1", 2), policy.clone());
    let lines = forecast(&run.fleet.look(), &goal("2", 2), &policy).lines();
    expect![[r#"
        create generation 2: 1 member of web@2
        wait until 1 of 1 are healthy (at least 30s)
        shift traffic: generation 2 0% -> 50%, generation 1 100% -> 50%
        let the traffic settle for 10s
        shrink generation 1: 2 -> 1 member
        grow generation 2: 1 -> 2 members
        wait until 2 of 2 are healthy (at least 30s)
        shift traffic: generation 2 50% -> 100%, generation 1 50% -> 0%
        let the traffic settle for 10s
        bake 5m at full weight
        trust generation 2
        keep generation 1 warm for 1h; the first apply after that removes it
        in all: at least 2 serving, at most 3 running, 6m20s or more
    "#]]
    .assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn the_same_world_a_minute_later_gives_the_same_forecast() {
    let policy = policy(rolling("25%", "80%"));
    let mut run = Run::settled(Fleet::new(1, BOOTS), goal("1", 9), policy.clone());
    let earlier = forecast(&run.fleet.look(), &goal("2", 9), &policy);
    let later = run.fleet.now + seconds(60);
    run.fleet.pass(later);
    assert_eq!(forecast(&run.fleet.look(), &goal("2", 9), &policy), earlier);
}

#[test]
fn a_rollout_of_thousands_of_batches_is_shown_in_a_readable_length() {
    let policy = policy(rolling("1", "100%"));
    let run = Run::settled(Fleet::new(1, BOOTS), goal("1", 300), policy.clone());
    let lines = forecast(&run.fleet.look(), &goal("2", 300), &policy).lines();
    assert!(lines.len() <= 61, "{} lines", lines.len());
    assert!(
        lines
            .iter()
            .any(|line| line.contains("more steps like these"))
    );
}

#[test]
fn a_candidate_that_grows_when_its_apply_is_killed_is_not_foreseen_to_fail() {
    let policy = policy(canary(&[(25, 300)]));
    let mut run = Run::settled(Fleet::new(1, BOOTS), goal("1", 4), policy.clone());
    run.goal = goal("2", 4);
    while !run.actions.iter().any(|action| action.starts_with("grow")) {
        assert_eq!(run.turns(1), None, "{}", run.transcript);
    }
    run.turns(1);
    let mut world = run.fleet.look();
    // What the state remembers of a fleet holds no points in time and no earlier sizes.
    let candidate = world.generations.get_mut(&GenerationNumber(2)).unwrap();
    candidate.wanted_before = candidate.wanted;
    candidate.resized_at = world.now;
    assert_eq!(
        foreseen(&world, &goal("2", 4), &policy),
        [
            "shift traffic: generation 2 25% -> 100%, generation 1 75% -> 0%",
            "trust generation 2",
            "drain generation 1 (30s)",
            "destroy generation 1: 4 members of web@1",
        ]
    );
}
