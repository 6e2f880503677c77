//! The phases of a fleet's life and the calls that each of them sends when nobody disturbs it.

use crate::cell;
use crate::job::{self, Wish};
use crate::place::Place;
use serde_json::Value;
use std::collections::BTreeSet;

/// A part of a fleet's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Create,
    Update,
    Destroy,
}

impl Phase {
    pub(crate) const ALL: [Self; 3] = [Self::Create, Self::Update, Self::Destroy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Destroy => "destroy",
        }
    }

    /// Whether it begins with a fleet.
    pub(crate) fn has_fleet(self) -> bool {
        self != Self::Create
    }

    /// Where it ends.
    pub(crate) fn wish(self, image: &str, edition: u64) -> Wish {
        match self {
            Self::Create | Self::Update => Wish::Runs {
                image: image.to_owned(),
                edition,
            },
            Self::Destroy => Wish::Gone,
        }
    }
}

/// A call of a phase: the table's row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) phase: Phase,
    /// Among the calls that change something, counted from 1; absent: it reads, and stands for all
    /// of its kind.
    pub(crate) number: Option<usize>,
    /// `CreateRule`.
    pub(crate) operation: String,
}

/// Lives one life undisturbed and returns its calls.
pub(crate) fn rows() -> Vec<Row> {
    let place = Place::new();
    let image = cell::image(&place);
    let mut rows = Vec::new();
    for (edition, phase) in Phase::ALL.into_iter().enumerate() {
        place.forget_calls();
        let wish = phase.wish(&image, edition as u64);
        cell::reached(&job::run(&place, &place.another(), &wish, "the first"));
        rows.extend(rows_of(phase, &journal(&place)));
    }
    rows
}

fn journal(place: &Place) -> Vec<String> {
    let told = crate::account::control(
        "GET",
        &format!("journal?account={}", place.account),
        &Value::Null,
    );
    serde_json::from_value(told).unwrap()
}

fn rows_of(phase: Phase, journal: &[String]) -> Vec<Row> {
    let operations = journal
        .iter()
        .filter_map(|call| Some(call.split_once(':')?.1.to_owned()));
    let (reads, changes): (Vec<_>, Vec<_>) = operations.partition(|name| is_read(name));
    let changes = changes
        .into_iter()
        .enumerate()
        .map(|(index, operation)| Row {
            phase,
            number: Some(index + 1),
            operation,
        });
    let reads: BTreeSet<String> = reads.into_iter().collect();
    let reads = reads.into_iter().map(|operation| Row {
        phase,
        number: None,
        operation,
    });
    changes.chain(reads).collect()
}

fn is_read(operation: &str) -> bool {
    operation.starts_with("Describe") || operation.starts_with("Get")
}
