//! Stories of what a person asks for beside the configuration.

use crate::fixture::*;
use crate::run::{Ask, End, Run};
use expect_test::{Expect, expect};
use immutable::cloud::sim::{Event, Fleet};
use immutable::model::GenerationNumber;
use immutable::rollout::{FleetGoal, Goal, Policy, Strategy};

fn settled(size: u32, policy: Policy) -> Run {
    Run::settled(Fleet::new(1, BOOTS), goal("1", size), policy)
}

fn check(run: &Run, expected: &Expect) {
    assert_eq!(run.breaches, [], "{}", run.transcript);
    expected.assert_eq(&run.transcript);
}

/// A canary that is watched for an hour at a fifth of the traffic.
fn watched() -> Run {
    let mut run = settled(5, policy(canary(&[(20, 3600)])));
    run.goal = goal("2", 5);
    while run.fleet.weights.len() < 2 {
        assert_eq!(run.turns(1), None);
    }
    run.turns(5);
    run.transcript.clear();
    run
}

/// A fleet whose earlier generation is kept warm.
fn keeping() -> Run {
    let policy = Policy {
        keep_previous: seconds(36_000),
        ..policy(Strategy::BlueGreen)
    };
    let mut run = settled(3, policy);
    assert_eq!(run.then(goal("2", 3)), End::Done);
    run.transcript.clear();
    run
}

