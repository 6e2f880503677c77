//! Version constraints in Terraform's own syntax.

use super::version::{Scheme, compare};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// What a version must be: `">= 1.4, < 2.0"`, `"~> 1.4"`, `"1.4.2"`. All parts must hold.
///
/// Pre-releases are versions like any other: unlike in `required_version`, `< 1.5` lets
/// `1.5.0-rc.1` and `1.4.0-rc.1` through. Who asks what runs must not be told less than what runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    text: String,
    bounds: Vec<Bound>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    relation: Relation,
    version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    /// The last number written may grow: `~> 1.4` is at least 1.4 and below 2.
    Pessimistic,
}

/// The operators, longer ones before those that they begin with.
const OPERATORS: [(&str, Relation); 7] = [
    ("~>", Relation::Pessimistic),
    (">=", Relation::AtLeast),
    ("<=", Relation::AtMost),
    ("!=", Relation::NotEqual),
    (">", Relation::Greater),
    ("<", Relation::Less),
    ("=", Relation::Equal),
];

/// A text that is no constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a version constraint: {why}")]
pub struct InvalidConstraint {
    text: String,
    why: String,
}

impl Constraint {
    /// The constraint as the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the version where exactly one is meant: `"1.4.2"`.
    #[must_use]
    pub fn exact(&self) -> Option<&str> {
        match self.bounds.as_slice() {
            [bound] if bound.relation == Relation::Equal => Some(&bound.version),
            _ => None,
        }
    }

    /// Claims that a version holds; absent: it has no order, so that nobody can tell.
    #[must_use]
    pub fn holds(&self, version: &str, scheme: Scheme) -> Option<bool> {
        let verdicts: Vec<_> = self
            .bounds
            .iter()
            .map(|it| it.holds(version, scheme))
            .collect();
        if verdicts.contains(&Some(false)) {
            return Some(false);
        }
        (!verdicts.contains(&None)).then_some(true)
    }
}

impl Bound {
    fn holds(&self, version: &str, scheme: Scheme) -> Option<bool> {
        let order = compare(version, &self.version, scheme);
        match self.relation {
            Relation::Equal if version == self.version => Some(true),
            Relation::NotEqual if version == self.version => Some(false),
            // Texts without an order are at least told apart.
            Relation::Equal => Some(order == Some(Ordering::Equal)),
            Relation::NotEqual => Some(order != Some(Ordering::Equal)),
            Relation::Less => order.map(Ordering::is_lt),
            Relation::AtMost => order.map(Ordering::is_le),
            Relation::Greater => order.map(Ordering::is_gt),
            Relation::AtLeast => order.map(Ordering::is_ge),
            Relation::Pessimistic => order.map(|it| it.is_ge() && self.leads(version)),
        }
    }

    /// Claims that a version begins with all numbers of the bound but the last.
    fn leads(&self, version: &str) -> bool {
        let wanted = numbers(&self.version);
        let found = numbers(version);
        let fixed = wanted.len().saturating_sub(1);
        (0..fixed).all(|at| found.get(at).unwrap_or(&0) == &wanted[at])
    }
}

/// The numbers that a version begins with: 1.4.2-rc.1 has 1, 4 and 2.
fn numbers(version: &str) -> Vec<u64> {
    let version = version.trim().trim_start_matches(['v', 'V']);
    let version = version
        .split_once(':')
        .map_or(version, |(_, upstream)| upstream);
    let end = version.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let parts = version[..end.unwrap_or(version.len())].split('.');
    parts.map_while(|part| part.parse().ok()).collect()
}

impl FromStr for Constraint {
    type Err = InvalidConstraint;

    fn from_str(text: &str) -> Result<Self, InvalidConstraint> {
        let bounds = text.split(',').map(|part| bound(part.trim()));
        let bounds = bounds
            .collect::<Result<_, String>>()
            .map_err(|why| InvalidConstraint {
                text: text.to_owned(),
                why,
            })?;
        Ok(Self {
            text: text.to_owned(),
            bounds,
        })
    }
}

