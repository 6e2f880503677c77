//! Durations as users write them.

use super::Text;
use std::time::Duration;

/// A duration such as `"90s"`, `"5m"` or `"1h30m"`, with the text it was written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurationText {
    text: String,
    duration: Duration,
}

/// The units in the order in which they may follow each other, with their milliseconds. `ms`
/// stands before `m` and `s` are tried on a rest that begins with it.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl DurationText {
    /// The duration itself.
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

impl Text for DurationText {
    const ACCEPTS: &'static str = "a duration of whole hours, minutes, seconds or milliseconds, such as \"90s\", \"5m\" or \"1h30m\"";

    fn parse(text: &str) -> Option<DurationText> {
        Some(DurationText {
            text: text.to_owned(),
            duration: Duration::from_millis(milliseconds(text)?),
        })
    }

    fn text(&self) -> &str {
        &self.text
    }
}

/// Adds up the parts of a duration. "1h30m": 3,600,000 + 30 * 60,000 = 5,400,000.
fn milliseconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut units = &UNITS[..];
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, after) = after.split_at(letters);
        // Each unit once, the larger ones first: "1m1m" and "30m1h" are slips of the pen.
        let position = units.iter().position(|(name, _)| *name == unit)?;
        let part = number.parse::<u64>().ok()?.checked_mul(units[position].1)?;
        total = total.checked_add(part)?;
        units = &units[position + 1..];
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_as_written() {
        let rows = [
            ("0s", 0),
            ("250ms", 250),
            ("90s", 90_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("2h0m1s5ms", 7_201_005),
        ];
        for (text, milliseconds) in rows {
            let parsed = DurationText::parse(text);
            let parsed = parsed.map(|it| (it.duration(), it.text().to_owned()));
            let wanted = (Duration::from_millis(milliseconds), text.to_owned());
            assert_eq!(parsed, Some(wanted), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "5",
            "m",
            "5 m",
            " 5m",
            "-5m",
            "+5m",
            "1.5h",
            "5M",
            "5min",
            "30m1h",
            "1m1m",
            "1d",
            "99999999999999999999s",
            "9999999999999999h",
        ] {
            assert_eq!(DurationText::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,12}") {
            drop(DurationText::parse(&text));
        }
    }
}
