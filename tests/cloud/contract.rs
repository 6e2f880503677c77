//! What every cloud keeps, as bodies that know no cloud.
//!
//! A cloud joins by a [`Fixture`] and a module that calls [`suite!`](crate::suite).

pub use crate::asked::*;
use async_trait::async_trait;
use immutable::cloud::{Cloud, ErrorKind, Fence, Holder, NewRelease, Probe, Trial, TrialPlace};
use immutable::model::{
    Fingerprint, FleetName, GenerationNumber, ImageSource, LaunchTemplate, Package, ReleaseId,
    ReleaseRef, Sbom, Settings, Weight, Weights,
};
use immutable::rollout::{Action, Cause, Member, Traffic, World};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// One cloud under test, with what only it knows.
#[async_trait]
pub trait Fixture: Sync {
    /// The cloud.
    fn cloud(&self) -> &dyn Cloud;

    /// Lets so much of the cloud's time pass, or waits for it.
    async fn pass(&self, duration: Duration);

    /// Where the content of a good version is.
    fn source(&self, version: &str) -> ImageSource;

    /// How members of a version are started; they get healthy.
    fn launch(&self, version: &str) -> LaunchTemplate;

    /// A front that is free, checks and a drain time.
    fn settings(&self) -> Settings;

    /// The longest that a member takes to get healthy.
    fn gets_healthy_within(&self) -> Duration;

    /// Where a throw-away member is started, where the cloud does not choose.
    fn trial_place(&self) -> Option<TrialPlace> {
        None
    }
}

/// Makes a test of every body for one fixture: `suite!(Sim::new())`.
#[macro_export]
macro_rules! suite {
    ($fixture:expr) => {
        $crate::suite!($fixture;
            a_fleet_that_does_not_exist_is_an_empty_world,
            a_generation_is_created_once_and_gets_healthy,
            a_generation_tells_how_its_members_are_started,
            each_generation_is_asked_its_own_question,
            a_generation_without_a_port_takes_no_traffic,
            weights_are_read_back_as_written,
            a_shift_from_other_weights_than_those_in_force_is_a_conflict,
            a_front_that_is_removed_holds_no_generation,
            a_resize_tells_what_was_before,
            a_condemned_generation_outlives_its_removal_as_a_failure,
            a_promotion_retires_the_earlier_generation,
            everything_may_be_done_twice_and_leaves_nothing,
            a_lease_names_its_holder_and_fences_out_a_late_one,
            a_release_never_changes_its_content,
            a_line_moves_only_from_what_was_seen,
            a_release_in_use_is_not_removed,
            a_release_in_use_stays_even_where_another_has_its_content,
            fleets_and_lines_are_named_while_they_exist,
            a_bill_of_materials_is_stored_once_and_goes_with_its_release,
            what_a_person_asks_for_shows_until_it_is_taken_back,
            what_is_intended_is_left_by_the_holder_of_the_lease_alone,
            a_member_that_a_person_looks_at_is_replaced_and_never_returns,
            a_fleet_goes_with_the_member_that_a_person_looks_at,
        );
    };
    ($fixture:expr; $($body:ident,)*) => {
        $(
            #[tokio::test]
            async fn $body() {
                $crate::contract::$body(&$fixture).await;
            }
        )*
    };
}

pub const FIRST: GenerationNumber = GenerationNumber(1);
const SECOND: GenerationNumber = GenerationNumber(2);

pub fn web() -> FleetName {
    "web".parse().unwrap()
}

/// The path that members of a version answer at, and those of no other version.
pub fn question(version: &str) -> String {
    format!("/is/{version}")
}

pub fn holder() -> Holder {
    Holder("the contract".to_owned())
}

pub fn id(version: &str) -> ReleaseId {
    format!("web@{version}").parse().unwrap()
}

pub async fn import(fixture: &dyn Fixture, version: &str) {
    let release = NewRelease {
        id: id(version),
        source: fixture.source(version),
        provenance: BTreeMap::new(),
    };
    fixture.cloud().import(&release).await.unwrap();
}

pub async fn world(fixture: &dyn Fixture) -> World {
    fixture.cloud().observe(&web(), &[]).await.unwrap()
}

