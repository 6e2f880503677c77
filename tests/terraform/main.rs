//! End to end: the real Terraform drives the real provider on this machine, with real traffic.
//!
//! Each story runs twice, with the Terraform of the PATH and with the newest one. It works in a
//! [`Workspace`](workspace::Workspace) of its own, which at its end leaves no process and no file.
//! Start reading at `stories/life.rs`.

#![allow(clippy::unwrap_used)]

#[cfg(feature = "aws")]
#[allow(dead_code)]
#[path = "../aws/account.rs"]
mod account;
mod app;
#[cfg(feature = "aws")]
mod aws;
mod load;
mod processes;
mod terraform;
mod web;
mod workspace;

/// Makes each story two tests, one for each Terraform.
macro_rules! with_both_terraforms {
    ($($story:ident),+ $(,)?) => { $(
        mod $story {
            #[test]
            fn with_the_installed_terraform() {
                super::$story(&crate::terraform::Terraform::installed());
            }

            #[test]
            fn with_the_newest_terraform() {
                super::$story(&crate::terraform::Terraform::newest());
            }
        }
    )+ };
}

/// Makes each story a test with the newest Terraform: it is about what the other one has not.
macro_rules! with_the_newest_terraform {
    ($($story:ident),+ $(,)?) => { $(
        mod $story {
            #[test]
            fn with_the_newest_terraform() {
                super::$story(&crate::terraform::Terraform::newest());
            }
        }
    )+ };
}

mod ecosystem {
    mod functions;
    mod inventory;
    mod materials;
    mod moved;
    mod query;
    mod upgraded;
}
mod stories {
    mod actions;
    #[cfg(feature = "aws")]
    mod aws {
        mod alarms;
        mod credentials;
        mod drift;
        mod fronts;
        mod killed;
        mod life;
        mod operations;
        mod preflight;
        mod query;
        mod scaling;
    }
    mod bad_days;
    mod bad_input;
    mod docs;
    mod drift;
    mod examples;
    mod explained;
    mod holds;
    mod life;
    mod load;
    mod logs;
    mod modules;
    mod packaging;
    mod packer;
    mod quickstart;
    mod releases;
    mod rollback;
    mod unknown;
    mod watched;
}
