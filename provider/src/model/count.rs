//! Counts that may also be shares of a fleet's size.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A number of members, or a share of the fleet's size in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CountOrShare {
    /// So many members.
    Count(u32),
    /// So many hundredths of the size: 0..=1000.
    Share(u32),
}

/// A text that is neither a count nor a share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither a count such as \"3\" nor a share of the size such as \"25%\"")]
pub struct InvalidCount(String);

impl CountOrShare {
    /// Returns the members meant, a share rounded up: size 6, "25%": 2.
    #[must_use]
    pub fn rounded_up(self, size: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Share(percent) => share(size, percent, 99),
        }
    }

    /// Returns the members meant, a share rounded down: size 6, "25%": 1.
    #[must_use]
    pub fn rounded_down(self, size: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Share(percent) => share(size, percent, 0),
        }
    }
}

fn share(size: u32, percent: u32, round: u64) -> u32 {
    let hundredths = u64::from(size) * u64::from(percent) + round;
    u32::try_from(hundredths / 100).unwrap_or(u32::MAX)
}

impl FromStr for CountOrShare {
    type Err = InvalidCount;

    fn from_str(text: &str) -> Result<Self, InvalidCount> {
        let invalid = || InvalidCount(text.to_owned());
        let digits = |part: &str| {
            let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            if plain {
                part.parse::<u32>().map_err(|_| invalid())
            } else {
                Err(invalid())
            }
        };
        match text.strip_suffix('%') {
            Some(percent) => match digits(percent)? {
                percent @ 0..=1000 => Ok(Self::Share(percent)),
                _ => Err(invalid()),
            },
            None => Ok(Self::Count(digits(text)?)),
        }
    }
}

impl fmt::Display for CountOrShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Share(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn shares_round_up_for_surge_and_down_for_unavailability() {
        for (text, size, up, down) in [
            ("3", 10, 3, 3),
            ("25%", 6, 2, 1),
            ("25%", 4, 1, 1),
            ("1%", 3, 1, 0),
            ("100%", 7, 7, 7),
            ("200%", 3, 6, 6),
            ("0%", 9, 0, 0),
        ] {
            let count: CountOrShare = text.parse().unwrap();
            assert_eq!(
                (count.rounded_up(size), count.rounded_down(size)),
                (up, down),
                "{text} of {size}"
            );
            assert_eq!(count.to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_accepted() {
        for text in [
            "",
            "%",
            "-1",
            "+1",
            "1.5",
            "25 %",
            "abc",
            "1001%",
            "99999999999",
        ] {
            let error = text.parse::<CountOrShare>().unwrap_err().to_string();
            assert!(error.contains("\"25%\""), "{text}: {error}");
        }
    }
}
