//! A fleet on AWS that tests bring to goals, with clients that never stop asking.

use crate::place::Place;
use immutable::cloud::{Cloud, Fence, Holder, NewRelease};
use immutable::driver::{Driver, MachineClock, Order, Outcome, Pace, Progress};
use immutable::model::{
    Fingerprint, FleetName, GenerationNumber, ImageSource, LaunchTemplate, ReleaseRef, Settings,
    Weight, Weights,
};
use immutable::rollout::{Action, FleetGoal, Foreign, Goal, Policy, Strategy, World};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long any condition is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const FIRST: GenerationNumber = GenerationNumber(1);
pub(crate) const SECOND: GenerationNumber = GenerationNumber(2);

pub(crate) fn web() -> FleetName {
    "web".parse().unwrap()
}

pub(crate) fn holder() -> Holder {
    Holder("the test".to_owned())
}

pub(crate) fn all_on(number: GenerationNumber) -> Weights {
    Weights::from([(number, Weight::ALL)])
}

pub(crate) fn policy(strategy: Strategy) -> Policy {
    Policy {
        strategy,
        streak: 2,
        steady: Duration::ZERO,
        settle: Duration::from_millis(500),
        bake: Duration::from_millis(200),
        alarms: Vec::new(),
        launch_deadline: Duration::from_secs(20),
        drain: Duration::from_secs(1),
        keep_previous: Duration::ZERO,
        keep_failed: false,
    }
}

impl Place {
    pub(crate) async fn release(&self, version: &str) -> ReleaseRef {
        self.release_of(version, &self.image(version)).await
    }

    /// The release of a version, made of an image.
    pub(crate) async fn release_of(&self, version: &str, image: &str) -> ReleaseRef {
        let release = ReleaseRef::parse(&format!("web@{version}")).unwrap();
        let ReleaseRef::Release(id) = release.clone() else {
            unreachable!("it has an @")
        };
        let new = NewRelease {
            id: id.clone(),
            source: ImageSource::Image(image.to_owned()),
            provenance: BTreeMap::from([("commit".to_owned(), "9f2c1e7".to_owned())]),
        };
        self.cloud.import(&new).await.unwrap();
        self.cloud.set_current(&id).await.unwrap();
        release
    }

    pub(crate) fn goal(&self, launch: LaunchTemplate, size: u32) -> Goal {
        Goal::Fleet(Box::new(FleetGoal {
            fingerprint: Fingerprint::of(&launch),
            launch: Some(launch),
            size,
            settings: Settings {
                drain: Duration::from_secs(1),
                ..self.settings()
            },
            retry: None,
            replace_drifted: true,
            beyond: None,
        }))
    }

    pub(crate) async fn run(&self, goal: Goal, strategy: Strategy) -> Outcome {
        self.run_with(&self.cloud, goal, policy(strategy)).await
    }

    pub(crate) async fn run_with(&self, cloud: &dyn Cloud, goal: Goal, policy: Policy) -> Outcome {
        let driver = Driver {
            cloud,
            clock: &MachineClock,
            pace: Pace::NEAR,
            progress: Progress::silent(),
        };
        let order = Order {
            fleet: web(),
            goal,
            policy,
            accepted: Foreign::default(),
            holder: holder(),
            deadline: PATIENCE * 2,
            cancel: CancellationToken::new(),
        };
        driver.run(&order).await
    }

    pub(crate) async fn world(&self) -> World {
        self.cloud.observe(&web(), &[]).await.unwrap()
    }

    /// Observes until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&World) -> bool) -> World {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let world = self.world().await;
            if holds(&world) {
                return world;
            }
            assert!(Instant::now() < deadline, "never {what}: {world:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn fence(&self) -> Fence {
        let (fleet, holder) = (web(), holder());
        let lease = self
            .cloud
            .take_lease(&fleet, &holder, Duration::from_secs(600));
        lease.await.unwrap().fence
    }

    pub(crate) fn create(&self, number: GenerationNumber, launch: LaunchTemplate) -> Action {
        Action::CreateGeneration {
            number,
            fingerprint: Fingerprint::of(&launch),
            launch,
            size: 2,
            launch_deadline: policy(Strategy::BlueGreen).launch_deadline,
        }
    }

    /// Everything of ours that is left, apart from images and what the network is made of.
    pub(crate) fn leftovers(&self) -> BTreeMap<String, Vec<String>> {
        let mut left = self.made();
        left.retain(|kind, _| !["images", "snapshots", "volumes"].contains(&kind.as_str()));
        left
    }

    /// Starts a client that asks the front again and again until it is asked for its findings.
    pub(crate) fn client(&self) -> Client {
        let endpoint = self.text("endpoint");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut answers = Answers::default();
            while !stopped.load(Ordering::Relaxed) {
                match get(&endpoint) {
                    Ok((200, text)) => {
                        let version = text.split_whitespace().next().unwrap_or_default();
                        answers.versions.insert(version.to_owned());
                        answers.good += 1;
                    }
                    other => answers.bad.push(format!("{other:?}")),
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            answers
        });
        Client { stop, thread }
    }
}

/// A client's findings.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) good: u64,
    pub(crate) bad: Vec<String>,
    pub(crate) versions: BTreeSet<String>,
}

pub(crate) struct Client {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Answers>,
}

impl Client {
    pub(crate) fn findings(self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn get(endpoint: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(endpoint)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let status = text.split_whitespace().nth(1).and_then(|s| s.parse().ok());
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    Ok((
        status.ok_or(std::io::ErrorKind::InvalidData)?,
        body.unwrap_or_default(),
    ))
}

/// Joins an error with what caused it.
pub(crate) fn words(error: &immutable::cloud::Error) -> String {
    format!("{error}: {}", error.source)
}
