//! The plugin layer, driven as Terraform drives it: real processes, real sockets, real TLS.
//!
//! What the provider itself never does (panic, run for ever) is done by a stub: this same program,
//! started again with an argument that says so.

#![allow(clippy::unwrap_used)]

mod by_hand;
mod lifetime;
mod logs;
mod stub;
mod terraform;
mod trust;
mod work;

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

/// No test waits longer for anything. Far beyond what any of them needs, so that a slow machine
/// fails no test and a hung one ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `holds` does.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let watched = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, watched)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

/// Makes trials of async functions, each with a runtime of its own.
macro_rules! trials {
    ($($module:ident :: $test:ident),* $(,)?) => {
        vec![$(Trial::test(concat!(stringify!($module), "::", stringify!($test)), || {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on($module::$test());
            Ok(())
        })),*]
    };
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(stub::ARGUMENT) {
        return stub::serve();
    }
    let trials = trials![
        by_hand::tells_what_it_is_and_how_to_use_it,
        by_hand::version_help_and_nonsense,
        by_hand::debug_mode_serves_one_terraform_after_another_until_interrupted,
        lifetime::shutdown_ends_the_process_and_leaves_nothing,
        lifetime::signals_from_the_first_moment_on_are_left_to_terraform,
        lifetime::a_terraform_that_vanishes_takes_the_process_with_it,
        lifetime::go_plugins_services_answer,
        lifetime::unneeded_calls_are_unimplemented,
        lifetime::a_terraform_without_protocol_6_is_refused,
        lifetime::a_long_temporary_directory_is_no_obstacle,
        logs::nothing_is_logged_unless_asked_for,
        logs::lines_are_what_terraform_parses,
        trust::only_terraforms_own_certificate_is_let_in,
        trust::garbage_on_the_socket_harms_nobody,
        trust::without_tls_only_when_terraform_says_so,
        trust::a_broken_client_certificate_is_no_reason_to_go_without,
        work::a_panic_is_a_diagnostic_and_a_report_and_other_calls_go_on,
        work::a_stop_ends_an_apply_early_with_its_answer,
        work::an_apply_outlives_its_terraform_until_its_safe_point,
        work::shutdown_does_not_wait_for_stubborn_work,
        work::large_messages_arrive,
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
