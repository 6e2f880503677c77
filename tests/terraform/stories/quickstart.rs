//! The example that people see first keeps its promises.

use crate::terraform::Terraform;
use crate::workspace::free_address;
use std::os::unix::fs::symlink;
use std::process::Command;

with_both_terraforms!(the_quickstart_keeps_its_promises);

fn the_quickstart_keeps_its_promises(terraform: &Terraform) {
    let path = tempfile::tempdir().unwrap();
    symlink(terraform.command(), path.path().join("terraform")).unwrap();
    let paths = format!(
        "{}:{}",
        path.path().display(),
        std::env::var("PATH").unwrap()
    );
    let run = Command::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/quickstart/run"
    ))
    .env("PATH", paths)
    .env(
        "PROVIDER",
        env!("CARGO_BIN_EXE_terraform-provider-immutable"),
    )
    // Two of these run at a time, and each would find the port of the example free.
    .env("LISTENER", free_address().to_string())
    .output()
    .unwrap();
    let story = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success(),
        "{story}{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let last = story
        .lines()
        .find(|line| line.contains("requests served") && line.contains(" in "));
    assert!(
        last.is_some_and(|line| line.contains(", 0 failed")),
        "{story}"
    );
    println!("{story}");
}
