//! What attribute types cannot check: one attribute against another, and against the cloud.
//!
//! Every finding names its attribute, and all of them are told at once. What is unknown is left
//! alone: it is checked again when it is known.

use super::attributes::{Fleet, Rollout, StrategyName};
use super::goal::{DEFAULT_MIN_HEALTHY, DEFAULT_SURGE, amount};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::CountOrShare;
use crate::resource::page;
use crate::resource::program::program;
use crate::resource::site::CloudKind;
use crate::schema::{DurationText, Maybe, Planned};
use crate::value::Path;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

mod size;

type Config = Fleet<Planned>;
type Variables = BTreeMap<String, Maybe<String>>;

/// Checks what holds on every cloud.
pub(super) fn everywhere(config: &Config) -> Diagnostics {
    let checks: [fn(&Config) -> Vec<Diagnostic>; 8] = [
        one_platform,
        size::check,
        variables,
        secrets,
        command,
        health,
        strategy,
        deadlines,
    ];
    checks.iter().flat_map(|check| check(config)).collect()
}

/// Checks what depends on the cloud that the provider is configured for.
pub(super) fn on(kind: CloudKind, config: &Config) -> Diagnostics {
    let checks: &[fn(&Config) -> Vec<Diagnostic>] = match kind {
        CloudKind::Local => &[on_local, secrets_on_local, size::on_local],
        CloudKind::Aws => &[on_aws, secrets_on_aws],
    };
    checks.iter().flat_map(|check| check(config)).collect()
}

fn one_platform(config: &Config) -> Vec<Diagnostic> {
    let both = config.local.given().is_some() && config.aws.given().is_some();
    let error = both.then(|| {
        Diagnostic::invalid(
            Path::of("aws"),
            "A fleet runs on one cloud: give either local or aws, the one that the provider is \
             configured for.",
        )
    });
    error.into_iter().collect()
}

/// Environment variables of both kinds: their names.
fn variables(config: &Config) -> Vec<Diagnostic> {
    let none = Variables::new();
    let plain = config.config.given().unwrap_or(&none);
    let secret = config.secrets.given().unwrap_or(&none);
    let named = plain.keys().map(|name| ("config", name));
    let named = named.chain(secret.keys().map(|name| ("secrets", name)));
    let names = named.filter_map(|(attribute, name)| {
        let why = refused_name(name)?;
        Some(Diagnostic::invalid(Path::of(attribute).key(name), why))
    });
    let twice = secret.keys().filter(|name| plain.contains_key(*name));
    let twice = twice.map(|name| {
        Diagnostic::invalid(
            Path::of("secrets").key(name),
            format!("{name} is in config as well; a variable has one value."),
        )
    });
    names.chain(twice).collect()
}

fn refused_name(name: &str) -> Option<&'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match name {
        "PORT" | "HOST" => Some(
            "PORT and HOST are given to each member by the provider: they say where it listens.",
        ),
        _ if begins && name.bytes().all(allowed) => None,
        _ => Some(
            "The name of an environment variable has letters, digits and underscores and does not \
             begin with a digit.",
        ),
    }
}

/// Without a configured provider any cloud's references are fine; values are not. The message
/// does not repeat what was written: it may be the secret itself.
fn secrets(config: &Config) -> Vec<Diagnostic> {
    refused_references(
        config,
        |text| is_local(text) || is_aws(text),
        "Give a reference, never the value: \"env:NAME\" or \"file:/path\" on the local cloud, the \
         ARN of a secret or parameter on AWS.",
    )
}

fn secrets_on_local(config: &Config) -> Vec<Diagnostic> {
    refused_references(
        config,
        is_local,
        "On the local cloud a secret is \"env:NAME\", a variable of the environment that Terraform \
         runs in, or \"file:/path\", a file that is read when the member starts.",
    )
}

fn secrets_on_aws(config: &Config) -> Vec<Diagnostic> {
    refused_references(
        config,
        is_aws,
        "On AWS a secret is the ARN of a secret in Secrets Manager or of a parameter in Parameter \
         Store.",
    )
}

fn refused_references(
    config: &Config,
    accepted: fn(&str) -> bool,
    detail: &str,
) -> Vec<Diagnostic> {
    let secrets = config.secrets.given().into_iter().flatten();
    let known = secrets.filter_map(|(name, reference)| Some((name, reference.known()?)));
    known
        .filter(|(_, reference)| !accepted(reference))
        .map(|(name, _)| Diagnostic::invalid(Path::of("secrets").key(name), detail))
        .collect()
}

fn is_local(reference: &str) -> bool {
    let variable = reference.strip_prefix("env:");
    let is_variable = variable.is_some_and(|name| refused_name(name).is_none());
    is_variable || reference.starts_with("file:/")
}

