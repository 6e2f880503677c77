//! How many members there shall be, and who decides about it.

use super::Config;
use crate::diagnostic::Diagnostic;
use crate::resource::fleet::attributes::{Capacity, StrategyName};
use crate::schema::Maybe;
use crate::value::Path;

/// Checks that somebody decides about the size, and one alone.
pub(super) fn check(config: &Config) -> Vec<Diagnostic> {
    let found = [
        decided(config),
        external(config),
        bounds(config),
        rolling(config),
    ];
    found.into_iter().flatten().collect()
}

fn decided(config: &Config) -> Option<Diagnostic> {
    match (&config.size, &config.autoscale) {
        (Maybe::Known(None), Maybe::Known(None)) => Some(Diagnostic::invalid(
            Path::of("size"),
            "A fleet needs a number of members: give size, or autoscale for one that follows the \
             load.",
        )),
        (Maybe::Known(Some(_)), Maybe::Known(Some(_))) => Some(Diagnostic::invalid(
            Path::of("autoscale"),
            "Either size decides how many members there are or autoscale does: give one of them. A \
             fleet with autoscale starts with autoscale.min members.",
        )),
        (Maybe::Known(_) | Maybe::Unknown, Maybe::Known(_) | Maybe::Unknown) => None,
    }
}

fn external(config: &Config) -> Option<Diagnostic> {
    let is_external = config.capacity == Maybe::Known(Capacity::External);
    (is_external && config.autoscale.given().is_some()).then(|| {
        Diagnostic::invalid(
            Path::of("capacity"),
            "autoscale decides how many members there are, so nothing else can: remove one of them.",
        )
    })
}

fn bounds(config: &Config) -> Option<Diagnostic> {
    let autoscale = config.autoscale.given()?;
    let (min, max) = (autoscale.min.known()?.get(), autoscale.max.known()?.get());
    (min > max).then(|| {
        Diagnostic::invalid(
            Path::of("autoscale").attribute("min"),
            format!("It is {min} and autoscale.max is {max}: there is no number between them."),
        )
    })
}

/// Batches are counted against a number that stays.
fn rolling(config: &Config) -> Option<Diagnostic> {
    let rollout = config.rollout.known()?;
    let rolls = rollout.strategy == Maybe::Known(StrategyName::Rolling);
    let is_external = config.capacity == Maybe::Known(Capacity::External);
    (rolls && (is_external || config.autoscale.given().is_some())).then(|| {
        Diagnostic::invalid(
            Path::of("rollout").attribute("strategy"),
            "\"rolling\" replaces members in batches of a number that stays, and this fleet's \
             changes by itself: choose \"blue_green\" or \"canary\".",
        )
    })
}

/// Checks what the local cloud cannot do.
pub(super) fn on_local(config: &Config) -> Vec<Diagnostic> {
    let nobody = "Nothing on the local cloud changes the number of members but this configuration";
    let autoscale = config.autoscale.given().map(|_| {
        let detail = format!("{nobody}: give size instead. autoscale is for AWS.");
        Diagnostic::invalid(Path::of("autoscale"), detail)
    });
    let is_external = config.capacity == Maybe::Known(Capacity::External);
    let external = is_external.then(|| {
        let detail = format!("{nobody}: leave it out. \"external\" is for AWS.");
        Diagnostic::invalid(Path::of("capacity"), detail)
    });
    autoscale.into_iter().chain(external).collect()
}
