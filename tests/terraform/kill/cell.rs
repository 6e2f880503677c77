//! One cell: an update under load, the blow, and what is true afterwards.

use crate::fleet::{self, Fleet, Found};
use crate::gate::{Gate, Moment, Of};
use crate::load::{Clients, Load};
use crate::plan::{Blow, Cell};
use crate::processes::Role;
use crate::terraform::{Output, Run};
use rustix::process::Signal;
use std::time::Duration;

/// Longer than an update takes to any of its changes, even on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Some requests are always in flight, and enough processor is left for the other cells.
const CLIENTS: Clients = Clients {
    quick: 2,
    slow: 2,
    slow_path: "/slow?seconds=0.3",
    keep: true,
    pause: Duration::from_millis(30),
};

/// How a cell came out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tried {
    /// Where the next plan found the fleet.
    pub(crate) found: Found,
    pub(crate) served: u64,
    /// Requests cut off by the host's death.
    pub(crate) cut: u64,
}

/// Tries a cell; panics when something is not as it must be.
pub(crate) fn try_one(cell: &Cell) -> Tried {
    let mut fleet = fleet::take(cell.update);
    let update = fleet.bake();
    let goal = match cell.strike.blow {
        Blow::GoBack => fleet.version.clone(),
        Blow::GoElsewhere => fleet.bake(),
        _ => update.clone(),
    };
    fleet.configure(&update);
    let load = Load::of(CLIENTS, fleet.workspace.listener());
    let gate = fleet.close_gate(cell.stop());
    let mut apply = fleet.start_apply();
    reach(cell, &gate, &mut apply);
    let ended = strike(cell, &fleet, &gate, apply);
    if cell.strike.blow == Blow::CtrlCTwice {
        fleet.restore_state();
    }
    let gate = is_late(cell).then_some(gate);

    fleet.configure(&goal);
    let found = fleet.found(&update);
    let plan = plan_tells(&fleet, found, &goal, &ended);
    fleet.apply().succeeded();
    if cell.strike.blow != Blow::KillHost {
        assert_eq!(
            fleet.changes_made(),
            foreseen(&plan.stdout),
            "not done as foreseen: {}",
            plan.everything()
        );
    }
    if let Some(gate) = gate {
        late_change_is_harmless(cell, &gate);
    }
    fleet.workspace.plan_is_empty();
    fleet.is_at_rest_at(&goal);
    let (served, cut) = end(cell, &fleet, load);
    fleet.version = goal;
    fleet::give_back(cell.update, fleet);
    Tried { found, served, cut }
}

/// Waits for the change, and makes sure that it is the one that is meant.
fn reach(cell: &Cell, gate: &Gate, apply: &mut Run) {
    let begin = std::time::Instant::now();
    while !gate.is_reached_within(Duration::from_millis(20)) {
        let is_over = !apply.is_running() || begin.elapsed() > PATIENCE;
        assert!(!is_over, "never came to it; changes: {:?}", gate.changes());
    }
    assert_eq!(
        gate.changes().last().map(String::as_str),
        Some(cell.change())
    );
}

/// Deals the blow and waits until everybody whom it ends has ended.
fn strike(cell: &Cell, fleet: &Fleet, gate: &Gate, apply: Run) -> Output {
    let kill = |role| {
        let processes = fleet.workspace.processes_as(role);
        assert!(!processes.is_empty(), "{:#?}", fleet.workspace.processes());
        processes
            .iter()
            .for_each(|process| process.signal(Signal::KILL));
        fleet
            .workspace
            .wait_until("whoever was killed is dead", || {
                let left = fleet.workspace.processes();
                processes
                    .iter()
                    .all(|dead| left.iter().all(|process| process.id != dead.id))
            });
    };
    match cell.strike.blow {
        Blow::KillProvider | Blow::GoBack | Blow::GoElsewhere => kill(Role::Provider),
        Blow::KillTerraform => kill_terraform(fleet),
        Blow::KillBoth => {
            kill_terraform(fleet);
            kill(Role::Provider);
        }
        Blow::KillHost => kill(Role::Host),
        Blow::CtrlC => press(fleet, &apply, 1),
        Blow::CtrlCTwice => press(fleet, &apply, 2),
        Blow::SecondApply => second_apply(cell, fleet),
    }
    if !is_late(cell) {
        gate.release();
    }
    let ended = apply.wait();
    fleet.workspace.wait_until("no provider is left", || {
        fleet.workspace.processes_as(Role::Provider).is_empty()
    });
    match cell.strike.blow {
        Blow::KillHost | Blow::SecondApply => {}
        Blow::CtrlC => assert_eq!(ended.code(), Some(1), "{}", ended.everything()),
        _ => assert_ne!(ended.code(), Some(0), "{}", ended.everything()),
    }
    ended
}