fn is_aws(reference: &str) -> bool {
    let parts: Vec<&str> = reference.splitn(6, ':').collect();
    matches!(parts.as_slice(), ["arn", _, "secretsmanager" | "ssm", _, _, rest] if !rest.is_empty())
}

fn command(config: &Config) -> Vec<Diagnostic> {
    let local = config.local.given();
    let command = local.and_then(|local| local.command.given());
    let error =
        command.and_then(|command| program(command, Path::of("local").attribute("command")));
    error.into_iter().collect()
}

fn health(config: &Config) -> Vec<Diagnostic> {
    let Some(health) = config.health.known() else {
        return Vec::new();
    };
    let at = |name| Path::of("health").attribute(name);
    let has_no_traffic = matches!(config.traffic, Maybe::Known(None));
    let mut found = Vec::new();
    if let Some(path) = health.path.given() {
        if has_no_traffic {
            found.push(Diagnostic::invalid(
                at("path"),
                "A fleet without traffic has no port to ask; its members are healthy while they \
                 run. Add traffic or remove the path.",
            ));
        }
        let fault = page::fault(path);
        found.extend(fault.map(|why| Diagnostic::invalid(at("path"), why)));
    }
    let (interval, timeout) = (long(&health.interval), long(&health.timeout));
    if interval == Some(Duration::ZERO) {
        found.push(Diagnostic::invalid(
            at("interval"),
            "Checks need some time between them.",
        ));
    }
    if timeout == Some(Duration::ZERO) {
        found.push(Diagnostic::invalid(
            at("timeout"),
            "A member needs some time to answer.",
        ));
    }
    if let (Some(interval), Some(timeout)) = (interval, timeout)
        && timeout > interval
        && interval > Duration::ZERO
    {
        found.push(Diagnostic::invalid(
            at("timeout"),
            format!(
                "A check must be over before the next one begins: at most the interval, {}.",
                humantime::format_duration(interval)
            ),
        ));
    }
    found
}

fn strategy(config: &Config) -> Vec<Diagnostic> {
    let Some(rollout) = config.rollout.known() else {
        return Vec::new();
    };
    let Some(strategy) = rollout.strategy.known() else {
        return Vec::new();
    };
    let size = config.size.given().map(|size| super::goal::whole(*size));
    match strategy {
        StrategyName::BlueGreen => misplaced(rollout, &["steps", "surge", "min_healthy"]),
        StrategyName::Canary => {
            let mut found = misplaced(rollout, &["surge", "min_healthy"]);
            found.extend(steps(rollout));
            found
        }
        StrategyName::Rolling => {
            let mut found = misplaced(rollout, &["steps"]);
            found.extend(batches(rollout, size));
            found
        }
    }
}

