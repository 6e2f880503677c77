//! Members of Auto Scaling groups, taken out by name.
//!
//! Auto Scaling tells as one and the same ValidationError that a member is gone, that it does not serve
//! yet and that a request makes no sense: its words alone say which.

use super::{Calls, said};
use crate::cloud::aws::failure::{self, Failure, Result};
use futures_util::future::join_all;

/// As many members are ended by one call.
pub(in super::super) const ENDED_AT_ONCE: u32 = 100;

/// So many calls are under way at a time where each member takes one.
const CALLS_AT_ONCE: usize = 10;

/// What AWS says of a member that is not in its group any more, and of one whose end its group has
/// taken into account already: a group with more members than it shall have lets them go by itself.
const DONE: [&str; 3] = [
    "instance id not found",
    "is not part of auto scaling group",
    "min size constraint",
];

/// What AWS says of a member that can be taken out a little later.
const TOO_EARLY: [&str; 1] = ["is not in inservice"];

impl Calls {
    /// Terminates members that shall not be replaced, [`ENDED_AT_ONCE`] at most; those that are gone
    /// are fine.
    ///
    /// AWS takes several together or refuses them for the sake of one; and where it does not know yet
    /// that there may be several, each is ended by itself.
    pub(in super::super) async fn end_members(&self, group: &str, ids: &[String]) -> Result<()> {
        if ids.len() > 1 {
            match self.end_together(group, ids).await {
                Err(failure) if failure.has_code("ValidationError") => {}
                other => return other,
            }
        }
        for some in ids.chunks(CALLS_AT_ONCE) {
            failure::all(join_all(some.iter().map(|id| self.end_member(id))).await)?;
        }
        Ok(())
    }

    async fn end_together(&self, group: &str, ids: &[String]) -> Result<()> {
        let answer = self
            .groups
            .terminate_instance_in_auto_scaling_group()
            .auto_scaling_group_name(group)
            .set_instance_ids(Some(ids.to_vec()))
            .should_decrement_desired_capacity(true)
            .send()
            .await;
        said("autoscaling:TerminateInstanceInAutoScalingGroup", answer).map(drop)
    }

    async fn end_member(&self, id: &str) -> Result<()> {
        let answer = self
            .groups
            .terminate_instance_in_auto_scaling_group()
            .instance_id(id)
            .should_decrement_desired_capacity(true)
            .send()
            .await;
        let said = said("autoscaling:TerminateInstanceInAutoScalingGroup", answer);
        taken_out(said.map(drop))
    }

    /// Takes a member out of its group, running; with a `replacement` the group starts another one in
    /// its place. It leaves some time later; one that has left is fine.
    pub(in super::super) async fn detach_member(
        &self,
        group: &str,
        id: &str,
        replacement: bool,
    ) -> Result<()> {
        let answer = self
            .groups
            .detach_instances()
            .auto_scaling_group_name(group)
            .instance_ids(id)
            .should_decrement_desired_capacity(!replacement)
            .send()
            .await;
        taken_out(said("autoscaling:DetachInstances", answer).map(drop))
    }
}

/// What became of a member that was to be taken out.
fn taken_out(result: Result<()>) -> Result<()> {
    match result {
        Err(failure) if says(&failure, &DONE) => Ok(()),
        Err(failure) if says(&failure, &TOO_EARLY) => Err(failure.passing()),
        other => other,
    }
}

/// Whether a ValidationError says one of these, which are in lower case.
pub(super) fn says(failure: &Failure, words: &[&str]) -> bool {
    let said = failure.to_string().to_lowercase();
    failure.has_code("ValidationError") && words.iter().any(|words| said.contains(words))
}
