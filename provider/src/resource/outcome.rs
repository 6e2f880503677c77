//! What a call reached: the state beside the diagnostics, always both.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::schema::Field;
use crate::value::Tree;

/// The state reached and what there is to say about it.
///
/// It is no `Result` on purpose: an early return with `?` would lose what had been made by then.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<M> {
    /// What is true now. None says that the object is gone; beside an error, that nothing of it
    /// is known to have changed, and the earlier state is kept.
    pub state: Option<M>,
    /// The provider's private data; none keeps what was stored.
    pub private: Option<Vec<u8>>,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
}

impl<M> Outcome<M> {
    /// It went well.
    pub fn done(state: M) -> Outcome<M> {
        Outcome {
            state: Some(state),
            private: None,
            diagnostics: Diagnostics::none(),
        }
    }

    /// The object does not exist, or no more.
    pub fn gone() -> Outcome<M> {
        Outcome {
            state: None,
            private: None,
            diagnostics: Diagnostics::none(),
        }
    }

    /// It failed after something had been reached. From a create this taints the object: the next
    /// apply destroys and makes it again.
    pub fn failed(reached: M, error: Diagnostic) -> Outcome<M> {
        Outcome::done(reached).with(error)
    }

    /// It failed and changed nothing: the earlier state is kept.
    pub fn refused(error: impl Into<Diagnostics>) -> Outcome<M> {
        Outcome {
            state: None,
            private: None,
            diagnostics: error.into(),
        }
    }

    /// Adds a message, mostly a warning.
    #[must_use]
    pub fn with(mut self, diagnostic: Diagnostic) -> Outcome<M> {
        self.diagnostics.push(diagnostic);
        self
    }
}

impl<M: Field> Outcome<M> {
    /// The same without its types.
    pub(super) fn encoded(self) -> Outcome<Tree> {
        Outcome {
            state: self.state.as_ref().map(Field::encode),
            private: self.private,
            diagnostics: self.diagnostics,
        }
    }
}
