//! Everything between Terraform's `exec` and the first RPC, and between the last RPC and `exit`.
//!
//! Terraform starts the provider, reads one line from its standard output and calls it over a
//! socket that only the two of them can use. This module does that part and knows nothing of
//! resources, schemas or clouds: it serves whatever implements the generated [`Provider`] trait.
//! Start at [`serve`]; the order of events is `server`'s, when to exit is `lifetime`'s.

mod connection;
mod crash;
mod dispatch;
mod environment;
mod error;
mod handshake;
mod lifetime;
mod log;
mod reattach;
mod server;
mod services;
mod signals;
mod socket;
mod tls;
mod work;

pub use error::Error;
pub use immutable_proto::tfplugin6::provider_server::Provider;
pub use server::{Mode, serve};
pub use signals::outlive_interrupts;
pub use work::{Panicked, Work};