pub async fn fence(fixture: &dyn Fixture) -> Fence {
    let (fleet, holder) = (web(), holder());
    let lease = fixture
        .cloud()
        .take_lease(&fleet, &holder, Duration::from_secs(600));
    lease.await.unwrap().fence
}

/// Does an action twice: the second time changes nothing and succeeds.
pub async fn act(fixture: &dyn Fixture, fence: Fence, action: Action) {
    fixture.cloud().act(&web(), fence, &action).await.unwrap();
    let again = fixture.cloud().act(&web(), fence, &action).await;
    assert!(again.is_ok(), "{action:?} twice: {again:?}");
}

fn create(fixture: &dyn Fixture, number: GenerationNumber, version: &str, size: u32) -> Action {
    let launch = fixture.launch(version);
    assert_eq!(launch.release, ReleaseRef::Release(id(version)));
    Action::CreateGeneration {
        number,
        fingerprint: Fingerprint::of(&launch),
        launch,
        size,
        launch_deadline: Duration::from_secs(60),
    }
}

pub fn all_on(number: GenerationNumber) -> Weights {
    Weights::from([(number, Weight::ALL)])
}

pub fn shift(weights: Weights, before: Weights) -> Action {
    Action::ShiftTraffic { weights, before }
}

/// A fleet whose first generation serves with two members.
pub async fn serving(fixture: &dyn Fixture) -> Fence {
    import(fixture, "1").await;
    let fence = fence(fixture).await;
    act(fixture, fence, Action::Configure(fixture.settings())).await;
    act(fixture, fence, create(fixture, FIRST, "1", 2)).await;
    healthy(fixture, FIRST, 2).await;
    act(fixture, fence, shift(all_on(FIRST), Weights::new())).await;
    act(fixture, fence, Action::Promote { number: FIRST }).await;
    fence
}

/// How often members are looked at within the time in which they get healthy.
pub const LOOKS: u32 = 200;

/// Waits until a generation has so many members with a streak.
pub async fn healthy(fixture: &dyn Fixture, number: GenerationNumber, count: usize) {
    let step = fixture.gets_healthy_within() / LOOKS;
    for _ in 0..LOOKS {
        let world = world(fixture).await;
        let members = world.generations.get(&number).map(|g| g.members.clone());
        let well = members.unwrap_or_default();
        if well.iter().filter(|member| member.streak > 0).count() >= count {
            return;
        }
        fixture.pass(step).await;
    }
    panic!(
        "generation {number} did not get {count} healthy members: {:?}",
        world(fixture).await
    );
}

pub async fn a_fleet_that_does_not_exist_is_an_empty_world(fixture: &dyn Fixture) {
    let world = world(fixture).await;
    assert_eq!(world.settings, None);
    assert!(world.generations.is_empty());
    assert_eq!(world.latest, GenerationNumber::default());
    assert_eq!(fixture.cloud().endpoint(&web()).await.unwrap(), None);
    assert!(!fixture.cloud().fleets().await.unwrap().contains(&web()));
}

pub async fn a_generation_is_created_once_and_gets_healthy(fixture: &dyn Fixture) {
    import(fixture, "1").await;
    let fence = fence(fixture).await;
    act(fixture, fence, Action::Configure(fixture.settings())).await;
    act(fixture, fence, create(fixture, FIRST, "1", 2)).await;
    healthy(fixture, FIRST, 2).await;
    let world = world(fixture).await;
    let generation = &world.generations[&FIRST];
    assert_eq!(world.latest, FIRST);
    assert_eq!(
        (
            generation.wanted,
            generation.wanted_before,
            generation.desired
        ),
        (2, 2, 2)
    );
    assert_eq!(generation.members.len(), 2);
    assert_eq!(generation.release, ReleaseRef::Release(id("1")));
    assert_eq!(
        generation.fingerprint,
        Fingerprint::of(&fixture.launch("1"))
    );
    let since = generation.members.iter().map(|member| member.healthy_since);
    assert!(
        since
            .into_iter()
            .all(|since| since.is_some_and(|since| since <= world.now))
    );
    assert_eq!(world.stable, None);

    import(fixture, "2").await;
    let other = create(fixture, FIRST, "2", 2);
    let taken = fixture
        .cloud()
        .act(&web(), fence, &other)
        .await
        .unwrap_err();
    assert_eq!(taken.kind, ErrorKind::AlreadyExists);
}

