//! Panics, told in the way that Terraform recognises and shows.

use std::backtrace::Backtrace;
use std::io::Write as _;
use std::panic::{self, PanicHookInfo};

/// Replaces Rust's panic message, which Terraform drops, by one that it prints when the run ends.
///
/// Terraform keeps a line that begins with `panic: ` and up to a hundred lines after it, even when
/// logging is off.
pub(super) fn report_panics() {
    panic::set_hook(Box::new(|panic| {
        // One write, so that no log line of another thread comes between; and never a panic about
        // a panic when standard error is closed.
        let _ = std::io::stderr().lock().write_all(report(panic).as_bytes());
    }));
}

fn report(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    let backtrace = Backtrace::force_capture();
    format!("panic: {message}\nat {place}, version {version}\n{backtrace}\n")
}
