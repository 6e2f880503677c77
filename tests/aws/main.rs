//! The AWS cloud against the stand-in: what only concerns AWS.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod account;
mod credentials;
mod denied;
mod drift;
mod examples;
mod fleet;
mod interrupted;
mod late;
mod launch;
mod life;
mod lines;
mod packer;
mod parked;
mod permissions;
mod place;
mod preflight;
mod proxy;
mod reads;
mod refusals;
mod releases;
mod scaling;
mod shrinking;
mod tcp;
mod trouble;

#[path = "../terraform/terraform.rs"]
#[allow(dead_code)]
mod terraform;
