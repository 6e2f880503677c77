//! The fault table: each call that making, updating and removing a fleet on AWS sends is throttled,
//! fails, gets lost, has its effect and loses its answer, or is slow; and at each call that changes
//! something the process that sent it is killed.
//!
//! Afterwards the same run or the next one is at its goal, exactly what the goal needs exists, and
//! once the fleet is destroyed nothing does.
//!
//! Each cell is a test of its own, `PHASE::NUMBER_CALL::FAULT`. The table at the end shows for each
//! cell how the goal was reached, and `!` where it was not:
//!
//! ```text
//! cargo test --test aws_faults                          # all
//! cargo test --test aws_faults update::03               # one call, every fault
//! cargo test --test aws_faults update::03_CreateRule::reset
//! ```

#![allow(clippy::unwrap_used)]

mod cell;
mod job;
mod phase;
mod table;

#[path = "../account.rs"]
#[allow(dead_code)]
mod account;
#[path = "../place.rs"]
#[allow(dead_code)]
mod place;

use libtest_mimic::{Arguments, Failed, Trial};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// How many cells are tried at a time at most.
const AT_ONCE: usize = 8;

/// How many cells are tried at a time: most of a cell's time is waiting, but what they wait for is a
/// share of this machine's processors.
fn at_once() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    AT_ONCE.min(processors * 2)
}

fn main() -> ExitCode {
    if let Some(job) = job::asked_of_this_process() {
        return job;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert_with(at_once);
    let begin = Instant::now();
    let rows = phase::rows();
    let trials = rows.iter().flat_map(cell::cells).map(trial).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        println!("{}", table::all(&rows));
        println!("{:.0} s\n", begin.elapsed().as_secs_f64());
    }
    cell::end();
    conclusion.exit_code()
}

fn trial(cell: cell::Cell) -> Trial {
    Trial::test(cell.name(), move || {
        let tried = catch_unwind(AssertUnwindSafe(|| cell.try_it()));
        table::note(&cell, tried.as_ref().ok().copied());
        tried.map(|_| ()).map_err(said)
    })
}

fn said(panic: Box<dyn std::any::Any + Send>) -> Failed {
    let words = panic.downcast_ref::<String>().cloned();
    let words = words.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
    words.unwrap_or_default().into()
}
