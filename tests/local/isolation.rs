//! The ways in which members are set apart: the best one, and those for machines that refuse it.

use crate::members::GOOD;
use crate::place::{PROGRAM, Place, create, healthy, launch, until_sync};
use std::process::{Child, Command, Stdio};

/// The ways that this machine and this user allow, the best one first.
fn ways() -> Vec<&'static str> {
    let probed = Command::new(PROGRAM)
        .args(["host", "probe"])
        .output()
        .unwrap();
    let best: String = serde_json::from_slice(&probed.stdout).unwrap();
    let all = ["namespace", "user_namespace", "process"];
    let allowed = all.into_iter().skip_while(|way| *way != best);
    let ways: Vec<&str> = allowed.collect();
    assert!(!ways.is_empty(), "{best}");
    ways
}

/// A host that was started by hand.
struct ByHand(Child);

impl ByHand {
    fn start(place: &Place, isolation: &str) -> Self {
        std::fs::create_dir_all(place.state()).unwrap();
        let mut command = Command::new(PROGRAM);
        command
            .args(["host", "run", "--isolation", isolation, "--directory"])
            .arg(place.state());
        let host = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        until_sync(|| place.state().join("host.sock").exists());
        Self(host)
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn members_serve_cannot_write_and_leave_nothing_however_they_are_set_apart() {
    for isolation in ways() {
        let place = Place::new();
        let _host = ByHand::start(&place, isolation);
        // What it starts leaves its session, and even its marker.
        let stray = "import subprocess\nsubprocess.Popen(['setsid', 'sh', '-c', 'sleep 1000'], close_fds=False)\nimport http";
        let release = place
            .release("1", &GOOD.replacen("import http", stray, 1))
            .await;
        let fleet = place.fleet().await;
        fleet.act(&create(1, 2, launch(&release))).await.unwrap();
        fleet.until(|world| healthy(world, 1) == 2).await;
        fleet.shift(&[(1, 100)], &[]).await;
        assert_eq!(fleet.get("/").await.unwrap().0, 200, "{isolation}");
        let outside = place.root.path().join("outside");
        let text = fleet
            .get(&format!("/write{}", outside.display()))
            .await
            .unwrap()
            .1;
        assert_eq!(
            (text.as_str(), outside.exists()),
            ("refused", false),
            "{isolation}"
        );
        let home = fleet.get("/env/HOME").await.unwrap().1;
        assert!(home.ends_with("/data"), "{isolation}: {home}");
        assert_eq!(
            fleet.get("/write/dev/null").await.unwrap().1,
            "written",
            "{isolation}"
        );
        fleet.shift(&[], &[(1, 100)]).await;
        fleet.destroy(1).await;
        assert_eq!(
            place.processes(),
            vec![place.host().unwrap()],
            "{isolation}"
        );
    }
}

#[tokio::test]
async fn members_end_with_their_host_however_they_are_set_apart() {
    for isolation in ways() {
        let place = Place::new();
        let _host = ByHand::start(&place, isolation);
        let release = place.release("1", GOOD).await;
        let fleet = place.fleet().await;
        fleet.healthy(1, 2, &release).await;
        place.kill_host();
        until_sync(|| place.host().is_none());
        until_sync(|| place.processes().is_empty());
    }
}
