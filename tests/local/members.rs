//! Members, good and bad.

use crate::place::{Fleet, Place, create, get, healthy, kill, launch, members, until_sync, web};
use immutable::cloud::{Cloud, ErrorKind};
use immutable::model::{GenerationNumber, LocalLaunch, Platform, Protocol, ReleaseRef};
use immutable::rollout::{Action, MemberState};
use std::path::Path;
use std::time::Duration;

/// Answers every request with its version, or with what the path asks for.
pub(crate) const GOOD: &str = r#"#!/usr/bin/env python3
import http.server, os, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        text, status = "v1", 200
        if self.path.startswith("/env/"):
            text = os.environ.get(self.path[5:], "absent")
        if self.path == "/slow":
            time.sleep(0.5)
        if self.path.startswith("/write/"):
            try:
                with open(self.path[6:], "w") as file:
                    file.write("x")
                text = "written"
            except OSError as error:
                text = "refused"
        body = text.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// The same, of another version.
pub(crate) fn good(version: &str) -> String {
    GOOD.replace("\"v1\"", &format!("\"{version}\""))
}

#[tokio::test]
async fn a_generation_is_made_gets_healthy_serves_and_leaves_nothing_behind() {
    let place = Place::new();
    let first = place.release("1", GOOD).await;
    let second = place.release("2", &good("v2")).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 2, &first).await;
    fleet.shift(&[(1, 100)], &[]).await;
    assert_eq!(fleet.get("/").await.unwrap(), (200, "v1".to_owned()));
    fleet.healthy(2, 2, &second).await;
    fleet.shift(&[(2, 100)], &[(1, 100)]).await;
    assert_eq!(fleet.get("/").await.unwrap(), (200, "v2".to_owned()));
    fleet.destroy(1).await;
    assert!(
        !fleet
            .world()
            .await
            .generations
            .contains_key(&GenerationNumber(1))
    );
    fleet.shift(&[], &[(2, 100)]).await;
    fleet.destroy(2).await;
    fleet.act(&Action::DestroyFleet).await.unwrap();
    for release in [first, second] {
        let ReleaseRef::Release(id) = release else {
            unreachable!("a release was made")
        };
        place.cloud.remove_release(&id).await.unwrap();
    }
    place.nothing_is_left();
    let listener = fleet.settings.front.unwrap().listener;
    std::net::TcpListener::bind(listener).unwrap();
}

#[tokio::test]
async fn looking_makes_nothing() {
    let place = Place::new();
    let world = place
        .cloud
        .observe(&web(), &["alarm".to_owned()])
        .await
        .unwrap();
    assert_eq!(
        (world.settings, world.generations.len(), world.alarms.len()),
        (None, 0, 1)
    );
    assert!(place.cloud.fleets().await.unwrap().is_empty());
    assert_eq!(
        place.cloud.line(&"web".parse().unwrap()).await.unwrap(),
        None
    );
    assert_eq!(place.cloud.endpoint(&web()).await.unwrap(), None);
    assert!(place.cloud.status().await.unwrap().is_none());
    assert!(!place.state().exists());
    assert_eq!(place.processes(), Vec::<u32>::new());
}

