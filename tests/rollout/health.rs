//! Stories of members that are asked whether they are well, and of those that are not.

use crate::fixture::*;
use crate::run::{End, Run};
use expect_test::{Expect, expect};
use immutable::cloud::sim::{Event, Fleet};
use immutable::model::{Fingerprint, GenerationNumber};
use immutable::rollout::{Goal, Strategy};

const SECOND: GenerationNumber = GenerationNumber(2);

fn check(run: &Run, expected: &Expect) {
    assert_eq!(run.breaches, [], "{}", run.transcript);
    expected.assert_eq(&run.transcript);
}

/// A goal whose members are asked at a path.
fn asked(version: &str, size: u32, path: &str) -> Goal {
    let mut goal = fleet_goal(version, size, true);
    let launch = goal.launch.as_mut().unwrap();
    launch.health_path = Some(path.to_owned());
    goal.fingerprint = Fingerprint::of(launch);
    Goal::Fleet(Box::new(goal))
}

/// A fleet whose releases each know a path of their own.
fn answering(paths: &[(&str, &str)]) -> Run {
    let mut fleet = Fleet::new(1, BOOTS);
    let answers = paths
        .iter()
        .map(|(version, path)| (release(version), (*path).to_owned()));
    fleet.answers = answers.collect();
    let first = asked("1", 3, "/healthz");
    Run::settled(fleet, first, policy(Strategy::BlueGreen))
}

#[test]
fn a_health_path_that_comes_with_a_release_is_asked_of_its_members_alone() {
    let mut run = answering(&[("1", "/healthz"), ("2", "/ready")]);
    let Goal::Fleet(mut next) = asked("2", 3, "/ready") else {
        unreachable!("it is a fleet");
    };
    next.settings.check.interval = seconds(5);
    assert_eq!(run.then(Goal::Fleet(next)), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 change front and checks  [its front, checks or drain time changed]
            00:00 create generation 2: 3 members of web@2  [generation 1 runs web@1]
            00:00 wait: generation 2: 3 healthy
            01:30 shift traffic: generation 2 0% -> 100%, generation 1 100% -> 0%  [3 of 3 are healthy]
            01:30 wait: traffic settles for 10s
            01:40 wait: bakes for 5m
            06:40 trust generation 2  [it stayed healthy for 5m]
            06:40 drain generation 1 (30s)  [generation 1 no longer serves]
            06:40 destroy generation 1: 3 members of web@1  [generation 1 no longer serves]
            06:40 DONE  [generation 2 serves with 3 members]
        "#]],
    );
}