pub async fn a_generation_tells_how_its_members_are_started(fixture: &dyn Fixture) {
    serving(fixture).await;
    let tells = |number| async move {
        let (cloud, fleet) = (fixture.cloud(), web());
        cloud.launch_template(&fleet, number).await.unwrap()
    };
    assert_eq!(tells(FIRST).await, Some(fixture.launch("1")));
    assert_eq!(tells(SECOND).await, None);
}

pub async fn each_generation_is_asked_its_own_question(fixture: &dyn Fixture) {
    let fence = serving(fixture).await;
    let served = world(fixture).await.generations[&FIRST].members.clone();
    import(fixture, "2").await;
    let mut settings = fixture.settings();
    settings.check.timeout *= 2;
    act(fixture, fence, Action::Configure(settings.clone())).await;
    act(fixture, fence, create(fixture, SECOND, "2", 1)).await;
    healthy(fixture, SECOND, 1).await;
    // Long enough for the first one's members to be asked once more, and found ill.
    act(fixture, fence, Action::Configure(fixture.settings())).await;
    fixture.pass(settings.check.interval * 10).await;
    let first = world(fixture).await.generations[&FIRST].clone();
    let ids = |members: &[Member]| -> Vec<_> { members.iter().map(|it| it.id.clone()).collect() };
    assert_eq!(ids(&first.members), ids(&served));
    assert!(
        first.members.iter().all(|member| member.streak > 0),
        "{first:?}"
    );
}

pub async fn a_generation_without_a_port_takes_no_traffic(fixture: &dyn Fixture) {
    import(fixture, "1").await;
    let fence = fence(fixture).await;
    let workers = Settings {
        front: None,
        ..fixture.settings()
    };
    let launch = LaunchTemplate {
        port: None,
        health_path: None,
        ..fixture.launch("1")
    };
    act(fixture, fence, Action::Configure(workers)).await;
    let create_workers = Action::CreateGeneration {
        number: FIRST,
        fingerprint: Fingerprint::of(&launch),
        launch,
        size: 1,
        launch_deadline: Duration::from_secs(60),
    };
    act(fixture, fence, create_workers).await;
    act(fixture, fence, Action::Promote { number: FIRST }).await;

    act(fixture, fence, Action::Configure(fixture.settings())).await;
    act(fixture, fence, create(fixture, SECOND, "1", 1)).await;
    healthy(fixture, SECOND, 1).await;
    let world = world(fixture).await;
    let takes_traffic = |number| world.generations[&number].takes_traffic;
    assert!(!takes_traffic(FIRST) && takes_traffic(SECOND));
    let mistaken = shift(all_on(FIRST), Weights::new());
    let refused = fixture.cloud().act(&web(), fence, &mistaken).await;
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Invalid);

    act(fixture, fence, shift(all_on(SECOND), Weights::new())).await;
    act(fixture, fence, Action::Promote { number: SECOND }).await;
    act(fixture, fence, Action::DrainGeneration { number: FIRST }).await;
    fixture.pass(fixture.settings().drain).await;
    let park = None;
    let number = FIRST;
    act(fixture, fence, Action::DestroyGeneration { number, park }).await;
}

pub async fn weights_are_read_back_as_written(fixture: &dyn Fixture) {
    serving(fixture).await;
    let Traffic::Known {
        weights,
        written,
        written_at,
        ..
    } = world(fixture).await.traffic
    else {
        panic!("the front cannot be read");
    };
    assert_eq!(weights, all_on(FIRST));
    assert_eq!(written, all_on(FIRST));
    assert!(written_at <= world(fixture).await.now);
    assert!(fixture.cloud().endpoint(&web()).await.unwrap().is_some());
}

