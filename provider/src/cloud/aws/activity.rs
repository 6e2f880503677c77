//! What a group's activities tell of members that came to nothing.

use super::launch_failure::{LaunchFailure, Way};
use super::memory;
use crate::model::{MemberId, Timestamp};
use crate::rollout::{Member, MemberState};
use aws_sdk_autoscaling::types::{Activity, AutoScalingGroup, ScalingActivityStatusCode};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a failed member is shown: long enough for a rollout to see several in a row, and no
/// longer than it takes to look at one.
const REMEMBERED: Duration = Duration::from_secs(900);

/// What AWS says where members end that are not wanted any more.
const WANTED: [&str; 2] = ["user request", "shrinking the capacity"];

/// What failed, and what may yet come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// Members that could not be started or were found ill and ended.
    pub(super) failed: Vec<Member>,
    /// The newest launch that did not happen for want of room.
    pub(super) waiting: Option<Member>,
}

/// When a group came to be, by AWS's clock, which its activities go by too; they are told to the second.
pub(super) fn begin(group: &AutoScalingGroup, recorded: Timestamp) -> Timestamp {
    let told = group.created_time().map(aws_smithy_types::DateTime::secs);
    let told = told.and_then(|seconds| u64::try_from(seconds).ok());
    told.map_or(recorded, |seconds| {
        Timestamp::from_milliseconds(seconds * 1000)
    })
}

/// How far back the activities of a group that came to be `since` are of any interest.
pub(super) fn back_to(since: Timestamp, now: Timestamp) -> Timestamp {
    let earliest = now
        .milliseconds()
        .saturating_sub(REMEMBERED.as_secs() * 1000);
    since.max(Timestamp::from_milliseconds(earliest))
}

/// Reads a group's activities, the newest first, as far back as `since`.
pub(super) fn told(activities: &[Activity], since: Timestamp, now: Timestamp) -> Told {
    let mut told = Told::default();
    let taken: BTreeSet<MemberId> = activities.iter().filter_map(taken_away).collect();
    for activity in activities {
        let at = activity.start_time().map_or(now, super::look::time);
        if at < since || now.since(at) > REMEMBERED {
            continue;
        }
        let description = activity.description().unwrap_or_default();
        if description.starts_with("Launching") {
            if !is_taken_back(activity, &taken) {
                launch(activity, (at, since, now), &mut told);
            }
        } else if let Some(member) = ended(activity, description, at) {
            told.failed.push(member);
        }
    }
    // One that failed to come up is ended after that, which is the same failure once more.
    let mut seen = BTreeSet::new();
    told.failed.retain(|member| seen.insert(member.id.clone()));
    told
}

/// The member that an activity ends because there are to be fewer, or because someone asked for it.
fn taken_away(activity: &Activity) -> Option<MemberId> {
    let description = activity.description()?;
    let cause = activity.cause()?;
    let is_wanted = WANTED.iter().any(|words| cause.contains(words));
    (description.starts_with("Terminating") && is_wanted && !is_illness(cause))
        .then(|| instance_in(description))
        .flatten()
}

/// Whether a launch was cancelled because its member was not wanted any more: that is nobody's failure.
fn is_taken_back(activity: &Activity, taken: &BTreeSet<MemberId>) -> bool {
    let is_cancelled = activity.status_code() == Some(&ScalingActivityStatusCode::Cancelled);
    let id = instance_in(activity.description().unwrap_or_default());
    is_cancelled && id.is_none_or(|id| taken.contains(&id))
}

fn is_illness(cause: &str) -> bool {
    cause.contains("health check")
}

fn launch(
    activity: &Activity,
    (at, since, now): (Timestamp, Timestamp, Timestamp),
    told: &mut Told,
) {
    let has_failed = matches!(
        activity.status_code(),
        Some(ScalingActivityStatusCode::Failed | ScalingActivityStatusCode::Cancelled)
    );
    if !has_failed {
        return;
    }
    let words = activity
        .status_message()
        .or(activity.cause())
        .unwrap_or("AWS gives no reason");
    // A launch that got as far as an instance has a console that may tell more.
    let description = activity.description().unwrap_or_default();
    let id = instance_in(description)
        .unwrap_or_else(|| memory::launch(activity.activity_id().unwrap_or_default()));
    let failure = LaunchFailure::of(words);
    match failure.way(now.since(since)) {
        Way::Waits => {
            if told.waiting.is_none() {
                let words = format!("it is not launched yet: {failure}");
                told.waiting = Some(member(id, MemberState::Launching, at, words));
            }
        }
        Way::GivesUp => {
            let words = format!("could not be launched: {failure}");
            told.failed.push(member(id, MemberState::Failed, at, words));
        }
    }
}

/// The instance that an activity is about; absent: it names none.
fn instance_in(description: &str) -> Option<MemberId> {
    let mut words = description.split_whitespace();
    let id = words.find(|word| word.starts_with("i-"))?;
    Some(MemberId(id.trim_end_matches(['.', ',']).to_owned()))
}

