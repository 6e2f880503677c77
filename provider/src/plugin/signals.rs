//! Signals that reach the whole process group and are meant for Terraform.

use libc::{SA_RESTART, SIGHUP, SIGINT, SIGTERM, c_int, sigaction, sigemptyset};

/// Goes on when the user presses Ctrl-C, the terminal closes or a runner sends SIGTERM.
///
/// Terraform shares its process group with us and decides itself: it asks us to stop over the
/// wire, or goes away, which we notice. Has to be the first thing that `main` does: a signal during
/// start-up would otherwise end the process before its handshake.
///
/// A handler that does nothing instead of `SIG_IGN`, which the processes we start would inherit:
/// members that cannot be asked to stop.
pub fn outlive_interrupts() {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // SAFETY: `action` is fully initialised, and the handler does nothing, which is
        // async-signal-safe. Installing a handler for these signals cannot fail.
        unsafe {
            let mut action: sigaction = std::mem::zeroed();
            action.sa_sigaction = heed_not as *const () as usize;
            action.sa_flags = SA_RESTART;
            sigemptyset(&raw mut action.sa_mask);
            sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

extern "C" fn heed_not(_signal: c_int) {}
