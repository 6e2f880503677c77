//! Images that somebody changes behind our back.

use crate::members::GOOD;
use crate::place::{Place, healthy, members, until_sync};
use immutable::cloud::Cloud;
use immutable::model::GenerationNumber;
use immutable::rollout::{Action, Member, MemberState};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn unpacked(place: &Place) -> PathBuf {
    let image = fs::read_dir(place.state().join("images"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    image.join("root")
}

#[tokio::test]
async fn a_changed_file_is_named_and_new_members_get_the_right_one() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    let file = unpacked(&place).join("web-1");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&file, "#!/bin/sh\nexit 1\n").unwrap();
    let world = fleet
        .until(|world| members(world, 1)[0].drift.is_some())
        .await;
    assert_eq!(
        members(&world, 1)[0].drift.as_deref(),
        Some("web-1 in its image was changed")
    );
    let drifted = members(&world, 1)[0].id.clone();
    // A new member is started from the image as it was released; shrinking lets the other one go.
    for size in [2, 1] {
        fleet
            .act(&Action::ResizeGeneration {
                number: GenerationNumber(1),
                size,
            })
            .await
            .unwrap();
        fleet
            .until(|world| {
                healthy(world, 1) == size as usize && members(world, 1).len() == size as usize
            })
            .await;
    }
    let world = fleet.world().await;
    assert_ne!(members(&world, 1)[0].id, drifted);
    assert_eq!(members(&world, 1)[0].drift, None);
    assert_eq!(fs::read_to_string(&file).unwrap(), GOOD);
}

#[tokio::test]
async fn files_that_were_added_or_removed_are_named_and_set_right() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    let root = unpacked(&place);
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(root.join("extra"), "x").unwrap();
    fs::remove_file(root.join("web-1")).unwrap();
    let world = fleet
        .until(|world| members(world, 1)[0].drift.is_some())
        .await;
    assert_eq!(
        members(&world, 1)[0].drift.as_deref(),
        Some("web-1 in its image was removed, and 1 more differences")
    );
    fleet
        .act(&Action::ResizeGeneration {
            number: GenerationNumber(1),
            size: 2,
        })
        .await
        .unwrap();
    fleet.until(|world| healthy(world, 1) == 2).await;
    assert!(root.join("web-1").exists() && !root.join("extra").exists());
}

/// Loses an image as a disk or a careless hand does.
fn lose_images(place: &Place) {
    let removed = std::process::Command::new("rm")
        .arg("-rf")
        .arg(place.state().join("images"))
        .status();
    assert!(removed.unwrap().success());
}

#[tokio::test]
async fn a_lost_image_is_the_drift_of_its_members_and_bricks_nothing() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    fleet.shift(&[(1, 100)], &[]).await;
    lose_images(&place);
    // The host that knew it tells so, and the member serves on.
    let world = fleet
        .until(|world| members(world, 1)[0].drift.is_some())
        .await;
    assert_eq!(healthy(&world, 1), 1);
    assert_eq!(fleet.get("/").await.unwrap().0, 200);
    // The next one has never seen it, and can start nothing.
    place.kill_host();
    until_sync(|| place.processes().is_empty());
    let says = |member: &Member| {
        let words = [&member.last_error, &member.drift];
        member.state == MemberState::Failed
            && words.iter().all(|words| {
                let words = words.as_deref().unwrap_or_default();
                words.contains("the store holds no such image")
            })
    };
    fleet
        .until(|world| members(world, 1).iter().any(says))
        .await;
    assert!(place.cloud.status().await.unwrap().is_some());
    // Whoever brings the content again heals it.
    place.release("1", GOOD).await;
    fleet.until(|world| healthy(world, 1) == 1).await;
    lose_images(&place);
    fleet.shift(&[], &[(1, 100)]).await;
    fleet.destroy(1).await;
    fleet.act(&Action::DestroyFleet).await.unwrap();
    place
        .cloud
        .remove_release(&"web@1".parse().unwrap())
        .await
        .unwrap();
    place.nothing_is_left();
}

#[tokio::test]
async fn what_is_left_of_an_image_is_not_taken_for_it() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let image = unpacked(&place).parent().unwrap().to_owned();
    fs::remove_file(image.join("content.json")).unwrap();
    place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
}
