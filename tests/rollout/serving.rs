//! Stories of what serves: it is not taken away before something else does.

use crate::fixture::*;
use crate::run::{End, Run};
use expect_test::{Expect, expect};
use immutable::cloud::sim::{Event, Fleet};
use immutable::model::{GenerationNumber, Weight, Weights};
use immutable::rollout::{Foreign, Goal, Strategy};

const FIRST: GenerationNumber = GenerationNumber(1);
const SECOND: GenerationNumber = GenerationNumber(2);

fn check(run: &Run, expected: &Expect) {
    assert_eq!(run.breaches, [], "{}", run.transcript);
    expected.assert_eq(&run.transcript);
}

fn settled(size: u32) -> Run {
    let first = goal("1", size);
    Run::settled(Fleet::new(1, BOOTS), first, policy(Strategy::BlueGreen))
}

/// A first generation that serves for a day without being trusted: its apply was interrupted while
/// the weights settled.
fn never_trusted(size: u32) -> Run {
    let first = goal("1", size);
    let mut run = Run::new(Fleet::new(1, BOOTS), first, policy(Strategy::BlueGreen));
    while run.fleet.weights.is_empty() {
        assert_eq!(run.turns(1), None, "{}", run.transcript);
    }
    assert_eq!(run.fleet.stable, None);
    let tomorrow = run.fleet.now + seconds(86_400);
    run.fleet.pass(tomorrow);
    run.transcript.clear();
    run
}

/// The first generation's members are all well again, and are so for a while.
fn get_well(run: &mut Run) {
    run.fleet.happen(Event::Well(FIRST));
    let proven = run.fleet.now + seconds(60);
    run.fleet.pass(proven);
}

#[test]
fn what_serves_untrusted_with_an_ill_member_serves_on_until_another_release_does() {
    let mut run = never_trusted(3);
    run.fleet.happen(Event::Ill(FIRST));
    assert_eq!(run.then(goal("2", 3)), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 trust generation 1  [it serves and nothing else does]
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
fn what_serves_untrusted_with_an_ill_member_is_not_given_up_by_its_own_release() {
    let mut run = never_trusted(400);
    run.fleet.happen(Event::Ill(FIRST));
    assert!(matches!(run.finish(), End::Halted(_)));
    get_well(&mut run);
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 trust generation 1  [it serves and nothing else does]
            00:00 wait: generation 1: 400 healthy
            10:00 HALT  [generation 1 has 399 of 400 healthy and no more get well (answered 500)]
            00:00 DONE  [generation 1 serves with 400 members]
        "#]],
    );
}

#[test]
fn what_serves_untrusted_and_is_ill_as_a_whole_goes() {
    let mut run = never_trusted(1);
    run.fleet.happen(Event::Ill(FIRST));
    assert_eq!(run.then(goal("2", 1)), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 wait: generation 1: 1 healthy
            10:00 take all traffic off  [generation 1 is no longer wanted]
            10:00 wait: traffic settles for 10s
            10:10 drain generation 1 (30s)  [generation 1 is no longer wanted]
            10:10 destroy generation 1: 1 member of web@1  [generation 1 is no longer wanted]
            10:10 create generation 2: 1 member of web@2  [nothing runs yet]
            10:10 wait: generation 2: 1 healthy
            11:40 shift traffic: generation 2 0% -> 100%  [1 of 1 are healthy]
            11:40 wait: traffic settles for 10s
            11:50 trust generation 2  [it is healthy]
            11:50 DONE  [generation 2 serves with 1 member]
        "#]],
    );
}

#[test]
fn workers_that_were_never_trusted_work_until_others_do() {
    let fleet = Fleet::new(1, BOOTS);
    let mut run = Run::new(fleet, workers("1", 3), policy(Strategy::BlueGreen));
    run.turns(3);
    let later = run.fleet.now + seconds(3600);
    run.fleet.pass(later);
    run.fleet.happen(Event::Ill(FIRST));
    run.transcript.clear();
    assert_eq!(run.then(workers("2", 3)), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 trust generation 1  [it serves and nothing else does]
            00:00 create generation 2: 3 members of web@2  [generation 1 runs web@1]
            00:00 wait: generation 2: 3 healthy
            01:30 wait: bakes for 5m
            06:30 trust generation 2  [it stayed healthy for 5m]
            06:30 destroy generation 1: 3 members of web@1  [generation 1 no longer serves]
            06:30 DONE  [generation 2 serves with 3 members]
        "#]],
    );
}

#[test]
fn traffic_that_was_taken_off_comes_back_before_members_get_well() {
    let mut run = settled(3);
    let wanted = run.goal.clone();
    run.goal = Goal::Absent;
    run.turns(1);
    run.fleet.happen(Event::Ill(FIRST));
    run.transcript.clear();
    assert!(matches!(run.then(wanted), End::Halted(_)));
    get_well(&mut run);
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
            00:00 shift traffic: generation 1 0% -> 100%  [no generation has traffic]
            00:00 wait: generation 1: 3 healthy
            10:00 HALT  [generation 1 has 2 of 3 healthy and no more get well (answered 500)]
            00:00 DONE  [generation 1 serves with 3 members]
        "#]],
    );
}

