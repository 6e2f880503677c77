//! The table as a reader sees it.

use crate::cell::{Cell, FAULTS, Reached};
use crate::phase::Row;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;

/// Outcomes by test name; absent in an entry: it failed.
static OUTCOMES: Mutex<BTreeMap<String, Option<Reached>>> = Mutex::new(BTreeMap::new());

/// Remembers an outcome.
pub(crate) fn note(cell: &Cell, tried: Option<Reached>) {
    OUTCOMES.lock().unwrap().insert(cell.name(), tried);
}

/// Returns the table of what was tried.
pub(crate) fn all(rows: &[Row]) -> String {
    let outcomes = OUTCOMES.lock().unwrap();
    let mut text = format!("\n{:42}", "");
    for fault in FAULTS {
        let _ = write!(text, "{:12}", fault.name);
    }
    for row in rows {
        let of = |fault| Cell {
            row: row.clone(),
            fault,
        };
        let tried = FAULTS.map(|fault| outcomes.get(&of(fault).name()));
        if tried.iter().all(Option::is_none) {
            continue;
        }
        let number = row.number.map_or("--".to_owned(), |it| format!("{it:2}"));
        let _ = write!(
            text,
            "\n{:8}{number} {:31}",
            row.phase.name(),
            row.operation
        );
        for outcome in tried {
            let _ = write!(text, "{:12}", word(outcome));
        }
    }
    let failed = outcomes.values().filter(|it| it.is_none()).count();
    let _ = write!(text, "\n\n{} cells, {failed} failed", outcomes.len());
    text
}

fn word(outcome: Option<&Option<Reached>>) -> String {
    match outcome {
        None => String::new(),
        Some(None) => "!".to_owned(),
        Some(Some(Reached::SameRun)) => "goes on".to_owned(),
        Some(Some(Reached::NextRun)) => "next run".to_owned(),
        Some(Some(Reached::Heir(1))) => "1 step".to_owned(),
        Some(Some(Reached::Heir(steps))) => format!("{steps} steps"),
    }
}
