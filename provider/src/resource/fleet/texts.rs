//! Texts of a fleet's configuration that have rules of their own.

use crate::model::ReleaseRef;
use crate::rollout::Hold;
use crate::schema::{DurationText, Text};

/// What a fleet runs, with the text it was written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseText {
    text: String,
    release: ReleaseRef,
}

impl ReleaseText {
    /// What a fleet runs.
    #[must_use]
    pub fn release(&self) -> &ReleaseRef {
        &self.release
    }
}

impl From<ReleaseRef> for ReleaseText {
    fn from(release: ReleaseRef) -> Self {
        Self {
            text: release.to_string(),
            release,
        }
    }
}

impl Text for ReleaseText {
    const ACCEPTS: &'static str =
        "a release \"name@version\", such as the id of an immutable_image_release, or an image id";

    fn parse(text: &str) -> Option<Self> {
        ReleaseRef::parse(text).ok().map(|release| Self {
            text: text.to_owned(),
            release,
        })
    }

    fn text(&self) -> &str {
        &self.text
    }
}

/// How a canary's step is held, with the text it was written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldText {
    text: String,
    hold: Hold,
}

/// What users write where the next apply shall go on.
const NEXT_APPLY: &str = "next_apply";

impl HoldText {
    /// How the step is held.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.hold
    }
}

impl Text for HoldText {
    const ACCEPTS: &'static str =
        "a duration such as \"5m\", or \"next_apply\" to rest there until the next apply";

    fn parse(text: &str) -> Option<Self> {
        let hold = match text {
            NEXT_APPLY => Hold::NextApply,
            _ => Hold::For(DurationText::parse(text)?.duration()),
        };
        Some(Self {
            text: text.to_owned(),
            hold,
        })
    }

    fn text(&self) -> &str {
        &self.text
    }
}
