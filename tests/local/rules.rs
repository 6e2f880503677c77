//! What is refused, and whose name is called.

use crate::members::GOOD;
use crate::place::{Place, create, free_address, launch, settings, weights, words};
use immutable::cloud::{Cloud, ErrorKind, Fence, Holder};
use immutable::model::{FleetName, GenerationNumber, ReleaseRef};
use immutable::rollout::{Action, Cause};
use std::net::TcpListener;
use std::time::Duration;

#[tokio::test]
async fn a_listener_in_use_is_named_with_its_holder() {
    let place = Place::new();
    let fleet = place.fleet().await;
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stranger.local_addr().unwrap().to_string();
    let error = fleet
        .act(&Action::Configure(settings(&address)))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    let text = words(&error);
    assert!(
        text.contains(&address) && text.contains(&std::process::id().to_string()),
        "{text}"
    );
    assert_eq!(fleet.world().await.settings.unwrap(), fleet.settings);
}

#[tokio::test]
async fn two_fleets_on_one_listener_are_told_of_each_other() {
    let place = Place::new();
    let fleet = place.fleet().await;
    let other: FleetName = "api".parse().unwrap();
    let lease = place
        .cloud
        .take_lease(&other, &Holder("test".to_owned()), Duration::from_secs(60))
        .await
        .unwrap();
    let configure = Action::Configure(fleet.settings.clone());
    let error = place
        .cloud
        .act(&other, lease.fence, &configure)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(
        words(&error).contains("fleet web listens there"),
        "{}",
        words(&error)
    );
}

#[tokio::test]
async fn a_fleet_may_move_to_another_listener() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let mut fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    fleet.shift(&[(1, 100)], &[]).await;
    let before = fleet.settings.clone();
    fleet.settings = settings(&free_address());
    fleet
        .act(&Action::Configure(fleet.settings.clone()))
        .await
        .unwrap();
    assert_eq!(fleet.get("/").await.unwrap().0, 200);
    crate::place::until_sync(|| {
        TcpListener::bind(&before.front.as_ref().unwrap().listener).is_ok()
    });
}

#[tokio::test]
async fn one_holder_at_a_time_and_late_actions_do_no_harm() {
    let place = Place::new();
    let fleet = place.fleet().await;
    let second = Holder("apply on build-7".to_owned());
    let refused = place
        .cloud
        .take_lease(&fleet.name, &second, Duration::from_secs(60))
        .await
        .unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert!(
        words(&refused).contains("the test holds it until"),
        "{}",
        words(&refused)
    );
    place
        .cloud
        .release_lease(&fleet.name, fleet.fence)
        .await
        .unwrap();
    let lease = place
        .cloud
        .take_lease(&fleet.name, &second, Duration::from_secs(60))
        .await
        .unwrap();
    assert!(lease.fence > fleet.fence);
    let late = fleet
        .act(&Action::Configure(fleet.settings.clone()))
        .await
        .unwrap_err();
    assert_eq!(late.kind, ErrorKind::Conflict);
    assert!(
        words(&late).contains("apply on build-7"),
        "{}",
        words(&late)
    );
    // A lease that is not ours is left alone.
    place
        .cloud
        .release_lease(&fleet.name, Fence(1))
        .await
        .unwrap();
    let again = place
        .cloud
        .take_lease(&fleet.name, &second, Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(again.fence, lease.fence);
}

#[tokio::test]
async fn actions_may_be_repeated_and_bad_ones_change_nothing() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    for _ in 0..2 {
        fleet.act(&create(1, 1, launch(&release))).await.unwrap();
    }
    fleet
        .until(|world| crate::place::healthy(world, 1) == 1)
        .await;
    for _ in 0..2 {
        fleet.shift(&[(1, 100)], &[]).await;
    }
    let number = GenerationNumber(1);
    let shift = |after: &[(u32, u8)], before: &[(u32, u8)]| Action::ShiftTraffic {
        weights: weights(after),
        before: weights(before),
    };
    let mut other = launch(&release);
    other.config.insert("A".to_owned(), "b".to_owned());
    let refused = [
        (
            Action::DrainGeneration { number },
            ErrorKind::Conflict,
            "has 100% of the traffic",
        ),
        (
            Action::DestroyGeneration { number, park: None },
            ErrorKind::Conflict,
            "has 100% of the traffic",
        ),
        (
            Action::DestroyFleet,
            ErrorKind::Conflict,
            "generation 1 is still there",
        ),
        (
            create(1, 1, other.clone()),
            ErrorKind::AlreadyExists,
            "runs something else",
        ),
        (
            create(3, 1, other.clone()),
            ErrorKind::Conflict,
            "next generation's number is 2",
        ),
        (
            shift(&[(1, 50)], &[(1, 100)]),
            ErrorKind::Invalid,
            "do not add up",
        ),
        (
            shift(&[(2, 100)], &[(1, 100)]),
            ErrorKind::NotFound,
            "no generation 2",
        ),
        (
            shift(&[], &[(1, 90)]),
            ErrorKind::Conflict,
            "weights in force are generation 1: 100%",
        ),
        (
            create(2, 1, launch(&ReleaseRef::parse("web@9").unwrap())),
            ErrorKind::NotFound,
            "no such release",
        ),
    ];
    let before = fleet.world().await.generations;
    for (action, kind, expected) in refused {
        let error = fleet.act(&action).await.unwrap_err();
        assert_eq!(error.kind, kind, "{action:?}");
        assert!(words(&error).contains(expected), "{}", words(&error));
    }
    let after = fleet.world().await.generations;
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_verdict_stands_until_another_generation_is_promoted() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    let cause = |summary: &str| Cause {
        summary: summary.to_owned(),
        member: None,
        output: String::new(),
    };
    for summary in ["the first", "the second"] {
        fleet
            .act(&Action::Condemn {
                number: GenerationNumber(1),
                cause: cause(summary),
                retry: None,
            })
            .await
            .unwrap();
    }
    fleet.destroy(1).await;
    fleet.destroy(1).await;
    assert_eq!(
        fleet.world().await.failure.unwrap().cause,
        cause("the first")
    );
    fleet.healthy(2, 1, &release).await;
    fleet
        .act(&Action::Promote {
            number: GenerationNumber(2),
        })
        .await
        .unwrap();
    assert_eq!(fleet.world().await.failure, None);
}
