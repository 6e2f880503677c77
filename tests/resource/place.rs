//! A provider whose cloud is the simulated one.

use async_trait::async_trait;
use immutable::cloud::sim::{Sim, SimClock};
use immutable::diagnostic::Diagnostics;
use immutable::driver::Clock;
use immutable::model::Timestamp;
use immutable::plugin::Work;
use immutable::resource::action::{Actions, FleetAbort, FleetRollback, GlassBreak};
use immutable::resource::fleet::FleetResource;
use immutable::resource::inventory::{AffectedFleets, FindRelease, Inventory};
use immutable::resource::release::ReleaseResource;
use immutable::resource::site::{Adopted, CloudKind, Configured, Site};
use immutable::resource::{DataSources, Provider, Resources};
use immutable::schema::{Attributes, Maybe, Planned, Stage};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What outlives every provider process.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) kind: CloudKind,
    pub(crate) default_tags: BTreeMap<String, String>,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) sim: Arc<Sim>,
    pub(crate) stop: Arc<Mutex<Option<Stop>>>,
}

/// The moment at which the user presses Ctrl-C, and what that reaches.
pub(crate) struct Stop {
    pub(crate) at: Timestamp,
    pub(crate) work: Work,
}

/// How the provider is configured.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub(crate) struct Nothing<S: Stage> {
    /// Where it is; unknown as long as nobody knows.
    #[tf(optional)]
    pub(crate) region: S::Of<Option<String>>,
}

impl Provider for Place {
    const NAME: &'static str = "immutable";
    type Config<S: Stage> = Nothing<S>;
    type Configured = Configured;

    async fn configure(&self, config: Nothing<Planned>) -> Result<Configured, Diagnostics> {
        let site = Site {
            kind: self.kind,
            region: "sim".to_owned(),
            timing: self.kind.timing(),
            cloud: Arc::clone(&self.sim) as _,
            clock: Arc::new(Time(self.clone())),
            default_tags: self.default_tags.clone(),
            adopted: Adopted::default(),
        };
        Ok(match config.region {
            Maybe::Known(_) => Configured::Site(site),
            Maybe::Unknown => Configured::NotYet,
        })
    }

    fn resources(&self) -> Resources<Configured> {
        Resources::none().with(FleetResource).with(ReleaseResource)
    }

    fn actions(&self) -> Actions<Configured> {
        let actions = Actions::none().with(FleetAbort).with(FleetRollback);
        actions.with(GlassBreak)
    }

    fn data_sources(&self) -> DataSources<Configured> {
        let sources = DataSources::none().with(Inventory).with(FindRelease);
        sources.with(AffectedFleets)
    }
}

impl Place {
    /// Presses Ctrl-C when its moment has come.
    fn press(&self) {
        let mut stop = self.stop.lock().expect("no test failed here");
        if let Some(stop) = stop.take_if(|stop| stop.at <= self.clock.now()) {
            stop.work.stop();
        }
    }
}

/// The simulated time, in which Ctrl-C is pressed at its moment.
struct Time(Place);

#[async_trait]
impl Clock for Time {
    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.clock.pass(duration);
        self.0.press();
        tokio::task::yield_now().await;
    }
}