#[test]
fn a_rule_that_someone_deleted_is_made_again_before_members_get_well() {
    let mut run = settled(2);
    run.fleet.happen(Event::Weights(Weights::new()));
    run.fleet.happen(Event::Ill(FIRST));
    let later = run.fleet.now + seconds(3600);
    run.fleet.pass(later);
    run.accepted = Foreign::of(&run.fleet.look());
    assert!(matches!(run.finish(), End::Halted(_)));
    check(
        &run,
        &expect![[r#"
            00:00 take traffic as it is: nobody  [someone else made it nobody instead of generation 1 100%, as planned for]
            00:00 shift traffic: generation 1 0% -> 100%  [no generation has traffic]
            00:00 HALT  [generation 1 has 1 of 2 healthy and no more get well (answered 500)]
        "#]],
    );
}

#[test]
fn what_a_stranger_made_serve_alone_in_an_interrupted_destroy_serves_until_another_release_does() {
    let first = goal("1", 2);
    let mut run = Run::settled(Fleet::new(1, BOOTS), first, policy(canary(&[(50, 600)])));
    run.goal = goal("2", 2);
    while run.fleet.weights.len() < 2 {
        assert_eq!(run.turns(1), None, "{}", run.transcript);
    }
    run.goal = Goal::Absent;
    while run.fleet.generations[&FIRST].draining_since.is_none() {
        assert_eq!(run.turns(1), None, "{}", run.transcript);
    }
    let all = Weights::from([(SECOND, Weight::ALL)]);
    run.fleet.happen(Event::Weights(all));
    run.accepted = Foreign::of(&run.fleet.look());
    run.transcript.clear();
    assert_eq!(run.then(goal("3", 2)), End::Done, "{}", run.transcript);
    check(
        &run,
        &expect![[r#"
        00:00 take traffic as it is: generation 2 100%  [someone else made it generation 2 100% instead of nobody, as planned for]
        00:00 trust generation 2  [it serves and nothing else does]
        00:00 wait: traffic settles for 10s
        00:10 destroy generation 1: 2 members of web@1  [generation 1 no longer serves]
        00:10 create generation 3: 1 member of web@3  [generation 2 runs web@2]
        00:10 wait: generation 3: 1 healthy
        01:40 shift traffic: generation 3 0% -> 50%, generation 2 100% -> 50%  [1 of 1 are healthy]
        01:40 wait: traffic settles for 10s
        01:50 wait: held at 50% for 10m
        11:50 grow generation 3: 1 -> 2 members  [100% of the traffic needs 2, it has 1]
        11:50 wait: generation 3: 2 healthy
        13:20 shift traffic: generation 3 50% -> 100%, generation 2 50% -> 0%  [2 of 2 are healthy]
        13:20 wait: traffic settles for 10s
        13:30 wait: bakes for 5m
        18:30 trust generation 3  [it stayed healthy for 5m]
        18:30 drain generation 2 (30s)  [generation 2 no longer serves]
        18:30 destroy generation 2: 1 member of web@2  [generation 2 no longer serves]
        18:30 DONE  [generation 3 serves with 2 members]
    "#]],
    );
}

/// Workers that shall take traffic with their next release, by a strategy.
fn workers_open(strategy: Strategy) -> Run {
    let fleet = Fleet::new(1, BOOTS);
    let mut run = Run::settled(fleet, workers("1", 4), policy(strategy));
    run.goal = goal("2", 4);
    run
}

#[test]
fn workers_that_shall_take_traffic_work_until_those_that_take_it_are_proven() {
    let mut run = workers_open(Strategy::BlueGreen);
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 change front and checks  [its front, checks or drain time changed]
        00:00 create generation 2: 4 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 4 healthy
        01:30 shift traffic: generation 2 0% -> 100%  [4 of 4 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 wait: bakes for 5m
        06:40 trust generation 2  [it stayed healthy for 5m]
        06:40 drain generation 1 (30s)  [generation 1 no longer serves]
        06:40 destroy generation 1: 4 members of web@1  [generation 1 no longer serves]
        06:40 DONE  [generation 2 serves with 4 members]
    "#]],
    );
}

#[test]
fn a_canary_in_the_place_of_workers_divides_no_traffic() {
    let mut run = workers_open(canary(&[(25, 60)]));
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 change front and checks  [its front, checks or drain time changed]
        00:00 create generation 2: 1 member of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 1 healthy
        01:30 wait: held at 25% for 1m
        02:30 grow generation 2: 1 -> 4 members  [100% of the traffic needs 4, it has 1]
        02:30 wait: generation 2: 4 healthy
        04:00 shift traffic: generation 2 0% -> 100%  [4 of 4 are healthy]
        04:00 wait: traffic settles for 10s
        04:10 wait: bakes for 5m
        09:10 trust generation 2  [it stayed healthy for 5m]
        09:10 drain generation 1 (30s)  [generation 1 no longer serves]
        09:10 destroy generation 1: 4 members of web@1  [generation 1 no longer serves]
        09:10 DONE  [generation 2 serves with 4 members]
    "#]],
    );
}

#[test]
fn batches_in_the_place_of_workers_take_traffic_at_the_end() {
    let mut run = workers_open(rolling("2", "100%"));
    assert_eq!(run.finish(), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 change front and checks  [its front, checks or drain time changed]
        00:00 create generation 2: 2 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 2 healthy
        01:30 shrink generation 1: 4 -> 2 members  [generation 2 has 2 healthy and carries 50%]
        01:30 grow generation 2: 2 -> 4 members  [4 members run and 6 may]
        01:30 wait: generation 2: 4 healthy
        03:00 shift traffic: generation 2 0% -> 100%  [4 of 4 are healthy]
        03:00 wait: traffic settles for 10s
        03:10 wait: bakes for 5m
        08:10 trust generation 2  [it stayed healthy for 5m]
        08:10 drain generation 1 (30s)  [generation 1 no longer serves]
        08:10 destroy generation 1: 2 members of web@1  [generation 1 no longer serves]
        08:10 DONE  [generation 2 serves with 4 members]
    "#]],
    );
}

#[test]
fn traffic_that_workers_never_had_goes_when_its_release_fails() {
    let mut run = workers_open(Strategy::BlueGreen);
    run.event_in(seconds(200), Event::Ill(SECOND));
    assert_eq!(run.finish(), End::RolledBack);
    check(
        &run,
        &expect![[r#"
        00:00 change front and checks  [its front, checks or drain time changed]
        00:00 create generation 2: 4 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 4 healthy
        01:30 shift traffic: generation 2 0% -> 100%  [4 of 4 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 wait: bakes for 5m
        03:20 give up generation 2: 3 members stayed healthy where 100% of the traffic needs 4: answered 500  [3 members stayed healthy where 100% of the traffic needs 4: answered 500]
        03:20 take all traffic off  [generation 2 failed]
        03:20 wait: traffic settles for 10s
        03:30 drain generation 2 (30s)  [generation 2 failed]
        03:30 destroy generation 2: 4 members of web@2  [generation 2 failed]
        03:30 ROLLED BACK  [generation 2 of web@2 was rolled back: 3 members stayed healthy where 100% of the traffic needs 4: answered 500]
    "#]],
    );
}

#[test]
fn what_serves_in_the_place_of_workers_is_trusted_before_another_release_comes() {
    let mut run = workers_open(Strategy::BlueGreen);
    while run.fleet.weights.is_empty() {
        assert_eq!(run.turns(1), None, "{}", run.transcript);
    }
    let tomorrow = run.fleet.now + seconds(86_400);
    run.fleet.pass(tomorrow);
    run.transcript.clear();
    assert_eq!(run.then(goal("3", 4)), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 trust generation 2  [it serves and nothing else does]
        00:00 drain generation 1 (30s)  [generation 1 no longer serves]
        00:00 destroy generation 1: 4 members of web@1  [generation 1 no longer serves]
        00:00 create generation 3: 4 members of web@3  [generation 2 runs web@2]
        00:00 wait: generation 3: 4 healthy
        01:30 shift traffic: generation 3 0% -> 100%, generation 2 100% -> 0%  [4 of 4 are healthy]
        01:30 wait: traffic settles for 10s
        01:40 wait: bakes for 5m
        06:40 trust generation 3  [it stayed healthy for 5m]
        06:40 drain generation 2 (30s)  [generation 2 no longer serves]
        06:40 destroy generation 2: 4 members of web@2  [generation 2 no longer serves]
        06:40 DONE  [generation 3 serves with 4 members]
    "#]],
    );
}

#[test]
fn workers_that_were_never_trusted_work_until_traffic_is_taken() {
    let fleet = Fleet::new(1, BOOTS);
    let mut run = Run::new(fleet, workers("1", 3), policy(Strategy::BlueGreen));
    run.turns(3);
    let later = run.fleet.now + seconds(3600);
    run.fleet.pass(later);
    run.fleet.happen(Event::Ill(FIRST));
    run.transcript.clear();
    assert_eq!(run.then(goal("2", 3)), End::Done);
    check(
        &run,
        &expect![[r#"
        00:00 change front and checks  [its front, checks or drain time changed]
        00:00 trust generation 1  [it serves and nothing else does]
        00:00 create generation 2: 3 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 3 healthy
        01:30 shift traffic: generation 2 0% -> 100%  [3 of 3 are healthy]
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
fn a_fleet_that_shall_take_no_more_traffic_becomes_one_of_workers() {
    for strategy in [
        Strategy::BlueGreen,
        canary(&[(25, 60)]),
        rolling("2", "100%"),
    ] {
        let fleet = Fleet::new(1, BOOTS);
        let mut run = Run::settled(fleet, goal("1", 4), policy(strategy));
        assert_eq!(run.then(workers("1", 4)), End::Done, "{}", run.transcript);
        assert_eq!(run.breaches, [], "{}", run.transcript);
        assert_eq!(run.then(Goal::Absent), End::Done, "{}", run.transcript);
    }
}
