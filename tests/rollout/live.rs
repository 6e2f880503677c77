//! Fleets whose size changes by itself.

use crate::fixture::*;
use crate::run::{Ask, End, Run};
use expect_test::expect;
use immutable::cloud::sim::{Event, Fleet};
use immutable::model::{GenerationNumber, Scaling, Tracking};
use immutable::rollout::{Foreign, Goal, Policy, Strategy, forecast};

const TRACKING: Scaling = Scaling::Tracking(Tracking {
    min: 2,
    max: 9,
    cpu: 60,
});

fn sized(version: &str, size: u32, scaling: &Scaling) -> Goal {
    let mut goal = fleet_goal(version, size, true);
    goal.settings.scaling = scaling.clone();
    Goal::Fleet(Box::new(goal))
}

/// A fleet that was made with two members and has six by now.
fn grown(scaling: &Scaling, policy: Policy) -> Run {
    let goal = sized("1", 2, scaling);
    let mut run = Run::settled(Fleet::new(1, BOOTS), goal, policy);
    run.fleet.happen(Event::Scale(6));
    let later = run.fleet.now + seconds(600);
    run.fleet.pass(later);
    run
}

fn desired(run: &Run, number: u32) -> u32 {
    run.fleet.generations[&GenerationNumber(number)].desired
}

#[test]
fn a_candidate_starts_at_the_live_size_and_is_brought_level_before_it_gets_everything() {
    let mut run = grown(&TRACKING, policy(Strategy::BlueGreen));
    run.event_in(seconds(60), Event::Scale(8));
    assert_eq!(run.then(sized("2", 2, &TRACKING)), End::Done);
    assert_eq!(run.breaches, [], "{}", run.transcript);
    expect![[r#"
        00:00 create generation 2: 6 members of web@2  [generation 1 runs web@1]
        00:00 wait: generation 2: 6 healthy
        01:00 grow generation 2: 6 -> 8 members  [8 wanted, it has 6]
        01:00 wait: generation 2: 8 healthy
        02:30 shift traffic: generation 2 0% -> 100%, generation 1 100% -> 0%  [8 of 8 are healthy]
        02:30 wait: traffic settles for 10s
        02:40 wait: bakes for 5m
        07:40 trust generation 2  [it stayed healthy for 5m]
        07:40 drain generation 1 (30s)  [generation 1 no longer serves]
        07:40 destroy generation 1: 8 members of web@1  [generation 1 no longer serves]
        07:40 DONE  [generation 2 serves with 8 members]
    "#]]
    .assert_eq(&run.transcript);
}

#[test]
fn what_serves_grows_by_itself_while_it_bakes_and_shrinks_only_afterwards() {
    let mut run = grown(&TRACKING, policy(canary(&[(50, 60)])));
    run.event_in(seconds(400), Event::Scale(9));
    run.event_in(seconds(500), Event::Scale(3));
    assert_eq!(run.then(sized("2", 2, &TRACKING)), End::Done);
    assert_eq!(run.breaches, [], "{}", run.transcript);
    assert_eq!(desired(&run, 2), 9, "{}", run.transcript);
    run.fleet.happen(Event::Scale(3));
    assert_eq!(run.finish(), End::Done);
    assert_eq!(desired(&run, 2), 3);
}

#[test]
fn a_failed_release_leaves_the_size_to_what_serves() {
    let mut run = grown(&TRACKING, policy(Strategy::BlueGreen));
    run.fleet.fate = immutable::cloud::sim::Fate::sick(BOOTS);
    assert_eq!(run.then(sized("2", 2, &TRACKING)), End::RolledBack);
    assert_eq!(run.breaches, [], "{}", run.transcript);
    assert_eq!(desired(&run, 1), 6);
    run.fleet.happen(Event::Scale(2));
    assert_eq!(desired(&run, 1), 2);
}

#[test]
fn what_a_person_goes_back_to_is_brought_level_before_what_served_goes() {
    let kept = Policy {
        keep_previous: seconds(36_000),
        ..policy(Strategy::BlueGreen)
    };
    let mut run = grown(&Scaling::External, kept);
    assert_eq!(run.then(sized("2", 2, &Scaling::External)), End::Done);
    run.fleet.happen(Event::Scale(8));
    run.transcript.clear();
    run.ask(run.wish(Ask::Rollback));
    assert_eq!(run.finish(), End::RolledBack);
    assert_eq!(run.breaches, [], "{}", run.transcript);
    assert_eq!(desired(&run, 1), 8, "{}", run.transcript);
}

#[test]
fn nothing_is_to_be_done_and_nobody_is_a_stranger_at_any_size() {
    for scaling in [TRACKING, Scaling::External] {
        let mut run = grown(&scaling, policy(Strategy::BlueGreen));
        let (world, goal) = (run.fleet.look(), sized("1", 2, &scaling));
        assert_eq!(Foreign::of(&world), Foreign::default());
        let policy = policy(Strategy::BlueGreen);
        assert_eq!(forecast(&world, &goal, &policy).lines(), [""; 0]);
        assert_eq!(run.then(goal), End::Done, "{}", run.transcript);
        assert_eq!(run.actions, [""; 0]);
        assert_eq!(desired(&run, 1), 6);
    }
}

#[test]
fn a_configuration_that_decides_again_begins_with_the_size_found() {
    let mut run = grown(&Scaling::External, policy(Strategy::BlueGreen));
    let goal = sized("1", 4, &Scaling::Configured);
    let foreseen = forecast(&run.fleet.look(), &goal, &run.policy).lines();
    assert_eq!(
        foreseen[..2],
        [
            "change front and checks",
            "shrink generation 1: 6 -> 4 members"
        ]
    );
    assert_eq!(run.then(goal), End::Done, "{}", run.transcript);
    assert_eq!(run.breaches, [], "{}", run.transcript);
    assert_eq!(desired(&run, 1), 4);
}

#[test]
fn batches_of_a_number_that_changes_are_refused() {
    let mut run = grown(&TRACKING, policy(Strategy::BlueGreen));
    run.policy = policy(rolling("25%", "100%"));
    let end = run.then(sized("2", 2, &TRACKING));
    assert!(matches!(end, End::Halted(_)), "{end:?}");
    assert_eq!(run.fleet.generations.len(), 1);
}
