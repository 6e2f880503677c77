//! Fleets to strike at. One that came out of a cell well is used again by the next.

use crate::app::Behaviour;
use crate::gate::{Gate, Stop};
use crate::plan::Update;
use crate::processes::Role;
use crate::terraform::{Output, Terraform};
use crate::web::Web;
use crate::workspace::{Workspace, files_below};
use serde_json::Value;
use std::fs;
use std::sync::Mutex;

/// Members of each fleet.
const SIZE: usize = 2;

/// Fleets at rest.
static AT_REST: Mutex<Vec<(&'static str, Fleet)>> = Mutex::new(Vec::new());

/// A fleet in a workspace of its own.
pub(crate) struct Fleet {
    pub(crate) workspace: Workspace,
    web: Web,
    /// Versions baked so far.
    versions: usize,
    /// The one that is applied.
    pub(crate) version: String,
}

/// What the host has on record of a fleet, as far as the matrix looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The update has not begun.
    Untouched,
    /// On its way.
    Launching,
    Shifting,
    Baking,
    Retiring,
    /// The update is done.
    Done,
}

impl Found {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Launching => "launching",
            Self::Shifting => "shifting",
            Self::Baking => "baking",
            Self::Retiring => "retiring",
            Self::Done => "done",
        }
    }
}

/// Gives a fleet at rest for an update.
pub(crate) fn take(update: &'static Update) -> Fleet {
    let mut at_rest = AT_REST.lock().unwrap();
    match at_rest.iter().position(|(name, _)| *name == update.name) {
        Some(place) => at_rest.remove(place).1,
        None => {
            drop(at_rest);
            Fleet::new(update)
        }
    }
}

/// Takes a fleet back.
pub(crate) fn give_back(update: &'static Update, fleet: Fleet) {
    AT_REST.lock().unwrap().push((update.name, fleet));
}

/// Destroys every fleet; nothing of them is left.
pub(crate) fn destroy_all() {
    let fleets = std::mem::take(&mut *AT_REST.lock().unwrap());
    std::thread::scope(|scope| {
        for (_, fleet) in &fleets {
            scope.spawn(|| fleet.workspace.destroy());
        }
    });
}

impl Fleet {
    fn new(update: &Update) -> Self {
        let workspace = Workspace::new(&Terraform::installed());
        let rollout = format!(
            r#"{}bake = "300ms", launch_deadline = "30s""#,
            update.rollout
        );
        let health = r#"path = "/", interval = "1s", timeout = "1s", streak = 1, steady = "0s""#;
        let web = Web::new(&workspace, "")
            .size(SIZE)
            .health(health)
            .rollout(&rollout)
            .release("keep = 1");
        let mut fleet = Self {
            workspace,
            web,
            versions: 0,
            version: String::new(),
        };
        // With three releases there is one to remove at every update from here on.
        for _ in 0..3 {
            let version = fleet.bake();
            fleet.configure(&version);
            fleet.apply().succeeded();
            fleet.version = version;
        }
        fleet
    }

    /// Bakes a version that has not been there yet.
    pub(crate) fn bake(&mut self) -> String {
        self.versions += 1;
        let version = format!("1.{}.0", self.versions);
        self.workspace.bake(&version, Behaviour::Serves);
        version
    }

    pub(crate) fn configure(&self, version: &str) {
        self.workspace.configure(self.web.version(version));
    }

    /// Applies, with the provider's own log in `apply.log`.
    pub(crate) fn apply(&self) -> Output {
        self.start_apply().wait()
    }

    pub(crate) fn start_apply(&self) -> crate::terraform::Run {
        fs::remove_file(self.log()).ok();
        let log = self.log();
        let variables = [("TF_LOG", "INFO"), ("TF_LOG_PATH", log.to_str().unwrap())];
        let apply = ["apply", "-auto-approve", "-no-color"];
        self.workspace.start_with(&apply, &variables)
    }

    fn log(&self) -> std::path::PathBuf {
        self.workspace.path("apply.log")
    }

    /// Whether the log of the last apply holds some words by now.
    pub(crate) fn has_logged(&self, words: &str) -> bool {
        fs::read_to_string(self.log()).is_ok_and(|log| log.contains(words))
    }

