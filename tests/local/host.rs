//! The host: its death, its start, and who may talk to it.

use crate::members::{GOOD, good};
use crate::place::{
    PROGRAM, Place, cloud, create, healthy, kill, launch, until_sync, web, weights, words,
};
use immutable::cloud::local::Stopped;
use immutable::cloud::{Cloud, ErrorKind, Holder};
use immutable::model::{FleetName, GenerationNumber, ReleaseId};
use immutable::rollout::{Action, Traffic};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Duration;

#[tokio::test]
async fn a_host_that_is_killed_at_rest_is_followed_by_one_that_starts_everything_again() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    let mut launch = launch(&release);
    launch
        .secrets
        .insert("TOKEN".to_owned(), "env:CARGO_PKG_NAME".to_owned());
    fleet.act(&create(1, 2, launch)).await.unwrap();
    fleet.until(|world| healthy(world, 1) == 2).await;
    fleet.shift(&[(1, 100)], &[]).await;
    fleet
        .act(&Action::Promote {
            number: GenerationNumber(1),
        })
        .await
        .unwrap();
    let before = fleet.world().await;
    place.kill_host();
    until_sync(|| place.processes().is_empty());
    let after = fleet.until(|world| healthy(world, 1) == 2).await;
    assert_eq!(
        (after.stable, &after.traffic, &after.settings),
        (before.stable, &before.traffic, &before.settings)
    );
    let token = fleet.served("/env/TOKEN").await;
    assert_eq!(token, "terraform-provider-immutable");
}

#[tokio::test]
async fn a_host_that_is_killed_during_a_shift_shows_the_weights_from_before_or_after() {
    let place = Place::new();
    let first = place.release("1", GOOD).await;
    let second = place.release("2", &good("v2")).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &first).await;
    fleet.shift(&[(1, 100)], &[]).await;
    fleet.healthy(2, 1, &second).await;
    let host = place.host().unwrap();
    let killer = std::thread::spawn(move || kill(host, libc::SIGKILL));
    let shift = Action::ShiftTraffic {
        weights: weights(&[(2, 100)]),
        before: weights(&[(1, 100)]),
    };
    let _may_fail = fleet.act(&shift).await;
    killer.join().unwrap();
    let world = fleet
        .until(|world| healthy(world, 1) == 1 && healthy(world, 2) == 1)
        .await;
    let Traffic::Known { weights: shown, .. } = &world.traffic else {
        panic!("{:?}", world.traffic)
    };
    assert!(
        [weights(&[(1, 100)]), weights(&[(2, 100)])].contains(shown),
        "{shown:?}"
    );
    fleet.act(&shift).await.unwrap();
    assert_eq!(fleet.get("/").await.unwrap().1, "v2");
}

#[tokio::test]
async fn half_written_records_and_images_are_swept() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    place.kill_host();
    until_sync(|| place.processes().is_empty());
    let state = place.state();
    std::fs::write(state.join("fleets/web.partial"), "{\"format\": 1, \"na").unwrap();
    std::fs::create_dir_all(state.join("images/partial-x/root")).unwrap();
    let unused = state.join("images").join("0".repeat(64));
    std::fs::create_dir_all(unused.join("root")).unwrap();
    fleet.until(|world| healthy(world, 1) == 1).await;
    assert!(
        !state.join("fleets/web.partial").exists()
            && !state.join("images/partial-x").exists()
            && !unused.exists()
    );
}

#[tokio::test]
async fn a_stopped_host_keeps_the_record_and_the_next_call_starts_the_fleet() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    let status = |place: &Place| {
        let output = Command::new(PROGRAM)
            .args(["host", "status", "--directory"])
            .arg(place.state())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let text = status(&place);
    assert!(
        text.contains("fleet web") && text.contains("web@1") && text.contains("healthy"),
        "{text}"
    );
    assert_eq!(place.cloud.stop().await.unwrap(), Stopped::Stopped);
    until_sync(|| place.processes().is_empty());
    assert!(
        status(&place).contains("starts these fleets again: web"),
        "{}",
        status(&place)
    );
    assert_eq!(place.cloud.stop().await.unwrap(), Stopped::NotRunning);
    fleet.until(|world| healthy(world, 1) == 1).await;
}

