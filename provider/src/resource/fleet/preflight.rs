//! A look at the cloud before anything is written, in the plan and again in the apply.
//!
//! It only finds fault. What is planned is the same whatever it sees, because a plan runs twice and
//! has to agree; and it asks for nothing where nothing will be done.

use super::attributes::{Aws, Fleet};
use super::goal;
use crate::cloud::{Doubt, Finding, LaunchWish, Subject, Wish};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{AwsLaunch, Platform};
use crate::resource::site::{CloudKind, Site};
use crate::rollout::Forecast;
use crate::schema::{Maybe, Planned};
use crate::value::Path;

/// What a forecast will ask of the cloud; absent: nothing that could be looked at before.
/// `is_reheard` tells that other alarms are to be listened to.
pub(super) fn whole(
    want: &Fleet,
    site: &Site,
    forecast: &Forecast,
    is_reheard: bool,
) -> Option<Wish> {
    let goal = want.goal(site);
    let launch = goal.launch.filter(|_| forecast.makes_generation);
    let launch = launch.map(|launch| LaunchWish {
        release: Some(launch.release.clone()),
        platform: Some(launch.platform.clone()),
        whole: Some(launch),
    });
    let alarms = want.rollout.alarms.clone().unwrap_or_default();
    let hears = launch.is_some() || is_reheard;
    let wish = Wish {
        fleet: want.name.clone(),
        more_members: forecast.most_running.saturating_sub(forecast.running),
        front: goal.settings.front.filter(|_| forecast.configures),
        alarms: if hears { alarms } else { Vec::new() },
        launch,
    };
    asks_anything(&wish).then_some(wish)
}

/// What can be said of a fleet that is not wholly known yet; absent: nothing.
pub(super) fn part(planned: &Fleet<Planned>, kind: CloudKind) -> Option<Wish> {
    let aws = planned.aws.given().filter(|_| kind == CloudKind::Aws);
    let rollout = planned.rollout.known();
    let alarms = rollout.and_then(|rollout| rollout.alarms.given());
    let wish = Wish {
        fleet: planned.name.known()?.clone(),
        launch: Some(LaunchWish {
            release: planned.release.known().map(|it| it.release().clone()),
            platform: aws.map(|aws| Platform::Aws(known_launch(aws))),
            whole: None,
        }),
        more_members: 0,
        front: planned.traffic.given().and_then(goal::known_front),
        alarms: alarms.map(Vec::as_slice).map(known).unwrap_or_default(),
    };
    Some(wish)
}

fn asks_anything(wish: &Wish) -> bool {
    let Wish {
        fleet: _,
        launch,
        more_members,
        front,
        alarms,
    } = wish;
    launch.is_some() || *more_members > 0 || front.is_some() || !alarms.is_empty()
}

fn known_launch(aws: &Aws<Planned>) -> AwsLaunch {
    let list = |list: &Maybe<Vec<Maybe<String>>>| list.known().map(Vec::as_slice).map(known);
    let groups = aws.security_group_ids.given();
    AwsLaunch {
        instance_types: list(&aws.instance_types).unwrap_or_default(),
        subnet_ids: list(&aws.subnet_ids).unwrap_or_default(),
        security_group_ids: groups.map(Vec::as_slice).map(known).unwrap_or_default(),
        ..AwsLaunch::default()
    }
}

fn known(texts: &[Maybe<String>]) -> Vec<String> {
    texts.iter().filter_map(Maybe::known).cloned().collect()
}

/// Looks ahead in a plan. What another resource may make in the same apply is no error yet.
pub(super) async fn in_plan(site: &Site, wish: &Wish) -> Diagnostics {
    let found = site.cloud.preflight(wish).await;
    found.iter().filter_map(told_in_plan).collect()
}

/// Looks once more before the first write: now all must be there. What cannot be looked at is left
/// to the apply itself, which asks again for as long as it may.
pub(super) async fn in_apply(site: &Site, wish: Option<Wish>) -> Diagnostics {
    let Some(wish) = wish else {
        return Diagnostics::none();
    };
    let found = site.cloud.preflight(&wish).await;
    let stands = found.iter().filter(|it| it.doubt != Doubt::Unread);
    stands.map(wrong).collect()
}

fn told_in_plan(finding: &Finding) -> Option<Diagnostic> {
    let path = path(finding.about);
    match finding.doubt {
        Doubt::Wrong => Some(wrong(finding)),
        // Every new version is missing when it is planned: the same apply releases it.
        Doubt::Missing if finding.about == Subject::Release => None,
        Doubt::Missing => Some(
            Diagnostic::warning(
                format!("Not there yet: {path}"),
                format!(
                    "{}\n\nIf nothing in this apply makes it, the apply will fail before it changes \
                     anything of the fleet.",
                    finding.why
                ),
            )
            .at(path),
        ),
        Doubt::Unread => Some(
            Diagnostic::warning(
                format!("Could not look ahead: {path}"),
                format!("{}\n\nThe apply will look again.", finding.why),
            )
            .at(path),
        ),
    }
}

fn wrong(finding: &Finding) -> Diagnostic {
    Diagnostic::invalid(path(finding.about), finding.why.clone())
}

fn path(about: Subject) -> Path {
    let aws = |name| Path::of("aws").attribute(name);
    let traffic = |name| Path::of("traffic").attribute(name);
    match about {
        Subject::Fleet => Path::of("name"),
        Subject::Release => Path::of("release"),
        Subject::InstanceTypes => aws("instance_types"),
        Subject::Subnets => aws("subnet_ids"),
        Subject::SecurityGroups => aws("security_group_ids"),
        Subject::UserData => aws("user_data"),
        Subject::RootVolume => aws("root_volume"),
        Subject::Tags => Path::of("tags"),
        Subject::Size => Path::of("size"),
        Subject::Listener => traffic("listener"),
        Subject::Protocol => traffic("protocol"),
        Subject::Priority => traffic("priority"),
        Subject::Conditions => Path::of("traffic"),
        Subject::Alarms => Path::of("rollout").attribute("alarms"),
    }
}
