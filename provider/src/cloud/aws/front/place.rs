//! Where on its listener a fleet's share of the traffic begins.

use super::FleetRule;
use crate::cloud::ErrorKind;
use crate::cloud::aws::failure::{Failure, Result};
use crate::cloud::aws::names::{self, Tags};
use crate::cloud::aws::record::FrontRecord;
use crate::model::Protocol;
use aws_sdk_elasticloadbalancingv2::types::{Listener, LoadBalancerTypeEnum, ProtocolEnum, Rule};

/// A rule has one of these places; 1 comes first.
const LAST_PRIORITY: u32 = 50_000;

impl FleetRule<'_> {
    /// Looks at the listener and finds the rule's place on it.
    ///
    /// # Errors
    /// The listener does not exist or is of another kind, or its place is a stranger's.
    pub(in super::super) async fn place(&self, there: Option<&FrontRecord>) -> Result<FrontRecord> {
        let listener = self.listener(&self.settings.listener).await?;
        let balancer = self.balancer(&listener).await?;
        let same = there.filter(|there| there.listener == self.settings.listener);
        let (priority, fallback) = match self.settings.protocol {
            Protocol::Http => (self.priority(same).await?, None),
            Protocol::Tcp => (0, Some(self.fallback(&listener, same).await?)),
        };
        if let Some(there) = there.filter(|there| there.listener != self.settings.listener) {
            self.check_balancer(there, &listener).await?;
        }
        Ok(FrontRecord {
            listener: self.settings.listener.clone(),
            priority,
            endpoint: balancer,
            rule: same.and_then(|there| there.rule.clone()),
            fallback,
        })
    }

    async fn priority(&self, same: Option<&FrontRecord>) -> Result<u32> {
        let Some(priority) = self.settings.priority else {
            return match same {
                Some(there) if self.strangers(there.priority, same).await?.is_none() => {
                    Ok(there.priority)
                }
                Some(_) | None => self.free_priority().await,
            };
        };
        match self.strangers(priority, same).await? {
            None => Ok(priority),
            Some(arn) => Err(taken(priority, &arn)),
        }
    }

    async fn listener(&self, arn: &str) -> Result<Listener> {
        let listener = self.calls.listener(arn).await?.ok_or_else(|| {
            Failure::refused(
                ErrorKind::Invalid,
                format!(
                    "traffic.listener: there is no listener {arn} in {}",
                    self.calls.region
                ),
            )
        })?;
        let speaks = listener.protocol.as_ref();
        let fits = match self.settings.protocol {
            Protocol::Http => matches!(speaks, Some(ProtocolEnum::Http | ProtocolEnum::Https)),
            Protocol::Tcp => matches!(speaks, Some(ProtocolEnum::Tcp | ProtocolEnum::Tls)),
        };
        if fits {
            return Ok(listener);
        }
        let wanted = match self.settings.protocol {
            Protocol::Http => "HTTP or HTTPS",
            Protocol::Tcp => "TCP or TLS",
        };
        let speaks = speaks.map_or("nothing", ProtocolEnum::as_str);
        Err(Failure::refused(
            ErrorKind::Invalid,
            format!("traffic.listener speaks {speaks}, not {wanted} as traffic.protocol asks for"),
        ))
    }

    /// Where clients of the listener connect.
    async fn balancer(&self, listener: &Listener) -> Result<String> {
        let arn = listener.load_balancer_arn.as_deref().unwrap_or_default();
        let balancer = self.calls.load_balancer(arn).await?.ok_or_else(|| {
            Failure::refused(
                ErrorKind::Invalid,
                format!("traffic.listener: its load balancer {arn} does not exist"),
            )
        })?;
        let (wanted, name) = match self.settings.protocol {
            Protocol::Http => (LoadBalancerTypeEnum::Application, "an application"),
            Protocol::Tcp => (LoadBalancerTypeEnum::Network, "a network"),
        };
        if balancer.r#type != Some(wanted) {
            return Err(Failure::refused(
                ErrorKind::Invalid,
                format!("traffic.listener does not belong to {name} load balancer"),
            ));
        }
        let scheme = listener.protocol.as_ref().map_or("", ProtocolEnum::as_str);
        let scheme = scheme.to_lowercase();
        let host = balancer.dns_name.unwrap_or_default();
        let port = listener.port.unwrap_or(80);
        Ok(format!("{scheme}://{host}:{port}"))
    }

    /// A rule that was not given a place comes last, where it takes nothing from others.
    pub(super) async fn free_priority(&self) -> Result<u32> {
        let rules = self.calls.rules_of(&self.settings.listener).await?;
        let last = rules
            .iter()
            .filter_map(|rule| rule.priority()?.parse::<u32>().ok())
            .max();
        let next = last.unwrap_or(0) + 1;
        if next > LAST_PRIORITY {
            return Err(Failure::refused(
                ErrorKind::Invalid,
                "traffic.priority is not set and the listener's last one is taken: set one",
            ));
        }
        Ok(next)
    }

    /// The rule of somebody else at a place; absent: it is free, or has our own.
    async fn strangers(&self, priority: u32, same: Option<&FrontRecord>) -> Result<Option<String>> {
        if same.is_some_and(|there| there.priority == priority && there.rule.is_some()) {
            return Ok(None);
        }
        let there = self.rule_at(priority).await?;
        Ok(there.filter(|(_, is_ours)| !is_ours).map(|(arn, _)| arn))
    }

    /// Our rule, wherever on the listener it is: an attempt that was interrupted may have chosen a place
    /// that it did not write down.
    pub(super) async fn own_rule(&self) -> Result<Option<Rule>> {
        let mut rules = self.calls.rules_of(&self.settings.listener).await?;
        rules.retain(|rule| rule.is_default() != Some(true));
        let arns: Vec<String> = rules
            .iter()
            .filter_map(|rule| rule.rule_arn.clone())
            .collect();
        let tags = self.calls.balancing_tags_of(&arns).await?;
        let tags = |rule: &Rule| tags.get(rule.rule_arn.as_deref()?);
        let mut ours = rules
            .into_iter()
            .filter(|rule| self.is_of_this_fleet(tags(rule)));
        Ok(ours.next())
    }

    fn is_of_this_fleet(&self, tags: Option<&Tags>) -> bool {
        let fleet = tags.and_then(|tags| tags.get(names::FLEET));
        fleet.map(String::as_str) == Some(self.fleet.as_str())
    }

    /// The rule at a place, and whether it is this fleet's.
    pub(super) async fn rule_at(&self, priority: u32) -> Result<Option<(String, bool)>> {
        let rules = self.calls.rules_of(&self.settings.listener).await?;
        let wanted = priority.to_string();
        let there = rules
            .into_iter()
            .find(|rule| rule.priority() == Some(&wanted));
        let Some(arn) = there.and_then(|rule| rule.rule_arn) else {
            return Ok(None);
        };
        let tags = self.calls.balancing_tags(&arn).await?;
        Ok(Some((arn, self.is_of_this_fleet(Some(&tags)))))
    }

    /// A target group can serve one load balancer alone.
    async fn check_balancer(&self, there: &FrontRecord, listener: &Listener) -> Result<()> {
        let earlier = self.calls.listener(&there.listener).await?;
        let moves = earlier.is_some_and(|earlier| {
            there.rule.is_some() && earlier.load_balancer_arn != listener.load_balancer_arn
        });
        if moves {
            return Err(Failure::refused(
                ErrorKind::Invalid,
                "traffic.listener belongs to another load balancer than before, and target groups \
                 cannot move between them: make a fleet of another name there, and move clients over",
            ));
        }
        Ok(())
    }
}

/// Says who has a place that was asked for.
pub(super) fn taken(priority: u32, rule: &str) -> Failure {
    Failure::refused(
        ErrorKind::Invalid,
        format!(
            "traffic.priority {priority} is taken on this listener by the rule {rule}, which is not \
             this fleet's: choose another"
        ),
    )
}
