//! The machine around a host: a full disk, strangers, other hosts, files that vanish.

use crate::members::{GOOD, good};
use crate::place::{
    PROGRAM, Place, cloud, create, get, healthy, kill, launch, members, until_sync, web, words,
};
use immutable::cloud::{Cloud, ErrorKind, Holder, NewRelease};
use immutable::model::{FleetName, GenerationNumber, ImageSource, Protocol, ReleaseId};
use immutable::rollout::{Action, Traffic};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn is_root() -> bool {
    // SAFETY: it cannot fail and touches nothing.
    unsafe { libc::geteuid() == 0 }
}

/// Mounts a small disk that only this thread and its children see. False: the machine forbids it.
fn mount_small_disk(at: &Path) -> bool {
    let path = CString::new(at.to_str().unwrap()).unwrap();
    let (root, none, kind) = (c"/", c"none", c"tmpfs");
    // SAFETY: all strings live until the calls return; other threads keep the namespace they have.
    unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(
                none.as_ptr(),
                root.as_ptr(),
                std::ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                std::ptr::null(),
            ) == 0
            && libc::mount(
                none.as_ptr(),
                path.as_ptr(),
                kind.as_ptr(),
                0,
                c"size=2m,mode=700".as_ptr().cast(),
            ) == 0
    }
}

#[tokio::test]
async fn a_disk_that_is_full_stops_what_needs_room_and_nothing_else() {
    let place = Place::new();
    place.make_state();
    if !mount_small_disk(&place.state()) {
        // The same with a limit on files, which needs no rights, is told in `host`.
        return;
    }
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    fleet.shift(&[(1, 100)], &[]).await;
    let new = NewRelease {
        id: "web@2".parse::<ReleaseId>().unwrap(),
        source: ImageSource::Path(place.program("large", &"x".repeat(4 << 20))),
        provenance: BTreeMap::new(),
    };
    let error = place.cloud.import(&new).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoCapacity, "{}", words(&error));
    let images = fs::read_dir(place.state().join("images")).unwrap();
    assert_eq!(images.count(), 1);

    let filler = place.state().join("filler");
    let full = fs::write(&filler, vec![0; 4 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let resize = Action::ResizeGeneration {
        number: GenerationNumber(1),
        size: 2,
    };
    let error = fleet.act(&resize).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoCapacity, "{}", words(&error));
    assert_eq!(fleet.get("/").await.unwrap().0, 200);
    assert_eq!(
        fleet.world().await.generations[&GenerationNumber(1)].wanted,
        1
    );
    fs::remove_file(filler).unwrap();
    fleet.act(&resize).await.unwrap();
    fleet.until(|world| healthy(world, 1) == 2).await;
    place.cloud.stop().await.unwrap();
}

#[tokio::test]
async fn a_stranger_is_not_talked_to() {
    if !is_root() {
        // Nobody but root can be somebody else; that the socket is the user's alone is told in `host`.
        return;
    }
    let place = Place::new();
    let holder = Holder("test".to_owned());
    let minute = Duration::from_secs(60);
    place
        .cloud
        .take_lease(&web(), &holder, minute)
        .await
        .unwrap();
    let socket = place.state().join("host.sock");
    let knock = || {
        let script = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(99))";
        let mut command = Command::new("python3");
        command.args(["-c", script]).arg(&socket);
        let output = command
            .uid(65534)
            .gid(65534)
            .current_dir("/")
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        (String::from_utf8_lossy(&output.stdout).into_owned(), words)
    };
    let (heard, error) = knock();
    assert!(
        heard.is_empty() && error.contains("PermissionError"),
        "{error}"
    );
    // Even where modes mean nothing.
    for (path, mode) in [
        (place.root.path(), 0o755),
        (&place.state(), 0o755),
        (&socket, 0o777),
    ] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(knock(), ("b''\n".to_owned(), String::new()));
}

