//! A provider with one resource that has every kind of attribute and every kind of bad day.

use crate::chartroom::{Charts, InPort, Route};
use crate::signals::Signals;
use immutable::diagnostic::{Diagnostic, Diagnostics};
use immutable::resource::action::Actions;
use immutable::resource::{
    Context, DataSources, Functions, Listings, Outcome, Plan, Provider, Resource, Resources,
};
use immutable::schema::{
    Applied, Attributes, Bounded, Choice, CountOrShare, DurationText, Field, List, Map, Maybe,
    Planned, Set, Stage, Text,
};
use immutable::value::{Num, Path, Tree};
use std::collections::BTreeMap;

/// A harbor.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub(crate) struct Config<S: Stage> {
    /// Where it lies.
    #[tf(optional)]
    pub(crate) coast: S::Of<Option<String>>,
}

/// What configuring makes: the coast, as far as it is known.
pub(crate) type Coast = Maybe<Option<String>>;

pub(crate) struct Harbor;

impl Provider for Harbor {
    const NAME: &'static str = "harbor";
    type Config<S: Stage> = Config<S>;
    type Configured = Maybe<Option<String>>;

    async fn configure(&self, config: Config<Planned>) -> Result<Self::Configured, Diagnostics> {
        match config.coast.given().map(String::as_str) {
            Some("dry") => Err(Diagnostic::error("Cannot open the harbor", "No water.").into()),
            _ => Ok(config.coast),
        }
    }

    fn resources(&self) -> Resources<Self::Configured> {
        Resources::none().with(Ships)
    }

    fn data_sources(&self) -> DataSources<Self::Configured> {
        DataSources::none().with(Charts)
    }

    fn actions(&self) -> Actions<Self::Configured> {
        Actions::none().with(Signals)
    }

    fn functions(&self) -> Functions {
        Functions::none().with(Route)
    }

    fn listings(&self) -> Listings<Self::Configured> {
        Listings::none().with(InPort)
    }
}

/// A ship.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub(crate) struct Ship<S: Stage = Applied> {
    /// The name on its bow.
    #[tf(required, replace)]
    pub(crate) name: S::Of<String>,
    /// Masts.
    #[tf(optional, default = 2)]
    pub(crate) masts: S::Of<Bounded<1, 5>>,
    /// Afloat or not.
    #[tf(optional)]
    pub(crate) afloat: S::Of<Option<bool>>,
    /// How long the turn of the tide is awaited.
    #[tf(optional, default = "90s")]
    pub(crate) patience: S::Of<DurationText>,
    /// Who stays aboard.
    #[tf(optional)]
    pub(crate) watch: S::Of<Option<CountOrShare>>,
    /// Its displacement, to the last digit.
    #[tf(optional)]
    pub(crate) tons: S::Of<Option<Num>>,
    /// What is aboard.
    #[tf(optional)]
    pub(crate) cargo: S::Of<Option<Map<S, u32>>>,
    /// Where it calls, in this order.
    #[tf(optional)]
    pub(crate) ports: S::Of<Option<List<S, String>>>,
    /// What it flies.
    #[tf(optional)]
    pub(crate) flags: S::Of<Option<Set<S::Of<String>>>>,
    /// Who sails it.
    #[tf(optional)]
    pub(crate) crew: S::Of<Option<List<S, Sailor<S>>>>,
    /// Its boats by side.
    #[tf(optional)]
    pub(crate) boats: S::Of<Option<Map<S, Boat<S>>>>,
    /// Its cannons.
    #[tf(optional)]
    pub(crate) cannons: S::Of<Option<Set<Cannon<S>>>>,
    /// What it is built of.
    #[tf(optional)]
    pub(crate) hull: S::Of<Option<Hull<S>>>,
    /// What drives it.
    #[tf(optional, default = {})]
    pub(crate) engine: S::Of<Engine<S>>,
    /// The captain's orders.
    #[tf(optional, sensitive)]
    pub(crate) orders: S::Of<Option<String>>,
    /// What goes wrong.
    #[tf(optional)]
    pub(crate) mishap: S::Of<Option<Mishap>>,
    /// A number of its own.
    #[tf(computed)]
    pub(crate) id: S::Of<Option<String>>,
    /// Voyages so far.
    #[tf(computed)]
    pub(crate) voyages: S::Of<Option<u64>>,
    /// What it went through.
    #[tf(computed)]
    pub(crate) history: S::Of<Option<List<S, Entry<S>>>>,
}

/// A member of the crew.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub(crate) struct Sailor<S: Stage> {
    /// The name.
    #[tf(required)]
    pub(crate) name: S::Of<String>,
    /// The rank.
    #[tf(optional, default = "sailor")]
    pub(crate) rank: S::Of<String>,
    /// The berth that was given.
    #[tf(computed)]
    pub(crate) berth: S::Of<Option<String>>,
}

/// A cannon is measured like a boat.
type Cannon<S> = <S as Stage>::Of<Boat<S>>;

/// Something with a length.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub(crate) struct Boat<S: Stage> {
    /// Its length.
    #[tf(required)]
    pub(crate) length: S::Of<u16>,
    /// Its colour.
    #[tf(optional, default = "black")]
    pub(crate) colour: S::Of<String>,
}

/// The ship's hull.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub(crate) struct Hull<S: Stage> {
    /// The material.
    #[tf(required, replace)]
    pub(crate) material: S::Of<String>,
}

/// The engine.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub(crate) struct Engine<S: Stage> {
    /// What it burns.
    #[tf(optional, default = "wind")]
    pub(crate) fuel: S::Of<String>,
}

