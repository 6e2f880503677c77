//! One cell: a phase of a fleet's life with one fault, and what is true afterwards.

use crate::job::{self, SIZE, Wish, web};
use crate::phase::{Phase, Row};
use crate::place::Place;
use immutable::cloud::Cloud;
use immutable::driver::{Ending, Outcome};
use immutable::model::{Fingerprint, Weight};
use immutable::rollout::{Traffic, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long any condition is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a cell is tried when its fault meets another call.
const TRIES: usize = 3;

/// Accounts whose last cell came out well: with a fleet at rest, and without one.
static AT_REST: Mutex<Vec<(bool, Place)>> = Mutex::new(Vec::new());

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// The stand-in's word for it.
    kind: &'static str,
    /// Whether the process that sent the call is killed while it waits for the answer.
    kills: bool,
    /// How many other changes come before it where it arrives late; 0: it does not.
    wait: u32,
}

const fn fault(name: &'static str, kind: &'static str) -> Fault {
    Fault {
        name,
        kind,
        kills: false,
        wait: 0,
    }
}

const fn killed(name: &'static str, kind: &'static str) -> Fault {
    Fault {
        kills: true,
        ..fault(name, kind)
    }
}

const fn late(name: &'static str, wait: u32) -> Fault {
    Fault {
        wait,
        ..fault(name, "late")
    }
}

/// Everything that is done to a call; whoever is killed has had no effect, or one without an answer.
/// A late call is given up by its sender and has its effect after the next change, or some later.
pub(crate) const FAULTS: [Fault; 9] = [
    fault("throttled", "throttle"),
    fault("error", "error"),
    fault("reset", "reset"),
    fault("lost_reply", "lost_reply"),
    fault("slow", "slow"),
    late("late", 1),
    late("later", 4),
    killed("kill-", "cut"),
    killed("kill+", "hold_after"),
];

/// How a goal was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The run that met the fault went on.
    SameRun,
    /// That run ended with an error, and the next one reached it.
    NextRun,
    /// Whoever came after the dead one took so many steps.
    Heir(usize),
}

/// One thing to try.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) row: Row,
    pub(crate) fault: Fault,
}

/// All cells of a row: a process that only reads leaves nothing, so that neither killing it nor the
/// time at which it is heard tells anything.
pub(crate) fn cells(row: &Row) -> Vec<Cell> {
    let faults = FAULTS.into_iter();
    let faults = faults.filter(|fault| row.number.is_some() || !(fault.kills || fault.wait > 0));
    let cells = faults.map(|fault| Cell {
        row: row.clone(),
        fault,
    });
    cells.collect()
}

/// Removes whatever the accounts hold.
pub(crate) fn end() {
    AT_REST.lock().unwrap().clear();
}

/// The image that all fleets of an account run. It holds no program: such a member is well as long as
/// it runs.
pub(crate) fn image(place: &Place) -> String {
    place.register("web", "")
}

#[track_caller]
pub(crate) fn reached(outcome: &Outcome) {
    assert!(matches!(outcome.ending, Ending::Reached(_)), "{outcome:#?}");
}

impl Cell {
    pub(crate) fn name(&self) -> String {
        let Row {
            phase,
            number,
            operation,
        } = &self.row;
        let number = number.map_or("any".to_owned(), |number| format!("{number:02}"));
        format!(
            "{}::{number}_{operation}::{}",
            phase.name(),
            self.fault.name
        )
    }

    /// Tries it; panics when something is not as it must be.
    ///
    /// A run that takes long prolongs its lease, and its later calls have other numbers: then the
    /// fault has met another call, and it is tried anew.
    pub(crate) fn try_it(&self) -> Reached {
        let mut tries = (0..TRIES).map(|_| self.try_once());
        let met = tries.find_map(Result::ok);
        met.unwrap_or_else(|| panic!("it met another call {TRIES} times"))
    }

    /// Tries it once; the call that was met instead of this one is an error.
    fn try_once(&self) -> Result<Reached, String> {
        let phase = self.row.phase;
        let (place, image) = take(phase.has_fleet());
        let wish = phase.wish(&image, edition());
        let id = self.order(&place);
        let reached = if self.fault.kills {
            kill(&place, &wish, id)
        } else {
            bear(&place, &wish)
        };
        let met = self.met(&place, id);
        let has_fleet = matches!(wish, Wish::Runs { .. });
        match &wish {
            Wish::Runs { .. } => is_at_rest(&place, &wish),
            Wish::Gone => is_empty(&place),
        }
        AT_REST.lock().unwrap().push((has_fleet, place));
        met.map(|()| reached)
    }

    fn order(&self, place: &Place) -> u64 {
        let mut order = json!({ "kind": self.fault.kind, "count": 1, "wait": self.fault.wait });
        match self.row.number {
            Some(number) => {
                order["mutating"] = json!(true);
                order["after"] = json!(number - 1);
            }
            None => order["operation"] = json!(self.row.operation),
        }
        place.fault(order)
    }

    /// Whether the call that got the fault is the one that was meant; otherwise which it was.
    fn met(&self, place: &Place, id: u64) -> Result<(), String> {
        let met = &place.told(id)["hit_operations"];
        let name = met[0].as_str().unwrap_or_default();
        place.end_faults();
        let meant = format!(":{}", self.row.operation);
        if name.ends_with(&meant) {
            Ok(())
        } else {
            Err(met.to_string())
        }
    }
}

