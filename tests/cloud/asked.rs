//! What people ask of a fleet and applies leave for them, as bodies that know no cloud.

use crate::contract::{
    FIRST, Fixture, LOOKS, act, all_on, fence, holder, id, import, serving, shift, web, world,
};
use immutable::cloud::{ErrorKind, Fence, Holder};
use immutable::model::{Fingerprint, ReleaseRef, Weights};
use immutable::rollout::{
    Action, FleetGoal, Intent, Member, MemberState, Parked, Policy, Request, Strategy, Wish,
};
use std::time::Duration;

async fn request(fixture: &dyn Fixture, reason: &str) -> Request {
    Request {
        wish: Wish::Abort { generation: FIRST },
        by: "ana".to_owned(),
        reason: reason.to_owned(),
        at: world(fixture).await.now,
    }
}

pub async fn what_a_person_asks_for_shows_until_it_is_taken_back(fixture: &dyn Fixture) {
    let cloud = fixture.cloud();
    let early = request(fixture, "before there is a fleet").await;
    let refused = cloud.ask(&web(), Some(&early)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotFound);
    // A lease alone is no fleet.
    let fence = fence(fixture).await;
    let refused = cloud.ask(&web(), Some(&early)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotFound);

    act(fixture, fence, Action::Configure(fixture.settings())).await;
    assert_eq!(world(fixture).await.request, None);
    // It takes no lease, and the newest stands.
    for reason in ["it is slow", "it is wrong"] {
        let asked = request(fixture, reason).await;
        for _ in 0..2 {
            cloud.ask(&web(), Some(&asked)).await.unwrap();
            assert_eq!(world(fixture).await.request.as_ref(), Some(&asked));
        }
    }
    for _ in 0..2 {
        cloud.ask(&web(), None).await.unwrap();
        assert_eq!(world(fixture).await.request, None);
    }
    cloud.ask(&web(), Some(&early)).await.unwrap();
    act(fixture, fence, Action::DestroyFleet).await;
    // Another fleet of the name is asked for nothing.
    let fence = crate::contract::fence(fixture).await;
    act(fixture, fence, Action::Configure(fixture.settings())).await;
    assert_eq!(world(fixture).await.request, None);
    act(fixture, fence, Action::DestroyFleet).await;
}

fn intent(fixture: &dyn Fixture, size: u32) -> Intent {
    let launch = fixture.launch("1");
    let goal = FleetGoal {
        fingerprint: Fingerprint::of(&launch),
        launch: Some(launch),
        size,
        settings: fixture.settings(),
        retry: Some("again".to_owned()),
        replace_drifted: true,
        beyond: None,
    };
    let policy = Policy {
        strategy: Strategy::BlueGreen,
        streak: 2,
        steady: Duration::from_secs(5),
        settle: Duration::from_secs(10),
        bake: Duration::from_secs(60),
        alarms: vec!["errors".to_owned()],
        launch_deadline: Duration::from_secs(600),
        drain: Duration::from_secs(30),
        keep_previous: Duration::ZERO,
        keep_failed: false,
    };
    Intent::of(&goal, &policy)
}

