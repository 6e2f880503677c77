//! The pictures in the guide to strategies are what the engine foresees.
//!
//! `UPDATE_DOCS=1 cargo test --test rollout pictures` draws them anew.

use crate::fixture::*;
use crate::run::Run;
use immutable::cloud::sim::Fleet;
use immutable::picture::timeline;
use immutable::rollout::{Policy, Strategy, forecast};
use std::fs;
use std::path::{Path, PathBuf};

const ENDS: &str = "<!-- end of picture -->\n";

#[test]
fn the_guide_shows_what_is_foreseen() {
    shows("blue_green", Strategy::BlueGreen);
    shows("canary", canary(&[(25, 300), (50, 300)]));
    shows("rolling", rolling("25%", "100%"));
}

/// A fleet of four goes to its next release.
fn shows(name: &str, strategy: Strategy) {
    let policy = Policy {
        bake: seconds(600),
        ..policy(strategy)
    };
    let run = Run::settled(Fleet::new(1, BOOTS), goal("1.4.2", 4), policy.clone());
    let foreseen = forecast(&run.fleet.look(), &goal("1.5.0", 4), &policy);
    let title = format!("Members and traffic over time with {name}");
    let picture = format!("pictures/{name}.svg");
    is(&guide(&picture), &timeline(&foreseen, &title));

    let page = fs::read_to_string(guide("strategies.md")).unwrap();
    let begins = format!("<!-- picture: {name} -->\n");
    let (head, rest) = page.split_once(&begins).expect("a place for the picture");
    let (_, tail) = rest.split_once(ENDS).expect("the end of that place");
    let steps = foreseen.lines().join("\n");
    let part = format!("![{title}]({picture})\n\n```text\n{steps}\n```\n");
    let expected = format!("{head}{begins}{part}{ENDS}{tail}");
    is(&guide("strategies.md"), &expected);
}

fn guide(name: &str) -> PathBuf {
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guides");
    guides.join(name)
}

/// Fails unless a file says this; `UPDATE_DOCS=1` makes it.
fn is(path: &Path, expected: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        return fs::write(path, expected).unwrap();
    }
    let said = fs::read_to_string(path).unwrap_or_default();
    assert!(
        said == expected,
        "{} is not what the engine foresees; write it with: UPDATE_DOCS=1 cargo test --test rollout pictures",
        path.display()
    );
}