#[test]
fn a_health_path_that_nobody_answers_takes_no_member_that_serves() {
    let mut run = answering(&[("1", "/healthz")]);
    assert_eq!(run.then(asked("1", 3, "/ready")), End::RolledBack);
    check(
        &run,
        &expect![[r#"
            00:00 create generation 2: 3 members of web@1  [members shall be started otherwise than those of generation 1]
            00:00 wait: generation 2: 3 healthy
            10:00 give up generation 2: 0 of 3 were healthy after 10m without one more: answered 500  [0 of 3 were healthy after 10m without one more: answered 500]
            10:00 drain generation 2 (30s)  [generation 2 failed]
            10:00 destroy generation 2: 3 members of web@1  [generation 2 failed]
            10:00 ROLLED BACK  [generation 2 of web@1 was rolled back: 0 of 3 were healthy after 10m without one more: answered 500]
        "#]],
    );
}

/// A candidate that has begun to bake.
fn baking(size: u32, strategy: Strategy) -> Run {
    let mut run = Run::settled(Fleet::new(1, BOOTS), goal("1", size), policy(strategy));
    run.goal = goal("2", size);
    while !run.transcript.contains("bakes") {
        assert_eq!(run.turns(1), None, "{}", run.transcript);
    }
    run.transcript.clear();
    run
}

/// How a rollout ends when so many members of a baking candidate end at once.
fn losing(size: u32, lost: u32) -> Run {
    let mut run = baking(size, Strategy::BlueGreen);
    (0..lost).for_each(|_| run.fleet.happen(Event::Exit(SECOND)));
    run
}

#[test]
fn a_twentieth_of_a_baking_candidate_may_be_replaced() {
    for (size, lost, expected) in [
        (3, 1, End::RolledBack),
        (19, 1, End::RolledBack),
        (20, 1, End::Done),
        (100, 5, End::Done),
        (100, 6, End::RolledBack),
        (400, 1, End::Done),
        (400, 20, End::Done),
        (400, 21, End::RolledBack),
    ] {
        let mut run = losing(size, lost);
        let end = run.finish();
        assert_eq!(end, expected, "{lost} of {size}\n{}", run.transcript);
        assert_eq!(run.breaches, [], "{lost} of {size}\n{}", run.transcript);
    }
}

#[test]
fn a_candidate_that_is_trusted_is_whole_again_by_then() {
    let mut run = baking(100, Strategy::BlueGreen);
    run.event_in(seconds(60), Event::Exit(SECOND));
    run.event_in(seconds(280), Event::Exit(SECOND));
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 wait: bakes for 5m
            01:00 wait: generation 2: 100 healthy
            02:35 wait: bakes for 5m
            04:40 wait: generation 2: 100 healthy
            06:15 trust generation 2  [it stayed healthy for 5m]
            06:15 drain generation 1 (30s)  [generation 1 no longer serves]
            06:15 destroy generation 1: 100 members of web@1  [generation 1 no longer serves]
            06:15 DONE  [generation 2 serves with 100 members]
        "#]],
    );
}

#[test]
fn a_canary_takes_its_next_step_when_it_is_whole_again() {
    let steps = canary(&[(20, 120)]);
    let mut run = Run::settled(Fleet::new(1, BOOTS), goal("1", 100), policy(steps));
    run.event_in(seconds(190), Event::Exit(SECOND));
    assert_eq!(run.then(goal("2", 100)), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 create generation 2: 20 members of web@2  [generation 1 runs web@1]
            00:00 wait: generation 2: 20 healthy
            01:30 shift traffic: generation 2 0% -> 20%, generation 1 100% -> 80%  [20 of 20 are healthy]
            01:30 wait: traffic settles for 10s
            01:40 wait: held at 20% for 2m
            03:10 wait: generation 2: 20 healthy
            04:45 grow generation 2: 20 -> 100 members  [100% of the traffic needs 100, it has 20]
            04:45 wait: generation 2: 100 healthy
            06:15 shift traffic: generation 2 20% -> 100%, generation 1 80% -> 0%  [100 of 100 are healthy]
            06:15 wait: traffic settles for 10s
            06:25 wait: bakes for 5m
            11:25 trust generation 2  [it stayed healthy for 5m]
            11:25 drain generation 1 (30s)  [generation 1 no longer serves]
            11:25 destroy generation 1: 100 members of web@1  [generation 1 no longer serves]
            11:25 DONE  [generation 2 serves with 100 members]
        "#]],
    );
}

#[test]
fn a_member_that_stays_ill_has_the_launch_deadline_to_get_well() {
    let mut run = baking(100, Strategy::BlueGreen);
    run.event_in(seconds(250), Event::Ill(SECOND));
    assert_eq!(run.finish(), End::RolledBack);
    check(
        &run,
        &expect![[r#"
            00:00 wait: bakes for 5m
            04:10 wait: generation 2: 100 healthy
            14:10 give up generation 2: 99 of 100 were healthy after 10m without one more: answered 500  [99 of 100 were healthy after 10m without one more: answered 500]
            14:10 shift traffic: generation 1 0% -> 100%, generation 2 100% -> 0%  [generation 1 has 100 of 100 healthy]
            14:10 wait: traffic settles for 10s
            14:20 drain generation 2 (30s)  [generation 2 failed]
            14:20 destroy generation 2: 100 members of web@2  [generation 2 failed]
            14:20 ROLLED BACK  [generation 2 of web@2 was rolled back: 99 of 100 were healthy after 10m without one more: answered 500]
        "#]],
    );
}

#[test]
fn members_that_take_turns_in_being_replaced_are_not_waited_for_without_end() {
    let mut run = baking(400, Strategy::BlueGreen);
    let began = run.fleet.now;
    for minute in 0..400 {
        run.event_in(seconds(60 * minute), Event::Exit(SECOND));
    }
    assert_eq!(run.finish(), End::RolledBack);
    check(
        &run,
        &expect![[r#"
            00:00 wait: generation 2: 400 healthy
            100:05 give up generation 2: 398 of 400 were healthy after 1h40m in which they took turns: exited with status 1  [398 of 400 were healthy after 1h40m in which they took turns: exited with status 1]
            100:05 shift traffic: generation 1 0% -> 100%, generation 2 100% -> 0%  [generation 1 has 400 of 400 healthy]
            100:05 wait: traffic settles for 10s
            100:15 drain generation 2 (30s)  [generation 2 failed]
            100:15 destroy generation 2: 400 members of web@2  [generation 2 failed]
            100:15 ROLLED BACK  [generation 2 of web@2 was rolled back: 398 of 400 were healthy after 1h40m in which they took turns: exited with status 1]
        "#]],
    );
    let condemned = run.fleet.failure.as_ref().unwrap().at;
    let longest = 10 * run.policy.launch_deadline + seconds(120);
    assert!(condemned.since(began) < longest, "{condemned}");
}

/// What is left of a fleet after its machine was down for a night: the same members, all new.
fn night(run: &mut Run) {
    let morning = run.fleet.now + seconds(8 * 3600);
    run.fleet.pass(morning);
    let generations = run.fleet.generations.values_mut();
    for member in generations.flat_map(|generation| &mut generation.members) {
        member.launched_at = morning;
    }
}

#[test]
fn the_time_that_its_machine_was_down_is_not_held_against_a_candidate() {
    let mut run = Run::settled(
        Fleet::new(1, BOOTS),
        goal("1", 3),
        policy(Strategy::BlueGreen),
    );
    run.goal = goal("2", 3);
    run.turns(5);
    night(&mut run);
    run.transcript.clear();
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 wait: generation 2: 3 healthy
            01:30 shift traffic: generation 2 0% -> 100%, generation 1 100% -> 0%  [3 of 3 are healthy]
            01:30 wait: traffic settles for 10s
            01:40 wait: bakes for 5m
            06:40 trust generation 2  [it stayed healthy for 5m]
            06:40 drain generation 1 (30s)  [generation 1 no longer serves]
            06:40 destroy generation 1: 3 members of web@1  [generation 1 no longer serves]
            06:40 DONE  [generation 2 serves with 3 members]
        "#]],
    );
}

#[test]
fn members_that_are_replaced_before_they_are_healthy_give_a_candidate_no_more_time() {
    let mut run = Run::settled(
        Fleet::new(1, BOOTS),
        goal("1", 3),
        policy(Strategy::BlueGreen),
    );
    run.goal = goal("2", 3);
    run.turns(5);
    let late = run.fleet.now + seconds(600);
    run.fleet.pass(late);
    let candidate = run.fleet.generations.get_mut(&SECOND).unwrap();
    for member in &mut candidate.members {
        member.launched_at = late;
    }
    assert_eq!(run.finish(), End::RolledBack);
    assert!(run.transcript.contains("0 of 3 were healthy after 10m"));
    assert_eq!(run.breaches, []);
}

#[test]
fn a_candidate_that_never_gets_healthy_after_its_machine_was_down_is_given_up() {
    let mut run = answering(&[("1", "/healthz"), ("2", "/healthz")]);
    run.goal = asked("2", 3, "/ready");
    run.turns(5);
    night(&mut run);
    run.transcript.clear();
    assert_eq!(run.finish(), End::RolledBack);
    check(
        &run,
        &expect![[r#"
            00:00 wait: generation 2: 3 healthy
            10:00 give up generation 2: 0 of 3 were healthy after 10m without one more: answered 500  [0 of 3 were healthy after 10m without one more: answered 500]
            10:00 drain generation 2 (30s)  [generation 2 failed]
            10:00 destroy generation 2: 3 members of web@2  [generation 2 failed]
            10:00 ROLLED BACK  [generation 2 of web@2 was rolled back: 0 of 3 were healthy after 10m without one more: answered 500]
        "#]],
    );
}
