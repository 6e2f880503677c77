//! What a run tells while it goes on, for whoever can show it.

use tokio::sync::mpsc::UnboundedSender;

/// Where a run's progress goes, line by line. A run never waits for whoever listens, and does not
/// mind when nobody does.
#[derive(Debug, Clone, Default)]
pub struct Progress(Option<UnboundedSender<String>>);

impl Progress {
    /// Tells nobody.
    #[must_use]
    pub fn silent() -> Self {
        Self(None)
    }

    /// Tells whoever reads the other end.
    #[must_use]
    pub fn to(listener: UnboundedSender<String>) -> Self {
        Self(Some(listener))
    }

    /// Tells one line.
    pub fn say(&self, line: impl Into<String>) {
        if let Some(listener) = &self.0 {
            // Whoever listened has gone; what is done is done all the same.
            let _ = listener.send(line.into());
        }
    }
}