pub async fn what_is_intended_is_left_by_the_holder_of_the_lease_alone(fixture: &dyn Fixture) {
    let cloud = fixture.cloud();
    assert_eq!(cloud.intent(&web()).await.unwrap(), None);
    let (first, second) = (intent(fixture, 2), intent(fixture, 3));
    let nobodys = cloud.leave_intent(&web(), Fence(1), &first).await;
    assert_eq!(nobodys.unwrap_err().kind, ErrorKind::Conflict);

    let short = Duration::from_secs(1);
    let lease = cloud.take_lease(&web(), &holder(), short).await.unwrap();
    act(fixture, lease.fence, Action::Configure(fixture.settings())).await;
    for _ in 0..2 {
        cloud
            .leave_intent(&web(), lease.fence, &first)
            .await
            .unwrap();
        assert_eq!(cloud.intent(&web()).await.unwrap().as_ref(), Some(&first));
    }
    fixture.pass(short + short).await;
    let other = Holder("someone else".to_owned());
    let fleet = web();
    let newer = cloud.take_lease(&fleet, &other, Duration::from_secs(600));
    let newer = newer.await.unwrap().fence;
    let late = cloud.leave_intent(&web(), lease.fence, &second).await;
    assert_eq!(late.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(cloud.intent(&web()).await.unwrap().as_ref(), Some(&first));
    cloud.leave_intent(&web(), newer, &second).await.unwrap();
    assert_eq!(cloud.intent(&web()).await.unwrap().as_ref(), Some(&second));
    // It stays when the lease is given back, and goes with the fleet.
    cloud.release_lease(&web(), newer).await.unwrap();
    assert_eq!(cloud.intent(&web()).await.unwrap().as_ref(), Some(&second));
    let fence = fence(fixture).await;
    act(fixture, fence, Action::DestroyFleet).await;
    assert_eq!(cloud.intent(&web()).await.unwrap(), None);
}

/// The members of the first generation.
async fn members(fixture: &dyn Fixture) -> Vec<Member> {
    world(fixture).await.generations[&FIRST].members.clone()
}

/// Takes a member out of the traffic for a person.
async fn park(fixture: &dyn Fixture, fence: Fence) -> Parked {
    let parked = Parked {
        member: members(fixture).await[0].id.clone(),
        generation: FIRST,
        release: ReleaseRef::Release(id("1")),
        by: "ana".to_owned(),
        reason: "it is slow".to_owned(),
        ticket: "OPS-7".to_owned(),
        until: world(fixture).await.now + Duration::from_secs(3600),
    };
    act(fixture, fence, Action::Park(parked.clone())).await;
    parked
}

/// Waits until as many members as before are well without one.
async fn replaced(fixture: &dyn Fixture, parked: &Parked) {
    let step = fixture.gets_healthy_within() / LOOKS;
    for _ in 0..LOOKS {
        let members = members(fixture).await;
        let others = members.iter().filter(|it| it.id != parked.member);
        if others.filter(|it| it.streak > 0).count() == 2 {
            return;
        }
        fixture.pass(step).await;
    }
    panic!("{parked:?} was not replaced: {:?}", world(fixture).await);
}

pub async fn a_member_that_a_person_looks_at_is_replaced_and_never_returns(fixture: &dyn Fixture) {
    let fence = serving(fixture).await;
    let parked = park(fixture, fence).await;
    assert_eq!(world(fixture).await.parked, std::slice::from_ref(&parked));
    replaced(fixture, &parked).await;
    let generation = world(fixture).await.generations[&FIRST].clone();
    assert_eq!((generation.wanted, generation.desired), (2, 2));
    let serves =
        |member: &Member| member.id == parked.member && member.state == MemberState::Running;
    assert!(!generation.members.iter().any(serves), "{generation:#?}");

    let gone = Action::Unpark {
        member: parked.member.clone(),
    };
    act(fixture, fence, gone).await;
    assert_eq!(world(fixture).await.parked, []);
    assert!(!members(fixture).await.iter().any(serves));
}

pub async fn a_fleet_goes_with_the_member_that_a_person_looks_at(fixture: &dyn Fixture) {
    let fence = serving(fixture).await;
    park(fixture, fence).await;
    act(fixture, fence, shift(Weights::new(), all_on(FIRST))).await;
    act(fixture, fence, Action::DrainGeneration { number: FIRST }).await;
    fixture.pass(fixture.settings().drain).await;
    let gone = Action::DestroyGeneration {
        number: FIRST,
        park: None,
    };
    act(fixture, fence, gone).await;
    act(fixture, fence, Action::DestroyFleet).await;
    let left = world(fixture).await;
    assert_eq!((left.settings, left.parked), (None, Vec::new()));
    // Another fleet of the name knows nothing of it.
    import(fixture, "1").await;
    let fence = crate::contract::fence(fixture).await;
    act(fixture, fence, Action::Configure(fixture.settings())).await;
    assert_eq!(world(fixture).await.parked, []);
    act(fixture, fence, Action::DestroyFleet).await;
}
