//! The licences of what is built in are told.

use std::process::Command;

#[test]
fn the_notices_name_everything_that_is_built_in() {
    let notices = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/notices");
    let check = Command::new(notices)
        .arg("--check")
        .output()
        .expect("python3 runs .ci/notices");
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );
}
