//! The program that a member is started with.

use crate::diagnostic::Diagnostic;
use crate::schema::Maybe;
use crate::value::Path;

/// Returns what is wrong with a command at `path`; absent: nothing. A program that lies outside of
/// the image would not be part of the release.
pub(crate) fn program(command: &[Maybe<String>], path: Path) -> Option<Diagnostic> {
    let Some(program) = command.first() else {
        let why = "Name the program, or leave command out to start the image's only file.";
        return Some(Diagnostic::invalid(path, why));
    };
    let program = program.known()?;
    let outside = program.is_empty()
        || program.starts_with('/')
        || program.split('/').any(|part| part == "..");
    let why = "The program is a path below the image's root, such as \"bin/web\".";
    outside.then(|| Diagnostic::invalid(path.index(0), why))
}