#[tokio::test]
async fn a_stranger_who_poses_as_the_host_is_found_out() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let state = place.state();
    place.make_state();
    let script = "import os, socket, sys; d = sys.argv[1]; os.chmod(d, 0o777); s = socket.socket(socket.AF_UNIX)\n\
        os.seteuid(65534); s.bind(d + '/host.sock'); s.listen(); os.seteuid(0); os.chmod(d, 0o700)\n\
        print(flush=True); c, _ = s.accept(); print(c.recv(99), flush=True)";
    fs::set_permissions(place.root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut stranger = Command::new("python3");
    stranger.args(["-c", script]).arg(&state);
    let mut stranger = stranger
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut heard = std::io::BufReader::new(stranger.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut heard, &mut line).unwrap();
    let (fleet, holder) = (web(), Holder("test".to_owned()));
    let lease = place
        .cloud
        .take_lease(&fleet, &holder, Duration::from_secs(1));
    let error = lease.await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(
        words(&error).contains("user 65534 poses"),
        "{}",
        words(&error)
    );
    std::io::BufRead::read_line(&mut heard, &mut line).unwrap();
    assert_eq!(line, "\nb''\n");
    stranger.wait().unwrap();
}

#[tokio::test]
async fn two_directories_are_two_clouds() {
    let (first, second) = (Place::new(), Place::new());
    let releases = [
        first.release("1", &good("first")).await,
        second.release("1", &good("second")).await,
    ];
    let fleets = [first.fleet().await, second.fleet().await];
    for (fleet, release) in fleets.iter().zip(&releases) {
        fleet.healthy(1, 3, release).await;
        fleet.shift(&[(1, 100)], &[]).await;
    }
    assert_ne!(first.host().unwrap(), second.host().unwrap());
    assert_eq!(fleets[0].get("/").await.unwrap().1, "first");
    assert_eq!(fleets[1].get("/").await.unwrap().1, "second");
    first.cloud.stop().await.unwrap();
    until_sync(|| first.processes().is_empty());
    assert_eq!(fleets[1].get("/").await.unwrap().1, "second");
    assert_eq!(healthy(&fleets[1].world().await, 1), 3);
}

#[tokio::test]
async fn a_host_whose_program_is_deleted_goes_on_and_replaces_members() {
    let place = Place::new();
    let copy = place.root.path().join("provider");
    // Not by this process: another test that forks meanwhile would keep it open for writing.
    let copied = Command::new("cp").arg(PROGRAM).arg(&copy).status().unwrap();
    assert!(copied.success());
    let own = cloud(&place.state()).hosted_by(copy.clone());
    own.take_lease(
        &web(),
        &Holder("the test".to_owned()),
        Duration::from_secs(300),
    )
    .await
    .unwrap();
    fs::remove_file(&copy).unwrap();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    let before = members(&fleet.world().await, 1)[0].id.clone();
    kill(place.programs("python3")[0], libc::SIGKILL);
    fleet
        .until(|world| {
            let mut members = members(world, 1).iter();
            members.any(|member| member.id != before) && healthy(world, 1) == 1
        })
        .await;
    // Another one is started from whatever provider comes next.
    place.kill_host();
    until_sync(|| place.processes().is_empty());
    fleet.until(|world| healthy(world, 1) == 1).await;
}

#[tokio::test]
async fn a_directory_that_is_removed_takes_its_host_and_members_along() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 2, &release).await;
    let removed = Command::new("rm").arg("-rf").arg(place.state()).status();
    assert!(removed.unwrap().success());
    until_sync(|| place.processes().is_empty());
    assert!(!place.state().exists());
    assert!(TcpListener::bind(&fleet.settings.front.as_ref().unwrap().listener).is_ok());
}

