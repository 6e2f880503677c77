//! Images of the test application.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// What is wrong with a release, or not.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Behaviour {
    /// Nothing.
    Serves,
    /// Nothing, but it listens only once there is a file where its configuration's `GO` says.
    StartsWhenTold,
    /// It ends at once, with exit code 7 and a word on standard error.
    Exits,
    /// It runs and never listens.
    NeverListens,
    /// It answers every GET with 500.
    Answers500,
    /// It accepts requests and never answers.
    Hangs,
    /// It leaves a child behind that outlives it.
    Forks,
    /// It does not end when it is asked to.
    IgnoresSigterm,
    /// It listens nowhere, for a fleet without traffic.
    Works,
}

impl Behaviour {
    fn word(self) -> &'static str {
        match self {
            Behaviour::Serves => "serves",
            Behaviour::StartsWhenTold => "starts_when_told",
            Behaviour::Exits => "exits",
            Behaviour::NeverListens => "never_listens",
            Behaviour::Answers500 => "answers_500",
            Behaviour::Hangs => "hangs",
            Behaviour::Forks => "forks",
            Behaviour::IgnoresSigterm => "ignores_sigterm",
            Behaviour::Works => "works",
        }
    }
}

/// Writes the image of a version as a directory.
pub(crate) fn bake(image: &Path, version: &str, behaviour: Behaviour) {
    fs::create_dir_all(image.join("bin")).unwrap();
    let program = image.join("bin/web");
    fs::write(
        &program,
        format!("#!{}\n{}", python(), include_str!("app.py")),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(
        image.join("release"),
        format!("{version} {}\n", behaviour.word()),
    )
    .unwrap();
}

/// The interpreter itself. What a PATH offers may be a script of a version manager, which costs
/// each member a tenth of a second.
fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let print = [
            "-c",
            "import os, sys; print(os.path.realpath(sys.executable))",
        ];
        let output = Command::new("python3")
            .args(print)
            .output()
            .expect("python3 is on the PATH");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}
