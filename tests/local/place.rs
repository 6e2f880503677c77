//! A local cloud in a directory of its own, which leaves nothing behind however a test ends.

#[path = "../terraform/address.rs"]
mod address;

use immutable::cloud::local::{Directory, LocalCloud};
use immutable::cloud::{Cloud, Fence, Holder, NewRelease};
use immutable::model::{
    Fingerprint, FleetName, Front, GenerationNumber, HealthCheck, ImageSource, LaunchTemplate,
    LocalLaunch, MemberId, Platform, Protocol, ReleaseId, ReleaseRef, Scaling, Settings, Weight,
    Weights,
};
use immutable::rollout::{Action, Member, MemberState, World};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long any condition is waited for. Nothing here takes a tenth of it on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_terraform-provider-immutable");

/// The fleet that most tests are about.
pub(crate) fn web() -> FleetName {
    "web".parse().unwrap()
}

/// A directory with a cloud and the images that are made for it.
pub(crate) struct Place {
    pub(crate) root: tempfile::TempDir,
    pub(crate) cloud: LocalCloud,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::below(std::env::temp_dir().as_path())
    }

    pub(crate) fn below(parent: &Path) -> Self {
        let root = tempfile::Builder::new()
            .prefix("immutable-")
            .tempdir_in(parent)
            .unwrap();
        let cloud = cloud(&root.path().join("state"));
        Self { root, cloud }
    }

    /// Where the cloud keeps everything.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// Makes the directory of the cloud as a host does, whatever the umask is.
    pub(crate) fn make_state(&self) {
        fs::create_dir_all(self.state()).unwrap();
        fs::set_permissions(self.state(), fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// Writes a file that can be run, outside of the cloud.
    pub(crate) fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.root.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Releases a program as `web@version`.
    pub(crate) async fn release(&self, version: &str, program: &str) -> ReleaseRef {
        let path = self.program(&format!("web-{version}"), program);
        let id = ReleaseId::new("web".parse().unwrap(), version).unwrap();
        let new = NewRelease {
            id: id.clone(),
            source: ImageSource::Path(path),
            provenance: BTreeMap::new(),
        };
        self.cloud.import(&new).await.unwrap();
        self.cloud.set_current(&id).await.unwrap();
        ReleaseRef::Release(id)
    }

    /// Takes the lease and configures the fleet with a front.
    pub(crate) async fn fleet(&self) -> Fleet<'_> {
        let lease = self
            .cloud
            .take_lease(
                &web(),
                &Holder("the test".to_owned()),
                Duration::from_secs(300),
            )
            .await
            .unwrap();
        let fleet = Fleet {
            place: self,
            name: web(),
            fence: lease.fence,
            settings: settings(&free_address()),
        };
        fleet
            .act(&Action::Configure(fleet.settings.clone()))
            .await
            .unwrap();
        fleet
    }

    /// Every process that carries our directory in its marker or its arguments.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let state = self.state();
        let needle = state.as_os_str().as_encoded_bytes();
        let all = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let ours = all.filter(|process| {
            ["environ", "cmdline"].iter().any(|file| {
                let bytes = fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
                bytes.windows(needle.len()).any(|window| window == needle)
            })
        });
        ours.filter(|process| *process != std::process::id())
            .collect()
    }

    /// The processes that run a program of this name, but for inits.
    pub(crate) fn programs(&self, name: &str) -> Vec<u32> {
        let runs = |process: &u32| {
            let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            let first = arguments
                .split(|byte| *byte == 0)
                .next()
                .unwrap_or_default();
            String::from_utf8_lossy(first).ends_with(name)
        };
        self.processes().into_iter().filter(runs).collect()
    }

    /// The host's process id.
    pub(crate) fn host(&self) -> Option<u32> {
        self.processes().into_iter().find(|process| {
            let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            arguments
                .split(|byte| *byte == 0)
                .any(|argument| argument == b"run")
        })
    }

    /// Waits until no process is left, and then no file may be: a host that goes by itself takes its
    /// directory along, some time after it has answered.
    pub(crate) fn nothing_is_left(&self) {
        until_sync(|| self.processes().is_empty());
        assert!(!self.state().exists());
    }

    /// Kills the host as the kernel would.
    pub(crate) fn kill_host(&self) {
        kill(self.host().expect("a host lives"), libc::SIGKILL);
    }
}

impl Drop for Place {
    /// Kills the host first, so that it starts nothing again, then whatever else is ours.
    fn drop(&mut self) {
        for process in self.host().into_iter().chain(self.processes()) {
            kill(process, libc::SIGKILL);
        }
        until_sync(|| self.processes().is_empty());
        // Images are read-only; the owner of the directory may remove them all the same.
        let _ = std::process::Command::new("chmod")
            .args(["-R", "u+w"])
            .arg(self.root.path())
            .status();
    }
}

pub(crate) fn kill(process: u32, signal: i32) {
    // SAFETY: a process of this test, found by a marker that holds its own directory.
    unsafe { libc::kill(i32::try_from(process).unwrap(), signal) };
}

