//! What people ask of a host on the command line.

use crate::place::{PROGRAM, Place, create, launch, members};
use std::process::{Command, Output};

fn host(place: &Place, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("host").args(arguments);
    command.arg("--directory").arg(place.state());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn logs_show_what_a_member_or_the_host_has_written() {
    let place = Place::new();
    let program =
        "#!/bin/sh\necho first\nprintf '\\033[2Jgone\\n'\necho second >&2\nexec sleep 1000\n";
    let release = place.release("1", program).await;
    let fleet = place.fleet().await;
    fleet.act(&create(1, 1, launch(&release))).await.unwrap();
    let world = fleet.until(|world| !members(world, 1).is_empty()).await;
    let member = members(&world, 1)[0].id.clone();
    fleet.output(&member, "second\n").await;

    let shown = host(&place, &["logs", &member.0]);
    assert!(shown.status.success());
    assert_eq!(text(&shown.stdout), "first\n [2Jgone\nsecond\n");

    let unknown = host(&place, &["logs", "web-1-nobody"]);
    assert!(!unknown.status.success() && unknown.stdout.is_empty());
    let words = text(&unknown.stderr);
    assert!(
        words.contains("web-1-nobody") && words.contains("host status"),
        "{words}"
    );

    std::fs::write(place.state().join("host.log"), "what it said\n").unwrap();
    let own = host(&place, &["logs"]);
    assert!(own.status.success());
    assert_eq!(text(&own.stdout), "what it said\n");
}

#[test]
fn without_a_host_logs_say_so_and_make_nothing() {
    let place = Place::new();
    let member = host(&place, &["logs", "web-1-nobody"]);
    assert!(member.status.success());
    let words = text(&member.stdout);
    assert!(words.contains("no host runs for"), "{words}");
    let own = host(&place, &["logs"]);
    assert!(own.status.success() && own.stdout.is_empty());
    assert!(!place.state().exists());
}
