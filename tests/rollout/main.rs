//! The engine on a simulated cloud: stories, histories, an exhaustive search, planted bugs.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests")]

mod driving;
mod fixture;
mod forecasts;
mod health;
mod histories;
mod history;
mod holds;
mod live;
mod mutants;
mod pictures;
mod requests;
mod run;
mod search;
mod serving;
mod stories;
