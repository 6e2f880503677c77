//! Both resources, driven the way Terraform drives them, on a cloud in memory and in time of its
//! own.
#![allow(missing_docs)]

#[path = "../protocol/calls.rs"]
mod calls;
mod fleet;
mod place;
mod questions;
mod release;
#[path = "../protocol/rules.rs"]
mod rules;
mod stage;