fn bound(part: &str) -> Result<Bound, String> {
    let operator = OPERATORS
        .iter()
        .find_map(|(sign, relation)| Some((*relation, part.strip_prefix(sign)?)));
    let (relation, version) = operator.unwrap_or((Relation::Equal, part));
    let version = version.trim();
    let has_order = compare(version, "0", Scheme::Plain).is_some();
    match relation {
        _ if version.is_empty() => Err("a version is missing".to_owned()),
        _ if !version.chars().all(is_sign_of_version) => {
            Err(format!("\"{version}\" is not a version"))
        }
        Relation::Equal | Relation::NotEqual => Ok(()),
        Relation::Less
        | Relation::AtMost
        | Relation::Greater
        | Relation::AtLeast
        | Relation::Pessimistic
            if has_order =>
        {
            Ok(())
        }
        Relation::Less
        | Relation::AtMost
        | Relation::Greater
        | Relation::AtLeast
        | Relation::Pessimistic => Err(format!(
            "\"{version}\" does not begin with a number, so nothing is older or newer than it"
        )),
    }?;
    Ok(Bound {
        relation,
        version: version.to_owned(),
    })
}

fn is_sign_of_version(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._+-~:".contains(c)
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn holds(constraint: &str, version: &str) -> Option<bool> {
        let constraint: Constraint = constraint.parse().unwrap();
        constraint.holds(version, Scheme::Plain)
    }

    #[test]
    fn constraints_hold_as_in_terraform() {
        for (constraint, lets_through, refuses) in [
            (
                "1.4.2",
                vec!["1.4.2", "v1.4.2"],
                vec!["1.4.3", "1.4.2-rc.1"],
            ),
            ("= 1.4", vec!["1.4.0"], vec!["1.4.1"]),
            ("!= 1.4.2", vec!["1.4.3", "nightly"], vec!["1.4.2"]),
            ("< 1.4.2", vec!["1.4.1", "1.4.2-rc.1"], vec!["1.4.2"]),
            (">= 1.4, < 2", vec!["1.4", "1.9.9"], vec!["1.3", "2.0.0"]),
            (
                "~> 1.4.2",
                vec!["1.4.2", "1.4.9"],
                vec!["1.4.1", "1.5.0", "1.5.0-rc.1"],
            ),
            ("~> 1.4", vec!["1.4", "1.9"], vec!["2.0", "1.3"]),
            ("~>1", vec!["1.0", "2.0"], vec!["0.9"]),
            ("<=1.1.1t", vec!["1.1.1", "1.1.1t"], vec!["1.1.1w"]),
        ] {
            for version in lets_through {
                assert_eq!(
                    holds(constraint, version),
                    Some(true),
                    "{constraint}: {version}"
                );
            }
            for version in refuses {
                assert_eq!(
                    holds(constraint, version),
                    Some(false),
                    "{constraint}: {version}"
                );
            }
        }
    }

    #[test]
    fn nobody_guesses_where_a_version_has_no_order() {
        assert_eq!(holds("< 1.4", "nightly"), None);
        assert_eq!(holds("< 1.4, != nightly", "nightly"), Some(false));
        assert_eq!(holds("nightly", "nightly"), Some(true));
    }

    #[test]
    fn what_is_no_constraint_is_told_as_such() {
        for (text, why) in [
            ("", "a version is missing"),
            (">= ", "a version is missing"),
            ("1.0,", "a version is missing"),
            ("=> 1.0", "\"> 1.0\" is not a version"),
            ("< nightly", "does not begin with a number"),
            ("1.0 || 2.0", "\"1.0 || 2.0\" is not a version"),
        ] {
            let error = text.parse::<Constraint>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn one_version_alone_is_exact() {
        let exact = |text: &str| {
            text.parse::<Constraint>()
                .unwrap()
                .exact()
                .map(str::to_owned)
        };
        assert_eq!(exact("1.4.2"), Some("1.4.2".to_owned()));
        assert_eq!(exact("< 1.4.2"), None);
        assert_eq!(exact("1.4.2, != 1.4.3"), None);
    }
}