#[tokio::test]
async fn a_front_whose_address_a_stranger_took_meanwhile_opens_when_it_is_free() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    fleet.shift(&[(1, 100)], &[]).await;
    place.cloud.stop().await.unwrap();
    let listener = fleet.settings.front.as_ref().unwrap().listener.clone();
    let stranger = TcpListener::bind(&listener).unwrap();
    let world = fleet.until(|world| healthy(world, 1) == 1).await;
    let Traffic::Unreadable { why } = &world.traffic else {
        panic!("{:?}", world.traffic);
    };
    assert!(why.contains(&std::process::id().to_string()), "{why}");
    drop(stranger);
    fleet
        .until(|world| matches!(world.traffic, Traffic::Known { .. }))
        .await;
    assert_eq!(get(&listener, "/").unwrap(), (200, "v1".to_owned()));
}

#[tokio::test]
async fn a_fleet_may_change_its_protocol_where_it_listens() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let mut fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    fleet.shift(&[(1, 100)], &[]).await;
    for protocol in [Protocol::Tcp, Protocol::Http] {
        fleet.settings.front.as_mut().unwrap().protocol = protocol;
        let configure = Action::Configure(fleet.settings.clone());
        fleet.act(&configure).await.unwrap();
        assert_eq!(fleet.get("/").await.unwrap(), (200, "v1".to_owned()));
    }
}

#[tokio::test]
async fn settings_that_cannot_be_written_down_leave_the_front_as_it_was() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    fleet.shift(&[(1, 100)], &[]).await;
    let obstacle = place.state().join("fleets/web.partial");
    fs::create_dir(&obstacle).unwrap();
    let elsewhere = crate::place::settings(&crate::place::free_address());
    let error = fleet.act(&Action::Configure(elsewhere.clone())).await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(fleet.get("/").await.unwrap(), (200, "v1".to_owned()));
    assert!(TcpListener::bind(&elsewhere.front.as_ref().unwrap().listener).is_ok());
    fs::remove_dir(obstacle).unwrap();
    fleet.act(&Action::Configure(elsewhere)).await.unwrap();
}

#[tokio::test]
async fn a_removal_that_cannot_be_written_down_says_so() {
    let place = Place::new();
    // It ignores being asked to end, so that the second record is written seconds after the first.
    let ignore = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nimport http";
    let release = place
        .release("1", &GOOD.replace("import http", ignore))
        .await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    let (number, park) = (GenerationNumber(1), None);
    let destroy = Action::DestroyGeneration { number, park };
    let (own, name, fence) = (place.cloud.clone(), fleet.name.clone(), fleet.fence);
    let again = destroy.clone();
    let destroyed = tokio::spawn(async move { own.act(&name, fence, &again).await });
    let record = place.state().join("fleets/web.json");
    let is_leaving =
        || fs::read_to_string(&record).is_ok_and(|text| !text.contains("\"removal\": null"));
    while !is_leaving() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let obstacle = place.state().join("fleets/web.partial");
    fs::create_dir(&obstacle).unwrap();
    let error = destroyed.await.unwrap().unwrap_err();
    assert!(
        words(&error).contains("write its record"),
        "{}",
        words(&error)
    );
    fs::remove_dir(obstacle).unwrap();
    fleet.act(&destroy).await.unwrap();
    assert!(fleet.world().await.generations.is_empty());
}

#[tokio::test]
async fn whoever_removes_the_last_fleet_does_not_wait_for_a_host_that_stays_for_another() {
    let place = Place::new();
    let fleet = place.fleet().await;
    // A client that lingers keeps the host from leaving at once.
    let mut lingering = UnixStream::connect(place.state().join("host.sock")).unwrap();
    lingering.read_exact(&mut [0]).unwrap();
    let (own, name, fence) = (place.cloud.clone(), fleet.name.clone(), fleet.fence);
    let destroyed = tokio::spawn(async move { own.act(&name, fence, &Action::DestroyFleet).await });
    let record = place.state().join("fleets/web.json");
    while record.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let other: FleetName = "api".parse().unwrap();
    let holder = Holder("test".to_owned());
    let lease = place
        .cloud
        .take_lease(&other, &holder, Duration::from_secs(300));
    lease.await.unwrap();
    // Without an answer it would wait for as long as it has patience, which is twice this.
    let done = tokio::time::timeout(Duration::from_secs(10), destroyed).await;
    done.expect("it goes on").unwrap().unwrap();
    assert!(place.host().is_some());
}