#[tokio::test]
async fn many_clients_at_once_get_one_host() {
    let place = Place::new();
    let calls = (0..8).map(|number| {
        let cloud = cloud(&place.state());
        let name = format!("web-{number}").parse().unwrap();
        tokio::spawn(async move {
            cloud
                .take_lease(
                    &name,
                    &Holder("one of many".to_owned()),
                    Duration::from_secs(60),
                )
                .await
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    // Those that lost the race end by themselves.
    until_sync(|| place.processes().len() == 1);
}

#[tokio::test]
async fn a_host_of_another_protocol_is_left_alone_and_both_versions_are_named() {
    let place = Place::new();
    place.make_state();
    let listener = UnixListener::bind(place.state().join("host.sock")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream
                .unwrap()
                .write_all(b"{\"protocol\":999,\"version\":\"0.0.9\",\"new\":true}\n");
        }
    });
    let error = place
        .cloud
        .take_lease(&web(), &Holder("test".to_owned()), Duration::from_secs(1))
        .await
        .unwrap_err();
    let words = words(&error);
    for part in [
        "0.0.9",
        "protocol 999",
        env!("CARGO_PKG_VERSION"),
        "host stop --directory",
    ] {
        assert!(words.contains(part), "{words}");
    }
    assert_eq!(error.kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn the_socket_is_the_users_alone_and_may_lie_deep() {
    let parent = std::env::temp_dir()
        .join(format!("immutable-deep-{}", std::process::id()))
        .join("d".repeat(100));
    std::fs::create_dir_all(&parent).unwrap();
    let place = Place::below(&parent);
    place
        .cloud
        .take_lease(&web(), &Holder("test".to_owned()), Duration::from_secs(60))
        .await
        .unwrap();
    let mode =
        |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(place.state()), mode(place.state().join("host.sock"))),
        (0o700, 0o600)
    );
    drop(place);
    std::fs::remove_dir_all(parent.parent().unwrap()).unwrap();
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_half_made_stays() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    place.cloud.stop().await.unwrap();
    // No file may grow beyond 64 KiB, for anyone: the nearest to a full disk that needs no rights.
    let script = "trap '' XFSZ; ulimit -f 128; exec \"$0\" host run --directory \"$1\"";
    let mut host = Command::new("sh")
        .args(["-c", script, PROGRAM])
        .arg(place.state())
        .spawn()
        .unwrap();
    until_sync(|| place.state().join("host.sock").exists());
    let large = place.program("large", &"x".repeat(1 << 20));
    let id = immutable::model::ReleaseId::new("web".parse().unwrap(), "2").unwrap();
    let new = immutable::cloud::NewRelease {
        id,
        source: immutable::model::ImageSource::Path(large),
        provenance: std::collections::BTreeMap::new(),
    };
    let error = place.cloud.import(&new).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoCapacity, "{}", words(&error));
    assert_eq!(
        std::fs::read_dir(place.state().join("images"))
            .unwrap()
            .count(),
        1
    );
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    let _ = host.kill();
    let _ = host.wait();
}

#[tokio::test]
async fn a_record_that_cannot_be_read_stops_nothing_but_its_own_fleet() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    fleet.shift(&[(1, 100)], &[]).await;
    let other: FleetName = "api".parse().unwrap();
    let holder = Holder("the test".to_owned());
    let lease = place
        .cloud
        .take_lease(&other, &holder, Duration::from_secs(300));
    let fence = lease.await.unwrap().fence;
    let settings = crate::place::settings(&crate::place::free_address());
    for action in [Action::Configure(settings), create(1, 1, launch(&release))] {
        place.cloud.act(&other, fence, &action).await.unwrap();
    }
    let path = place.state().join("fleets/api.json");
    let whole = std::fs::read_to_string(&path).unwrap();
    let cases = [
        ("".to_owned(), "damaged"),
        (whole[..whole.len() / 2].to_owned(), "damaged"),
        (
            whole.replacen("\"format\": 1", "\"format\": 99", 1),
            "in form 99; this one knows form 1",
        ),
        (
            whole.replacen("\"name\": \"api\"", "\"name\": \"abc\"", 1),
            "fleet abc under a wrong name",
        ),
    ];
    for (text, expected) in cases {
        place.kill_host();
        until_sync(|| place.processes().is_empty());
        std::fs::write(&path, &text).unwrap();
        fleet.until(|world| healthy(world, 1) == 1).await;
        assert_eq!(fleet.served("/").await, "v1");
        let lease = place
            .cloud
            .take_lease(&other, &holder, Duration::from_secs(300));
        let errors = [
            place.cloud.observe(&other, &[]).await.unwrap_err(),
            lease.await.unwrap_err(),
            place
                .cloud
                .act(&other, fence, &Action::DestroyFleet)
                .await
                .unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind, ErrorKind::Invalid);
            let words = words(&error);
            assert!(
                words.contains("fleet api")
                    && words.contains(path.to_str().unwrap())
                    && words.contains(expected),
                "{words}"
            );
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        let status = place.cloud.status().await.unwrap().unwrap().to_string();
        assert!(
            status.contains("fleet web") && status.contains("read its record"),
            "{status}"
        );
    }
    // A copy that is put back is taken over at once.
    std::fs::write(&path, &whole).unwrap();
    let world = place.cloud.observe(&other, &[]).await.unwrap();
    assert_eq!(world.generations.len(), 1);
}

