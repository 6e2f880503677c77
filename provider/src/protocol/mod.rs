//! Terraform's calls, each a short function: decode, dispatch, encode.
//!
//! It knows the protocol and nothing of fleets. Start at [`Service`]; `service` lists the calls
//! that are answered. What is left out there is declared absent in the schema, so that Terraform
//! never asks.
//!
//! A gRPC status is never an answer of ours: Terraform erases what it knows of a resource when it
//! sees one. Failures, panics included, are diagnostics beside the state that was there before.

mod action;
mod data_source;
mod function;
mod identity;
mod listing;
mod provider;
mod resource;
mod schema;
mod service;
mod value;

pub use service::Service;
