//! The matrix as a reader sees it.

use crate::cell::Tried;
use crate::plan::{Cell, STRIKES, UPDATES};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;

/// Outcomes by test name; absent in an entry: it failed.
static OUTCOMES: Mutex<BTreeMap<String, Option<Tried>>> = Mutex::new(BTreeMap::new());

/// Remembers an outcome.
pub(crate) fn note(cell: &Cell, tried: Option<Tried>) {
    OUTCOMES.lock().unwrap().insert(cell.name(), tried);
}

/// Returns the table of what was tried.
pub(crate) fn all() -> String {
    let outcomes = OUTCOMES.lock().unwrap();
    let mut text = format!("\n{:32}", "");
    for strike in STRIKES {
        let _ = write!(text, "{:11}", strike.name);
    }
    for update in &UPDATES {
        for number in 1..=update.changes.len() {
            let cell = |strike| Cell {
                update,
                number,
                strike,
            };
            let title = cell(STRIKES[0]);
            let row = STRIKES.map(|strike| outcomes.get(&cell(strike).name()));
            if row.iter().any(Option::is_some) {
                let _ = write!(text, "\n{:11}{number:2} {:18}", update.name, title.change());
                row.iter().for_each(|outcome| {
                    let _ = write!(text, "{:11}", word(*outcome));
                });
            }
        }
    }
    let failed = outcomes.values().filter(|it| it.is_none()).count();
    let tried = outcomes.values().flatten();
    let served: u64 = tried.clone().map(|it| it.served).sum();
    let cut: u64 = tried.map(|it| it.cut).sum();
    let _ = write!(
        text,
        "\n\n{} cells, {failed} failed; {served} requests served, none lost while the host lived, \
         {cut} while it was dead",
        outcomes.len()
    );
    text
}

fn word(outcome: Option<&Option<Tried>>) -> &'static str {
    match outcome {
        None => "",
        Some(None) => "!",
        Some(Some(tried)) => tried.found.word(),
    }
}