fn edition() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(100);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Gives an account and the image that it runs: with a fleet at rest, or empty.
fn take(has_fleet: bool) -> (Place, String) {
    let mut at_rest = AT_REST.lock().unwrap();
    let found = at_rest.iter().position(|(has, _)| *has == has_fleet);
    let place = found.map(|index| at_rest.remove(index).1);
    drop(at_rest);
    if let Some(place) = place {
        let image = place.inventory()["images"][0].clone();
        return (place, image);
    }
    let place = Place::new();
    let image = image(&place);
    if has_fleet {
        let wish = Phase::Create.wish(&image, edition());
        reached(&job::run(&place, &place.another(), &wish, "the first"));
    }
    (place, image)
}

/// The run that meets the fault goes on, or the next one does.
fn bear(place: &Place, wish: &Wish) -> Reached {
    let done = job::run(place, &place.another(), wish, "the one who meets it");
    if matches!(done.ending, Ending::Reached(_)) {
        return Reached::SameRun;
    }
    println!("{}", done.ending);
    leases_end(place);
    reached(&job::run(place, &place.another(), wish, "the next"));
    Reached::NextRun
}

/// A process is killed while its call is on the way, and another one takes over.
fn kill(place: &Place, wish: &Wish, id: u64) -> Reached {
    let mut process = job::start(place, wish);
    let begin = Instant::now();
    while !place.holds(id) {
        let is_over = process.try_wait().unwrap().is_some() || begin.elapsed() > PATIENCE;
        assert!(!is_over, "it never came to its call: {}", place.told(id));
        std::thread::sleep(Duration::from_millis(20));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    place.release(id);
    until("the dead one's call is over", || !place.holds(id));
    leases_end(place);
    let heir = job::run(place, &place.another(), wish, "the heir");
    reached(&heir);
    Reached::Heir(heir.steps.len())
}

/// Lets the time pass that a lease lasts: what is written of leases says that it has.
fn leases_end(place: &Place) {
    let below = json!({ "Path": "/immutable/fleets", "Recursive": true });
    let found = place.json("ssm", "AmazonSSM.GetParametersByPath", &below);
    for parameter in found["Parameters"].as_array().unwrap() {
        let mut value = newest(place, parameter);
        match value.get("until").is_some() {
            true => value["until"] = json!(1),
            false if value["lease"].is_object() => value["lease"]["until"] = json!(1),
            false => continue,
        }
        let write =
            json!({ "Name": parameter["Name"], "Value": value.to_string(), "Overwrite": true });
        place.json("ssm", "AmazonSSM.PutParameter", &write);
    }
}

/// What a parameter says; of a fleet's record what was written last, as if it were written once more.
fn newest(place: &Place, parameter: &Value) -> Value {
    let parsed =
        |told: &Value| -> Value { serde_json::from_str(told["Value"].as_str().unwrap()).unwrap() };
    if parsed(parameter).get("stamp").is_none() {
        return parsed(parameter);
    }
    let version = parameter["Version"].as_i64().unwrap();
    let name = parameter["Name"].as_str().unwrap();
    let names = (version.max(10) - 9..=version).map(|it| format!("{name}:{it}"));
    let asked = json!({ "Names": names.collect::<Vec<_>>() });
    let told = place.json("ssm", "AmazonSSM.GetParameters", &asked);
    let versions = told["Parameters"].as_array().unwrap().iter();
    let order = |record: &Value| (record["fence"].as_u64(), record["stamp"]["at"].as_u64());
    let mut newest = versions.map(parsed).max_by_key(order).unwrap();
    newest["stamp"]["version"] = json!(version + 1);
    newest
}

/// Exactly what a fleet of this wish needs is there, and it serves.
fn is_at_rest(place: &Place, wish: &Wish) {
    let size = SIZE as usize;
    let needs = [
        ("groups", 1),
        ("images", 1),
        ("instances", size),
        ("launch_templates", 1),
        ("network_interfaces", size),
        // Its record, and what the last apply was up to.
        ("parameters", 2),
        ("rules", 1),
        ("target_groups", 1),
        ("volumes", size),
    ];
    let needs: BTreeMap<String, usize> = needs
        .into_iter()
        .map(|(kind, count)| (kind.to_owned(), count))
        .collect();
    let counted = || -> BTreeMap<String, usize> {
        let made = place.made().into_iter();
        let counts = made.map(|(kind, things)| (kind, things.len()));
        counts.filter(|(kind, _)| kind != "snapshots").collect()
    };
    until(&format!("{needs:?}, not {:?}", counted()), || {
        counted() == needs
    });
    let world = observe(place);
    let fingerprint = Fingerprint::of(&wish.launch(place).unwrap());
    let stable = world.stable.expect("it has a stable generation");
    assert_eq!(world.generations[&stable].fingerprint, fingerprint);
    let Traffic::Known { weights, .. } = &world.traffic else {
        panic!("{world:#?}")
    };
    assert_eq!(weights.get(&stable), Some(&Weight::ALL), "{world:#?}");
    assert!(world.generations.len() == 1, "{world:#?}");
}

fn is_empty(place: &Place) {
    let left = || {
        let mut left = place.made();
        left.retain(|kind, _| !["images", "snapshots"].contains(&kind.as_str()));
        left
    };
    until(&format!("nothing is left, not {:?}", left()), || {
        left().is_empty()
    });
}

fn observe(place: &Place) -> World {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let cloud = place.another();
    runtime.block_on(cloud.observe(&web(), &[])).unwrap()
}

#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
