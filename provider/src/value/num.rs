//! Numbers of any size, exact: a value that is only passed on must come back as it was.

use std::fmt;

/// Digits that a number may have when written out. Terraform computes with 512 bits, so real
/// numbers have a few hundred; the limit keeps `1e999999999` from filling the memory.
const MAX_DIGITS: i64 = 4096;

/// A decimal number. There is no NaN and no infinity: the former makes Terraform itself crash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Num(Repr);

/// Each number has one representation, so that equality is equality of value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Repr {
    Int(i64),
    /// Canonical text: no exponent, no leading or trailing zeros, not an `i64`.
    Decimal(String),
}

impl Num {
    /// Reads a decimal number, with or without fraction and exponent. None for anything else,
    /// and for numbers of more than 4096 digits.
    pub fn parse(text: &str) -> Option<Num> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
        Num::from_digits(negative, &digits, point)
    }

    /// Takes the value of a float exactly as its shortest decimal text says it, which is how
    /// Terraform compares them. None for NaN and the infinities.
    pub fn from_f64(value: f64) -> Option<Num> {
        value.is_finite().then(|| Num::parse(&value.to_string()))?
    }

    /// Returns the number when it is whole and fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Int(value) => Some(value),
            Repr::Decimal(_) => None,
        }
    }

    /// Puts the point after `point` of the digits and drops what does not change the value.
    fn from_digits(negative: bool, digits: &str, point: i64) -> Option<Num> {
        let significant = digits.trim_start_matches('0');
        let leading = i64::try_from(digits.len() - significant.len()).ok()?;
        let significant = significant.trim_end_matches('0');
        if significant.is_empty() {
            return Some(Num(Repr::Int(0)));
        }
        let point = point - leading;
        let length = i64::try_from(significant.len()).ok()?;
        if point.abs() > MAX_DIGITS || length > MAX_DIGITS {
            return None;
        }
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
        let unsigned = if point <= 0 {
            format!("0.{}{significant}", zeros(-point))
        } else if point >= length {
            format!("{significant}{}", zeros(point - length))
        } else {
            let (whole, fraction) = significant.split_at(usize::try_from(point).ok()?);
            format!("{whole}.{fraction}")
        };
        let text = if negative {
            format!("-{unsigned}")
        } else {
            unsigned
        };
        Some(Num(match text.parse::<i64>() {
            Ok(value) => Repr::Int(value),
            Err(_) => Repr::Decimal(text),
        }))
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // An exponent beyond `i32` is beyond any number that is accepted.
    is_number.then(|| text.parse::<i32>().ok().map(i64::from))?
}

impl From<i64> for Num {
    fn from(value: i64) -> Num {
        Num(Repr::Int(value))
    }
}

impl From<u64> for Num {
    fn from(value: u64) -> Num {
        match i64::try_from(value) {
            Ok(value) => Num(Repr::Int(value)),
            Err(_) => Num(Repr::Decimal(value.to_string())),
        }
    }
}

/// Writes every digit, never an exponent.
impl fmt::Display for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Int(value) => value.fmt(f),
            Repr::Decimal(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_value_has_one_text() {
        let rows = [
            ("0", "0"),
            ("-0", "0"),
            ("-0.000", "0"),
            ("007", "7"),
            ("1.50", "1.5"),
            ("0.1", "0.1"),
            ("-12.5e1", "-125"),
            ("1.25e-3", "0.00125"),
            ("1E+3", "1000"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854775808"),
            ("-9223372036854775808", "-9223372036854775808"),
            (
                "123456789012345678901234567890.5",
                "123456789012345678901234567890.5",
            ),
        ];
        for (text, canonical) in rows {
            assert_eq!(Num::parse(text).unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "+1",
            "1e",
            "e1",
            "1e+",
            "NaN",
            "inf",
            "Infinity",
            "0x1f",
            "1_000",
            " 1",
            "1e99999999999999999999",
            "1e5000",
            "1e-5000",
            "--1",
            "1.2.3",
        ] {
            assert_eq!(Num::parse(text), None, "{text}");
        }
        for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Num::from_f64(float), None);
        }
    }

    proptest! {
        #[test]
        fn floats_keep_their_shortest_text(value in any::<f64>()) {
            if let Some(num) = Num::from_f64(value) {
                prop_assert_eq!(num.to_string().parse::<f64>().unwrap(), value);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+.eE0-9]{0,12}") {
            if let Some(num) = Num::parse(&text) {
                prop_assert_eq!(Num::parse(&num.to_string()), Some(num));
            }
        }
    }
}
