//! What a call gets beside its values.

use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The surroundings of one call.
#[derive(Debug)]
pub struct Context<C> {
    /// What configuring the provider made.
    pub configured: Arc<C>,
    /// Cancelled when the user asks Terraform to stop: finish at the next safe point.
    pub cancel: CancellationToken,
    /// The private data stored beside the state; empty at first. Not secret: it is plain in the
    /// state file.
    pub private: Vec<u8>,
}
