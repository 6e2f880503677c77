//! A listener for TCP, which a fleet has for itself.
//!
//! A network load balancer knows no rules: a listener forwards all that comes to the target groups of
//! its one action. A fleet takes that action over, and the target group that was there before gets
//! what none of the fleet's generations gets: nothing while the fleet serves, everything before it
//! does and after it is gone. So the listener is given back as it was found.

use super::{FleetRule, weight_of};
use crate::cloud::ErrorKind;
use crate::cloud::aws::call::{Calls, Targets};
use crate::cloud::aws::failure::{Failure, Result};
use crate::cloud::aws::names;
use crate::cloud::aws::record::FrontRecord;
use crate::model::FleetName;
use aws_sdk_elasticloadbalancingv2::types::{Listener, Rule};

/// Says why a fleet cannot take a listener over; absent: it can, or has.
pub(in super::super) async fn unclaimable(
    calls: &Calls,
    fleet: &FleetName,
    listener: &Listener,
) -> Result<Option<String>> {
    let arn = listener.listener_arn().unwrap_or_default();
    let tags = calls.balancing_tags(arn).await?;
    match tags.get(names::FLEET) {
        Some(owner) if owner == fleet.as_str() => return Ok(None),
        Some(owner) => {
            return Ok(Some(format!(
                "it is the fleet {owner}'s: a fleet has a listener for TCP for itself"
            )));
        }
        None => {}
    }
    let Some(group) = served(listener) else {
        return Ok(Some(
            "its default action forwards to several target groups or to none: a fleet takes over a \
             listener that forwards to one without targets, and gives it back so"
                .to_owned(),
        ));
    };
    let targets = calls.target_health(&group).await?.unwrap_or_default();
    Ok((!targets.is_empty()).then(|| {
        format!(
            "it serves {} targets of {group}, which would be cut off: a fleet has a listener for TCP \
             for itself. Take one whose target group is empty",
            targets.len()
        )
    }))
}

/// The one target group that a listener sends everything to. A lone one gets everything whatever its
/// weight says.
fn served(listener: &Listener) -> Option<String> {
    let actions = listener.default_actions().to_vec();
    let rule = Rule::builder().set_actions(Some(actions)).build();
    let groups = super::tuples(&rule);
    if let [(group, _)] = groups.as_slice() {
        return Some(group.clone());
    }
    let mut serving = groups
        .into_iter()
        .filter(|(_, weight)| weight_of(*weight) > 0);
    let first = serving.next();
    first
        .filter(|_| serving.next().is_none())
        .map(|(group, _)| group)
}

impl FleetRule<'_> {
    /// The target group that gets what the fleet does not. Once the listener is ours it is the one
    /// that was found then.
    pub(super) async fn fallback(
        &self,
        listener: &Listener,
        same: Option<&FrontRecord>,
    ) -> Result<String> {
        let claimed = same.filter(|there| there.rule.is_some());
        if let Some(fallback) = claimed.and_then(|there| there.fallback.clone()) {
            return Ok(fallback);
        }
        let refused = |words| Failure::refused(ErrorKind::Invalid, words);
        if let Some(why) = unclaimable(self.calls, self.fleet, listener).await? {
            return Err(refused(format!("traffic.listener: {why}")));
        }
        served(listener).ok_or_else(|| {
            refused("traffic.listener forwards to no single target group".to_owned())
        })
    }

    /// Takes the listener over. The tag comes first: from then on no other fleet does.
    pub(super) async fn claimed(
        &self,
        front: &FrontRecord,
        targets: &Targets,
    ) -> Result<FrontRecord> {
        let arn = &front.listener;
        let tags = self.calls.balancing_tags(arn).await?;
        match tags.get(names::FLEET) {
            Some(owner) if owner != self.fleet.as_str() => {
                let words = format!("traffic.listener became the fleet {owner}'s meanwhile");
                return Err(Failure::refused(ErrorKind::Invalid, words));
            }
            Some(_) | None => self.calls.tag_balancing(arn, &self.tags()).await?,
        }
        self.write_listener(front, arn, targets).await?;
        Ok(FrontRecord {
            rule: Some(arn.clone()),
            ..front.clone()
        })
    }

    pub(super) async fn write_listener(
        &self,
        front: &FrontRecord,
        arn: &str,
        targets: &Targets,
    ) -> Result<()> {
        let mut all = targets.clone();
        let is_ours = targets.iter().any(|(_, weight)| weight_of(*weight) > 0);
        let rest = front
            .fallback
            .iter()
            .map(|fallback| (fallback.clone(), i32::from(!is_ours)));
        all.extend(rest);
        self.calls.modify_listener(arn, &all).await
    }

    /// Gives the listener back as it was found.
    pub(super) async fn given_back(&self, front: &FrontRecord, arn: &str) -> Result<()> {
        match self.write_listener(front, arn, &Targets::new()).await {
            // The listener is gone, and what it forwarded with it.
            Err(failure) if failure.has_code("ListenerNotFound") => return Ok(()),
            other => other?,
        }
        self.calls.untag_balancing(arn, &self.tags()).await
    }
}
