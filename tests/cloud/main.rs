//! The contract of all clouds: the same bodies run against each of them.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests")]

#[cfg(feature = "aws")]
#[allow(dead_code)]
#[path = "../aws/account.rs"]
mod account;
mod asked;
#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "aws")]
#[allow(dead_code)]
#[path = "../aws/place.rs"]
mod aws_place;
mod contract;
mod local;
// The directory that a local cloud lives in, and that leaves nothing behind, is the same for all of
// its tests; the contract needs a part of it.
#[allow(dead_code)]
#[path = "../local/place.rs"]
mod place;
mod sim;
