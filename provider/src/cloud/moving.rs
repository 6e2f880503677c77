//! Who may move a line to another release.

use crate::model::ReleaseId;

/// Refuses to move a line to a release where something else is current than whoever decided it saw.
///
/// # Errors
/// What is current instead, in words.
pub(super) fn check(
    current: Option<&ReleaseId>,
    to: &ReleaseId,
    from: Option<&ReleaseId>,
) -> Result<(), String> {
    if current == Some(to) || current == from {
        return Ok(());
    }
    let told = |id: Option<&ReleaseId>| id.map_or("no release".to_owned(), ToString::to_string);
    Err(format!(
        "{} is current, not {}: someone else has moved the line meanwhile",
        told(current),
        told(from)
    ))
}
