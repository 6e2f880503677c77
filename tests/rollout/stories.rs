//! Stories: each strategy, each way to fail, told by its transcript.

use crate::fixture::*;
use crate::run::{End, Run};
use expect_test::{Expect, expect};
use immutable::cloud::sim::{Event, Fate, Fleet};
use immutable::model::{GenerationNumber, Timestamp, Weight};
use immutable::rollout::{
    Action, AlarmState, Foreign, Goal, Member, MemberState, Policy, Step, Strategy, World, decide,
};

fn settled(size: u32, policy: Policy) -> Run {
    Run::settled(Fleet::new(1, BOOTS), goal("1", size), policy)
}

fn check(run: &Run, expected: &Expect) {
    assert_eq!(run.breaches, [], "{}", run.transcript);
    expected.assert_eq(&run.transcript);
}

#[test]
fn a_first_generation_serves_without_a_bake() {
    let mut run = Run::new(
        Fleet::new(1, BOOTS),
        goal("1", 3),
        policy(Strategy::BlueGreen),
    );
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 set up the fleet  [the fleet is new]
        00:00 create generation 1: 3 members of web@1  [nothing runs yet]
        00:00 wait: generation 1: 3 healthy
        01:30 shift traffic: generation 1 0% -> 100%  [3 of 3 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 trust generation 1  [it is healthy]
        01:40 DONE  [generation 1 serves with 3 members]
    "#]],
    );
}