/// A member that its group ended for being ill. One that we or a person ended did not fail.
fn ended(activity: &Activity, description: &str, at: Timestamp) -> Option<Member> {
    let cause = activity.cause()?;
    if !is_illness(cause) {
        return None;
    }
    let id = instance_in(description)?;
    Some(member(id, MemberState::Failed, at, cause.to_owned()))
}

fn member(id: MemberId, state: MemberState, launched_at: Timestamp, words: String) -> Member {
    Member {
        id,
        state,
        launched_at,
        streak: 0,
        healthy_since: None,
        ill_since: None,
        last_error: Some(words),
        drift: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::DateTime;

    fn activity(code: ScalingActivityStatusCode, description: &str, words: &str) -> Activity {
        Activity::builder()
            .activity_id("a-1")
            .description(description)
            .status_code(code)
            .status_message(words)
            .cause(words)
            .start_time(DateTime::from_secs(1000))
            .build()
    }

    fn read(activity: Activity) -> Told {
        told(
            &[activity],
            Timestamp::default(),
            Timestamp::from_milliseconds(1_100_000),
        )
    }

    #[test]
    fn want_of_room_may_pass_and_a_bad_image_does_not() {
        let launching = "Launching a new EC2 instance.";
        let room = "We currently do not have sufficient m7g.large capacity";
        let waiting = read(activity(ScalingActivityStatusCode::Failed, launching, room));
        assert!(waiting.failed.is_empty());
        assert_eq!(
            waiting.waiting.map(|member| member.state),
            Some(MemberState::Launching)
        );
        let image = "The image id '[ami-1]' does not exist. Launching EC2 instance failed.";
        let failed = read(activity(
            ScalingActivityStatusCode::Failed,
            launching,
            image,
        ));
        assert_eq!(failed.failed.len(), 1);
        assert_eq!(failed.waiting, None);
    }

    #[test]
    fn a_member_that_was_found_ill_failed_and_one_that_was_asked_to_go_did_not() {
        let description = "Terminating EC2 instance: i-0abc";
        let ill = "an instance was taken out of service in response to an ELB system health check failure.";
        let told = read(activity(
            ScalingActivityStatusCode::Successful,
            description,
            ill,
        ));
        assert_eq!(
            told.failed.first().map(|member| member.id.0.as_str()),
            Some("i-0abc")
        );
        let asked = "a user request shrank the group";
        let told = read(activity(
            ScalingActivityStatusCode::Successful,
            description,
            asked,
        ));
        assert_eq!(told, Told::default());
    }

    #[test]
    fn a_launch_that_got_as_far_as_an_instance_is_that_instance_once() {
        let words = "Instance became unhealthy while waiting for instance to be in InService state. \
                     Termination Reason: Client.InternalError: Client error on launch";
        let launched = activity(
            ScalingActivityStatusCode::Cancelled,
            "Launching a new EC2 instance: i-0abc. Status Reason: it became unhealthy",
            words,
        );
        let ended = activity(
            ScalingActivityStatusCode::Successful,
            "Terminating EC2 instance: i-0abc",
            "an instance was taken out of service in response to an EC2 health check.",
        );
        let now = Timestamp::from_milliseconds(1_100_000);
        let told = told(&[ended, launched], Timestamp::default(), now);
        let ids: Vec<&str> = told.failed.iter().map(|it| it.id.0.as_str()).collect();
        assert_eq!(ids, ["i-0abc"]);
    }

    #[test]
    fn a_launch_that_was_taken_back_is_no_failure() {
        let cancelled = |description: &str| {
            activity(
                ScalingActivityStatusCode::Cancelled,
                description,
                "It was cancelled",
            )
        };
        let launched = "Launching a new EC2 instance: i-0abc";
        let ended_for = |cause: &str| {
            let description = "Terminating EC2 instance: i-0abc";
            activity(ScalingActivityStatusCode::InProgress, description, cause)
        };
        let now = Timestamp::from_milliseconds(1_100_000);
        let failed = |activities: &[Activity]| told(activities, Timestamp::default(), now).failed;
        for cause in [
            "At 2026-01-01T00:00:00Z instance i-0abc was taken out of service in response to a user \
             request, shrinking the capacity from 2 to 1.",
            "an instance was taken out of service in response to a difference between desired and \
             actual capacity, shrinking the capacity from 3 to 1.",
        ] {
            assert_eq!(
                failed(&[ended_for(cause), cancelled(launched)]),
                [],
                "{cause}"
            );
        }
        assert_eq!(failed(&[cancelled("Launching a new EC2 instance")]), []);
        let ill = "an instance was taken out of service in response to an EC2 health check.";
        let abandoned = "its launch was abandoned by a lifecycle hook.";
        for cause in [ill, abandoned] {
            let failed = failed(&[ended_for(cause), cancelled(launched)]);
            assert_eq!(failed.len(), 1, "{cause}");
        }
    }

    #[test]
    fn what_is_long_past_is_not_told() {
        let failed = activity(ScalingActivityStatusCode::Failed, "Launching", "bad image");
        let late = Timestamp::from_milliseconds(2_000_000_000);
        assert_eq!(told(&[failed], Timestamp::default(), late), Told::default());
    }
}
