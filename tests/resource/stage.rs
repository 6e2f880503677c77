//! A stage for stories: one cloud, one Terraform, one resource block at a time.

use crate::calls::{Calls, Known, answered, dynamic};
use crate::place::{Place, Stop};
use crate::rules::{NONE, inconsistencies, refusals};
use immutable::cloud::sim::{Event, Fleet, Sim, SimClock};
use immutable::cloud::{Cloud as _, NewRelease};
use immutable::model::{FleetName, ImageSource};
use immutable::plugin::Work;
use immutable::protocol::Service;
use immutable::resource::fleet::attributes::Fleet as FleetModel;
use immutable::resource::release::attributes::ImageRelease;
use immutable::resource::site::CloudKind;
use immutable::schema::Applied;
use immutable::value::{Tree, Type};
use immutable_proto::tfplugin6 as wire;
use immutable_proto::tfplugin6::provider_server::Provider as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tonic::Request;

pub(crate) const BOOTS: Duration = Duration::from_secs(20);

/// Long after the beginning of time, as every real moment is.
const BEGINS: Duration = Duration::from_secs(1_000_000_000);

pub(crate) struct Stage {
    pub(crate) place: Place,
    work: Work,
    /// What the provider's process offers; another one after each restart.
    pub(crate) fleets: Calls<Place>,
    pub(crate) releases: Calls<Place>,
}

/// What one command came to.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) known: Known,
    /// What the plan showed; unknown parts included.
    pub(crate) planned: Tree,
    pub(crate) diagnostics: Vec<wire::Diagnostic>,
}

impl Stage {
    pub(crate) async fn new() -> Stage {
        Stage::on(CloudKind::Local, &[]).await
    }

    pub(crate) async fn on(kind: CloudKind, default_tags: &[(&str, &str)]) -> Stage {
        let clock = Arc::new(SimClock::default());
        clock.pass(BEGINS);
        let place = Place {
            kind,
            default_tags: default_tags
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            sim: Arc::new(Sim::new(Arc::clone(&clock), BOOTS)),
            clock,
            stop: Arc::new(Mutex::new(None)),
        };
        let (work, fleets, releases) = process(&place, Tree::Null).await;
        Stage {
            place,
            work,
            fleets,
            releases,
        }
    }

    /// Ends the provider's process and starts another one.
    pub(crate) async fn restart(&mut self) {
        self.restart_in(Tree::Null).await;
    }

    /// Starts another process in which the provider's region is as given.
    pub(crate) async fn restart_in(&mut self, region: Tree) {
        (self.work, self.fleets, self.releases) = process(&self.place, region).await;
    }

    /// Presses Ctrl-C so long from now.
    pub(crate) fn stop_after(&self, time: Duration) {
        let stop = Stop {
            at: self.place.clock.now() + time,
            work: self.work.clone(),
        };
        *self.place.stop.lock().expect("no test failed here") = Some(stop);
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.place.clock.pass(time);
    }

    /// Takes releases of the line `web` in, without Terraform.
    pub(crate) async fn bake(&self, versions: &[&str]) {
        for version in versions {
            let release = NewRelease {
                id: format!("web@{version}").parse().expect("a release"),
                source: ImageSource::Image((*version).to_owned()),
                provenance: BTreeMap::new(),
            };
            self.place
                .sim
                .import(&release)
                .await
                .expect("it is taken in");
        }
    }

    /// Looks at what is true of the fleet `web`, or changes it behind Terraform's back.
    pub(crate) fn web<T>(&self, reach: impl FnOnce(&mut Fleet) -> T) -> T {
        self.place.sim.with_fleet(&web(), reach)
    }

    pub(crate) fn happen(&self, event: Event) {
        self.web(|fleet| fleet.happen(event));
    }

    /// How many generations there are, and what the stable one runs.
    pub(crate) fn runs(&self) -> (usize, String) {
        self.web(|fleet| {
            let stable = fleet.stable.and_then(|it| fleet.generations.get(&it));
            let runs = stable.map_or_else(String::new, |it| it.launch.release.to_string());
            (fleet.generations.len(), runs)
        })
    }
}

pub(crate) fn web() -> FleetName {
    "web".parse().expect("a name")
}

async fn process(place: &Place, region: Tree) -> (Work, Calls<Place>, Calls<Place>) {
    let work = Work::default();
    let service = Arc::new(Service::new(place.clone(), work.clone()));
    let of = Type::Object(BTreeMap::from([("region".to_owned(), Type::String)]));
    let config = Tree::Map(BTreeMap::from([("region".to_owned(), region)]));
    let request = wire::configure_provider::Request {
        config: Some(dynamic(&config, &of)),
        ..Default::default()
    };
    let configured = service.configure_provider(Request::new(request)).await;
    assert_eq!(answered(configured).diagnostics, []);
    let fleets = Calls::about::<FleetModel<Applied>>(Arc::clone(&service), "immutable_fleet", 0);
    let releases = Calls::about::<ImageRelease<Applied>>(service, "immutable_image_release", 0);
    (work, fleets, releases)
}

impl Calls<Place> {
    /// `terraform plan`: what is there is read, and then planned.
    pub(crate) async fn look_ahead(&self, known: &Known, config: &Tree) -> Told {
        let validated = self.validate(config).await;
        if has_errors(&validated) {
            return Told {
                known: known.clone(),
                planned: known.state.clone(),
                diagnostics: validated,
            };
        }
        let known = self.refreshed(known).await;
        let plan = self.plan(&known, config).await;
        let planned = self.read_value(plan.planned_state.as_ref());
        if !has_errors(&plan.diagnostics) {
            let attributes = &self.schema.attributes;
            let refusals = refusals(attributes, config, &known.state, &planned);
            assert_eq!(refusals, NONE);
        }
        Told {
            known,
            planned,
            diagnostics: plan.diagnostics,
        }
    }

