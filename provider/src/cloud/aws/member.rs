//! One member, as its group, EC2 and its generation's record tell it.

use super::memory::Facts;
use super::record::GenerationRecord;
use super::streaks::Found;
use crate::model::Timestamp;
use crate::rollout::MemberState;
use aws_sdk_autoscaling::types::{Instance, LifecycleHook, LifecycleState};
use std::time::Duration;

/// What is known of one member.
pub(super) struct MemberLook<'a> {
    pub(super) facts: Option<&'a Facts>,
    pub(super) found: Option<&'a Found>,
    pub(super) generation: &'a GenerationRecord,
    pub(super) hooks: &'a [LifecycleHook],
    pub(super) is_going: bool,
}

impl MemberLook<'_> {
    /// Where it is in its life.
    pub(super) fn state(&self, instance: &Instance) -> MemberState {
        let state = instance.lifecycle_state().map(LifecycleState::as_str);
        let state = state.unwrap_or("Pending");
        if self.is_going || state.starts_with("Terminat") || state.starts_with("Detach") {
            return MemberState::Leaving;
        }
        if state.contains("Standby") {
            return MemberState::Parked;
        }
        if state != "InService" {
            return MemberState::Launching;
        }
        match self.facts {
            Some(facts) if !facts.is_alive => MemberState::Failed,
            Some(_) | None => MemberState::Running,
        }
    }

    /// What a lifecycle hook of its group holds it for; absent: none does.
    pub(super) fn held(&self, instance: &Instance, launched_at: Timestamp) -> Option<String> {
        let (hooks, until) = match instance.lifecycle_state()?.as_str() {
            "Pending:Wait" => (of(self.hooks, "LAUNCHING"), Some(launched_at)),
            "Terminating:Wait" => (of(self.hooks, "TERMINATING"), None),
            _ => return None,
        };
        Some(held_by(&hooks, until))
    }

    /// How a member differs from what its generation's are made from.
    pub(super) fn drift(&self) -> Option<String> {
        let facts = self.facts?;
        if facts.image_id != self.generation.image_id {
            return Some(format!(
                "runs {} instead of {}",
                facts.image_id, self.generation.image_id
            ));
        }
        let mut wanted = self.generation.security_group_ids.clone();
        wanted.sort_unstable();
        wanted.dedup();
        let differs = !wanted.is_empty() && wanted != facts.security_group_ids && facts.is_alive;
        differs.then(|| {
            format!(
                "has the security groups {} instead of {}",
                facts.security_group_ids.join(", "),
                wanted.join(", ")
            )
        })
    }
}

fn of<'a>(hooks: &'a [LifecycleHook], transition: &str) -> Vec<&'a LifecycleHook> {
    let of = |hook: &&LifecycleHook| {
        let there = hook.lifecycle_transition();
        there.is_some_and(|there| there.ends_with(transition))
    };
    hooks.iter().filter(of).collect()
}

/// Who is waited for, and until when; an absent `since` leaves only how long.
fn held_by(hooks: &[&LifecycleHook], since: Option<Timestamp>) -> String {
    let words = hooks.iter().map(|hook| {
        let name = hook.lifecycle_hook_name().unwrap_or("without a name");
        let seconds = hook.heartbeat_timeout().unwrap_or_default();
        let longest = Duration::from_secs(u64::from(seconds.unsigned_abs()));
        let until = since.map_or_else(
            || format!("for {} at most", humantime::format_duration(longest)),
            |since| format!("until {}", since + longest),
        );
        let then = hook.default_result().unwrap_or("ABANDON");
        format!("the lifecycle hook {name} {until} unless it is prolonged, then {then}")
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() {
        return "it waits for a lifecycle hook of its group".to_owned();
    }
    format!("it waits for {}", words.join(" and for "))
}
