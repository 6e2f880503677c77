//! The kill matrix: for every change of every kind of update, whoever takes part is killed, stopped
//! or disturbed at that change, under load.
//!
//! Afterwards: no request was lost while the host lived, the next plan tells where the fleet stands,
//! the next apply takes the steps of that plan and ends at the goal, and nothing is left over.
//!
//! Each cell is a test of its own, `UPDATE::NUMBER_CHANGE::BLOW`; `-` in a blow's name is just
//! before the change, `+` just after it. The table at the end shows, for each cell, where the next
//! plan found the fleet, and `!` where something was wrong:
//!
//! ```text
//! cargo test --test kill                                     # all
//! cargo test --test kill canary::05                          # one change, every blow
//! cargo test --test kill canary::05_resize_generation::host+ # one cell
//! ```

#![allow(clippy::unwrap_used)]

mod cell;
mod fleet;
mod gate;
mod plan;
mod table;

#[path = "../app.rs"]
#[allow(dead_code)]
mod app;
#[path = "../load.rs"]
#[allow(dead_code)]
mod load;
#[path = "../processes.rs"]
#[allow(dead_code)]
mod processes;
#[path = "../terraform.rs"]
#[allow(dead_code)]
mod terraform;
#[path = "../web.rs"]
#[allow(dead_code)]
mod web;
#[path = "../workspace.rs"]
#[allow(dead_code)]
mod workspace;

use libtest_mimic::{Arguments, Failed, Trial};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// How many cells are tried at a time: most of a cell's time is waiting.
const AT_ONCE: usize = 5;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let begin = Instant::now();
    let trials = plan::cells().into_iter().map(trial).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        println!("{}", table::all());
        println!("{:.0} s\n", begin.elapsed().as_secs_f64());
    }
    let is_clean = catch_unwind(fleet::destroy_all).is_ok();
    if is_clean {
        conclusion.exit_code()
    } else {
        ExitCode::FAILURE
    }
}

fn trial(cell: plan::Cell) -> Trial {
    Trial::test(cell.name(), move || {
        let tried = catch_unwind(AssertUnwindSafe(|| cell::try_one(&cell)));
        table::note(&cell, tried.as_ref().ok().copied());
        tried.map(|_| ()).map_err(said)
    })
}

fn said(panic: Box<dyn std::any::Any + Send>) -> Failed {
    let words = panic.downcast_ref::<String>().cloned();
    let words = words.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
    words.unwrap_or_default().into()
}
