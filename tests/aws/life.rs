//! A fleet's whole life, with requests all the way.

use crate::account::control;
use crate::fleet::{FIRST, SECOND, all_on, web};
use crate::place::Place;
use immutable::cloud::Cloud;
use immutable::driver::Ending;
use immutable::model::{CountOrShare, Weight};
use immutable::rollout::{CanaryStep, Foreign, Goal, Hold, Strategy, Traffic};
use serde_json::json;
use std::time::Duration;

fn rolling() -> Strategy {
    Strategy::Rolling {
        surge: CountOrShare::Count(1),
        min_healthy: CountOrShare::Share(100),
    }
}

fn canary() -> Strategy {
    let steps = [10, 50].map(|percent| CanaryStep {
        weight: Weight::new(percent).unwrap(),
        hold: Hold::For(Duration::from_millis(200)),
    });
    Strategy::Canary {
        steps: steps.to_vec(),
    }
}

async fn updates_without_losing_a_request(strategy: Strategy) {
    let place = Place::new();
    let first = place.release("1").await;
    let created = place
        .run(place.goal(place.launch(&first), 2), strategy.clone())
        .await;
    assert!(matches!(created.ending, Ending::Reached(_)), "{created:#?}");
    let endpoint = place.cloud.endpoint(&web()).await.unwrap();
    assert_eq!(endpoint, Some(format!("http://{}", place.text("endpoint"))));

    let client = place.client();
    let second = place.release("2").await;
    let updated = place
        .run(place.goal(place.launch(&second), 2), strategy)
        .await;
    let answers = client.findings();
    assert!(matches!(updated.ending, Ending::Reached(_)), "{updated:#?}");
    assert!(answers.bad.is_empty(), "{:?}", answers.bad);
    assert!(answers.good > 0);
    assert!(answers.versions.contains("web@2"), "{answers:?}");
    let world = place.world().await;
    assert_eq!(world.stable, Some(SECOND));
    assert_eq!(
        world.generations.keys().collect::<Vec<_>>(),
        [&SECOND],
        "the earlier generation is gone"
    );

    let gone = place.run(Goal::Absent, Strategy::BlueGreen).await;
    assert!(matches!(gone.ending, Ending::Reached(_)), "{gone:#?}");
    for version in ["1", "2"] {
        let id = format!("web@{version}").parse().unwrap();
        place.cloud.remove_release(&id).await.unwrap();
    }
    place.until("empty", |_| place.leftovers().is_empty()).await;
    assert!(place.inventory()["images"].is_empty());
    assert!(place.inventory()["snapshots"].is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_weight_of_a_lone_target_group_means_nothing() {
    for told in ["one", "none"] {
        let place = Place::new();
        let wish = json!({ "account": place.account, "told": told });
        control("POST", "lone", &wish);
        // The first one never serves: the rule of a lone target group is nobody's for a while.
        let bad = place.register("bad", "/bin/false");
        let bad = place.release_of("0", &bad).await;
        let failed = place
            .run(place.goal(place.launch(&bad), 2), Strategy::BlueGreen)
            .await;
        assert!(!matches!(failed.ending, Ending::Reached(_)), "{failed:#?}");
        for (version, strategy) in [("1", Strategy::BlueGreen), ("2", canary())] {
            let release = place.release(version).await;
            let goal = place.goal(place.launch(&release), 2);
            let done = place.run(goal, strategy).await;
            assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
            let world = place.world().await;
            assert_eq!(Foreign::of(&world), Foreign::default(), "{world:#?}");
        }
        let gone = place.run(Goal::Absent, Strategy::BlueGreen).await;
        assert!(matches!(gone.ending, Ending::Reached(_)), "{gone:#?}");
        for version in ["0", "1", "2"] {
            let id = format!("web@{version}").parse().unwrap();
            place.cloud.remove_release(&id).await.unwrap();
        }
        place.until("empty", |_| place.leftovers().is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blue_green_loses_no_request_and_leaves_nothing() {
    updates_without_losing_a_request(Strategy::BlueGreen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn canary_loses_no_request_and_leaves_nothing() {
    updates_without_losing_a_request(canary()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_loses_no_request_and_leaves_nothing() {
    updates_without_losing_a_request(rolling()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_crashes_is_rolled_back_and_quoted() {
    let place = Place::new();
    let first = place.release("1").await;
    let created = place
        .run(place.goal(place.launch(&first), 2), Strategy::BlueGreen)
        .await;
    assert!(matches!(created.ending, Ending::Reached(_)), "{created:#?}");
    let client = place.client();
    let second = place.release("2").await;
    let mut launch = place.launch(&second);
    launch.config.insert("CRASH".to_owned(), "1".to_owned());
    let failed = place.run(place.goal(launch, 2), Strategy::BlueGreen).await;
    let answers = client.findings();
    let Ending::RolledBack(failure) = failed.ending else {
        panic!("{failed:#?}")
    };
    assert_eq!(failure.generation, SECOND);
    assert!(
        failure.cause.output.contains("it cannot go on"),
        "{failure:#?}"
    );
    assert!(answers.bad.is_empty(), "{:?}", answers.bad);
    assert!(!answers.versions.contains("web@2"));
    let world = place.world().await;
    assert_eq!(world.stable, Some(FIRST));
    assert!(!world.generations.contains_key(&SECOND));
    let Traffic::Known { weights, .. } = world.traffic else {
        panic!("the rule cannot be read")
    };
    assert_eq!(weights, all_on(FIRST));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_grows_and_shrinks_without_losing_a_request() {
    let place = Place::new();
    let first = place.release("1").await;
    let launch = place.launch(&first);
    for size in [2, 4, 1] {
        let client = (size != 2).then(|| place.client());
        let goal = place.goal(launch.clone(), size);
        let done = place.run(goal, Strategy::BlueGreen).await;
        assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
        if let Some(client) = client {
            let answers = client.findings();
            assert!(answers.bad.is_empty(), "{size}: {:?}", answers.bad);
        }
        let world = place.world().await;
        assert_eq!(world.generations[&FIRST].desired, size);
        assert_eq!(world.latest, FIRST);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_without_traffic_are_rolled_too() {
    let place = Place::new();
    let first = place.release("1").await;
    let second = place.release("2").await;
    for release in [&first, &second] {
        let mut launch = place.launch(release);
        launch.port = None;
        let Goal::Fleet(mut goal) = place.goal(launch, 2) else {
            unreachable!("it is a fleet")
        };
        goal.settings.front = None;
        let done = place.run(Goal::Fleet(goal), rolling()).await;
        assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    }
    assert_eq!(place.world().await.stable, Some(SECOND));
    let gone = place.run(Goal::Absent, Strategy::BlueGreen).await;
    assert!(matches!(gone.ending, Ending::Reached(_)), "{gone:#?}");
    place
        .until("empty", |_| {
            let left = place.leftovers();
            left.keys().all(|kind| kind == "parameters")
        })
        .await;
}
