//! Members that a person looks at: out of their group and its target group, tagged with who and why.

use super::failure::Result;
use super::names::{self, Tags};
use super::turn::Turn;
use super::written::Entry;
use crate::model::MemberId;
use crate::rollout::Parked;
use aws_sdk_autoscaling::types::Instance;

impl Turn<'_> {
    /// Takes a member out of its group, which starts another one in its place. It is written down
    /// first: an instance that nobody knows of would run for ever.
    pub(super) async fn park_for(&self, entry: Entry, parked: &Parked) -> Result<()> {
        let group = names::generation(self.fleet, parked.generation);
        let there = self.calls.group(&group).await?;
        let instances = there.iter().flat_map(|group| group.instances());
        // One that leaves was taken out before.
        let mut ids = instances
            .filter(|instance| !is_detaching(instance))
            .filter_map(|instance| instance.instance_id());
        if !ids.any(|id| id == parked.member.0) {
            return Ok(());
        }
        self.calls.tag(&parked.member.0, &self.tags(parked)).await?;
        let mut next = entry.record.clone();
        next.looked_at.retain(|it| it.member != parked.member);
        next.looked_at.push(parked.clone());
        self.write(&entry, next).await?;
        let calls = self.calls;
        calls.detach_member(&group, &parked.member.0, true).await
    }

    /// Terminates a member that somebody has looked at.
    pub(super) async fn unpark(&self, entry: Entry, member: &MemberId) -> Result<()> {
        self.calls.terminate(&member.0).await?;
        let mut next = entry.record.clone();
        next.looked_at.retain(|it| it.member != *member);
        self.write(&entry, next).await.map(drop)
    }

    /// What a person who finds the instance must know.
    fn tags(&self, parked: &Parked) -> Tags {
        let tag = |name: &str, value: &str| (name.to_owned(), names::printable(value));
        Tags::from([
            tag(names::PARKED, self.fleet.as_str()),
            tag("immutable:parked-by", &parked.by),
            tag("immutable:parked-reason", &parked.reason),
            tag("immutable:parked-ticket", &parked.ticket),
            tag("immutable:parked-until", &parked.until.to_string()),
        ])
    }
}

fn is_detaching(instance: &Instance) -> bool {
    let state = instance.lifecycle_state();
    state.is_some_and(|state| state.as_str().starts_with("Detach"))
}