    /// What Terraform knows after a refresh.
    pub(crate) async fn refreshed(&self, known: &Known) -> Known {
        if known.state.is_null() {
            return known.clone();
        }
        let read = self.read(known).await;
        assert!(!has_errors(&read.diagnostics), "{:#?}", read.diagnostics);
        let state = self.read_value(read.new_state.as_ref());
        assert!(state.is_wholly_known(), "{state:?}");
        if state.is_null() {
            return Known::nothing();
        }
        Known {
            state,
            private: read.private,
            identity: read.new_identity,
        }
    }

    /// `terraform apply`: what is planned is planned once more, and then applied.
    pub(crate) async fn apply_all(&self, known: &Known, config: &Tree) -> Told {
        let ahead = self.look_ahead(known, config).await;
        if has_errors(&ahead.diagnostics) {
            return ahead;
        }
        self.apply_plan(ahead, config).await
    }

    /// Applies what was planned before.
    pub(crate) async fn apply_plan(&self, ahead: Told, config: &Tree) -> Told {
        let again = self.plan(&ahead.known, config).await;
        let planned = self.read_value(again.planned_state.as_ref());
        assert_eq!(planned, ahead.planned, "a plan is a pure function");
        let applied = self.apply(&ahead.known, config, again).await;
        let mut diagnostics = ahead.diagnostics;
        diagnostics.extend(applied.diagnostics.clone());
        let known = self.known(applied);
        assert!(known.state.is_wholly_known(), "{:?}", known.state);
        if !has_errors(&diagnostics) {
            assert_eq!(inconsistencies(&planned, &known.state), NONE);
        }
        Told {
            known,
            planned,
            diagnostics,
        }
    }

    /// Applies and expects nothing to be said and nothing to be left for the next plan.
    pub(crate) async fn settle(&self, known: &Known, config: &Tree) -> Told {
        let told = self.apply_all(known, config).await;
        assert_eq!(told.diagnostics, []);
        self.nothing_to_do(&told.known, config).await;
        told
    }

    /// Plans and expects no difference.
    pub(crate) async fn nothing_to_do(&self, known: &Known, config: &Tree) {
        let ahead = self.look_ahead(known, config).await;
        assert_eq!(ahead.diagnostics, []);
        assert_eq!(differences(&ahead), NONE);
    }

    /// `terraform destroy`.
    pub(crate) async fn destroy(&self, known: &Known) -> Told {
        let known = self.refreshed(known).await;
        let plan = self.plan(&known, &Tree::Null).await;
        if has_errors(&plan.diagnostics) {
            let planned = known.state.clone();
            return Told {
                known,
                planned,
                diagnostics: plan.diagnostics,
            };
        }
        let applied = self.apply(&known, &Tree::Null, plan).await;
        Told {
            diagnostics: applied.diagnostics.clone(),
            known: self.known(applied),
            planned: Tree::Null,
        }
    }

    /// `terraform import`.
    pub(crate) async fn import(&self, type_name: &str, id: &str) -> Told {
        let request = wire::import_resource_state::Request {
            type_name: type_name.to_owned(),
            id: id.to_owned(),
            ..Default::default()
        };
        let request = Request::new(request);
        let imported = answered(self.service.import_resource_state(request).await);
        let mut known = Known::nothing();
        if let Some(found) = imported.imported_resources.into_iter().next() {
            let found = Known {
                state: self.read_value(found.state.as_ref()),
                private: found.private,
                identity: found.identity,
            };
            known = self.refreshed(&found).await;
        }
        Told {
            planned: known.state.clone(),
            known,
            diagnostics: imported.diagnostics,
        }
    }
}

pub(crate) fn has_errors(diagnostics: &[wire::Diagnostic]) -> bool {
    let error = wire::diagnostic::Severity::Error as i32;
    diagnostics.iter().any(|it| it.severity == error)
}

/// The attributes that a plan changes, with both values.
pub(crate) fn differences(ahead: &Told) -> Vec<String> {
    let (Tree::Map(before), Tree::Map(after)) = (&ahead.known.state, &ahead.planned) else {
        return vec![format!("{:?} -> {:?}", ahead.known.state, ahead.planned)];
    };
    let differ = after
        .iter()
        .filter(|(name, after)| before[*name] != **after);
    differ
        .map(|(name, after)| format!("{name}: {:?} -> {after:?}", before[name]))
        .collect()
}

/// The names of the attributes that a plan changes.
pub(crate) fn changes(ahead: &Told) -> Vec<String> {
    let names = differences(ahead).into_iter();
    names
        .map(|it| it.split(':').next().unwrap_or_default().to_owned())
        .collect()
}

impl Told {
    /// The only thing said: whether it is an error, the summary and the detail.
    pub(crate) fn only(&self) -> (bool, &str, &str) {
        let [one] = self.diagnostics.as_slice() else {
            panic!("{:#?}", self.diagnostics);
        };
        let is_error = has_errors(&self.diagnostics);
        (is_error, &one.summary, &one.detail)
    }

    /// The steps that were foreseen.
    pub(crate) fn forecast(&self) -> Vec<String> {
        lines(self.planned.entry("forecast"))
    }
}

pub(crate) fn lines(tree: &Tree) -> Vec<String> {
    let Tree::Seq(lines) = tree else {
        panic!("{tree:?} is no list");
    };
    let text = |line: &Tree| match line {
        Tree::Str(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    };
    lines.iter().map(text).collect()
}