/// What a strategy does not look at would be a promise that nobody keeps.
fn misplaced(rollout: &Rollout<Planned>, others: &[&'static str]) -> Vec<Diagnostic> {
    let given = [
        ("steps", rollout.steps.given().is_some(), "canary"),
        ("surge", rollout.surge.given().is_some(), "rolling"),
        (
            "min_healthy",
            rollout.min_healthy.given().is_some(),
            "rolling",
        ),
    ];
    given
        .iter()
        .filter(|(name, is_given, _)| *is_given && others.contains(name))
        .map(|(name, _, strategy)| {
            Diagnostic::invalid(
                Path::of("rollout").attribute(name),
                format!("Only the strategy \"{strategy}\" looks at it: remove it or choose that."),
            )
        })
        .collect()
}

fn steps(rollout: &Rollout<Planned>) -> Vec<Diagnostic> {
    let path = Path::of("rollout").attribute("steps");
    let steps = match &rollout.steps {
        Maybe::Unknown => return Vec::new(),
        Maybe::Known(steps) => steps.as_deref().unwrap_or_default(),
    };
    if steps.is_empty() {
        let why = "A canary needs at least one step, such as { weight = 5, hold = \"5m\" }; 100 \
                   follows by itself.";
        return vec![Diagnostic::invalid(path, why)];
    }
    let weights = steps
        .iter()
        .map(|step| step.known()?.weight.known().map(|it| it.get()));
    let weights: Vec<Option<i64>> = weights.collect();
    let pairs = weights.windows(2).zip(1..);
    pairs
        .filter_map(|(pair, index)| match pair {
            [Some(before), Some(after)] if after <= before => Some((index, before)),
            _ => None,
        })
        .map(|(index, before)| {
            Diagnostic::invalid(
                path.clone().index(index).attribute("weight"),
                format!("Weights rise from step to step; the one before is {before}."),
            )
        })
        .collect()
}

/// Members are either started before others are stopped or stopped before others are started; a
/// rollout that may do neither would stand still.
fn batches(rollout: &Rollout<Planned>, size: Option<u32>) -> Vec<Diagnostic> {
    let (Maybe::Known(surge), Maybe::Known(min_healthy)) = (&rollout.surge, &rollout.min_healthy)
    else {
        return Vec::new();
    };
    let surge = amount(surge.as_ref(), DEFAULT_SURGE);
    let min_healthy = amount(min_healthy.as_ref(), DEFAULT_MIN_HEALTHY);
    let at = |name| Path::of("rollout").attribute(name);
    let mut found = Vec::new();
    let adds_nothing = matches!(surge, CountOrShare::Count(0) | CountOrShare::Share(0));
    let all = |size: u32| min_healthy.rounded_up(size) >= size;
    let takes_nothing = size.map_or(min_healthy == CountOrShare::Share(100), all);
    if adds_nothing && takes_nothing {
        found.push(Diagnostic::invalid(
            at("surge"),
            format!(
                "With a surge of {surge} and min_healthy of {min_healthy} no member may be added \
                 and none taken away, so the rollout could never begin. Raise surge or lower \
                 min_healthy."
            ),
        ));
    }
    if let (CountOrShare::Count(least), Some(size)) = (min_healthy, size)
        && least > size
    {
        found.push(Diagnostic::invalid(
            at("min_healthy"),
            format!("The fleet has only {size} members."),
        ));
    }
    found
}

/// A deadline that ends before a member can possibly be healthy fails every rollout.
fn deadlines(config: &Config) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Some(timeouts) = config.timeouts.known() {
        let each = [
            ("create", &timeouts.create),
            ("update", &timeouts.update),
            ("delete", &timeouts.delete),
        ];
        let none = each
            .iter()
            .filter(|(_, text)| long(text) == Some(Duration::ZERO));
        found.extend(none.map(|(name, _)| {
            Diagnostic::invalid(
                Path::of("timeouts").attribute(name),
                "An operation needs some time.",
            )
        }));
    }
    let (Some(health), Some(rollout)) = (config.health.known(), config.rollout.known()) else {
        return found;
    };
    let parts = (
        long(&health.interval),
        health
            .streak
            .known()
            .map(|streak| super::goal::whole(*streak)),
        long(&health.steady),
        long(&rollout.launch_deadline),
    );
    if let (Some(interval), Some(streak), Some(steady), Some(deadline)) = parts {
        let least = interval.saturating_mul(streak).max(steady);
        if deadline <= least {
            let least = humantime::format_duration(least);
            found.push(Diagnostic::invalid(
                Path::of("rollout").attribute("launch_deadline"),
                format!(
                    "A member needs {least} at least until it counts as healthy (health.streak \
                     times health.interval, or health.steady); the deadline must be longer than \
                     that and the time that a member takes to start."
                ),
            ));
        }
    }
    found
}

fn on_local(config: &Config) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if config.aws.given().is_some() {
        found.push(other_cloud("aws", "local"));
    }
    let Some(traffic) = config.traffic.given() else {
        return found;
    };
    let at = |name| Path::of("traffic").attribute(name);
    let given = [
        ("hosts", traffic.hosts.given().is_some()),
        ("paths", traffic.paths.given().is_some()),
        ("priority", traffic.priority.given().is_some()),
    ];
    found.extend(given.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| {
        Diagnostic::invalid(
            at(name),
            "Listeners are shared on AWS only; on the local cloud a listener belongs to one fleet.",
        )
    }));
    let listener = traffic.listener.known();
    let is_address = |text: &String| {
        text.parse::<SocketAddr>()
            .is_ok_and(|address| address.port() != 0)
    };
    if listener.is_some_and(|text| !is_address(text)) {
        found.push(Diagnostic::invalid(
            at("listener"),
            "On the local cloud a listener is an IP address with a port, such as \
             \"127.0.0.1:8088\" or \"[::1]:8088\".",
        ));
    }
    found
}

fn on_aws(config: &Config) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if config.local.given().is_some() {
        found.push(other_cloud("local", "aws"));
    }
    if matches!(config.aws, Maybe::Known(None)) {
        found.push(Diagnostic::invalid(
            Path::of("aws"),
            "The provider is configured for aws, and members need at least instance_types and \
             subnet_ids.",
        ));
    }
    let listener = config
        .traffic
        .given()
        .and_then(|traffic| traffic.listener.known());
    if listener.is_some_and(|text| !text.starts_with("arn:")) {
        found.push(Diagnostic::invalid(
            Path::of("traffic").attribute("listener"),
            "On AWS a listener is the ARN of a load balancer's listener.",
        ));
    }
    found
}

fn other_cloud(given: &str, configured: &str) -> Diagnostic {
    Diagnostic::invalid(
        Path::of(given),
        format!("The provider is configured for {configured}, so {given} would have no effect."),
    )
}

fn long(text: &Maybe<DurationText>) -> Option<Duration> {
    text.known().map(DurationText::duration)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
