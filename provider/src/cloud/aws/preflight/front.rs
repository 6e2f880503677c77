//! Where a fleet's traffic comes in.

use super::launch::vpcs_of;
use super::room::zones_found;
use super::{Ahead, capital, listed, unasked, wrong};
use crate::cloud::aws::front::unclaimable;
use crate::cloud::aws::names;
use crate::cloud::{Finding, Subject};
use crate::model::{Front, Protocol};
use aws_sdk_elasticloadbalancingv2::types::{
    Listener, LoadBalancer, LoadBalancerTypeEnum, ProtocolEnum,
};

/// A rule's conditions hold at most so many values in all.
const MOST_VALUES: usize = 5;

impl Ahead<'_> {
    /// Looks at the listener and at the place of the fleet's rule among the listener's.
    pub(super) async fn front(&self) -> Vec<Finding> {
        let Some(front) = &self.wish.front else {
            return Vec::new();
        };
        let listener = match self.listener(front).await {
            Ok(listener) => listener,
            Err(finding) => return vec![finding],
        };
        let balancer = listener.load_balancer_arn().unwrap_or_default();
        let balancer = match self.known.balancers.one(balancer).await {
            Ok(balancer) => balancer,
            Err(failure) => return vec![unasked(Subject::Listener, &failure)],
        };
        let mut found = kind_found(front, &listener, balancer.as_ref());
        if found.is_empty() {
            found.extend(conditions_found(front));
            found.extend(self.network_found(balancer.as_ref()).await);
            found.extend(self.room_found(front, balancer.as_ref()).await);
            found.extend(match front.protocol {
                Protocol::Http => self.place_found(front).await,
                Protocol::Tcp => self.claim_found(&listener).await,
            });
        }
        found
    }

    async fn listener(&self, front: &Front) -> Result<Listener, Finding> {
        let arn = &front.listener;
        let region = &self.calls.region;
        if let Some(there) = arn.split(':').nth(3).filter(|there| there != region) {
            let words = format!("{arn} is in {there}, and the provider works in {region}.");
            return Err(wrong(Subject::Listener, words));
        }
        match self.known.listeners.one(arn).await {
            Ok(Some(listener)) => Ok(listener),
            Ok(None) => {
                let words = format!("There is no listener {arn} in {region}.");
                Err(wrong(Subject::Listener, words))
            }
            Err(failure) => Err(unasked(Subject::Listener, &failure)),
        }
    }

    /// A load balancer reaches the target groups of its own VPC, and members in its own zones. Where
    /// the subnets cannot be read, that is told already.
    async fn network_found(&self, balancer: Option<&LoadBalancer>) -> Vec<Finding> {
        let Some(balancer) = balancer else {
            return Vec::new();
        };
        let subnets = self.known.subnets.ask(self.subnet_ids()).await;
        let subnets = subnets.unwrap_or_default();
        let vpcs = vpcs_of(&subnets);
        let theirs = balancer.vpc_id().unwrap_or_default();
        let is_elsewhere = vpcs.len() == 1 && !theirs.is_empty() && !vpcs.contains(theirs);
        if !is_elsewhere {
            return zones_found(&subnets, balancer);
        }
        let words = format!(
            "Its load balancer is in {theirs}, and the fleet's subnets lie in {}: they must be in one \
             VPC.",
            listed(&vpcs)
        );
        vec![wrong(Subject::Listener, words)]
    }

    async fn place_found(&self, front: &Front) -> Option<Finding> {
        let wanted = front
            .priority
            .filter(|_| front.protocol == Protocol::Http)?;
        let rules = match self.known.rules.one(&front.listener).await {
            Ok(rules) => rules.unwrap_or_default(),
            Err(failure) => return Some(unasked(Subject::Priority, &failure)),
        };
        let priority = wanted.to_string();
        let there = rules.iter().find(|rule| rule.priority() == Some(&priority));
        let arn = there.and_then(|rule| rule.rule_arn())?;
        match self.calls.balancing_tags(arn).await {
            Ok(tags) if tags.get(names::FLEET).map(String::as_str) == Some(self.fleet()) => None,
            Ok(tags) => {
                let whose = tags.get(names::FLEET);
                let whose = whose.map_or_else(
                    || "which is not a fleet's".to_owned(),
                    |fleet| format!("which is the fleet {fleet}'s"),
                );
                let words = format!(
                    "{wanted} is taken on this listener by the rule {arn}, {whose}: choose another."
                );
                Some(wrong(Subject::Priority, words))
            }
            Err(failure) => Some(unasked(Subject::Priority, &failure)),
        }
    }

    /// A listener for TCP is a fleet's as a whole.
    async fn claim_found(&self, listener: &Listener) -> Option<Finding> {
        match unclaimable(self.calls, &self.wish.fleet, listener).await {
            Ok(why) => why.map(|why| wrong(Subject::Listener, format!("{}.", capital(&why)))),
            Err(failure) => Some(unasked(Subject::Listener, &failure)),
        }
    }

    fn fleet(&self) -> &str {
        self.wish.fleet.as_str()
    }
}

/// Whether listener and load balancer speak what the fleet does.
fn kind_found(front: &Front, listener: &Listener, balancer: Option<&LoadBalancer>) -> Vec<Finding> {
    let speaks = listener
        .protocol
        .as_ref()
        .map_or("nothing", ProtocolEnum::as_str);
    let kind = balancer.and_then(|balancer| balancer.r#type.as_ref());
    let (wanted, protocols, name) = match front.protocol {
        Protocol::Http => (
            LoadBalancerTypeEnum::Application,
            ["HTTP", "HTTPS"],
            "an application load balancer",
        ),
        Protocol::Tcp => (
            LoadBalancerTypeEnum::Network,
            ["TCP", "TLS"],
            "a network load balancer",
        ),
    };
    let spoken = match front.protocol {
        Protocol::Http => "http",
        Protocol::Tcp => "tcp",
    };
    if kind != Some(&wanted) || !protocols.contains(&speaks) {
        let kind = kind.map_or("unknown", LoadBalancerTypeEnum::as_str);
        let words = format!(
            "It speaks {speaks} and is of a load balancer of the type {kind}: traffic.protocol {spoken} \
             needs a listener for {} of {name}.",
            protocols.join(" or ")
        );
        return vec![wrong(Subject::Listener, words)];
    }
    Vec::new()
}

fn conditions_found(front: &Front) -> Option<Finding> {
    let values = front.hosts.len() + front.paths.len();
    match front.protocol {
        Protocol::Tcp if values > 0 || front.priority.is_some() => Some(wrong(
            Subject::Conditions,
            "A listener for TCP knows neither hosts nor paths and has no rules: remove hosts, paths \
             and priority.",
        )),
        Protocol::Http if values > MOST_VALUES => Some(wrong(
            Subject::Conditions,
            format!(
                "hosts and paths name {values} values, and a rule has room for {MOST_VALUES}: use * and \
                 ? in them, or make two fleets."
            ),
        )),
        Protocol::Tcp | Protocol::Http => None,
    }
}