#[tokio::test]
async fn a_member_gets_its_configuration_its_secrets_and_nothing_of_ours() {
    let place = Place::new();
    let release = place
        .release(
            "1",
            "#!/bin/sh\nenv\nls /proc/self/fd | wc -l\necho the end\nexec sleep 1000\n",
        )
        .await;
    let file = place.program("secret", "from a file\n");
    let fleet = place.fleet().await;
    let mut launch = launch(&release);
    launch.config.insert("LEVEL".to_owned(), "info".to_owned());
    // Cargo sets this one for every test; the members must see it under the secret's name alone.
    launch
        .secrets
        .insert("TOKEN".to_owned(), "env:CARGO_PKG_NAME".to_owned());
    launch
        .secrets
        .insert("KEY".to_owned(), format!("file:{}", file.display()));
    fleet.act(&create(1, 1, launch)).await.unwrap();
    let id = members(&fleet.until(|world| !members(world, 1).is_empty()).await, 1)[0]
        .id
        .clone();
    let output = fleet.output(&id, "the end\n").await;
    let mut names: Vec<&str> = output
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    names.sort_unstable();
    // The shell adds PWD by itself.
    let expected = [
        "HOME",
        "HOST",
        "IMMUTABLE_MEMBER",
        "KEY",
        "LANG",
        "LEVEL",
        "PATH",
        "PORT",
        "PWD",
        "TMPDIR",
        "TOKEN",
        "TZ",
    ];
    assert_eq!(names, expected);
    for line in [
        "LEVEL=info",
        "TOKEN=terraform-provider-immutable",
        "KEY=from a file",
    ] {
        assert!(output.lines().any(|there| there == line), "{output}");
    }
    // Standard input, output and error, and the directory that is being listed.
    assert!(output.ends_with("\n4\nthe end\n"), "{output}");
    let record = std::fs::read_to_string(place.state().join("fleets/web.json")).unwrap();
    assert!(
        record.contains("env:CARGO_PKG_NAME") && !record.contains("terraform-provider-immutable")
    );
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named_before_anything_is_made() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    for (reference, expected) in [
        ("env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE"),
        ("vault:x", "\"env:NAME\""),
    ] {
        let mut launch = launch(&release);
        launch
            .secrets
            .insert("TOKEN".to_owned(), reference.to_owned());
        let error = fleet.act(&create(1, 1, launch)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        let words = crate::place::words(&error);
        assert!(
            words.contains("TOKEN") && words.contains(expected),
            "{words}"
        );
    }
    assert!(fleet.world().await.generations.is_empty());
}

#[tokio::test]
async fn a_member_that_exits_at_once_is_told_with_its_output_and_replaced() {
    let place = Place::new();
    let release = place
        .release("1", "#!/bin/sh\necho cannot find the database\nexit 3\n")
        .await;
    let fleet = place.fleet().await;
    fleet.act(&create(1, 1, launch(&release))).await.unwrap();
    let failed = |member: &&immutable::rollout::Member| member.state == MemberState::Failed;
    let world = fleet
        .until(|world| members(world, 1).iter().filter(failed).count() >= 2)
        .await;
    let member = members(&world, 1).iter().find(failed).unwrap();
    let error = member.last_error.clone().unwrap();
    assert!(error.starts_with("exited with status 3 after"), "{error}");
    assert_eq!(
        place.cloud.member_output(&web(), &member.id).await.unwrap(),
        "cannot find the database\n"
    );
}

#[tokio::test]
async fn members_that_are_unwell_say_how() {
    let cases = [
        (
            "never listens",
            "#!/bin/sh\nexec sleep 1000\n",
            "connection refused",
        ),
        (
            "answers 500",
            &GOOD.replace("\"v1\", 200", "\"v1\", 500"),
            "status 500",
        ),
        (
            "hangs",
            &GOOD.replace("text, status", "time.sleep(9); text, status"),
            "timed out",
        ),
    ];
    for (name, program, expected) in cases {
        let place = Place::new();
        let release = place.release("1", program).await;
        let mut fleet = place.fleet().await;
        fleet.settings.check.timeout = Duration::from_millis(300);
        fleet
            .act(&Action::Configure(fleet.settings.clone()))
            .await
            .unwrap();
        fleet.act(&create(1, 1, launch(&release))).await.unwrap();
        let says = |member: &immutable::rollout::Member| {
            member
                .last_error
                .as_deref()
                .is_some_and(|error| error.contains(expected))
        };
        let world = fleet
            .until(|world| members(world, 1).iter().any(says))
            .await;
        assert_eq!(
            (healthy(&world, 1), members(&world, 1)[0].streak),
            (0, 0),
            "{name}"
        );
        fleet.shift(&[(1, 100)], &[]).await;
        assert_eq!(fleet.get("/").await.unwrap().0, 503, "{name}");
    }
}

#[tokio::test]
async fn a_member_that_ignores_being_asked_is_ended_with_all_it_has_started() {
    let place = Place::new();
    // The inner shell leaves session and parent behind.
    let program = GOOD.replace("import http", "import signal, subprocess\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsubprocess.Popen(['setsid', 'sh', '-c', 'sleep 1000 & sleep 1000'])\nimport http");
    let release = place.release("1", &program).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    assert!(place.processes().len() >= 4);
    fleet.destroy(1).await;
    assert_eq!(place.processes(), vec![place.host().unwrap()]);
}

#[tokio::test]
async fn a_member_that_dies_or_is_killed_is_replaced_by_a_new_one() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 2, &release).await;
    fleet.shift(&[(1, 100)], &[]).await;
    let before = fleet.world().await;
    kill(place.programs("python3")[0], libc::SIGKILL);
    let world = fleet
        .until(|world| healthy(world, 1) == 2 && members(world, 1).len() == 3)
        .await;
    let dead = members(&world, 1)
        .iter()
        .find(|member| member.state == MemberState::Failed)
        .unwrap();
    assert!(
        dead.last_error
            .as_deref()
            .unwrap()
            .starts_with("was killed by signal 9")
    );
    assert!(
        members(&before, 1)
            .iter()
            .any(|member| member.id == dead.id)
    );
    assert_eq!(fleet.get("/").await.unwrap().0, 200);
}

