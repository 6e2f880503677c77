//! Names that users give and ids that we give.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A name that breaks the rule for names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not a valid name: 1 to 32 characters, lower-case letters, digits and single dashes, \
     beginning with a letter and not ending with a dash"
)]
pub struct InvalidName(String);

/// The rule is the narrowest of what the clouds allow in the names made from these: a target
/// group's name has at most 32 characters, no underscore, no dash at its ends.
fn checked(text: &str) -> Result<String, InvalidName> {
    let letters = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    let dashes = !text.ends_with('-') && !text.contains("--");
    let fits = (1..=32).contains(&text.len());
    if letters && begins && dashes && fits {
        Ok(text.to_owned())
    } else {
        Err(InvalidName(text.to_owned()))
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Returns the name as users write it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                checked(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// Names a fleet; unique within a cloud.
    FleetName
}
name! {
    /// Names a line of releases; unique within a cloud.
    LineName
}

/// Names a member for as long as its cloud remembers it; never used twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberId(pub String);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