    /// The changes to the fleet that the last apply made, in its own words.
    pub(crate) fn changes_made(&self) -> Vec<String> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let acting = log.lines().filter(|line| line.contains("acting:"));
        let action = acting.filter_map(|line| line.split_once("action=\"")?.1.split_once('"'));
        action.map(|(action, _)| action.to_owned()).collect()
    }

    pub(crate) fn close_gate(&self, stop: Stop) -> Gate {
        let directory = self.workspace.path(".immutable");
        Gate::close(&directory, &self.workspace.path("behind.sock"), stop)
    }

    /// Takes Terraform's own backup where a second Ctrl-C ended it in the middle of writing the
    /// state: it warns of that loss, and no provider can prevent it.
    pub(crate) fn restore_state(&self) {
        let state = self.workspace.path("terraform.tfstate");
        let is_whole = fs::read_to_string(&state).is_ok_and(|it| it.contains("immutable_fleet"));
        if !is_whole {
            fs::copy(self.workspace.path("terraform.tfstate.backup"), &state).unwrap();
        }
    }

    /// What the host has on record.
    pub(crate) fn record(&self) -> Value {
        let text = fs::read_to_string(self.workspace.path(".immutable/fleets/web.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Where the fleet stands on its way to a version, by the host's record alone.
    pub(crate) fn found(&self, version: &str) -> Found {
        let record = self.record();
        let generations = record["generations"].as_object().unwrap();
        let of = |number: &str| generations[number]["launch"]["release"].to_string();
        let is_wanted = |number: &str| of(number).contains(version);
        let stable = record["stable"].to_string();
        let candidate = generations.keys().find(|number| **number != stable);
        let weight = |number: &str| record["traffic"]["weights"][number].as_u64().unwrap_or(0);
        match (is_wanted(&stable), candidate) {
            (true, None) => Found::Done,
            (true, Some(_)) => Found::Retiring,
            (false, None) => Found::Untouched,
            (false, Some(candidate)) => match weight(candidate) {
                0 => Found::Launching,
                100 => Found::Baking,
                _ => Found::Shifting,
            },
        }
    }

    /// Fails unless the fleet rests at a version and nothing else is there.
    pub(crate) fn is_at_rest_at(&self, version: &str) {
        let record = self.record();
        let host = self.workspace.processes_as(Role::Host).len();
        assert_eq!(self.found(version), Found::Done, "{record:#}");
        // A holder that was killed gives nothing back; its lease is worth nothing.
        let lease = &record["lease"];
        let holder = &lease["claimant"]["id"];
        let processes = self.workspace.processes();
        let lives = |holder: &Value| {
            processes
                .iter()
                .any(|it| Some(it.id.into()) == holder.as_u64())
        };
        let is_free = lease["released"] == true || !lives(holder);
        assert!(is_free, "{record:#}");
        let weights = record["traffic"]["weights"].as_object().unwrap();
        let shares: Vec<u64> = weights.values().map(|it| it.as_u64().unwrap()).collect();
        assert_eq!(shares.iter().sum::<u64>(), 100, "{record:#}");
        self.workspace.wait_until("only the fleet is left", || {
            self.workspace.member_ids().len() == SIZE
                && self.workspace.processes_as(Role::Provider).is_empty()
        });
        assert_eq!(host, 1, "{:#?}", self.workspace.processes());
        self.workspace
            .wait_until("only its files are left", || self.leftovers().is_empty());
        self.workspace.serves(version);
    }

    /// What is on disk and belongs to nothing. One release is kept beside the current one, and one
    /// that the fleet still ran when the line was last changed goes at its next change.
    fn leftovers(&self) -> Vec<String> {
        let files = files_below(&self.workspace.path(".immutable"));
        let names = files.iter().filter_map(|path| path.to_str());
        let partial = names
            .filter(|name| name.ends_with(".partial"))
            .map(str::to_owned);
        let mut left: Vec<String> = partial.collect();
        for (directory, most) in [("members", SIZE), ("images", 3)] {
            let entries = fs::read_dir(self.workspace.path(".immutable").join(directory));
            let names: Vec<_> = entries
                .into_iter()
                .flatten()
                .flatten()
                .map(|it| it.path())
                .collect();
            if names.len() > most {
                left.extend(names.iter().map(|it| it.display().to_string()));
            }
        }
        left
    }
}