#[tokio::test]
async fn requests_in_flight_are_finished_before_a_member_goes() {
    let place = Place::new();
    let flag = place.root.path().join("answer");
    let release = place.release("1", &answers_when_told(&flag)).await;
    let mut fleet = place.fleet().await;
    fleet.settings.drain = Duration::from_secs(60);
    fleet
        .act(&Action::Configure(fleet.settings.clone()))
        .await
        .unwrap();
    fleet.healthy(1, 1, &release).await;
    fleet.shift(&[(1, 100)], &[]).await;
    let listener = fleet.settings.front.as_ref().unwrap().listener.clone();
    let slow = tokio::task::spawn_blocking(move || get(&listener, "/slow"));
    let number = GenerationNumber(1);
    fleet
        .until(|world| world.generations[&number].in_flight == Some(1))
        .await;
    fleet.shift(&[], &[(1, 100)]).await;
    let drain = Action::DrainGeneration { number };
    fleet.act(&drain).await.unwrap();
    answer_once_it_leaves(&fleet, &flag).await;
    assert_eq!(slow.await.unwrap().unwrap(), (200, "v1".to_owned()));
}

/// The good one, whose `/slow` is answered once there is a file.
fn answers_when_told(flag: &Path) -> String {
    let wait = format!("while not os.path.exists({flag:?}): time.sleep(0.01)");
    GOOD.replace("time.sleep(0.5)", &wait)
}

/// Destroys the first generation, and makes the file once its member is leaving.
async fn answer_once_it_leaves(fleet: &Fleet<'_>, flag: &Path) {
    let (own, name, fence) = (fleet.place.cloud.clone(), fleet.name.clone(), fleet.fence);
    let number = GenerationNumber(1);
    let destroy = Action::DestroyGeneration { number, park: None };
    let destroyed = tokio::spawn(async move { own.act(&name, fence, &destroy).await });
    fleet
        .until(|world| {
            members(world, 1)
                .iter()
                .all(|member| member.state == MemberState::Leaving)
        })
        .await;
    std::fs::write(flag, "").unwrap();
    destroyed.await.unwrap().unwrap();
}

#[tokio::test]
async fn requests_that_came_in_at_an_earlier_listener_are_finished_too() {
    let place = Place::new();
    let flag = place.root.path().join("answer");
    let release = place.release("1", &answers_when_told(&flag)).await;
    let mut fleet = place.fleet().await;
    fleet.settings.drain = Duration::from_secs(60);
    fleet
        .act(&Action::Configure(fleet.settings.clone()))
        .await
        .unwrap();
    fleet.healthy(1, 1, &release).await;
    fleet.healthy(2, 1, &release).await;
    fleet.shift(&[(1, 100)], &[]).await;
    let listener = fleet.settings.front.as_ref().unwrap().listener.clone();
    let slow = tokio::task::spawn_blocking(move || get(&listener, "/slow"));
    let in_flight =
        |world: &immutable::rollout::World| world.generations[&GenerationNumber(1)].in_flight;
    fleet.until(|world| in_flight(world) == Some(1)).await;
    fleet.settings.front.as_mut().unwrap().listener = crate::place::free_address();
    fleet
        .act(&Action::Configure(fleet.settings.clone()))
        .await
        .unwrap();
    fleet.shift(&[(2, 100)], &[(1, 100)]).await;
    assert_eq!(fleet.get("/").await.unwrap().0, 200);
    assert_eq!(in_flight(&fleet.world().await), Some(1));
    answer_once_it_leaves(&fleet, &flag).await;
    assert_eq!(slow.await.unwrap().unwrap(), (200, "v1".to_owned()));
}

#[tokio::test]
async fn connections_that_outlive_a_drain_are_cut() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let mut fleet = place.fleet().await;
    fleet.settings.front.as_mut().unwrap().protocol = Protocol::Tcp;
    fleet.settings.drain = Duration::from_millis(100);
    fleet
        .act(&Action::Configure(fleet.settings.clone()))
        .await
        .unwrap();
    fleet.healthy(1, 1, &release).await;
    fleet.shift(&[(1, 100)], &[]).await;
    let listener = fleet.settings.front.as_ref().unwrap().listener.clone();
    let idle: Vec<_> = (0..8)
        .map(|_| std::net::TcpStream::connect(&listener).unwrap())
        .collect();
    fleet
        .until(|world| world.generations[&GenerationNumber(1)].in_flight == Some(8))
        .await;
    let host = place.host().unwrap();
    let sockets = || {
        let open = std::fs::read_dir(format!("/proc/{host}/fd")).unwrap();
        let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        targets
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count()
    };
    let before = sockets();
    fleet.shift(&[], &[(1, 100)]).await;
    fleet.destroy(1).await;
    // The clients have not closed theirs: it is the host that has let go.
    until_sync(|| sockets() + 2 * idle.len() <= before);
}

