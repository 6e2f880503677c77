//! One run of the driver towards a goal, in this process or in one that may be killed.

use crate::account::{self, Account, REGION, standin};
use crate::place::Place;
use immutable::cloud::Holder;
use immutable::cloud::aws::AwsCloud;
use immutable::driver::{Driver, Ending, MachineClock, Order, Outcome, Pace, Progress};
use immutable::model::{Fingerprint, FleetName, LaunchTemplate, ReleaseRef, Weight};
use immutable::rollout::{CanaryStep, FleetGoal, Foreign, Goal, Hold, Policy, Strategy};
use serde_json::{Value, json};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a process of ours is to do instead of testing.
const JOB: &str = "AWS_FAULTS_JOB";

/// Members of each fleet.
pub(crate) const SIZE: u32 = 2;

/// Longer than a run takes on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(120);

pub(crate) fn web() -> FleetName {
    "web".parse().unwrap()
}

/// Where a fleet shall be brought.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    /// It runs this image, in a generation that no other edition has.
    Runs { image: String, edition: u64 },
    /// It does not exist.
    Gone,
}

impl Wish {
    fn told(&self) -> Value {
        match self {
            Self::Runs { image, edition } => json!({ "image": image, "edition": edition }),
            Self::Gone => Value::Null,
        }
    }

    fn heard(told: &Value) -> Self {
        match told["image"].as_str() {
            Some(image) => Self::Runs {
                image: image.to_owned(),
                edition: told["edition"].as_u64().unwrap(),
            },
            None => Self::Gone,
        }
    }

    /// What its members are launched from; absent: there are none.
    pub(crate) fn launch(&self, place: &Place) -> Option<LaunchTemplate> {
        let Self::Runs { image, edition } = self else {
            return None;
        };
        let mut launch = place.launch(&ReleaseRef::Image(image.clone()));
        launch
            .config
            .insert("EDITION".to_owned(), edition.to_string());
        Some(launch)
    }

    fn goal(&self, place: &Place) -> Goal {
        let Some(launch) = self.launch(place) else {
            return Goal::Absent;
        };
        let mut settings = place.settings();
        settings.drain = Duration::from_millis(100);
        Goal::Fleet(Box::new(FleetGoal {
            fingerprint: Fingerprint::of(&launch),
            launch: Some(launch),
            size: SIZE,
            settings,
            retry: None,
            replace_drifted: true,
            beyond: None,
        }))
    }
}

fn policy() -> Policy {
    let step = CanaryStep {
        weight: Weight::new(50).unwrap(),
        hold: Hold::For(Duration::from_millis(100)),
    };
    Policy {
        strategy: Strategy::Canary { steps: vec![step] },
        streak: 2,
        steady: Duration::ZERO,
        settle: Duration::from_millis(200),
        bake: Duration::from_millis(100),
        alarms: Vec::new(),
        launch_deadline: Duration::from_secs(60),
        drain: Duration::from_millis(100),
        keep_previous: Duration::ZERO,
        keep_failed: false,
    }
}

/// Runs the driver in this process, as a holder that no other process has.
pub(crate) fn run(place: &Place, cloud: &AwsCloud, wish: &Wish, holder: &str) -> Outcome {
    let driver = Driver {
        cloud,
        clock: &MachineClock,
        pace: Pace::NEAR,
        progress: Progress::silent(),
    };
    let order = Order {
        fleet: web(),
        goal: wish.goal(place),
        policy: policy(),
        accepted: Foreign::default(),
        holder: Holder(holder.to_owned()),
        deadline: DEADLINE,
        cancel: CancellationToken::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(driver.run(&order))
}

/// Starts a process that runs the driver and nothing else.
pub(crate) fn start(place: &Place, wish: &Wish) -> Child {
    let job = json!({
        "account": place.account,
        "network": place.network,
        "wish": wish.told(),
    });
    Command::new(std::env::current_exe().unwrap())
        .env(JOB, job.to_string())
        .env(account::ADDRESS, &standin().address)
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// Does the job that this process was started for; absent: it was started to test.
pub(crate) fn asked_of_this_process() -> Option<ExitCode> {
    let job: Value = serde_json::from_str(&std::env::var(JOB).ok()?).unwrap();
    let account = job["account"].as_str().unwrap().to_owned();
    let place = Place::of(Account::of(account, REGION, job["network"].clone()));
    let holder = format!("process {}", std::process::id());
    let done = run(&place, &place.cloud, &Wish::heard(&job["wish"]), &holder);
    let reached = matches!(done.ending, Ending::Reached(_));
    if !reached {
        eprintln!("{holder}: {}", done.ending);
    }
    // The account is our parent's; leaving it would remove what is in it.
    std::process::exit(i32::from(!reached));
}
