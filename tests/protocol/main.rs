//! Drives the protocol the way Terraform does, against a provider that knows every kind of
//! attribute and every kind of bad day.
#![allow(missing_docs)]

mod bad_days;
mod calls;
mod chartroom;
mod harbor;
mod lifecycle;
mod questions;
mod rules;
mod signals;
mod terraform;
mod unknown;

/// A ship with a value for every attribute that can have one.
const FULL: &str = r#"{
    "name": "Ada", "masts": 3, "afloat": true, "patience": "1h30m", "watch": "25%",
    "tons": 123456789012345678901234567890.5, "cargo": {"tea": 3, "rum": 1},
    "ports": ["Oslo", "Bergen"], "flags": ["blue", "red"],
    "crew": [{"name": "Bob"}, {"name": "Cid", "rank": "mate"}],
    "boats": {"port": {"length": 4}, "starboard": {"length": 5, "colour": "red"}},
    "cannons": [{"length": 2, "colour": "grey"}], "hull": {"material": "oak"},
    "engine": {"fuel": "coal"}, "orders": "north"
}"#;
