//! What the harbor knows beside its ships: charts, routes, and who is in port.

use crate::harbor::{Boat, Coast, Ships};
use immutable::diagnostic::{Diagnostic, Diagnostics};
use immutable::resource::{Context, DataSource, Function, Listed, Listing, Outcome};
use immutable::schema::{Applied, Attributes, Bounded, Planned, Stage};
use immutable::value::{Finding, Findings, Path, Step};

pub(crate) struct Charts;

/// A chart of a sea.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub(crate) struct Chart<S: Stage = Applied> {
    /// The sea.
    #[tf(required)]
    pub(crate) sea: S::Of<String>,
    /// Its scale.
    #[tf(optional, default = 1000)]
    pub(crate) scale: S::Of<Bounded<1, 1_000_000>>,
    /// How deep the sea is.
    #[tf(computed)]
    pub(crate) depth: S::Of<Option<u32>>,
}

impl DataSource for Charts {
    const NAME: &'static str = "chart";
    type Model<S: Stage> = Chart<S>;
    type Configured = Coast;

    fn validate(&self, chart: &Chart<Planned>) -> Diagnostics {
        let is_empty = chart.sea.known().is_some_and(String::is_empty);
        let refused = is_empty.then(|| Diagnostic::invalid(Path::of("sea"), "Name it."));
        refused.into_iter().collect()
    }

    async fn read(&self, _: &Context<Coast>, chart: Chart) -> Outcome<Chart> {
        match chart.sea.as_str() {
            "Dead" => Outcome::refused(Diagnostic::error("No such sea", "It is a lake.")),
            "Silent" => Outcome::gone(),
            "Sargasso" => panic!("adrift"),
            _ => Outcome::done(Chart {
                depth: Some(5000),
                ..chart
            }),
        }
    }
}

pub(crate) struct Route;

/// Finds a way. It is never the shortest.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub(crate) struct Way {
    /// Where it begins.
    #[tf(required)]
    pub(crate) from: String,
    /// What it is sailed with.
    #[tf(required)]
    pub(crate) boat: Boat<Applied>,
}

impl Function for Route {
    const NAME: &'static str = "route";
    type Arguments = Way;
    type Answer = Vec<String>;

    fn call(&self, Way { from, boat }: Way) -> Result<Vec<String>, Findings> {
        match from.as_str() {
            "Troja" => {
                let step = Step::Attribute("from".to_owned());
                Err(Finding::here("it was burnt down").under(step).into())
            }
            "Nowhere" => Err(Finding::here("there is no way").into()),
            "Atlantis" => panic!("it sank"),
            _ => Ok(vec![from, boat.colour, boat.length.to_string()]),
        }
    }
}

pub(crate) struct InPort;

/// Ships in port.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub(crate) struct Port<S: Stage = Applied> {
    /// What they fly.
    #[tf(optional)]
    pub(crate) flag: S::Of<Option<String>>,
}

impl Listing for InPort {
    type Of = Ships;
    type Filter<S: Stage> = Port<S>;

    async fn list(&self, _: &Context<Coast>, port: Port) -> Result<Vec<Listed>, Diagnostics> {
        match port.flag.as_deref() {
            Some("white") => Err(Diagnostic::error("No ship flies it", "All fight.").into()),
            Some("black") => panic!("pirates"),
            _ => Ok(["Ada", "Bel", "Cid"]
                .map(|name| Listed {
                    identity: name.to_owned(),
                    display_name: format!("{name} of Oslo"),
                })
                .to_vec()),
        }
    }
}