#[tokio::test]
async fn nothing_of_the_host_is_open_in_a_member_and_no_zombie_stays() {
    let place = Place::new();
    let release = place.release("1", "#!/bin/sh\nexec sleep 1000\n").await;
    let broken = place.release("2", "#!/bin/sh\nexit 1\n").await;
    let fleet = place.fleet().await;
    fleet.act(&create(1, 1, launch(&release))).await.unwrap();
    until_sync(|| place.programs("sleep").len() == 1);
    let sleeper = place.programs("sleep")[0];
    // Its loader opens libraries before it sleeps; what came from the host would stay.
    until_sync(|| {
        let open = fs::read_dir(format!("/proc/{sleeper}/fd")).unwrap();
        let mut open: Vec<_> = open
            .map_while(|entry| Some(entry.ok()?.file_name()))
            .collect();
        open.sort();
        open == ["0", "1", "2"]
    });

    fleet.act(&create(2, 1, launch(&broken))).await.unwrap();
    fleet.until(|world| members(world, 2).len() >= 3).await;
    fleet.destroy(2).await;
    let host = place.host().unwrap();
    let is_zombie = |process: &u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned());
        rest.is_some_and(|rest| rest.starts_with(&format!(" Z {host} ")))
    };
    let all = || {
        let entries = fs::read_dir("/proc").unwrap();
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
    };
    until_sync(|| !all().any(|process| is_zombie(&process)));
}

#[tokio::test]
async fn a_host_that_is_killed_in_the_middle_goes_on_where_it_was() {
    let place = Place::new();
    let first = place.release("1", GOOD).await;
    let second = place.release("2", &good("v2")).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 2, &first).await;
    fleet.healthy(2, 1, &second).await;
    fleet.shift(&[(2, 100)], &[]).await;
    let number = GenerationNumber(1);
    let steps = [
        Action::DrainGeneration { number },
        Action::ResizeGeneration {
            number: GenerationNumber(2),
            size: 3,
        },
    ];
    for step in &steps {
        fleet.act(step).await.unwrap();
        place.kill_host();
        until_sync(|| place.processes().is_empty());
    }
    // The one that drains is not started again, the other one is, at its new size.
    let world = fleet.until(|world| healthy(world, 2) == 3).await;
    let drained = &world.generations[&number];
    assert!(drained.draining_since.is_some() && drained.members.is_empty());
    assert_eq!(drained.in_flight, Some(0));
    // A lease outlives the host.
    let other = Holder("someone else".to_owned());
    let refused = place
        .cloud
        .take_lease(&web(), &other, Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    // A removal that was begun is completed by whoever comes next.
    let (own, name, fence) = (place.cloud.clone(), fleet.name.clone(), fleet.fence);
    let destroy = Action::DestroyGeneration {
        number: GenerationNumber(2),
        park: None,
    };
    fleet.shift(&[], &[(2, 100)]).await;
    let begun = tokio::spawn(async move { own.act(&name, fence, &destroy).await });
    fleet
        .until(|world| {
            let generation = world.generations.get(&GenerationNumber(2));
            generation.is_none_or(|generation| generation.members.len() < 3) || begun.is_finished()
        })
        .await;
    place.kill_host();
    let _may_fail = begun.await.unwrap();
    fleet
        .until(|world| !world.generations.contains_key(&GenerationNumber(2)))
        .await;
    fleet.destroy(1).await;
}

#[tokio::test]
async fn a_generation_that_shrinks_while_it_boots_ends_at_its_size() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.act(&create(1, 4, launch(&release))).await.unwrap();
    for size in [1, 3, 2] {
        let number = GenerationNumber(1);
        let resize = Action::ResizeGeneration { number, size };
        fleet.act(&resize).await.unwrap();
    }
    fleet
        .until(|world| healthy(world, 1) == 2 && members(world, 1).len() == 2)
        .await;
    until_sync(|| place.programs("python3").len() == 2);
}