/// Ends Terraform alone, without a word to the provider.
fn kill_terraform(fleet: &Fleet) {
    let others = fleet.workspace.processes_as(Role::Other).into_iter();
    let ours: Vec<_> = others
        .filter(|it| it.parent == std::process::id())
        .collect();
    assert_eq!(ours.len(), 1, "{:#?}", fleet.workspace.processes());
    ours[0].signal(Signal::KILL);
}

/// Presses Ctrl-C, once more when the provider has heard of it.
fn press(fleet: &Fleet, apply: &Run, times: u32) {
    apply.interrupt();
    fleet.workspace.wait_until("the provider knows", || {
        fleet.has_logged("asking calls in flight to end early")
    });
    if times > 1 {
        apply.interrupt();
    }
}

/// Whether the change is still on its way when whoever asked for it is long dead.
fn is_late(cell: &Cell) -> bool {
    match cell.strike.blow {
        Blow::KillProvider | Blow::KillBoth => cell.strike.moment == Moment::Before,
        _ => false,
    }
}

/// A second person applies, with a state lock of their own.
fn second_apply(cell: &Cell, fleet: &Fleet) {
    let second = fleet.workspace.run(&[
        "apply",
        "-auto-approve",
        "-no-color",
        "-lock=false",
        "-state-out=other.tfstate",
    ]);
    let is_leased = cell.update.of == Of::Fleet && cell.number > 1;
    // Once all is done there is nothing to take a lease for.
    if is_leased && cell.change() != "release_lease" {
        second.failed_with(&[
            "the fleet web",
            "another process changes it",
            "provider process",
        ]);
    } else {
        second.succeeded();
    }
}

/// The plan tells where the fleet stands.
fn plan_tells(fleet: &Fleet, found: Found, goal: &str, ended: &Output) -> Output {
    let plan = fleet.workspace.plan();
    let text = format!("{}\n{}", ended.everything(), plan.everything());
    match found {
        Found::Launching | Found::Shifting | Found::Baking | Found::Retiring => {
            assert_eq!(plan.code(), Some(2), "{text}");
            let phase = format!("\"{}\" -> \"stable\"", found.word());
            assert!(plan.stdout.contains(&phase), "no {phase} in:\n{text}");
        }
        Found::Untouched | Found::Done if fleet.found(goal) == Found::Done => {
            assert_ne!(plan.code(), Some(1), "{text}");
        }
        Found::Untouched | Found::Done => {
            assert_eq!(plan.code(), Some(2), "{text}");
            assert!(plan.stdout.contains("\"create generation"), "{text}");
        }
    }
    plan
}

/// The changes that a plan shows: the lines of its forecast that are no waits and no remarks.
fn foreseen(plan: &str) -> Vec<String> {
    const CHANGES: [&str; 9] = [
        "set up", "create", "grow", "shrink", "shift", "trust", "drain", "destroy", "condemn",
    ];
    let Some((_, forecast)) = plan.split_once(" forecast ") else {
        return Vec::new();
    };
    let lines = forecast.lines().skip(1).map(str::trim);
    let lines = lines.take_while(|line| *line != "]");
    // A step that is new, one that is as it was in the last forecast, one in place of another.
    let steps = lines.filter_map(|line| {
        let line = line.trim_start_matches(['+', '~', ' ']);
        let line = line.rsplit_once("\" -> \"").map_or(line, |(_, now)| now);
        line.strip_suffix("\",")
            .map(|step| step.trim_start_matches('"'))
    });
    let changes = steps.filter(|step| CHANGES.iter().any(|change| step.starts_with(change)));
    changes.map(str::to_owned).collect()
}

/// A change that arrives after another apply has taken over does nothing.
fn late_change_is_harmless(cell: &Cell, gate: &Gate) {
    let answer = gate.release_late();
    let is_an_action = !matches!(cell.change(), "take_lease" | "release_lease");
    if cell.update.of == Of::Fleet && is_an_action {
        assert_eq!(answer["failed"]["kind"], "conflict", "{answer:#}");
    }
}

/// Ends the load; returns how many requests were served and cut off.
fn end(cell: &Cell, fleet: &Fleet, load: Load) -> (u64, u64) {
    let cut = load.tally().failures.len();
    if cell.strike.blow == Blow::KillHost {
        // The traffic has come back, and stays.
        let served = || load.tally().served.values().sum::<u64>();
        let before = served();
        fleet
            .workspace
            .wait_until("requests are served again", || served() > before + 50);
        assert_eq!(
            load.tally().failures.len(),
            cut,
            "{:#?}",
            load.tally().failures.last()
        );
        return (served(), cut as u64);
    }
    let tally = load.end_without_loss();
    (tally.served.values().sum(), 0)
}