#[test]
fn an_abort_gives_the_candidate_up_and_is_remembered() {
    let mut run = watched();
    run.ask(run.wish(Ask::Abort));
    assert_eq!(run.finish(), End::RolledBack);
    check(
        &run,
        &expect![[r#"
        00:00 give up generation 2: alice ended the rollout: it is slow  [alice ended the rollout: it is slow]
        00:00 shift traffic: generation 1 80% -> 100%, generation 2 20% -> 0%  [generation 1 has 5 of 5 healthy]
        00:00 wait: traffic settles for 10s
        00:10 drain generation 2 (30s)  [generation 2 failed]
        00:10 destroy generation 2: 1 member of web@2  [generation 2 failed]
        00:10 ROLLED BACK  [generation 2 of web@2 was rolled back: alice ended the rollout: it is slow]
    "#]],
    );
    let actions = run.actions.len();
    assert_eq!(run.finish(), End::RolledBack);
    assert_eq!(run.actions.len(), actions);
}

#[test]
fn nothing_goes_back_to_a_generation_that_was_never_trusted() {
    let mut run = watched();
    run.goal = goal("3", 5);
    run.ask(run.wish(Ask::Rollback));
    assert_eq!(run.finish(), End::Done);
    assert_eq!(run.breaches, [], "{}", run.transcript);
    let stable = run.fleet.stable.expect("it serves");
    assert_eq!(stable, GenerationNumber(3), "{}", run.transcript);
}

#[test]
fn what_was_given_up_stays_given_up_although_the_retry_token_has_changed_meanwhile() {
    let mut run = watched();
    run.goal = tried_again("2", 5);
    run.ask(run.wish(Ask::Abort));
    assert_eq!(run.finish(), End::RolledBack);
    assert_eq!(run.breaches, [], "{}", run.transcript);

    let mut run = keeping();
    assert_eq!(run.then(tried_again("2", 3)), End::Done);
    run.ask(run.wish(Ask::Rollback));
    assert_eq!(run.finish(), End::RolledBack);
    run.ask(None);
    assert_eq!(run.finish(), End::RolledBack);
    assert_eq!(run.breaches, [], "{}", run.transcript);
}

/// The goal of a version, with a retry token that it did not begin with.
fn tried_again(version: &str, size: u32) -> Goal {
    let retry = Some("again".to_owned());
    let goal = FleetGoal {
        retry,
        ..fleet_goal(version, size, true)
    };
    Goal::Fleet(Box::new(goal))
}

#[test]
fn a_promotion_ends_the_hold_and_nothing_else() {
    let mut run = watched();
    run.ask(run.wish(Ask::Promote));
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 grow generation 2: 1 -> 5 members  [100% of the traffic needs 5, it has 1]
        00:00 wait: generation 2: 5 healthy
        01:30 shift traffic: generation 2 20% -> 100%, generation 1 80% -> 0%  [5 of 5 are healthy]
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
fn a_rollback_returns_at_once_and_the_release_is_not_tried_again() {
    let mut run = keeping();
    run.ask(run.wish(Ask::Rollback));
    assert_eq!(run.finish(), End::RolledBack);
    check(
        &run,
        &expect![[r#"
        00:00 shift traffic: generation 1 0% -> 100%, generation 2 100% -> 0%  [it is still warm: 3 of 3 are healthy]
        00:00 wait: traffic settles for 10s
        00:10 trust generation 1  [it is healthy]
        00:10 give up generation 2: alice went back from it: it is slow  [asked for by alice: it is slow]
        00:10 drain generation 2 (30s)  [generation 2 failed]
        00:10 destroy generation 2: 3 members of web@2  [generation 2 failed]
        00:10 ROLLED BACK  [generation 2 of web@2 was rolled back: alice went back from it: it is slow]
    "#]],
    );
}

#[test]
fn a_rollback_to_a_generation_that_is_not_well_does_not_happen() {
    let mut run = keeping();
    run.fleet.happen(Event::Ill(GenerationNumber(1)));
    run.ask(run.wish(Ask::Rollback));
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 wait: generation 1: 3 healthy
        10:00 DONE  [generation 2 serves with 3 members; generation 1 stays warm for 10h and goes with the first apply after that]
    "#]],
    );
}

#[test]
fn a_rollback_waits_for_a_member_that_is_being_replaced() {
    let mut run = keeping();
    let now = run.fleet.now;
    run.fleet.pass(now + seconds(3600));
    run.fleet.happen(Event::Exit(GenerationNumber(1)));
    run.ask(run.wish(Ask::Rollback));
    assert_eq!(run.finish(), End::RolledBack);
    check(
        &run,
        &expect![[r#"
            00:00 wait: generation 1: 3 healthy
            01:35 shift traffic: generation 1 0% -> 100%, generation 2 100% -> 0%  [it is still warm: 3 of 3 are healthy]
            01:35 wait: traffic settles for 10s
            01:45 trust generation 1  [it is healthy]
            01:45 give up generation 2: alice went back from it: it is slow  [asked for by alice: it is slow]
            01:45 drain generation 2 (30s)  [generation 2 failed]
            01:45 destroy generation 2: 3 members of web@2  [generation 2 failed]
            01:45 ROLLED BACK  [generation 2 of web@2 was rolled back: alice went back from it: it is slow]
        "#]],
    );
}

#[test]
fn a_rollback_is_content_with_as_many_members_as_serve() {
    let mut run = keeping();
    let now = run.fleet.now;
    run.fleet.pass(now + seconds(3600));
    run.fleet.happen(Event::Ill(GenerationNumber(1)));
    run.fleet.happen(Event::Ill(GenerationNumber(2)));
    run.ask(run.wish(Ask::Rollback));
    assert_eq!(run.finish(), End::RolledBack);
    check(
        &run,
        &expect![[r#"
            00:00 shift traffic: generation 1 0% -> 100%, generation 2 100% -> 0%  [it is still warm: 2 of 3 are healthy]
            00:00 wait: traffic settles for 10s
            00:10 trust generation 1  [it is healthy]
            00:10 give up generation 2: alice went back from it: it is slow  [asked for by alice: it is slow]
            00:10 drain generation 2 (30s)  [generation 2 failed]
            00:10 destroy generation 2: 3 members of web@2  [generation 2 failed]
            00:10 ROLLED BACK  [generation 2 of web@2 was rolled back: alice went back from it: it is slow]
        "#]],
    );
}

#[test]
fn a_rollback_is_content_with_the_least_that_the_fleet_needs() {
    let policy = Policy {
        keep_previous: seconds(36_000),
        ..policy(rolling("1", "50%"))
    };
    let mut run = settled(4, policy);
    assert_eq!(run.then(goal("2", 4)), End::Done);
    run.transcript.clear();
    (0..2).for_each(|_| run.fleet.happen(Event::Ill(GenerationNumber(1))));
    run.ask(run.wish(Ask::Rollback));
    assert_eq!(run.finish(), End::RolledBack);
    check(
        &run,
        &expect![[r#"
            00:00 grow generation 1: 1 -> 4 members  [4 wanted, it has 1]
            00:00 wait: generation 1: 4 healthy
            01:30 shift traffic: generation 1 0% -> 100%, generation 2 100% -> 0%  [it is still warm: 3 of 4 are healthy]
            01:30 wait: traffic settles for 10s
            01:40 trust generation 1  [it is healthy]
            01:40 give up generation 2: alice went back from it: it is slow  [asked for by alice: it is slow]
            01:40 drain generation 2 (30s)  [generation 2 failed]
            01:40 destroy generation 2: 4 members of web@2  [generation 2 failed]
            01:40 ROLLED BACK  [generation 2 of web@2 was rolled back: alice went back from it: it is slow]
        "#]],
    );
}

#[test]
fn a_rehearsal_goes_there_and_back() {
    let mut run = keeping();
    run.ask(run.wish(Ask::Rehearse));
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 shift traffic: generation 1 0% -> 10%, generation 2 100% -> 90%  [asked for by alice: it is slow]
        00:00 wait: traffic settles for 10s
        00:10 shift traffic: generation 2 90% -> 100%, generation 1 10% -> 0%  [3 of 3 are healthy]
        00:10 DONE  [generation 2 serves with 3 members; generation 1 stays warm for 10h and goes with the first apply after that]
    "#]],
    );
    assert_eq!(run.finish(), End::Done);
    assert_eq!(run.actions.len(), 5);
}

#[test]
fn a_rehearsal_that_breaks_off_is_taken_back_and_keeps_the_generation() {
    let mut run = keeping();
    run.ask(run.wish(Ask::Rehearse));
    while run.fleet.weights.len() < 2 {
        assert_eq!(run.turns(1), None);
    }
    run.ask(None);
    run.transcript.clear();
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 shift traffic: generation 2 90% -> 100%, generation 1 10% -> 0%  [3 of 3 are healthy]
        00:00 DONE  [generation 2 serves with 3 members; generation 1 stays warm for 10h and goes with the first apply after that]
    "#]],
    );
}

#[test]
fn a_request_that_nobody_heard_for_an_hour_surprises_nobody() {
    let mut run = keeping();
    run.ask(run.wish(Ask::Rollback));
    let now = run.fleet.now;
    run.fleet.pass(now + seconds(3601));
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 DONE  [generation 2 serves with 3 members; generation 1 stays warm for 10h and goes with the first apply after that]
    "#]],
    );
}

#[test]
fn a_healthy_member_is_replaced_before_it_is_taken_out() {
    let mut run = settled(3, policy(Strategy::BlueGreen));
    run.transcript.clear();
    run.ask(run.wish(Ask::BreakGlass));
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 grow generation 1: 3 -> 4 members  [asked for by alice: it is slow]
        00:00 wait: generation 1: 4 healthy
        01:30 take member m0 out of the traffic for alice: it is slow  [asked for by alice: it is slow]
        01:30 shrink generation 1: 4 -> 3 members  [3 wanted, it has 4]
        01:30 DONE  [generation 1 serves with 3 members]
    "#]],
    );
    run.transcript.clear();
    let now = run.fleet.now;
    run.fleet.pass(now + seconds(7200));
    run.ask(None);
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 remove member m0, which was out of the traffic  [its time to be looked at is over]
        00:00 DONE  [generation 1 serves with 3 members]
    "#]],
    );
}

#[test]
fn a_sick_member_is_taken_out_at_once() {
    let mut run = settled(3, policy(Strategy::BlueGreen));
    run.transcript.clear();
    let wish = run.wish(Ask::BreakGlass);
    run.fleet.happen(Event::Ill(GenerationNumber(1)));
    run.ask(wish);
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 take member m0 out of the traffic for alice: it is slow  [asked for by alice: it is slow]
        00:00 wait: generation 1: 3 healthy
        01:35 DONE  [generation 1 serves with 3 members]
    "#]],
    );
}
