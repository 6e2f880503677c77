//! Versions as the world writes them, and their order.
//!
//! There is no single rule. What is a Semantic Version follows that rule; packages of Linux
//! distributions follow theirs; everything else is compared part by part, numbers as numbers. What
//! does not begin with a number has no order at all, and nobody guesses one.

use std::cmp::Ordering;

/// Whose versions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Releases, and packages of programming languages: `1.5.0-rc.1` and `1.5rc1` are older than
    /// `1.5.0`.
    Plain,
    /// Packages of Linux distributions, which may begin with an epoch and end with a revision:
    /// `1:3.0.11-1~deb12u2`.
    Distribution,
}

/// Compares a version with one that a person wrote as a bound; absent: they have no order.
///
/// A bound without an epoch or a revision means every epoch and revision: the package
/// `1:9.2-2` is equal to the bound `9.2`.
#[must_use]
pub fn compare(version: &str, bound: &str, scheme: Scheme) -> Option<Ordering> {
    let (version, bound) = (numbered(version)?, numbered(bound)?);
    match scheme {
        Scheme::Plain => Some(plain(version, bound)),
        Scheme::Distribution => Some(distribution(version, bound)),
    }
}

/// A version that begins with a number, without the `v` that some write before it.
fn numbered(version: &str) -> Option<&str> {
    let version = version.trim();
    let bare = version.strip_prefix(['v', 'V']).unwrap_or(version);
    bare.starts_with(|c: char| c.is_ascii_digit())
        .then_some(bare)
}

fn plain(version: &str, bound: &str) -> Ordering {
    match (semantic(version), semantic(bound)) {
        (Some(version), Some(bound)) => version.cmp_precedence(&bound),
        (None, _) | (_, None) => by_parts(&simplified(version), &simplified(bound)),
    }
}

/// A Semantic Version, or a shorter one filled up with zeros: `1.4` is `1.4.0`.
fn semantic(version: &str) -> Option<semver::Version> {
    let end = version.find(['-', '+']).unwrap_or(version.len());
    let (core, rest) = version.split_at(end);
    let filled = match core.split('.').count() {
        1 => format!("{core}.0.0{rest}"),
        2 => format!("{core}.0{rest}"),
        _ => version.to_owned(),
    };
    filled.parse().ok()
}

/// Words that say that a version comes before the one that it names.
const EARLY: [&str; 11] = [
    "a", "alpha", "b", "beta", "c", "dev", "m", "pre", "preview", "rc", "snapshot",
];

/// Writes a version so that comparing it part by part is right: early words after a `~`, which is
/// less than nothing; one sign between parts; no zeros at the end; no build metadata.
fn simplified(version: &str) -> String {
    let version = version.split('+').next().unwrap_or_default();
    let mut simple = String::new();
    let mut rest = version;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        let (number, after) = rest.split_at(digits.unwrap_or(rest.len()));
        let words = after.find(|c: char| c.is_ascii_digit());
        let (word, after) = after.split_at(words.unwrap_or(after.len()));
        simple.push_str(number);
        simple.push_str(&simple_word(word));
        rest = after;
    }
    while let Some(shorter) = simple.strip_suffix(".0") {
        simple.truncate(shorter.len());
    }
    simple
}

fn simple_word(word: &str) -> String {
    let bare = word.trim_matches(['.', '-', '_']).to_ascii_lowercase();
    match bare.as_str() {
        "" if word.is_empty() => String::new(),
        "" => ".".to_owned(),
        early if EARLY.contains(&early) => format!("~{early}"),
        _ => bare,
    }
}

fn distribution(version: &str, bound: &str) -> Ordering {
    let (epoch, version) = with_epoch(version);
    let (bound_epoch, bound) = with_epoch(bound);
    let epochs = match bound_epoch {
        Some(bound) => numbers(epoch.unwrap_or("0"), bound),
        None => Ordering::Equal,
    };
    let version = match (bound.rsplit_once('-'), version.rsplit_once('-')) {
        (None, Some((upstream, _))) => upstream,
        (Some(_), _) | (None, None) => version,
    };
    epochs.then_with(|| by_parts(version, bound))
}

