//! Wire types of the Terraform plugin protocol 6 and of go-plugin's own services.
//!
//! Everything here is generated from `proto/*.proto` and committed, so that building needs neither
//! `protoc` nor a code generator; `tests/wire.rs` regenerates it and holds it against the facts.
//! Every RPC of a service answers `UNIMPLEMENTED` until it is implemented. Clients, for tests, come
//! with the feature `client`.

/// Terraform's own protocol.
#[allow(missing_docs, deprecated, unreachable_pub, clippy::all)]
pub mod tfplugin6 {
    include!("generated/tfplugin6.rs");
}

/// go-plugin's services: broker, controller and printed output.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod plugin {
    include!("generated/plugin.rs");
}

/// gRPC's health checks.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod health {
    include!("generated/grpc.health.v1.rs");
}
