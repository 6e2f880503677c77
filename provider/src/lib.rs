//! A Terraform provider for immutable image fleets.
//!
//! Start reading at [`rollout`], the pure decisions; [`driver`] runs them against a [`cloud`];
//! [`resource`] says what users write and [`plugin`] and [`protocol`] talk to Terraform.

// The derives name this crate from outside, and are used inside as well.
extern crate self as immutable;

pub mod cloud;
pub mod diagnostic;
pub mod driver;
pub mod explain;
pub mod model;
pub mod picture;
pub mod plugin;
pub mod protocol;
pub mod resource;
pub mod rollout;
pub mod schema;
pub mod value;
