//! Stories of rollouts that rest at a step until the next apply.

use crate::fixture::*;
use crate::run::{End, Run};
use expect_test::{Expect, expect};
use immutable::cloud::sim::{Event, Fate, Fleet};
use immutable::model::GenerationNumber;
use immutable::rollout::{AlarmState, FleetGoal, Goal, Policy};

fn settled(size: u32, policy: Policy) -> Run {
    Run::settled(Fleet::new(1, BOOTS), goal("1", size), policy)
}

fn check(run: &Run, expected: &Expect) {
    assert_eq!(run.breaches, [], "{}", run.transcript);
    expected.assert_eq(&run.transcript);
}

/// A canary that rests at its steps, brought to its first one.
fn resting_at_20(size: u32) -> Run {
    let mut run = settled(size, policy(resting(&[20, 60])));
    assert!(matches!(run.then(goal("2", size)), End::Held(_)));
    run
}

#[test]
fn a_canary_rests_at_its_steps_until_the_next_apply() {
    let mut run = resting_at_20(5);
    run.plan();
    assert!(matches!(run.finish(), End::Held(_)));
    run.plan();
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 create generation 2: 1 member of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 1 healthy
        01:30 shift traffic: generation 2 0% -> 20%, generation 1 100% -> 80%  [1 of 1 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 HELD  [generation 2 is held at 20% until the next apply]
        00:00 grow generation 2: 1 -> 3 members  [60% of the traffic needs 3, it has 1]
        00:00 wait: generation 2: 3 healthy
        01:30 shift traffic: generation 2 20% -> 60%, generation 1 80% -> 40%  [3 of 3 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 HELD  [generation 2 is held at 60% until the next apply]
        00:00 grow generation 2: 3 -> 5 members  [100% of the traffic needs 5, it has 3]
        00:00 wait: generation 2: 5 healthy
        01:30 shift traffic: generation 2 60% -> 100%, generation 1 40% -> 0%  [5 of 5 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 wait: bakes for 5m
        06:40 trust generation 2  [it stayed healthy for 5m]
        06:40 drain generation 1 (30s)  [generation 1 no longer serves]
        06:40 destroy generation 1: 5 members of web@1  [generation 1 no longer serves]
        06:40 DONE  [generation 2 serves with 5 members]
    "#]],
    );
}

#[test]
fn an_apply_whose_plan_did_not_see_the_hold_rests_again() {
    let mut run = resting_at_20(5);
    let before = run.actions.clone();
    assert!(matches!(run.finish(), End::Held(_)));
    assert_eq!(run.actions, before);
    assert_eq!(run.breaches, []);
}

#[test]
fn a_candidate_that_dies_while_it_is_held_is_found_by_the_next_apply() {
    let mut run = resting_at_20(5);
    run.plan();
    run.transcript.clear();
    run.fleet
        .happen(Event::Fate(Fate::exiting(BOOTS, seconds(1))));
    run.fleet.happen(Event::Exit(GenerationNumber(2)));
    let now = run.fleet.now;
    run.fleet.pass(now + seconds(3600));
    assert_eq!(run.finish(), End::RolledBack);
    check(
        &run,
        &expect![[r#"
        00:00 give up generation 2: 0 members stayed healthy where 20% of the traffic needs 1: exited with status 1  [0 members stayed healthy where 20% of the traffic needs 1: exited with status 1]
        00:00 shift traffic: generation 1 80% -> 100%, generation 2 20% -> 0%  [generation 1 has 5 of 5 healthy]
        00:00 wait: traffic settles for 10s
        00:10 drain generation 2 (30s)  [generation 2 failed]
        00:10 destroy generation 2: 1 member of web@2  [generation 2 failed]
        00:10 ROLLED BACK  [generation 2 of web@2 was rolled back: 0 members stayed healthy where 20% of the traffic needs 1: exited with status 1]
    "#]],
    );
}

#[test]
fn another_release_supersedes_one_that_is_held() {
    let mut run = resting_at_20(5);
    run.plan();
    run.transcript.clear();
    let Goal::Fleet(held) = run.goal.clone() else {
        panic!("{:?}", run.goal);
    };
    // The approval was for what was held, and does not pass to another generation.
    let next = FleetGoal {
        beyond: held.beyond,
        ..fleet_goal("3", 5, true)
    };
    assert!(matches!(
        run.then(Goal::Fleet(Box::new(next))),
        End::Held(_)
    ));
    check(
        &run,
        &expect![[r#"
        00:00 shift traffic: generation 1 80% -> 100%, generation 2 20% -> 0%  [generation 1 has 5 of 5 healthy]
        00:00 wait: traffic settles for 10s
        00:10 drain generation 2 (30s)  [generation 2 is no longer wanted]
        00:10 destroy generation 2: 1 member of web@2  [generation 2 is no longer wanted]
        00:10 create generation 3: 1 member of web@3  [generation 1 runs web@1]
        00:10 wait: generation 3: 1 healthy
        01:40 shift traffic: generation 3 0% -> 20%, generation 1 100% -> 80%  [1 of 1 are healthy]
        01:40 wait: traffic settles for 10s
        01:50 HELD  [generation 3 is held at 20% until the next apply]
    "#]],
    );
}

#[test]
fn workers_rest_at_the_members_that_a_step_needs() {
    let policy = policy(resting(&[40]));
    let mut run = Run::settled(Fleet::new(1, BOOTS), workers("1", 5), policy);
    assert!(matches!(run.then(workers("2", 5)), End::Held(_)));
    run.plan();
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 create generation 2: 2 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 2 healthy
        01:30 HELD  [generation 2 is held at 40% until the next apply]
        00:00 grow generation 2: 2 -> 5 members  [100% of the traffic needs 5, it has 2]
        00:00 wait: generation 2: 5 healthy
        01:30 wait: bakes for 5m
        06:30 trust generation 2  [it stayed healthy for 5m]
        06:30 destroy generation 1: 5 members of web@1  [generation 1 no longer serves]
        06:30 DONE  [generation 2 serves with 5 members]
    "#]],
    );
}

#[test]
fn going_on_from_a_hold_waits_for_no_alarm_that_says_nothing() {
    let policy = Policy {
        alarms: vec!["errors".to_owned()],
        ..policy(resting(&[20]))
    };
    let mut fleet = Fleet::new(1, BOOTS);
    fleet.alarms.insert("errors".to_owned(), AlarmState::Quiet);
    let mut run = Run::settled(fleet, goal("1", 5), policy);
    assert!(matches!(run.then(goal("2", 5)), End::Held(_)));
    let now = run.fleet.now;
    run.fleet.pass(now + seconds(3600));
    run.plan();
    let says = |state| Event::Alarm("errors".to_owned(), state);
    let why = "no data".to_owned();
    run.fleet.happen(says(AlarmState::Unreadable { why }));
    assert!(matches!(run.finish(), End::Halted(_)));
    run.fleet.happen(says(AlarmState::Quiet));
    assert_eq!(run.finish(), End::Done);
    assert_eq!(run.breaches, []);
}
