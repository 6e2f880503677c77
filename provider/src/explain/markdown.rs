//! A page as Markdown, as merge requests show it.

use super::course::{Row, rows};
use super::{Attribute, FleetChange, Page};
use crate::model::{GenerationNumber, Weight};
use crate::rollout::{Forecast, Place, Words};
use std::fmt::{Arguments, Write};

/// Returns a page as Markdown. It has tables and no picture: few places show one that came with the
/// text.
#[must_use]
pub fn markdown(page: &Page) -> String {
    let mut text = Markdown(String::new());
    text.push(format_args!(
        "# What this plan does\n\n{}\n",
        page.summary()
    ));
    for fleet in &page.fleets {
        text.fleet(fleet);
    }
    if !page.others.is_empty() {
        text.push(format_args!("\n## Everything else\n\n"));
        for other in &page.others {
            let (address, actions) = (code(&other.address), plain(&other.actions));
            text.push(format_args!("- {address}: {actions}\n"));
        }
    }
    let version = plain(&page.terraform_version);
    text.push(format_args!("\nPlanned by Terraform {version}.\n"));
    text.0
}

struct Markdown(String);

impl Markdown {
    fn push(&mut self, text: Arguments<'_>) {
        self.0.write_fmt(text).expect("a string takes every text");
    }

    fn fleet(&mut self, fleet: &FleetChange) {
        let (address, actions) = (code(&fleet.change.address), plain(&fleet.change.actions));
        self.push(format_args!("\n## {address}: {actions}\n"));
        self.attributes(&fleet.attributes);
        match &fleet.forecast {
            Some(forecast) => self.course(forecast),
            None => self.lines(&fleet.lines),
        }
    }

    fn attributes(&mut self, attributes: &[Attribute]) {
        if attributes.is_empty() {
            return;
        }
        self.push(format_args!("\n| changes | from | to |\n|-|-|-|\n"));
        for Attribute {
            path,
            before,
            after,
        } in attributes
        {
            let (path, before, after) = (code(path), code(before), code(after));
            self.push(format_args!("| {path} | {before} | {after} |\n"));
        }
    }

    fn lines(&mut self, lines: &[String]) {
        self.push(format_args!("\n"));
        for (index, line) in lines.iter().enumerate() {
            self.push(format_args!("{}. {}\n", index + 1, plain(line)));
        }
    }

    fn course(&mut self, forecast: &Forecast) {
        let mut numbers: Vec<GenerationNumber> = forecast
            .course
            .iter()
            .flat_map(|moment| moment.places.keys().copied())
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        let heads: String = numbers
            .iter()
            .map(|it| format!(" generation {it} |"))
            .collect();
        self.push(format_args!("\n| after at least | step |{heads}\n"));
        self.push(format_args!("|-|-|{}\n", "-|".repeat(numbers.len())));
        for row in rows(forecast) {
            let step = plain(&row.step());
            let (at, moment) = match &row {
                Row::Moment(moment) => (Words(moment.at).to_string(), Some(moment)),
                Row::LeftOut(_) => (String::new(), None),
            };
            let place = |number| moment.and_then(|moment| moment.places.get(number));
            let places = numbers
                .iter()
                .map(|number| place(number).map_or_else(String::new, said));
            let places: String = places.map(|place| format!(" {place} |")).collect();
            self.push(format_args!("| {at} | {step} |{places}\n"));
        }
        for line in forecast.closing() {
            self.push(format_args!("\n{}\n", plain(&line)));
        }
    }
}

/// How many members a generation has, and its share as a bar of ten.
fn said(place: &Place) -> String {
    let members = place.members;
    if place.weight == Weight::NONE {
        return format!("{members}");
    }
    let full = usize::from(place.weight.percent()).div_ceil(10);
    let bar = "█".repeat(full) + &"░".repeat(10 - full);
    format!("{members}, {bar} {}", place.weight)
}

/// A text that stands for itself.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '~'
            | '$' => {
                safe.push('\\');
                safe.push(letter);
            }
            '<' => safe.push_str("&lt;"),
            '>' if safe.ends_with('-') => safe.push('>'),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            // Nobody is called by it, and no address becomes a link.
            '@' => safe.push_str("@\u{200b}"),
            ':' => safe.push_str(":\u{200b}"),
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe.replace(":\u{200b} ", ": ")
}

/// A value as it is written.
fn code(text: &str) -> String {
    let flat: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    let runs = flat.split(|letter| letter != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0) + 1);
    let room = if flat.starts_with('`') || flat.ends_with('`') || flat.trim().is_empty() {
        " "
    } else {
        ""
    };
    // A bar ends a cell even inside a code span.
    let flat = flat.replace('|', "\\|");
    format!("{fence}{room}{flat}{room}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_plan_becomes_markup() {
        let rows = [
            ("web@1.0.0", "web@\u{200b}1.0.0"),
            ("a | b", "a \\| b"),
            ("<script>", "&lt;script&gt;"),
            ("1 -> 2", "1 -> 2"),
            ("![x](http://y)", "\\!\\[x\\]\\(http:\u{200b}//y\\)"),
            ("one\ntwo", "one two"),
        ];
        for (text, wanted) in rows {
            assert_eq!(plain(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_code_span_holds_any_text() {
        let rows = [
            ("web", "`web`"),
            ("a`b", "``a`b``"),
            ("`", "`` ` ``"),
            ("a|b", "`a\\|b`"),
            ("", "`  `"),
        ];
        for (text, wanted) in rows {
            assert_eq!(code(text), wanted, "{text}");
        }
    }
}