#[test]
fn blue_green_replaces_a_generation() {
    let mut run = settled(6, policy(Strategy::BlueGreen));
    assert_eq!(run.then(goal("2", 6)), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 create generation 2: 6 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 6 healthy
        01:30 shift traffic: generation 2 0% -> 100%, generation 1 100% -> 0%  [6 of 6 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 wait: bakes for 5m
        06:40 trust generation 2  [it stayed healthy for 5m]
        06:40 drain generation 1 (30s)  [generation 1 no longer serves]
        06:40 destroy generation 1: 6 members of web@1  [generation 1 no longer serves]
        06:40 DONE  [generation 2 serves with 6 members]
    "#]],
    );
}

#[test]
fn a_canary_takes_its_steps() {
    let mut run = settled(6, policy(canary(&[(5, 300), (50, 300)])));
    assert_eq!(run.then(goal("2", 6)), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 create generation 2: 1 member of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 1 healthy
        01:30 shift traffic: generation 2 0% -> 5%, generation 1 100% -> 95%  [1 of 1 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 wait: held at 5% for 5m
        06:40 grow generation 2: 1 -> 3 members  [50% of the traffic needs 3, it has 1]
        06:40 wait: generation 2: 3 healthy
        08:10 shift traffic: generation 2 5% -> 50%, generation 1 95% -> 50%  [3 of 3 are healthy]
        08:10 wait: traffic settles for 10s
        08:20 wait: held at 50% for 5m
        13:20 grow generation 2: 3 -> 6 members  [100% of the traffic needs 6, it has 3]
        13:20 wait: generation 2: 6 healthy
        14:50 shift traffic: generation 2 50% -> 100%, generation 1 50% -> 0%  [6 of 6 are healthy]
        14:50 wait: traffic settles for 10s
        15:00 wait: bakes for 5m
        20:00 trust generation 2  [it stayed healthy for 5m]
        20:00 drain generation 1 (30s)  [generation 1 no longer serves]
        20:00 destroy generation 1: 6 members of web@1  [generation 1 no longer serves]
        20:00 DONE  [generation 2 serves with 6 members]
    "#]],
    );
}

#[test]
fn rolling_replaces_batch_by_batch() {
    let mut run = settled(6, policy(rolling("25%", "100%")));
    assert_eq!(run.then(goal("2", 6)), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 create generation 2: 2 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 2 healthy
        01:30 shift traffic: generation 2 0% -> 33%, generation 1 100% -> 67%  [2 of 2 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 shrink generation 1: 6 -> 4 members  [generation 2 has 2 healthy and carries 33%]
        01:40 wait: generation 1: members leave
        01:45 grow generation 2: 2 -> 4 members  [6 members run and 8 may]
        01:45 wait: generation 2: 4 healthy
        03:15 shift traffic: generation 2 33% -> 66%, generation 1 67% -> 34%  [4 of 4 are healthy]
        03:15 wait: traffic settles for 10s
        03:25 shrink generation 1: 4 -> 2 members  [generation 2 has 4 healthy and carries 66%]
        03:25 wait: generation 1: members leave
        03:30 grow generation 2: 4 -> 6 members  [6 members run and 8 may]
        03:30 wait: generation 2: 6 healthy
        05:00 shift traffic: generation 2 66% -> 100%, generation 1 34% -> 0%  [6 of 6 are healthy]
        05:00 wait: traffic settles for 10s
        05:10 wait: bakes for 5m
        10:10 trust generation 2  [it stayed healthy for 5m]
        10:10 drain generation 1 (30s)  [generation 1 no longer serves]
        10:10 destroy generation 1: 2 members of web@1  [generation 1 no longer serves]
        10:10 DONE  [generation 2 serves with 6 members]
    "#]],
    );
}

const FIRST: GenerationNumber = GenerationNumber(1);
const SECOND: GenerationNumber = GenerationNumber(2);

fn watched(policy: Policy) -> Policy {
    Policy {
        alarms: vec!["web-5xx".to_owned()],
        ..policy
    }
}

fn quiet(size: u32, policy: Policy) -> Run {
    let mut fleet = Fleet::new(1, BOOTS);
    fleet.alarms.insert("web-5xx".to_owned(), AlarmState::Quiet);
    Run::settled(fleet, goal("1", size), policy)
}

fn alarm(state: AlarmState) -> Event {
    Event::Alarm("web-5xx".to_owned(), state)
}

#[test]
fn workers_roll_without_traffic() {
    let first = Run::settled(
        Fleet::new(1, BOOTS),
        workers("1", 3),
        policy(rolling("1", "100%")),
    );
    let mut run = first;
    assert_eq!(run.then(workers("2", 3)), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 create generation 2: 1 member of web@2  [generation 1 runs web@1]
            00:00 wait: generation 2: 1 healthy
            01:30 shrink generation 1: 3 -> 2 members  [generation 2 has 1 healthy and carries 33%]
            01:30 grow generation 2: 1 -> 2 members  [3 members run and 4 may]
            01:30 wait: generation 2: 2 healthy
            03:00 shrink generation 1: 2 -> 1 member  [generation 2 has 2 healthy and carries 66%]
            03:00 grow generation 2: 2 -> 3 members  [3 members run and 4 may]
            03:00 wait: generation 2: 3 healthy
            04:30 wait: bakes for 5m
            09:30 trust generation 2  [it stayed healthy for 5m]
            09:30 destroy generation 1: 1 member of web@1  [generation 1 no longer serves]
            09:30 DONE  [generation 2 serves with 3 members]
        "#]],
    );
}

#[test]
fn a_candidate_that_never_gets_healthy_is_destroyed_and_not_tried_again() {
    let mut run = settled(3, policy(Strategy::BlueGreen));
    run.fleet.fate = Fate::sick(BOOTS);
    assert_eq!(run.then(goal("2", 3)), End::RolledBack);
    check(
        &run,
        &expect![[r#"
        00:00 create generation 2: 3 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 3 healthy
        10:00 give up generation 2: 0 of 3 were healthy after 10m without one more: answered 500  [0 of 3 were healthy after 10m without one more: answered 500]
        10:00 drain generation 2 (30s)  [generation 2 failed]
        10:00 destroy generation 2: 3 members of web@2  [generation 2 failed]
        10:00 ROLLED BACK  [generation 2 of web@2 was rolled back: 0 of 3 were healthy after 10m without one more: answered 500]
    "#]],
    );
    run.transcript.clear();
    assert_eq!(run.then(goal("2", 3)), End::RolledBack);
    assert_eq!(run.transcript.lines().count(), 1);

    run.fleet.fate = Fate::well(BOOTS);
    let mut again = fleet_goal("2", 3, true);
    again.retry = Some("2".to_owned());
    assert_eq!(run.then(Goal::Fleet(Box::new(again))), End::Done);
}

#[test]
fn a_candidate_whose_members_exit_is_given_up_early() {
    let mut run = settled(3, policy(Strategy::BlueGreen));
    run.fleet.fate = Fate::exiting(BOOTS, seconds(2));
    assert_eq!(run.then(goal("2", 3)), End::RolledBack);
    check(
        &run,
        &expect![[r#"
        00:00 create generation 2: 3 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 3 healthy
        00:05 give up generation 2: 3 members ended by themselves, 0 of 3 are healthy: exited with status 1  [3 members ended by themselves, 0 of 3 are healthy: exited with status 1]
        00:05 drain generation 2 (30s)  [generation 2 failed]
        00:05 destroy generation 2: 3 members of web@2  [generation 2 failed]
        00:05 ROLLED BACK  [generation 2 of web@2 was rolled back: 3 members ended by themselves, 0 of 3 are healthy: exited with status 1]
    "#]],
    );
}

#[test]
fn an_alarm_during_a_canary_takes_the_traffic_back_at_once_and_parks_a_member() {
    let policy = Policy {
        keep_failed: true,
        ..watched(policy(canary(&[(25, 300)])))
    };
    let mut run = quiet(4, policy);
    let why = "5xx above 1%".to_owned();
    run.event_in(seconds(200), alarm(AlarmState::Firing { why }));
    assert_eq!(run.then(goal("2", 4)), End::RolledBack);
    check(
        &run,
        &expect![[r#"
            00:00 create generation 2: 1 member of web@2  [generation 1 runs web@1]
            00:00 wait: generation 2: 1 healthy
            01:30 shift traffic: generation 2 0% -> 25%, generation 1 100% -> 75%  [1 of 1 are healthy]
            01:30 wait: traffic settles for 10s
            01:40 wait: held at 25% for 5m
            03:20 give up generation 2: alarm web-5xx fired while it had 25% of the traffic: 5xx above 1%  [alarm web-5xx fired while it had 25% of the traffic: 5xx above 1%]
            03:20 shift traffic: generation 1 75% -> 100%, generation 2 25% -> 0%  [generation 1 has 4 of 4 healthy]
            03:20 wait: traffic settles for 10s
            03:30 drain generation 2 (30s)  [generation 2 failed]
            03:30 destroy generation 2: 1 member of web@2, parking member m4  [generation 2 failed]
            03:30 ROLLED BACK  [generation 2 of web@2 was rolled back: alarm web-5xx fired while it had 25% of the traffic: 5xx above 1%]
        "#]],
    );
}

#[test]
fn an_alarm_that_stays_unreadable_is_no_pass() {
    let mut run = quiet(2, watched(policy(Strategy::BlueGreen)));
    let why = "insufficient data".to_owned();
    run.event_in(seconds(200), alarm(AlarmState::Unreadable { why }));
    assert_eq!(run.then(goal("2", 2)), End::RolledBack);
    check(
        &run,
        &expect![[r#"
        00:00 create generation 2: 2 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 2 healthy
        01:30 shift traffic: generation 2 0% -> 100%, generation 1 100% -> 0%  [2 of 2 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 wait: bakes for 5m
        06:40 wait: alarm web-5xx is not known to be quiet: insufficient data
        11:40 give up generation 2: alarm web-5xx could not be read for 5m when it had to be quiet: insufficient data  [alarm web-5xx could not be read for 5m when it had to be quiet: insufficient data]
        11:40 shift traffic: generation 1 0% -> 100%, generation 2 100% -> 0%  [generation 1 has 2 of 2 healthy]
        11:40 wait: traffic settles for 10s
        11:50 drain generation 2 (30s)  [generation 2 failed]
        11:50 destroy generation 2: 2 members of web@2  [generation 2 failed]
        11:50 ROLLED BACK  [generation 2 of web@2 was rolled back: alarm web-5xx could not be read for 5m when it had to be quiet: insufficient data]
    "#]],
    );
}

#[test]
fn an_alarm_that_fires_before_there_is_traffic_is_not_the_candidates_doing() {
    let mut run = quiet(2, watched(policy(Strategy::BlueGreen)));
    let why = "5xx above 1%".to_owned();
    run.event_in(seconds(30), alarm(AlarmState::Firing { why }));
    assert!(matches!(run.then(goal("2", 2)), End::Halted(_)));
    check(
        &run,
        &expect![[r#"
        00:00 create generation 2: 2 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 2 healthy
        01:30 HALT  [alarm web-5xx is not quiet although the new generation has no traffic (5xx above 1%); apply again when it is, or take it out of rollout.alarms when this release is the cure]
    "#]],
    );
    run.fleet.happen(alarm(AlarmState::Quiet));
    assert_eq!(run.then(goal("2", 2)), End::Done);
}

#[test]
fn a_member_that_falls_ill_during_the_bake_is_the_candidates_doing() {
    let mut run = settled(3, policy(Strategy::BlueGreen));
    run.event_in(seconds(200), Event::Ill(SECOND));
    assert_eq!(run.then(goal("2", 3)), End::RolledBack);
    check(
        &run,
        &expect![[r#"
        00:00 create generation 2: 3 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 3 healthy
        01:30 shift traffic: generation 2 0% -> 100%, generation 1 100% -> 0%  [3 of 3 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 wait: bakes for 5m
        03:20 give up generation 2: 2 members stayed healthy where 100% of the traffic needs 3: answered 500  [2 members stayed healthy where 100% of the traffic needs 3: answered 500]
        03:20 shift traffic: generation 1 0% -> 100%, generation 2 100% -> 0%  [generation 1 has 3 of 3 healthy]
        03:20 wait: traffic settles for 10s
        03:30 drain generation 2 (30s)  [generation 2 failed]
        03:30 destroy generation 2: 3 members of web@2  [generation 2 failed]
        03:30 ROLLED BACK  [generation 2 of web@2 was rolled back: 2 members stayed healthy where 100% of the traffic needs 3: answered 500]
    "#]],
    );
}

/// The world as it is after the machine under all members was started again.
fn restarted(run: &Run) -> World {
    let mut world = run.fleet.look();
    let generations = world.generations.values_mut();
    for member in generations.flat_map(|generation| &mut generation.members) {
        *member = Member {
            launched_at: world.now,
            streak: 0,
            healthy_since: None,
            ill_since: None,
            ..member.clone()
        };
    }
    world
}

#[test]
fn a_machine_that_restarts_under_everything_is_not_the_candidates_doing() {
    let mut run = settled(2, policy(Strategy::BlueGreen));
    run.goal = goal("2", 2);
    while !run.transcript.contains("bakes") {
        assert_eq!(run.turns(1), None, "{}", run.transcript);
    }
    let decided = |world: &World| decide(world, &run.goal, &run.policy).step;
    let world = restarted(&run);
    assert!(matches!(decided(&world), Step::Wait { .. }));

    let mut without_members = world.clone();
    let generations = without_members.generations.values_mut();
    generations.for_each(|generation| generation.members.clear());
    assert!(matches!(decided(&without_members), Step::Wait { .. }));

    let condemns = |world: &World| matches!(decided(world), Step::Act(Action::Condemn { .. }));
    let mut with_a_survivor = world.clone();
    let stable = with_a_survivor.generations.get_mut(&FIRST).unwrap();
    stable.members[0].launched_at = Timestamp::default();
    assert!(condemns(&with_a_survivor));
    let mut with_an_exit = world.clone();
    let candidate = with_an_exit.generations.get_mut(&SECOND).unwrap();
    candidate.members[0].state = MemberState::Failed;
    assert!(condemns(&with_an_exit));
    let mut too_late = world;
    too_late.now = too_late.now + run.policy.launch_deadline;
    assert!(condemns(&too_late));
}

#[test]
fn a_stable_member_that_dies_during_a_canary_is_not_the_candidates_doing() {
    let mut run = settled(4, policy(canary(&[(25, 300)])));
    run.event_in(seconds(200), Event::Exit(FIRST));
    assert_eq!(run.then(goal("2", 4)), End::Done);
    assert_eq!(run.breaches, []);
    assert!(!run.transcript.contains("give up"), "{}", run.transcript);
}

#[test]
fn a_rolling_rollout_that_fails_halfway_grows_the_stable_generation_back_first() {
    let mut run = quiet(6, watched(policy(rolling("2", "100%"))));
    let why = "5xx above 1%".to_owned();
    run.event_in(seconds(300), alarm(AlarmState::Firing { why }));
    assert_eq!(run.then(goal("2", 6)), End::RolledBack);
    check(
        &run,
        &expect![[r#"
        00:00 create generation 2: 2 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 2 healthy
        01:30 shift traffic: generation 2 0% -> 33%, generation 1 100% -> 67%  [2 of 2 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 shrink generation 1: 6 -> 4 members  [generation 2 has 2 healthy and carries 33%]
        01:40 wait: generation 1: members leave
        01:45 grow generation 2: 2 -> 4 members  [6 members run and 8 may]
        01:45 wait: generation 2: 4 healthy
        03:15 shift traffic: generation 2 33% -> 66%, generation 1 67% -> 34%  [4 of 4 are healthy]
        03:15 wait: traffic settles for 10s
        03:25 shrink generation 1: 4 -> 2 members  [generation 2 has 4 healthy and carries 66%]
        03:25 wait: generation 1: members leave
        03:30 grow generation 2: 4 -> 6 members  [6 members run and 8 may]
        03:30 wait: generation 2: 6 healthy
        05:00 give up generation 2: alarm web-5xx fired while it had 66% of the traffic: 5xx above 1%  [alarm web-5xx fired while it had 66% of the traffic: 5xx above 1%]
        05:00 shrink generation 2: 6 -> 4 members  [generation 1 has 2 healthy and carries 34%]
        05:00 wait: generation 2: members leave
        05:05 grow generation 1: 2 -> 4 members  [6 wanted, it has 2]
        05:05 wait: generation 1: 4 healthy
        06:35 shift traffic: generation 1 34% -> 66%, generation 2 66% -> 34%  [generation 1 has 4 of 4 healthy]
        06:35 wait: traffic settles for 10s
        06:45 shrink generation 2: 4 -> 2 members  [generation 1 has 4 healthy and carries 66%]
        06:45 wait: generation 2: members leave
        06:50 grow generation 1: 4 -> 6 members  [6 wanted, it has 4]
        06:50 wait: generation 1: 6 healthy
        08:20 shift traffic: generation 1 66% -> 100%, generation 2 34% -> 0%  [generation 1 has 6 of 6 healthy]
        08:20 wait: traffic settles for 10s
        08:30 drain generation 2 (30s)  [generation 2 failed]
        08:30 destroy generation 2: 2 members of web@2  [generation 2 failed]
        08:30 ROLLED BACK  [generation 2 of web@2 was rolled back: alarm web-5xx fired while it had 66% of the traffic: 5xx above 1%]
    "#]],
    );
}

#[test]
fn a_rolling_rollout_tolerates_deaths_that_min_healthy_allows() {
    let mut run = settled(8, policy(rolling("2", "50%")));
    run.event_in(seconds(150), Event::Exit(SECOND));
    run.event_in(seconds(170), Event::Exit(FIRST));
    assert_eq!(run.then(goal("2", 8)), End::Done);
    assert_eq!(run.breaches, []);
}

#[test]
fn rolling_one_member_never_leaves_it_without_one() {
    let mut run = settled(1, policy(rolling("25%", "100%")));
    assert_eq!(run.then(goal("2", 1)), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 create generation 2: 1 member of web@2  [generation 1 runs web@1]
            00:00 wait: generation 2: 1 healthy
            01:30 shift traffic: generation 2 0% -> 100%, generation 1 100% -> 0%  [1 of 1 are healthy]
            01:30 wait: traffic settles for 10s
            01:40 wait: bakes for 5m
            06:40 trust generation 2  [it stayed healthy for 5m]
            06:40 drain generation 1 (30s)  [generation 1 no longer serves]
            06:40 destroy generation 1: 1 member of web@1  [generation 1 no longer serves]
            06:40 DONE  [generation 2 serves with 1 member]
        "#]],
    );
}

#[test]
fn a_kept_generation_is_gone_back_to_at_once_and_removed_by_the_first_apply_after_its_time() {
    let policy = Policy {
        keep_previous: seconds(3600),
        ..policy(Strategy::BlueGreen)
    };
    let mut run = settled(2, policy);
    assert_eq!(run.then(goal("2", 2)), End::Done);
    run.transcript.clear();
    assert_eq!(run.then(goal("1", 2)), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 shift traffic: generation 1 0% -> 100%, generation 2 100% -> 0%  [it is still warm: 2 of 2 are healthy]
        00:00 wait: traffic settles for 10s
        00:10 trust generation 1  [it is healthy]
        00:10 DONE  [generation 1 serves with 2 members; generation 2 stays warm for 1h and goes with the first apply after that]
    "#]],
    );
    run.transcript.clear();
    let later = run.fleet.now + seconds(3600);
    run.fleet.pass(later);
    assert_eq!(run.then(goal("1", 2)), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 drain generation 2 (30s)  [generation 2 no longer serves]
        00:00 destroy generation 2: 2 members of web@2  [generation 2 no longer serves]
        00:00 DONE  [generation 1 serves with 2 members]
    "#]],
    );
}

#[test]
fn a_return_to_a_smaller_warm_generation_grows_it_and_takes_no_steps() {
    let warm = Policy {
        keep_previous: seconds(3600),
        ..policy(canary(&[(10, 300), (50, 300)]))
    };
    let mut run = settled(2, warm);
    assert_eq!(run.then(goal("2", 2)), End::Done);
    run.transcript.clear();
    assert_eq!(run.then(goal("1", 3)), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 grow generation 1: 2 -> 3 members  [3 wanted, it has 2]
        00:00 wait: generation 1: 3 healthy
        01:30 shift traffic: generation 1 0% -> 100%, generation 2 100% -> 0%  [it is still warm: 3 of 3 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 trust generation 1  [it is healthy]
        01:40 DONE  [generation 1 serves with 3 members; generation 2 stays warm for 1h and goes with the first apply after that]
    "#]],
    );
}

#[test]
fn a_third_release_takes_over_from_an_unfinished_canary() {
    let mut run = settled(4, policy(canary(&[(25, 600)])));
    run.goal = goal("2", 4);
    run.turns(40);
    run.transcript.clear();
    assert_eq!(run.then(goal("3", 4)), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 shift traffic: generation 1 75% -> 100%, generation 2 25% -> 0%  [generation 1 has 4 of 4 healthy]
        00:00 wait: traffic settles for 10s
        00:10 drain generation 2 (30s)  [generation 2 is no longer wanted]
        00:10 destroy generation 2: 1 member of web@2  [generation 2 is no longer wanted]
        00:10 create generation 3: 1 member of web@3  [generation 1 runs web@1]
        00:10 wait: generation 3: 1 healthy
        01:40 shift traffic: generation 3 0% -> 25%, generation 1 100% -> 75%  [1 of 1 are healthy]
        01:40 wait: traffic settles for 10s
        01:50 wait: held at 25% for 10m
        11:50 grow generation 3: 1 -> 4 members  [100% of the traffic needs 4, it has 1]
        11:50 wait: generation 3: 4 healthy
        13:20 shift traffic: generation 3 25% -> 100%, generation 1 75% -> 0%  [4 of 4 are healthy]
        13:20 wait: traffic settles for 10s
        13:30 wait: bakes for 5m
        18:30 trust generation 3  [it stayed healthy for 5m]
        18:30 drain generation 1 (30s)  [generation 1 no longer serves]
        18:30 destroy generation 1: 4 members of web@1  [generation 1 no longer serves]
        18:30 DONE  [generation 3 serves with 4 members]
    "#]],
    );
}

#[test]
fn another_strategy_hears_the_alarms_of_the_rollout_that_it_takes_over() {
    let mut run = quiet(2, watched(policy(canary(&[(25, 600)]))));
    run.goal = goal("2", 2);
    run.turns(40);
    let why = "throttled".to_owned();
    run.fleet.happen(alarm(AlarmState::Unreadable { why }));
    run.policy.strategy = Strategy::BlueGreen;
    run.transcript.clear();
    assert_eq!(run.finish(), End::RolledBack);
    check(
        &run,
        &expect![[r#"
        00:00 grow generation 2: 1 -> 2 members  [2 wanted, it has 1]
        00:00 wait: generation 2: 2 healthy
        01:30 wait: alarm web-5xx is not known to be quiet: throttled
        03:30 give up generation 2: alarm web-5xx could not be read for 5m when it had to be quiet: throttled  [alarm web-5xx could not be read for 5m when it had to be quiet: throttled]
        03:30 shift traffic: generation 1 75% -> 100%, generation 2 25% -> 0%  [generation 1 has 2 of 2 healthy]
        03:30 wait: traffic settles for 10s
        03:40 drain generation 2 (30s)  [generation 2 failed]
        03:40 destroy generation 2: 2 members of web@2  [generation 2 failed]
        03:40 ROLLED BACK  [generation 2 of web@2 was rolled back: alarm web-5xx could not be read for 5m when it had to be quiet: throttled]
    "#]],
    );
}

#[test]
fn a_third_release_takes_over_when_what_was_stable_died_under_an_unfinished_rollout() {
    let mut run = settled(2, policy(Strategy::BlueGreen));
    run.goal = goal("2", 2);
    run.turns(40);
    run.fleet.happen(Event::Ill(FIRST));
    run.fleet.happen(Event::Ill(FIRST));
    run.transcript.clear();
    assert_eq!(run.then(goal("3", 2)), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 wait: generation 1: 2 healthy
            10:00 trust generation 2  [it serves and nothing else does]
            10:00 drain generation 1 (30s)  [generation 1 no longer serves]
            10:00 destroy generation 1: 2 members of web@1  [generation 1 no longer serves]
            10:00 create generation 3: 2 members of web@3  [generation 2 runs web@2]
            10:00 wait: generation 3: 2 healthy
            11:30 shift traffic: generation 3 0% -> 100%, generation 2 100% -> 0%  [2 of 2 are healthy]
            11:30 wait: traffic settles for 10s
            11:40 wait: bakes for 5m
            16:40 trust generation 3  [it stayed healthy for 5m]
            16:40 drain generation 2 (30s)  [generation 2 no longer serves]
            16:40 destroy generation 2: 2 members of web@2  [generation 2 no longer serves]
            16:40 DONE  [generation 3 serves with 2 members]
        "#]],
    );
}

#[test]
fn a_canary_grows_into_the_place_of_a_stable_generation_that_died() {
    let mut run = settled(4, policy(canary(&[(25, 600)])));
    run.goal = goal("2", 4);
    run.turns(40);
    (0..4).for_each(|_| run.fleet.happen(Event::Ill(FIRST)));
    run.transcript.clear();
    assert_eq!(run.then(goal("3", 4)), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 wait: generation 1: 4 healthy
            10:00 grow generation 2: 1 -> 4 members  [100% of the traffic needs 4, it has 1]
            10:00 wait: generation 2: 4 healthy
            11:30 shift traffic: generation 2 25% -> 100%, generation 1 75% -> 0%  [it serves and nothing else does]
            11:30 wait: traffic settles for 10s
            11:40 wait: bakes for 5m
            16:40 trust generation 2  [it serves and nothing else does]
            16:40 drain generation 1 (30s)  [generation 1 no longer serves]
            16:40 destroy generation 1: 4 members of web@1  [generation 1 no longer serves]
            16:40 create generation 3: 1 member of web@3  [generation 2 runs web@2]
            16:40 wait: generation 3: 1 healthy
            18:10 shift traffic: generation 3 0% -> 25%, generation 2 100% -> 75%  [1 of 1 are healthy]
            18:10 wait: traffic settles for 10s
            18:20 wait: held at 25% for 10m
            28:20 grow generation 3: 1 -> 4 members  [100% of the traffic needs 4, it has 1]
            28:20 wait: generation 3: 4 healthy
            29:50 shift traffic: generation 3 25% -> 100%, generation 2 75% -> 0%  [4 of 4 are healthy]
            29:50 wait: traffic settles for 10s
            30:00 wait: bakes for 5m
            35:00 trust generation 3  [it stayed healthy for 5m]
            35:00 drain generation 2 (30s)  [generation 2 no longer serves]
            35:00 destroy generation 2: 4 members of web@2  [generation 2 no longer serves]
            35:00 DONE  [generation 3 serves with 4 members]
        "#]],
    );
}

#[test]
fn a_fleet_wanted_again_before_it_was_gone_serves_at_once() {
    let mut run = settled(2, policy(canary(&[(25, 600)])));
    run.goal = Goal::Absent;
    run.turns(1);
    assert_eq!(run.then(goal("2", 2)), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 take all traffic off  [generation 1 goes with its fleet]
        00:00 shift traffic: generation 1 0% -> 100%  [no generation has traffic]
        00:00 create generation 2: 1 member of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 1 healthy
        01:30 shift traffic: generation 2 0% -> 25%, generation 1 100% -> 75%  [1 of 1 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 wait: held at 25% for 10m
        11:40 grow generation 2: 1 -> 2 members  [100% of the traffic needs 2, it has 1]
        11:40 wait: generation 2: 2 healthy
        13:10 shift traffic: generation 2 25% -> 100%, generation 1 75% -> 0%  [2 of 2 are healthy]
        13:10 wait: traffic settles for 10s
        13:20 wait: bakes for 5m
        18:20 trust generation 2  [it stayed healthy for 5m]
        18:20 drain generation 1 (30s)  [generation 1 no longer serves]
        18:20 destroy generation 1: 2 members of web@1  [generation 1 no longer serves]
        18:20 DONE  [generation 2 serves with 2 members]
    "#]],
    );
}

#[test]
fn what_serves_is_not_grown_for_a_larger_goal_of_another_release() {
    let watched = policy(Strategy::BlueGreen);
    let mut run = Run::settled(Fleet::new(1, BOOTS), workers("1", 2), watched);
    run.fleet.happen(Event::Ill(FIRST));
    run.goal = workers("2", 2);
    while run.fleet.stable != Some(SECOND) {
        run.turns(1);
    }
    run.policy.launch_deadline = seconds(120);
    run.transcript.clear();
    assert_eq!(run.then(workers("1", 3)), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 destroy generation 1: 2 members of web@1  [generation 1 no longer serves]
        00:00 create generation 3: 3 members of web@1  [generation 2 runs web@2]
        00:00 wait: generation 3: 3 healthy
        01:30 wait: bakes for 5m
        06:30 trust generation 3  [it stayed healthy for 5m]
        06:30 destroy generation 2: 2 members of web@2  [generation 2 no longer serves]
        06:30 DONE  [generation 3 serves with 3 members]
    "#]],
    );
}

#[test]
fn going_back_to_what_was_stable_ends_an_unfinished_rollout() {
    let mut run = settled(4, policy(rolling("1", "100%")));
    run.goal = goal("2", 4);
    run.turns(60);
    run.transcript.clear();
    assert_eq!(run.then(goal("1", 4)), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 shrink generation 2: 3 -> 2 members  [generation 1 has 2 healthy and carries 50%]
            00:00 wait: generation 2: members leave
            00:05 grow generation 1: 2 -> 3 members  [4 wanted, it has 2]
            00:05 wait: generation 1: 3 healthy
            01:35 shift traffic: generation 1 50% -> 75%, generation 2 50% -> 25%  [generation 1 has 3 of 3 healthy]
            01:35 wait: traffic settles for 10s
            01:45 shrink generation 2: 2 -> 1 member  [generation 1 has 3 healthy and carries 75%]
            01:45 wait: generation 2: members leave
            01:50 grow generation 1: 3 -> 4 members  [4 wanted, it has 3]
            01:50 wait: generation 1: 4 healthy
            03:20 shift traffic: generation 1 75% -> 100%, generation 2 25% -> 0%  [generation 1 has 4 of 4 healthy]
            03:20 wait: traffic settles for 10s
            03:30 drain generation 2 (30s)  [generation 2 is no longer wanted]
            03:30 destroy generation 2: 1 member of web@2  [generation 2 is no longer wanted]
            03:30 DONE  [generation 1 serves with 4 members]
        "#]],
    );
}

#[test]
fn a_strangers_weights_halt_and_an_approved_plan_goes_on_from_them() {
    let mut run = settled(4, policy(canary(&[(25, 900)])));
    let half = Weight::new(50).unwrap();
    let weights = [(FIRST, half), (SECOND, half)].into();
    run.event_in(seconds(400), Event::Weights(weights));
    assert!(matches!(run.then(goal("2", 4)), End::Halted(_)));
    run.accepted = Foreign::of(&run.fleet.look());
    let _ = run.finish();
    check(
        &run,
        &expect![[r#"
        00:00 create generation 2: 1 member of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 1 healthy
        01:30 shift traffic: generation 2 0% -> 25%, generation 1 100% -> 75%  [1 of 1 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 wait: held at 25% for 15m
        06:40 HALT  [someone else changed the traffic: it is generation 1 50%, generation 2 50%, this provider wrote generation 1 75%, generation 2 25%; set it back, or plan again and approve going on from there]
        00:00 take traffic as it is: generation 1 50%, generation 2 50%  [someone else made it generation 1 50%, generation 2 50% instead of generation 1 75%, generation 2 25%, as planned for]
        00:00 wait: traffic settles for 10s
        00:10 wait: held at 50% for 15m
        15:10 grow generation 2: 1 -> 4 members  [100% of the traffic needs 4, it has 1]
        15:10 wait: generation 2: 4 healthy
        16:40 shift traffic: generation 2 50% -> 100%, generation 1 50% -> 0%  [4 of 4 are healthy]
        16:40 wait: traffic settles for 10s
        16:50 wait: bakes for 5m
        21:50 trust generation 2  [it stayed healthy for 5m]
        21:50 drain generation 1 (30s)  [generation 1 no longer serves]
        21:50 destroy generation 1: 4 members of web@1  [generation 1 no longer serves]
        21:50 DONE  [generation 2 serves with 4 members]
    "#]],
    );
}

#[test]
fn a_strangers_capacity_halts_naming_both_values() {
    let mut run = settled(4, policy(Strategy::BlueGreen));
    run.event_in(seconds(10), Event::Capacity(FIRST, 9));
    let End::Halted(reason) = run.then(goal("2", 4)) else {
        panic!("{}", run.transcript);
    };
    assert!(
        reason.contains("it is 9, this provider wrote 4"),
        "{reason}"
    );
}

#[test]
fn drifted_members_are_replaced_within_the_surge() {
    let mut run = settled(4, policy(rolling("1", "100%")));
    run.fleet.happen(Event::Drift(FIRST));
    run.fleet.happen(Event::Drift(FIRST));
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 grow generation 1: 4 -> 5 members  [1 differ from their image]
        00:00 wait: generation 1: 5 healthy
        01:30 shrink generation 1: 5 -> 4 members  [4 of 4 are healthy without the drifted ones]
        01:30 DONE  [generation 1 serves with 4 members]
    "#]],
    );
}

#[test]
fn a_fleet_that_shall_be_gone_leaves_nothing() {
    let mut run = settled(2, policy(Strategy::BlueGreen));
    assert_eq!(run.then(Goal::Absent), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 take all traffic off  [generation 1 goes with its fleet]
        00:00 wait: traffic settles for 10s
        00:10 drain generation 1 (30s)  [generation 1 goes with its fleet]
        00:10 destroy generation 1: 2 members of web@1  [generation 1 goes with its fleet]
        00:10 remove the fleet  [generation 1 goes with its fleet]
        00:10 DONE  [nothing is left of the fleet]
    "#]],
    );
    assert!(run.fleet.generations.is_empty() && run.fleet.settings.is_none());
}