pub(crate) fn cloud(state: &Path) -> LocalCloud {
    LocalCloud::new(Directory::at(state).unwrap()).hosted_by(PROGRAM.into())
}

pub(crate) fn free_address() -> String {
    address::free_address().to_string()
}

pub(crate) fn settings(listener: &str) -> Settings {
    Settings {
        front: Some(Front {
            listener: listener.to_owned(),
            protocol: Protocol::Http,
            hosts: Vec::new(),
            paths: Vec::new(),
            priority: None,
        }),
        check: HealthCheck {
            interval: Duration::from_millis(50),
            timeout: Duration::from_secs(2),
            streak: 2,
        },
        drain: Duration::from_secs(5),
        scaling: Scaling::Configured,
    }
}

pub(crate) fn launch(release: &ReleaseRef) -> LaunchTemplate {
    LaunchTemplate {
        release: release.clone(),
        config: BTreeMap::new(),
        secrets: BTreeMap::new(),
        port: Some(8080),
        health_path: Some("/healthz".to_owned()),
        tags: BTreeMap::new(),
        platform: Platform::Local(LocalLaunch::default()),
    }
}

pub(crate) fn create(number: u32, size: u32, launch: LaunchTemplate) -> Action {
    let fingerprint = Fingerprint::of(&launch);
    Action::CreateGeneration {
        number: GenerationNumber(number),
        launch,
        fingerprint,
        size,
        launch_deadline: Duration::from_secs(60),
    }
}

pub(crate) fn weights(shares: &[(u32, u8)]) -> Weights {
    shares
        .iter()
        .map(|(number, percent)| (GenerationNumber(*number), Weight::new(*percent).unwrap()))
        .collect()
}

/// A fleet whose lease the test holds.
pub(crate) struct Fleet<'a> {
    pub(crate) place: &'a Place,
    pub(crate) name: FleetName,
    pub(crate) fence: Fence,
    pub(crate) settings: Settings,
}

impl Fleet<'_> {
    pub(crate) async fn act(&self, action: &Action) -> immutable::cloud::Result<()> {
        self.place.cloud.act(&self.name, self.fence, action).await
    }

    pub(crate) async fn world(&self) -> World {
        self.place.cloud.observe(&self.name, &[]).await.unwrap()
    }

    /// Creates a generation and waits until all its members are healthy.
    pub(crate) async fn healthy(&self, number: u32, size: u32, release: &ReleaseRef) {
        self.act(&create(number, size, launch(release)))
            .await
            .unwrap();
        self.until(|world| healthy(world, number) == size as usize)
            .await;
    }

    pub(crate) async fn shift(&self, after: &[(u32, u8)], before: &[(u32, u8)]) {
        self.act(&Action::ShiftTraffic {
            weights: weights(after),
            before: weights(before),
        })
        .await
        .unwrap();
    }

    /// Observes until something holds.
    pub(crate) async fn until(&self, holds: impl Fn(&World) -> bool) -> World {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let world = self.world().await;
            if holds(&world) {
                return world;
            }
            assert!(
                Instant::now() < deadline,
                "it does not come true: {world:#?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a member's output ends in a text, and returns it.
    pub(crate) async fn output(&self, member: &MemberId, end: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = self
                .place
                .cloud
                .member_output(&self.name, member)
                .await
                .unwrap();
            if output.ends_with(end) {
                return output;
            }
            assert!(
                Instant::now() < deadline,
                "the output does not end so: {output}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Asks the front for a page: its status and text.
    pub(crate) async fn get(&self, path: &str) -> std::io::Result<(u16, String)> {
        let listener = self.settings.front.as_ref().unwrap().listener.clone();
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || get(&listener, &path))
            .await
            .unwrap()
    }

    /// Asks the front for a page until it is served, and returns its text. A front that has come back
    /// may have no member yet when the first ones are told to be healthy.
    pub(crate) async fn served(&self, path: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.get(path).await {
                Ok((200, text)) => return text,
                other => assert!(Instant::now() < deadline, "it is not served: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn destroy(&self, number: u32) {
        self.act(&Action::DestroyGeneration {
            number: GenerationNumber(number),
            park: None,
        })
        .await
        .unwrap();
    }
}

pub(crate) fn get(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let status = text
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok());
    let body = text
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default();
    Ok((status.ok_or(std::io::ErrorKind::InvalidData)?, body))
}

pub(crate) fn members(world: &World, number: u32) -> &[Member] {
    world
        .generations
        .get(&GenerationNumber(number))
        .map(|generation| generation.members.as_slice())
        .unwrap_or_default()
}

pub(crate) fn healthy(world: &World, number: u32) -> usize {
    members(world, number)
        .iter()
        .filter(|member| member.state == MemberState::Running && member.streak >= 2)
        .count()
}

pub(crate) fn until_sync(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it does not come true");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Joins an error with what caused it.
pub(crate) fn words(error: &immutable::cloud::Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| {
        error.source()
    });
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
