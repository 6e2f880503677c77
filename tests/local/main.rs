//! The local cloud with real processes: what a fleet may count on, on good days and bad ones.

#![allow(clippy::unwrap_used)]

mod command_line;
mod drift;
mod host;
mod images;
mod isolation;
mod machine;
mod members;
mod place;
mod releases;
mod rules;