pub async fn a_shift_from_other_weights_than_those_in_force_is_a_conflict(fixture: &dyn Fixture) {
    let fence = serving(fixture).await;
    import(fixture, "2").await;
    act(fixture, fence, create(fixture, SECOND, "2", 1)).await;
    let half = Weight::new(50).unwrap();
    let halves = Weights::from([(FIRST, half), (SECOND, half)]);
    let mistaken = shift(halves, all_on(SECOND));
    let refused = fixture
        .cloud()
        .act(&web(), fence, &mistaken)
        .await
        .unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
}

pub async fn a_front_that_is_removed_holds_no_generation(fixture: &dyn Fixture) {
    let fence = serving(fixture).await;
    let with = fixture.settings();
    let without = Settings {
        front: None,
        ..with.clone()
    };
    act(fixture, fence, Action::Configure(without.clone())).await;
    assert_eq!(world(fixture).await.traffic, Traffic::None);
    // One that comes back sends nobody anything until it is told to.
    act(fixture, fence, Action::Configure(with)).await;
    act(fixture, fence, shift(all_on(FIRST), Weights::new())).await;
    act(fixture, fence, Action::Configure(without)).await;
    let number = FIRST;
    act(fixture, fence, Action::DrainGeneration { number }).await;
    fixture.pass(fixture.settings().drain).await;
    let park = None;
    act(fixture, fence, Action::DestroyGeneration { number, park }).await;
    act(fixture, fence, Action::DestroyFleet).await;
    a_fleet_that_does_not_exist_is_an_empty_world(fixture).await;
}

pub async fn a_resize_tells_what_was_before(fixture: &dyn Fixture) {
    let fence = serving(fixture).await;
    act(
        fixture,
        fence,
        Action::ResizeGeneration {
            number: FIRST,
            size: 3,
        },
    )
    .await;
    healthy(fixture, FIRST, 3).await;
    let generation = world(fixture).await.generations[&FIRST].clone();
    assert_eq!(
        (
            generation.wanted,
            generation.wanted_before,
            generation.desired
        ),
        (3, 2, 3)
    );
    assert!(generation.resized_at >= generation.created_at);
}

pub async fn a_condemned_generation_outlives_its_removal_as_a_failure(fixture: &dyn Fixture) {
    let fence = serving(fixture).await;
    import(fixture, "2").await;
    act(fixture, fence, create(fixture, SECOND, "2", 1)).await;
    let cause = Cause {
        summary: "it is no good".to_owned(),
        member: None,
        output: String::new(),
    };
    act(
        fixture,
        fence,
        Action::Condemn {
            number: SECOND,
            cause,
            retry: Some("first".to_owned()),
        },
    )
    .await;
    let condemned = world(fixture).await.generations[&SECOND].condemned.clone();
    assert_eq!(condemned.unwrap().cause.summary, "it is no good");
    act(fixture, fence, Action::DrainGeneration { number: SECOND }).await;
    fixture.pass(fixture.settings().drain).await;
    act(
        fixture,
        fence,
        Action::DestroyGeneration {
            number: SECOND,
            park: None,
        },
    )
    .await;
    let world = world(fixture).await;
    assert!(!world.generations.contains_key(&SECOND));
    assert_eq!(world.latest, SECOND);
    let failure = world.failure.unwrap();
    assert_eq!(failure.generation, SECOND);
    assert_eq!(failure.retry.as_deref(), Some("first"));
    assert_eq!(failure.release, ReleaseRef::Release(id("2")));
}

pub async fn a_promotion_retires_the_earlier_generation(fixture: &dyn Fixture) {
    let fence = serving(fixture).await;
    import(fixture, "2").await;
    act(fixture, fence, create(fixture, SECOND, "2", 1)).await;
    healthy(fixture, SECOND, 1).await;
    act(fixture, fence, shift(all_on(SECOND), all_on(FIRST))).await;
    act(fixture, fence, Action::Promote { number: SECOND }).await;
    let promoted = world(fixture).await;
    assert_eq!(promoted.stable, Some(SECOND));
    assert!(promoted.generations[&FIRST].retired_at.is_some());
    assert!(promoted.generations[&SECOND].promoted_at.is_some());
    assert_eq!(promoted.generations[&SECOND].retired_at, None);

    act(fixture, fence, shift(all_on(FIRST), all_on(SECOND))).await;
    act(fixture, fence, Action::Promote { number: FIRST }).await;
    let back = world(fixture).await;
    assert_eq!(back.stable, Some(FIRST));
    assert_eq!(back.generations[&FIRST].retired_at, None);
}

