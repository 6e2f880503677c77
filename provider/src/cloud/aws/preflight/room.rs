//! What a load balancer has room for.
//!
//! Its quotas are counted as far as they can be seen from here: what other listeners of it have comes
//! on top. Only where AWS's usual number is exceeded it is asked which one this account has.

use super::{Ahead, unasked, wrong};
use crate::cloud::{Finding, Subject};
use crate::model::{Front, Protocol};
use aws_sdk_ec2::types::Subnet;
use aws_sdk_elasticloadbalancingv2::types::{LoadBalancer, Rule};
use std::collections::{BTreeMap, BTreeSet};

/// A quota of a load balancer.
#[derive(Debug, Clone, Copy)]
struct Quota {
    /// As AWS calls it.
    name: &'static str,
    usual: u64,
    /// AWS raises it for who asks.
    can_be_raised: bool,
}

const RULES: Quota = Quota {
    name: "rules-per-application-load-balancer",
    usual: 100,
    can_be_raised: true,
};
const TARGET_GROUPS: Quota = Quota {
    name: "target-groups-per-application-load-balancer",
    usual: 100,
    can_be_raised: false,
};
const TARGETS: Quota = Quota {
    name: "targets-per-application-load-balancer",
    usual: 1000,
    can_be_raised: true,
};
/// With cross-zone load balancing it counts for all zones together.
const NETWORK_TARGETS: Quota = Quota {
    name: "targets-per-availability-zone-per-network-load-balancer",
    usual: 500,
    can_be_raised: true,
};

impl Ahead<'_> {
    /// Looks for room for what is about to come.
    pub(super) async fn room_found(
        &self,
        front: &Front,
        balancer: Option<&LoadBalancer>,
    ) -> Vec<Finding> {
        let found = match front.protocol {
            Protocol::Http => self.application_found(front).await,
            Protocol::Tcp => self.network_targets_found(balancer).await,
        };
        found.unwrap_or_else(|finding| vec![finding])
    }

    async fn application_found(&self, front: &Front) -> Result<Vec<Finding>, Finding> {
        let rules = self.known.rules.one(&front.listener).await;
        let rules = rules.map_err(|failure| unasked(Subject::Priority, &failure))?;
        let rules = rules.unwrap_or_default();
        let has_rule = self
            .record
            .and_then(|record| record.front.as_ref())
            .is_some_and(|there| there.rule.is_some() && there.listener == front.listener);
        let others = rules.iter().filter(|rule| rule.is_default() != Some(true));
        let has_group = self.is_begun || self.wish.launch.is_none();
        let needs = [
            (RULES, count(others) + u64::from(!has_rule), "rules"),
            (
                TARGET_GROUPS,
                count(groups_of(&rules)) + u64::from(!has_group),
                "target groups",
            ),
            (TARGETS, self.members(), "targets"),
        ];
        let mut found = Vec::new();
        for (quota, needed, what) in needs {
            found.extend(self.beyond(quota, 1, (needed, what)).await?);
        }
        Ok(found)
    }

    async fn network_targets_found(
        &self,
        balancer: Option<&LoadBalancer>,
    ) -> Result<Vec<Finding>, Finding> {
        let members = self.members();
        let Some(balancer) = balancer.filter(|_| members > NETWORK_TARGETS.usual) else {
            return Ok(Vec::new());
        };
        let arn = balancer.load_balancer_arn().unwrap_or_default();
        let is_one = self.calls.is_cross_zone(arn).await;
        let is_one = is_one.map_err(|failure| unasked(Subject::Listener, &failure))?;
        let places = if is_one {
            1
        } else {
            count(balancer.availability_zones()).max(1)
        };
        let found = self.beyond(NETWORK_TARGETS, places, (members, "targets"));
        Ok(found.await?.into_iter().collect())
    }

    /// The members of today and those that come beside them.
    fn members(&self) -> u64 {
        let records = self.record.into_iter();
        let generations = records.flat_map(|record| record.generations.values());
        let today: u64 = generations
            .map(|generation| u64::from(generation.wanted))
            .sum();
        let more = if self.is_begun {
            0
        } else {
            self.wish.more_members
        };
        today + u64::from(more)
    }

    /// Says what a quota does not allow; it counts once for each of so many places.
    async fn beyond(
        &self,
        quota: Quota,
        places: u64,
        (needed, what): (u64, &str),
    ) -> Result<Option<Finding>, Finding> {
        if needed <= quota.usual * places {
            return Ok(None);
        }
        let own = if quota.can_be_raised {
            self.known.limit(self.calls, quota.name).await
        } else {
            Ok(None)
        };
        let own = own.map_err(|failure| unasked(Subject::Listener, &failure))?;
        let most = own.unwrap_or(quota.usual) * places;
        let advice = if quota.can_be_raised {
            "ask AWS for more, or use another load balancer"
        } else {
            "AWS does not raise this, so use another load balancer"
        };
        Ok((needed > most).then(|| {
            let words = format!(
                "It takes {needed} {what} of its load balancer at least, which has room for {most} \
                 ({}): {advice}.",
                quota.name
            );
            wrong(Subject::Listener, words)
        }))
    }
}

/// A load balancer asks members in its own zones alone: those elsewhere get nothing, for ever `unused`
/// (`Target.NotInUse`).
pub(super) fn zones_found(
    subnets: &BTreeMap<String, Subnet>,
    balancer: &LoadBalancer,
) -> Vec<Finding> {
    let zones = balancer.availability_zones().iter();
    let theirs: BTreeSet<&str> = zones.filter_map(|zone| zone.zone_name()).collect();
    // What lies in another VPC is no matter of zones.
    let is_elsewhere = |subnet: &&Subnet| {
        let zone = subnet.availability_zone();
        let shares_vpc = subnet.vpc_id() == balancer.vpc_id();
        shares_vpc && !theirs.is_empty() && zone.is_some_and(|zone| !theirs.contains(zone))
    };
    let found = subnets.values().filter(is_elsewhere).map(|subnet| {
        let words = format!(
            "{} is in {}, and the listener's load balancer is in {} alone: members there would never \
             get a request. Leave the subnet out, or enable the zone for the load balancer.",
            subnet.subnet_id().unwrap_or_default(),
            subnet.availability_zone().unwrap_or_default(),
            theirs.iter().copied().collect::<Vec<_>>().join(", ")
        );
        wrong(Subject::Subnets, words)
    });
    found.collect()
}

fn count<T>(things: impl IntoIterator<Item = T>) -> u64 {
    things.into_iter().fold(0, |sum, _| sum + 1)
}

/// The target groups that rules forward to.
fn groups_of(rules: &[Rule]) -> BTreeSet<&str> {
    let actions = rules.iter().flat_map(Rule::actions);
    let arns = actions.flat_map(|action| {
        let several = action.forward_config().into_iter();
        let several = several.flat_map(|forward| forward.target_groups());
        let several = several.filter_map(|group| group.target_group_arn());
        several.chain(action.target_group_arn())
    });
    arns.collect()
}