#[tokio::test]
async fn a_line_that_cannot_be_read_stops_nothing_but_its_own_releases() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    let line = place.state().join("lines/api.json");
    std::fs::write(&line, "{").unwrap();
    place.kill_host();
    until_sync(|| place.processes().is_empty());
    fleet.until(|world| healthy(world, 1) == 1).await;
    place.release("2", &good("v2")).await;
    let id: ReleaseId = "web@2".parse().unwrap();
    place.cloud.remove_release(&id).await.unwrap();
    let error = place.cloud.line(&"api".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(
        words(&error).contains("lines/api.json"),
        "{}",
        words(&error)
    );
    // What the damaged line may refer to is not thrown away.
    assert_eq!(
        std::fs::read_dir(place.state().join("images"))
            .unwrap()
            .count(),
        2
    );
}

#[tokio::test]
async fn a_request_that_the_host_does_not_know_is_answered() {
    let place = Place::new();
    let _fleet = place.fleet().await;
    let stream = std::os::unix::net::UnixStream::connect(place.state().join("host.sock"));
    let mut stream = std::io::BufReader::new(stream.unwrap());
    let mut hear = |say: &str| {
        stream.get_mut().write_all(say.as_bytes()).unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stream, &mut line).unwrap();
        line
    };
    hear("");
    let answer = hear("{\"dance\":{}}\n");
    for part in ["invalid", env!("CARGO_PKG_VERSION"), "dance", "host stop"] {
        assert!(answer.to_lowercase().contains(part), "{answer}");
    }
    // And the conversation goes on.
    let answer = hear("\"status\"\n");
    assert!(answer.contains("fleets"), "{answer}");
}

#[tokio::test]
async fn what_the_front_door_finds_wrong_is_in_the_hosts_log() {
    let place = Place::new();
    let deaf = "self.server.socket.close(); self.close_connection = True";
    let deaf = GOOD.replace("time.sleep(0.5)", deaf);
    let release = place.release("1", &deaf).await;
    let mut fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    fleet.shift(&[(1, 100)], &[]).await;
    // Nobody but the front shall find out.
    fleet.settings.check.interval = Duration::from_secs(3600);
    let configure = Action::Configure(fleet.settings.clone());
    fleet.act(&configure).await.unwrap();
    fleet.get("/slow").await.unwrap();
    let log = || {
        let directory = immutable::cloud::local::Directory::at(&place.state()).unwrap();
        directory.host_log().unwrap()
    };
    assert_eq!(fleet.get("/").await.unwrap().0, 502);
    let text = log();
    // It may still have taken the connection before it closed its socket.
    let found = ["a member cannot be reached", "a member broke off"];
    assert!(found.iter().any(|it| text.contains(it)), "{text}");
    assert!(text.contains("web-1-"), "{text}");
}

/// Poses as a host that asks for variables, and returns what each caller says first.
fn pose(place: &Place, missing: &[&str]) -> std::sync::mpsc::Receiver<String> {
    place.make_state();
    let greeting = serde_json::json!({ "protocol": 1, "version": "0.0.9", "missing": missing });
    let listener = UnixListener::bind(place.state().join("host.sock")).unwrap();
    let (heard, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = writeln!(stream, "{greeting}");
            let mut line = String::new();
            let _ = std::io::BufRead::read_line(&mut std::io::BufReader::new(stream), &mut line);
            let _ = heard.send(line);
        }
    });
    told
}