pub async fn everything_may_be_done_twice_and_leaves_nothing(fixture: &dyn Fixture) {
    let fence = serving(fixture).await;
    act(fixture, fence, shift(Weights::new(), all_on(FIRST))).await;
    act(fixture, fence, Action::DrainGeneration { number: FIRST }).await;
    fixture.pass(fixture.settings().drain).await;
    act(
        fixture,
        fence,
        Action::DestroyGeneration {
            number: FIRST,
            park: None,
        },
    )
    .await;
    act(fixture, fence, Action::DestroyFleet).await;
    a_fleet_that_does_not_exist_is_an_empty_world(fixture).await;
    fixture.cloud().release_lease(&web(), fence).await.unwrap();
    fixture.cloud().remove_release(&id("1")).await.unwrap();
    fixture.cloud().remove_release(&id("1")).await.unwrap();
    assert_eq!(fixture.cloud().line(&id("1").line).await.unwrap(), None);
}

pub async fn a_lease_names_its_holder_and_fences_out_a_late_one(fixture: &dyn Fixture) {
    let (cloud, short) = (fixture.cloud(), Duration::from_secs(5));
    let first = cloud.take_lease(&web(), &holder(), short).await.unwrap();
    let same = cloud.take_lease(&web(), &holder(), short).await.unwrap();
    assert_eq!(first.fence, same.fence);
    let other = Holder("someone else".to_owned());
    let held = cloud.take_lease(&web(), &other, short).await.unwrap_err();
    assert_eq!(held.kind, ErrorKind::Conflict);
    assert!(held.source.to_string().contains("the contract"), "{held:?}");

    fixture.pass(short + short).await;
    let taken = cloud
        .take_lease(&web(), &other, Duration::from_secs(600))
        .await
        .unwrap();
    assert!(taken.fence > first.fence);
    let late = Action::Configure(fixture.settings());
    let refused = cloud.act(&web(), first.fence, &late).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    // The late one gives back what is no longer its own, and harms no one.
    cloud.release_lease(&web(), first.fence).await.unwrap();
    let still = cloud
        .take_lease(&web(), &holder(), short)
        .await
        .unwrap_err();
    assert_eq!(still.kind, ErrorKind::Conflict);
}

pub async fn a_release_never_changes_its_content(fixture: &dyn Fixture) {
    import(fixture, "1").await;
    import(fixture, "1").await;
    let cloud = fixture.cloud();
    let facts = cloud.inspect(&fixture.source("1")).await.unwrap();
    let line = cloud.line(&id("1").line).await.unwrap().unwrap();
    assert_eq!(line.current, None);
    assert_eq!(line.releases.len(), 1);
    assert_eq!(line.releases[0].digest, facts.digest);
    let other = NewRelease {
        id: id("1"),
        source: fixture.source("2"),
        provenance: BTreeMap::new(),
    };
    let refused = cloud.import(&other).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::AlreadyExists);
    cloud.set_current(&id("1")).await.unwrap();
    let line = cloud.line(&id("1").line).await.unwrap().unwrap();
    assert_eq!(line.current, Some(id("1")));
    let missing = cloud.set_current(&id("9")).await.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    let probe = Probe {
        port: 8080,
        path: None,
        command: Vec::new(),
        timeout: fixture.gets_healthy_within(),
        tags: BTreeMap::new(),
        place: fixture.trial_place(),
    };
    assert_eq!(
        cloud
            .verify(&id("1"), &probe, &CancellationToken::new())
            .await
            .unwrap(),
        Trial::Passed
    );
}