#[tokio::test]
async fn a_fleet_grows_and_shrinks_without_touching_those_that_stay() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 2, &release).await;
    let before = fleet.world().await;
    let resize = |size| Action::ResizeGeneration {
        number: GenerationNumber(1),
        size,
    };
    fleet.act(&resize(3)).await.unwrap();
    fleet.until(|world| healthy(world, 1) == 3).await;
    fleet.act(&resize(2)).await.unwrap();
    let after = fleet.until(|world| members(world, 1).len() == 2).await;
    // The youngest goes first.
    let ids = |world| {
        members(world, 1)
            .iter()
            .map(|member| member.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&before), ids(&after));
    let generation = &after.generations[&GenerationNumber(1)];
    assert_eq!(
        (
            generation.wanted_before,
            generation.wanted,
            generation.desired
        ),
        (3, 2, 2)
    );
}

#[tokio::test]
async fn workers_are_well_as_long_as_they_run() {
    let place = Place::new();
    let release = place.release("1", "#!/bin/sh\nexec sleep 1000\n").await;
    let mut fleet = place.fleet().await;
    fleet.settings.front = None;
    fleet
        .act(&Action::Configure(fleet.settings.clone()))
        .await
        .unwrap();
    let mut launch = launch(&release);
    launch.port = None;
    fleet.act(&create(1, 2, launch)).await.unwrap();
    let world = fleet.until(|world| healthy(world, 1) == 2).await;
    assert_eq!(world.traffic, immutable::rollout::Traffic::None);
    assert_eq!(place.cloud.endpoint(&web()).await.unwrap(), None);
}

#[tokio::test]
async fn one_failed_member_is_parked_until_the_fleet_goes() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 2, &release).await;
    let parked = members(&fleet.world().await, 1)[0].id.clone();
    let destroy = Action::DestroyGeneration {
        number: GenerationNumber(1),
        park: Some(parked.clone()),
    };
    fleet.act(&destroy).await.unwrap();
    assert!(fleet.world().await.generations.is_empty());
    let carries = |process: &u32| {
        String::from_utf8_lossy(
            &std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default(),
        )
        .contains(&parked.0)
    };
    assert!(
        place.processes().iter().any(carries),
        "the parked member lives on"
    );
    fleet.act(&Action::DestroyFleet).await.unwrap();
    assert!(!place.processes().iter().any(carries));
}

#[tokio::test]
async fn a_command_that_is_not_in_the_image_is_refused() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    let mut launch = launch(&release);
    launch.platform = Platform::Local(LocalLaunch {
        command: vec!["bin/web".to_owned()],
    });
    let error = fleet.act(&create(1, 1, launch)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(
        crate::place::words(&error).contains("there is no bin/web in the image"),
        "{}",
        crate::place::words(&error)
    );
}

#[tokio::test]
async fn a_talkative_member_fills_no_disk() {
    let place = Place::new();
    let release = place.release("1", "#!/bin/sh\nyes 0123456789012345678901234567890123456789 | head -c 3000000\necho the end\nexec sleep 1000\n").await;
    let fleet = place.fleet().await;
    fleet.act(&create(1, 1, launch(&release))).await.unwrap();
    let id = members(&fleet.until(|world| !members(world, 1).is_empty()).await, 1)[0]
        .id
        .clone();
    assert!(fleet.output(&id, "the end\n").await.len() <= 4096);
    let log = place.cloud.log(&id).await.unwrap().unwrap();
    assert!(
        (200_000..600_000).contains(&log.len()),
        "{} bytes are kept",
        log.len()
    );
}

#[tokio::test]
async fn a_stopped_member_is_seen() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    kill(place.programs("python3")[0], libc::SIGSTOP);
    let world = fleet
        .until(|world| members(world, 1)[0].drift.is_some())
        .await;
    assert!(
        members(&world, 1)[0]
            .drift
            .as_deref()
            .unwrap()
            .contains("stopped by hand")
    );
    fleet.destroy(1).await;
    until_sync(|| place.processes().len() == 1);
}