#[tokio::test]
async fn nobody_is_told_a_variable_that_no_record_refers_to() {
    let place = Place::new();
    let told = pose(&place, &["PATH", "CARGO_PKG_NAME"]);
    let (fleet, holder) = (web(), Holder("test".to_owned()));
    let ask = || {
        place
            .cloud
            .take_lease(&fleet, &holder, Duration::from_secs(1))
    };
    ask().await.unwrap_err();
    let line = told.recv().unwrap();
    assert!(line.starts_with("{\"take_lease\""), "{line}");

    // With a record that refers to one of them, that one is handed over.
    let other = Place::new();
    let release = other.release("1", GOOD).await;
    let real = other.fleet().await;
    let mut launch = launch(&release);
    let secrets = &mut launch.secrets;
    secrets.insert("TOKEN".to_owned(), "env:CARGO_PKG_NAME".to_owned());
    real.act(&create(1, 1, launch)).await.unwrap();
    let record = |place: &Place| place.state().join("fleets/web.json");
    std::fs::create_dir(place.state().join("fleets")).unwrap();
    std::fs::copy(record(&other), record(&place)).unwrap();
    ask().await.unwrap_err();
    let line = told.recv().unwrap();
    let expected = "{\"supply\":{\"CARGO_PKG_NAME\":\"terraform-provider-immutable\"}}\n";
    assert_eq!(line, expected);
}

#[tokio::test]
async fn a_directory_that_others_may_write_to_is_not_trusted() {
    let place = Place::new();
    let told = pose(&place, &[]);
    std::fs::set_permissions(place.state(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let (fleet, holder) = (web(), Holder("test".to_owned()));
    let ask = || {
        place
            .cloud
            .take_lease(&fleet, &holder, Duration::from_secs(1))
    };
    let error = ask().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    let expected = format!("chmod go-w {}", place.state().display());
    assert!(words(&error).contains(&expected), "{}", words(&error));
    assert!(told.try_recv().is_err(), "it was talked to");
}

/// Starts the host by hand, with a limit on open files as the shell's `ulimit` sets it.
fn host_with_open_files(place: &Place, limit: &str) -> std::process::Child {
    place.make_state();
    let script = format!("ulimit {limit}; exec \"$0\" host run --directory \"$1\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, PROGRAM]).arg(place.state());
    let host = command.spawn().unwrap();
    until_sync(|| place.state().join("host.sock").exists());
    host
}

#[tokio::test]
async fn a_host_without_a_free_descriptor_waits_for_one() {
    let place = Place::new();
    const MOST: usize = 96;
    let mut host = host_with_open_files(&place, &format!("-n {MOST}"));
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    fleet.shift(&[(1, 100)], &[]).await;
    let before = fleet.world().await.generations;
    let knock = || std::os::unix::net::UnixStream::connect(place.state().join("host.sock"));
    let clients: Vec<_> = (0..2 * MOST).map(|_| knock().unwrap()).collect();
    let open = || std::fs::read_dir(format!("/proc/{}/fd", host.id())).map(Iterator::count);
    until_sync(|| open().is_ok_and(|open| open >= MOST));
    drop(clients);
    let after = fleet.until(|world| healthy(world, 1) == 1).await;
    let ids = |members: &[immutable::rollout::Member]| -> Vec<_> {
        members.iter().map(|member| member.id.clone()).collect()
    };
    let number = GenerationNumber(1);
    let (before, after) = (&before[&number], &after.generations[&number]);
    assert_eq!(ids(&before.members), ids(&after.members));
    assert_eq!(fleet.get("/").await.unwrap().0, 200);
    // Clients of its front are too many long before its descriptors are.
    let listener = &fleet.settings.front.as_ref().unwrap().listener;
    let idle = || std::net::TcpStream::connect(listener);
    let idle: Vec<_> = (0..MOST).map(|_| idle().unwrap()).collect();
    until_sync(|| open().is_ok_and(|open| open > MOST / 4));
    assert_eq!(healthy(&fleet.world().await, 1), 1);
    drop(idle);
    assert_eq!(fleet.get("/").await.unwrap().0, 200);
    let _ = host.kill();
    let _ = host.wait();
}

#[tokio::test]
async fn a_host_opens_as_many_files_as_it_may_and_its_members_as_their_user_may() {
    let place = Place::new();
    let mut host = host_with_open_files(&place, "-S -n 200");
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    let limits = |process: u32| {
        let text = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
        let line = text.lines().find(|line| line.starts_with("Max open files"));
        let words: Vec<String> = line
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        (words[3].clone(), words[4].clone())
    };
    let (soft, hard) = limits(host.id());
    assert_eq!(soft, hard);
    assert_eq!(
        limits(place.programs("python3")[0]),
        ("200".to_owned(), hard)
    );
    let _ = host.kill();
    let _ = host.wait();
}