/// A line in the log.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub(crate) struct Entry<S: Stage> {
    /// What happened.
    #[tf(computed)]
    pub(crate) what: S::Of<Option<String>>,
}

/// A bad day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub(crate) enum Mishap {
    /// The handler panics.
    Panic,
    /// The handler fails half-way.
    Storm,
    /// The handler fails before it began.
    Calm,
    /// The handler says nothing.
    Silence,
    /// Validation panics.
    PanicEarly,
    /// Planning overwrites what the user configured.
    Mutiny,
    /// The ship is lost at sea, as reading finds.
    Lost,
    /// Reading panics.
    Fog,
}

pub(crate) struct Ships;

type Surroundings = Context<Maybe<Option<String>>>;

impl Resource for Ships {
    const NAME: &'static str = "ship";
    const VERSION: i64 = 2;
    type Model<S: Stage> = Ship<S>;
    type Configured = Maybe<Option<String>>;

    fn validate(&self, config: &Ship<Planned>) -> Diagnostics {
        assert!(
            config.mishap.given() != Some(&Mishap::PanicEarly),
            "a rogue wave"
        );
        match (config.masts.known(), config.afloat.given()) {
            (Some(masts), Some(false)) if masts.get() > 3 => {
                let detail = "A ship ashore has 3 masts at most.";
                Diagnostic::invalid(Path::of("masts"), detail).into()
            }
            _ => Diagnostics::none(),
        }
    }

    async fn plan(&self, _: &Surroundings, plan: &mut Plan<Ships>) -> Diagnostics {
        plan.planned.id = match plan.planned.name.known() {
            Some(name) => Maybe::Known(Some(format!("ship-{name}"))),
            None => Maybe::Unknown,
        };
        if plan.is_update() && plan.changed(|it| &it.ports) {
            plan.planned.voyages = Maybe::Unknown;
        }
        if plan.planned.mishap.given() == Some(&Mishap::Mutiny) {
            plan.planned.name = Maybe::Known("Pirate".to_owned());
            plan.planned.orders = Maybe::Unknown;
        }
        Diagnostics::none()
    }

    async fn plan_destroy(&self, _: &Surroundings, have: &Ship) -> Diagnostics {
        Diagnostic::warning(format!("{} will be scrapped", have.name), "For good.").into()
    }

    async fn create(&self, _: &Surroundings, want: Ship) -> Outcome<Ship> {
        sail(None, want)
    }

    async fn read(&self, _: &Surroundings, have: Ship) -> Outcome<Ship> {
        match have.mishap {
            Some(Mishap::Lost) => Outcome::gone(),
            Some(Mishap::Fog) => panic!("lost in the fog"),
            _ => Outcome::done(have),
        }
    }

    async fn update(&self, context: &Surroundings, have: Ship, want: Ship) -> Outcome<Ship> {
        if Text::text(&want.patience) == "1h" {
            context.cancel.cancelled().await;
            return Outcome::failed(
                have,
                Diagnostic::error("Stopped", "At the next safe point."),
            );
        }
        sail(Some(have), want)
    }

    async fn delete(&self, _: &Surroundings, have: Ship) -> Outcome<Ship> {
        match have.mishap {
            Some(Mishap::Panic) => panic!("the shipyard burns"),
            Some(Mishap::Calm) => Outcome::refused(Diagnostic::error("Not now", "No wind.")),
            _ => Outcome::gone(),
        }
    }

    async fn import(&self, _: &Surroundings, identity: &str) -> Outcome<Ship> {
        if identity == "Ghost" {
            return Outcome::gone();
        }
        let tree = BTreeMap::from([("name".to_owned(), Tree::from(identity))]);
        let attributes = Ship::<Applied>::attributes();
        let tree = immutable::schema::with_defaults(&attributes, Tree::Map(tree));
        Outcome::done(Ship::decode(&tree).expect("a name is all that is required"))
    }

    fn upgrade(&self, from_version: i64, stored: Tree) -> Result<Tree, Diagnostic> {
        let (1, Tree::Map(mut stored)) = (from_version, stored) else {
            return Err(Diagnostic::error(
                "Too old",
                format!("Version {from_version}."),
            ));
        };
        let title = stored.remove("title").unwrap_or_default();
        stored.insert("name".to_owned(), title);
        Ok(Tree::Map(stored))
    }
}

fn sail(have: Option<Ship>, want: Ship) -> Outcome<Ship> {
    let reached = Ship {
        voyages: Some(want.voyages.unwrap_or(1)),
        history: Some(vec![Entry {
            what: Some("sailed".to_owned()),
        }]),
        crew: want
            .crew
            .clone()
            .map(|crew| crew.into_iter().map(berthed).collect()),
        ..want
    };
    let storm = Diagnostic::error("A storm", "Half the way is done.");
    match reached.mishap {
        Some(Mishap::Panic) => panic!("man overboard"),
        Some(Mishap::Storm) => Outcome::failed(have.unwrap_or(reached), storm),
        Some(Mishap::Calm) => Outcome::refused(Diagnostic::error("Not now", "No wind.")),
        Some(Mishap::Silence) => Outcome::gone(),
        _ => Outcome {
            private: Some(b"log".to_vec()),
            ..Outcome::done(reached)
        },
    }
}

fn berthed(sailor: Sailor<Applied>) -> Sailor<Applied> {
    let berth = sailor
        .berth
        .unwrap_or_else(|| format!("berth of {}", sailor.name));
    Sailor {
        berth: Some(berth),
        ..sailor
    }
}