pub async fn a_line_moves_only_from_what_was_seen(fixture: &dyn Fixture) {
    let cloud = fixture.cloud();
    for version in ["1", "2"] {
        import(fixture, version).await;
    }
    let (first, second) = (id("1"), id("2"));
    let current = async || cloud.line(&first.line).await.unwrap().unwrap().current;
    for _ in 0..2 {
        cloud.move_line(&first, None).await.unwrap();
        assert_eq!(current().await, Some(first.clone()));
    }
    // Whoever saw no release yet does not undo that one is current.
    let refused = cloud.move_line(&second, None).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert!(refused.source.to_string().contains("web@1"), "{refused:?}");
    cloud.move_line(&second, Some(&first)).await.unwrap();
    let third = id("3");
    let refused = cloud.move_line(&first, Some(&third)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert_eq!(current().await, Some(second.clone()));
    cloud.move_line(&first, Some(&second)).await.unwrap();
    assert_eq!(current().await, Some(first.clone()));
}

pub async fn a_release_in_use_is_not_removed(fixture: &dyn Fixture) {
    serving(fixture).await;
    let cloud = fixture.cloud();
    assert_eq!(cloud.users(&id("1")).await.unwrap(), [web()]);
    let refused = cloud.remove_release(&id("1")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert!(refused.source.to_string().contains("web"), "{refused:?}");
}

pub async fn a_release_in_use_stays_even_where_another_has_its_content(fixture: &dyn Fixture) {
    serving(fixture).await;
    let cloud = fixture.cloud();
    let twin = NewRelease {
        id: id("1-again"),
        source: fixture.source("1"),
        provenance: BTreeMap::new(),
    };
    cloud.import(&twin).await.unwrap();
    let refused = cloud.remove_release(&id("1")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    cloud.remove_release(&id("1-again")).await.unwrap();
    assert_eq!(cloud.users(&id("1")).await.unwrap(), [web()]);
}

pub async fn fleets_and_lines_are_named_while_they_exist(fixture: &dyn Fixture) {
    let cloud = fixture.cloud();
    assert_eq!(cloud.fleets().await.unwrap(), []);
    assert_eq!(cloud.lines().await.unwrap(), []);
    serving(fixture).await;
    let api: ReleaseId = "api@1".parse().unwrap();
    let release = NewRelease {
        id: api.clone(),
        source: fixture.source("2"),
        provenance: BTreeMap::new(),
    };
    cloud.import(&release).await.unwrap();
    assert_eq!(cloud.fleets().await.unwrap(), [web()]);
    let both = [api.line.clone(), id("1").line];
    assert_eq!(cloud.lines().await.unwrap(), both);
    cloud.remove_release(&api).await.unwrap();
    assert_eq!(cloud.lines().await.unwrap(), [id("1").line]);
}

pub async fn a_bill_of_materials_is_stored_once_and_goes_with_its_release(fixture: &dyn Fixture) {
    let cloud = fixture.cloud();
    let package = |number: usize| Package {
        name: format!("package-{number}"),
        version: format!("{number}.{}", number * 7919),
        purl: format!("pkg:deb/debian/package-{number}"),
    };
    // More than one SSM parameter holds, however well it is packed.
    let bill = Sbom::of((0..2_000).map(package));
    let missing = cloud.store_sbom(&id("1"), &bill).await.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    import(fixture, "1").await;
    assert_eq!(cloud.sbom(&id("1")).await.unwrap(), None);
    for _ in 0..2 {
        cloud.store_sbom(&id("1"), &bill).await.unwrap();
        assert_eq!(cloud.sbom(&id("1")).await.unwrap().as_ref(), Some(&bill));
    }
    let other = Sbom::of([package(1)]);
    let refused = cloud.store_sbom(&id("1"), &other).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::AlreadyExists);
    assert_eq!(cloud.sbom(&id("1")).await.unwrap(), Some(bill));
    assert_eq!(cloud.sbom(&id("2")).await.unwrap(), None);

    cloud.remove_release(&id("1")).await.unwrap();
    assert_eq!(cloud.sbom(&id("1")).await.unwrap(), None);
    // Another release of the same name has nothing of the earlier one.
    import(fixture, "1").await;
    assert_eq!(cloud.sbom(&id("1")).await.unwrap(), None);
    cloud.store_sbom(&id("1"), &other).await.unwrap();
    cloud.remove_release(&id("1")).await.unwrap();
    assert_eq!(cloud.lines().await.unwrap(), []);
}
