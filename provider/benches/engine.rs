//! How fast the engine decides, and how near rollouts come to their physical limit.
//!
//! `cargo bench --bench engine` prints two tables. The rollouts run on the simulated cloud in virtual
//! time, driven by the real driver at the pace of a remote cloud.

use async_trait::async_trait;
use immutable::cloud::sim::{Sim, SimClock};
use immutable::cloud::{Cloud, Holder, NewRelease};
use immutable::driver::{Clock, Driver, Ending, Order, Pace, Progress};
use immutable::model::{
    CountOrShare, Fingerprint, FleetName, Front, HealthCheck, ImageSource, LaunchTemplate,
    LocalLaunch, Platform, Protocol, ReleaseRef, Scaling, Settings, Timestamp, Weight,
};
use immutable::rollout::{
    CanaryStep, FleetGoal, Foreign, Goal, Hold, Policy, Strategy, decide, forecast,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const BOOTS: Duration = Duration::from_secs(90);
const SIZES: [u32; 4] = [40, 400, 2000, 10_000];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Time(Arc<SimClock>);

#[async_trait]
impl Clock for Time {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.pass(duration);
    }
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(rollouts())
}

async fn rollouts() -> Result<()> {
    println!(
        "| strategy | members | calls | virtual time | physical limit | over | decide | forecast |"
    );
    println!("|-|-|-|-|-|-|-|-|");
    for (name, strategy) in strategies()? {
        for size in SIZES {
            println!("{}", rollout(name, &strategy, size).await?);
        }
    }
    Ok(())
}

fn strategies() -> Result<[(&'static str, Strategy); 3]> {
    let step = |percent, minutes: u64| CanaryStep {
        weight: Weight::new(percent).unwrap_or(Weight::ALL),
        hold: Hold::For(Duration::from_secs(60 * minutes)),
    };
    let quarter: CountOrShare = "25%".parse()?;
    let all: CountOrShare = "100%".parse()?;
    Ok([
        ("blue_green", Strategy::BlueGreen),
        (
            "canary",
            Strategy::Canary {
                steps: vec![step(5, 5), step(50, 5)],
            },
        ),
        (
            "rolling",
            Strategy::Rolling {
                surge: quarter,
                min_healthy: all,
            },
        ),
    ])
}

/// One update of a fleet of `size`, as a row of the table.
async fn rollout(name: &str, strategy: &Strategy, size: u32) -> Result<String> {
    let clock = Arc::new(SimClock::default());
    let sim = Sim::new(Arc::clone(&clock), BOOTS);
    let fleet: FleetName = "web".parse()?;
    for version in ["1", "2"] {
        sim.import(&release(version)?).await?;
    }
    let time = Time(Arc::clone(&clock));
    let driver = Driver {
        cloud: &sim,
        clock: &time,
        pace: Pace::FAR,
        progress: Progress::silent(),
    };
    let policy = policy(strategy.clone());
    let first = order(&fleet, goal("1", size)?, &policy);
    expect_reached(driver.run(&first).await.ending)?;

    let world = sim.observe(&fleet, &[]).await?;
    let next = goal("2", size)?;
    let started = Instant::now();
    for _ in 0..100 {
        std::hint::black_box(decide(std::hint::black_box(&world), &next, &policy));
    }
    let decided = started.elapsed() / 100;
    let started = Instant::now();
    let foreseen = forecast(&world, &next, &policy);
    let forecasted = started.elapsed();

    let (calls, start) = (sim.calls(), clock.now());
    expect_reached(driver.run(&order(&fleet, next, &policy)).await.ending)?;
    let took = clock.now().since(start);
    let limit = physical_limit(strategy, foreseen.least_duration);
    let over = 100.0 * (took.as_secs_f64() / limit.as_secs_f64() - 1.0);
    Ok(format!(
        "| {name} | {size} | {} | {}s | {}s | {over:.1}% | {decided:.0?} | {forecasted:.1?} |",
        sim.calls() - calls,
        took.as_secs(),
        limit.as_secs(),
    ))
}

/// What no driver can be faster than: the forecast's waits, a boot for each batch, and the requests in
/// flight (5s on the simulated cloud) where members leave.
fn physical_limit(strategy: &Strategy, least: Duration) -> Duration {
    let (boots, leaves) = match strategy {
        Strategy::BlueGreen => (1, 0),
        Strategy::Canary { .. } => (3, 0),
        Strategy::Rolling { .. } => (4, 3),
    };
    least + BOOTS * boots + Duration::from_secs(5) * leaves
}

fn expect_reached(ending: Ending) -> Result<()> {
    match ending {
        Ending::Reached(_) => Ok(()),
        other => Err(format!("the rollout ended {other:?}").into()),
    }
}

fn release(version: &str) -> Result<NewRelease> {
    Ok(NewRelease {
        id: format!("web@{version}").parse()?,
        source: ImageSource::Image(version.to_owned()),
        provenance: BTreeMap::new(),
    })
}

fn goal(version: &str, size: u32) -> Result<Goal> {
    let launch = LaunchTemplate {
        release: ReleaseRef::parse(&format!("web@{version}"))?,
        config: BTreeMap::new(),
        secrets: BTreeMap::new(),
        port: Some(80),
        health_path: None,
        tags: BTreeMap::new(),
        platform: Platform::Local(LocalLaunch::default()),
    };
    Ok(Goal::Fleet(Box::new(FleetGoal {
        fingerprint: Fingerprint::of(&launch),
        launch: Some(launch),
        size,
        settings: settings(),
        retry: None,
        replace_drifted: true,
        beyond: None,
    })))
}

fn settings() -> Settings {
    Settings {
        front: Some(Front {
            listener: "sim".to_owned(),
            protocol: Protocol::Http,
            hosts: Vec::new(),
            paths: Vec::new(),
            priority: None,
        }),
        check: HealthCheck {
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            streak: 3,
        },
        drain: Duration::from_secs(30),
        scaling: Scaling::Configured,
    }
}

fn policy(strategy: Strategy) -> Policy {
    Policy {
        strategy,
        streak: 3,
        steady: Duration::from_secs(30),
        settle: Duration::from_secs(10),
        bake: Duration::from_secs(600),
        alarms: Vec::new(),
        launch_deadline: Duration::from_secs(600),
        drain: Duration::from_secs(30),
        keep_previous: Duration::ZERO,
        keep_failed: false,
    }
}

fn order(fleet: &FleetName, goal: Goal, policy: &Policy) -> Order {
    Order {
        fleet: fleet.clone(),
        goal,
        policy: policy.clone(),
        accepted: Foreign::default(),
        holder: Holder("the benchmark".to_owned()),
        deadline: Duration::from_secs(24 * 3600),
        cancel: CancellationToken::new(),
    }
}
