//! A count, or a share of the fleet's size.

use super::Text;

/// `"3"` or `"25%"`, with the text it was written as. What a share comes to, and how it is
/// rounded, is for the arithmetic that knows the size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountOrShare {
    text: String,
    amount: Amount,
}

/// What a [`CountOrShare`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many members.
    Count(u32),
    /// This share of the size, in percent, 0..=100.
    Share(u8),
}

impl CountOrShare {
    /// The count or share.
    pub fn amount(&self) -> Amount {
        self.amount
    }
}

impl Text for CountOrShare {
    const ACCEPTS: &'static str =
        "a count such as \"3\" or a share of the size from \"0%\" to \"100%\"";

    fn parse(text: &str) -> Option<CountOrShare> {
        let amount = match text.strip_suffix('%') {
            Some(share) => {
                let share = share.parse().ok().filter(|share| *share <= 100);
                Amount::Share(share.filter(|_| starts_with_digit(text))?)
            }
            None => Amount::Count(text.parse().ok().filter(|_| starts_with_digit(text))?),
        };
        Some(CountOrShare {
            text: text.to_owned(),
            amount,
        })
    }

    fn text(&self) -> &str {
        &self.text
    }
}

/// Rust reads "+3" as a number; nobody should have to wonder what it means here.
fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_shares_are_told_apart() {
        let rows = [
            ("0", Some(Amount::Count(0))),
            ("3", Some(Amount::Count(3))),
            ("0%", Some(Amount::Share(0))),
            ("25%", Some(Amount::Share(25))),
            ("100%", Some(Amount::Share(100))),
            ("101%", None),
            ("+3", None),
            ("+3%", None),
            ("-1", None),
            ("1.5", None),
            ("25 %", None),
            ("%", None),
            ("", None),
            ("99999999999", None),
        ];
        for (text, amount) in rows {
            assert_eq!(
                CountOrShare::parse(text).map(|it| it.amount()),
                amount,
                "{text}"
            );
        }
    }
}