fn with_epoch(version: &str) -> (Option<&str>, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => (Some(epoch), rest),
        Some(_) | None => (None, version),
    }
}

/// Compares words and numbers in turn, as Debian does.
fn by_parts(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let (word, rest) = split(one, |c| !c.is_ascii_digit());
        let (other_word, other_rest) = split(other, |c| !c.is_ascii_digit());
        let (number, rest) = split(rest, |c| c.is_ascii_digit());
        let (other_number, other_rest) = split(other_rest, |c| c.is_ascii_digit());
        let order = words(word, other_word).then_with(|| numbers(number, other_number));
        if order != Ordering::Equal || (rest.is_empty() && other_rest.is_empty()) {
            return order;
        }
        (one, other) = (rest, other_rest);
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// A tilde comes before the end of the word, letters after it, other signs last.
fn words(one: &str, other: &str) -> Ordering {
    let rank = |c: char| match c {
        '~' => (0, c),
        c if c.is_ascii_alphabetic() => (2, c),
        c => (3, c),
    };
    let end = (1, ' ');
    let ranks = |word: &str| -> Vec<(u8, char)> { word.chars().map(rank).chain([end]).collect() };
    ranks(one).cmp(&ranks(other))
}

/// Numbers of any length; none is 0.
fn numbers(one: &str, other: &str) -> Ordering {
    let bare = |number: &str| number.trim_start_matches('0').to_owned();
    let (one, other) = (bare(one), bare(other));
    one.len().cmp(&other.len()).then_with(|| one.cmp(&other))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use Ordering::{Equal, Greater, Less};
    use Scheme::{Distribution, Plain};

    #[test]
    fn versions_are_ordered_by_their_own_rules() {
        for (version, bound, scheme, order) in [
            ("1.4.2", "1.4.10", Plain, Less),
            ("v1.4.2", "1.4.2", Plain, Equal),
            ("1.4", "1.4.0", Plain, Equal),
            ("1.5.0-rc.1", "1.5.0", Plain, Less),
            ("1.5.0-rc.2", "1.5.0-rc.10", Plain, Less),
            ("1.5.0+build.7", "1.5.0", Plain, Equal),
            ("2024.01.15", "2024.2", Plain, Less),
            ("1.5rc1", "1.5", Plain, Less),
            ("1.0.dev3", "1.0a1", Plain, Greater),
            ("2.31.0.post1", "2.31.0", Plain, Greater),
            ("4.2.0.0", "4.2", Plain, Equal),
            ("1.1.1w", "1.1.1t", Plain, Greater),
            ("1.1.1w", "1.1.1", Plain, Greater),
            ("3.0.11-1~deb12u2", "3.0.14", Distribution, Less),
            ("3.0.14-1~deb12u1", "3.0.14", Distribution, Equal),
            ("3.0.14-1~deb12u1", "3.0.14-1", Distribution, Less),
            ("3.0.14-1", "3.0.14-1ubuntu2", Distribution, Less),
            ("1:9.2p1-2", "9.3", Distribution, Less),
            ("1:9.2p1-2", "2:1.0", Distribution, Less),
            ("9.2p1-2", "1:1.0", Distribution, Less),
            ("1.0~rc1", "1.0", Distribution, Less),
            ("010", "10", Distribution, Equal),
        ] {
            let found = compare(version, bound, scheme);
            assert_eq!(found, Some(order), "{version} and {bound}");
        }
    }

    #[test]
    fn what_begins_with_no_number_has_no_order() {
        for (version, bound) in [("nightly", "1.0"), ("1.0", "main"), ("", "1"), ("v", "1")] {
            assert_eq!(compare(version, bound, Plain), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn looking_from_the_other_side_reverses_the_order(
            one in "[0-9][0-9a-c.~-]{0,8}", other in "[0-9][0-9a-c.~-]{0,8}",
        ) {
            proptest::prop_assert_eq!(by_parts(&one, &other), by_parts(&other, &one).reverse());
            proptest::prop_assert_eq!(plain(&one, &other), plain(&other, &one).reverse());
        }
    }
}
