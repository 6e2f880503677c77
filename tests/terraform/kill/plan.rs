//! What is tried: which update, at which of its changes, and what happens then.

use crate::gate::{Moment, Of, Stop};

/// An update whose every change is a moment to strike at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update {
    pub(crate) name: &'static str,
    pub(crate) of: Of,
    /// The fleet's `rollout` beside what all have.
    pub(crate) rollout: &'static str,
    /// What an update that nobody disturbs asks the host to change.
    pub(crate) changes: &'static [&'static str],
}

/// What happens at a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    KillProvider,
    KillTerraform,
    KillBoth,
    KillHost,
    CtrlC,
    CtrlCTwice,
    SecondApply,
    /// The provider is killed, and the user wants the earlier release again.
    GoBack,
    /// The provider is killed, and the user wants a third release.
    GoElsewhere,
}

/// A blow at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) name: &'static str,
    pub(crate) blow: Blow,
    pub(crate) moment: Moment,
}

/// One thing to try.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) update: &'static Update,
    /// The change, counted from 1.
    pub(crate) number: usize,
    pub(crate) strike: Strike,
}

const STEPS: &str = r#"strategy = "canary", steps = [{ weight = 25, hold = "200ms" }, { weight = 50, hold = "200ms" }], "#;

/// The updates.
pub(crate) const UPDATES: [Update; 4] = [
    Update {
        name: "blue_green",
        of: Of::Fleet,
        rollout: r#"strategy = "blue_green", "#,
        changes: &[
            "take_lease",
            "create_generation",
            "shift_traffic",
            "promote",
            "drain_generation",
            "destroy_generation",
            "release_lease",
        ],
    },
    Update {
        name: "canary",
        of: Of::Fleet,
        rollout: STEPS,
        changes: &[
            "take_lease",
            "create_generation",
            "shift_traffic",
            "shift_traffic",
            "resize_generation",
            "shift_traffic",
            "promote",
            "drain_generation",
            "destroy_generation",
            "release_lease",
        ],
    },
    Update {
        name: "rolling",
        of: Of::Fleet,
        rollout: r#"strategy = "rolling", surge = "1", "#,
        changes: &[
            "take_lease",
            "create_generation",
            "shift_traffic",
            "resize_generation",
            "resize_generation",
            "shift_traffic",
            "promote",
            "drain_generation",
            "destroy_generation",
            "release_lease",
        ],
    },
    Update {
        name: "release",
        of: Of::Release,
        rollout: "",
        changes: &["import", "move_line", "remove_release"],
    },
];

const fn strike(name: &'static str, blow: Blow, moment: Moment) -> Strike {
    Strike { name, blow, moment }
}

/// What is done to each of them. Just after one change is before the next one, so whatever does not
/// depend on a change in flight is done once.
pub(crate) const STRIKES: [Strike; 12] = [
    strike("provider-", Blow::KillProvider, Moment::Before),
    strike("provider+", Blow::KillProvider, Moment::After),
    strike("terraform-", Blow::KillTerraform, Moment::Before),
    strike("both-", Blow::KillBoth, Moment::Before),
    strike("both+", Blow::KillBoth, Moment::After),
    strike("host-", Blow::KillHost, Moment::Before),
    strike("host+", Blow::KillHost, Moment::After),
    strike("ctrl-c", Blow::CtrlC, Moment::Before),
    strike("ctrl-c x2", Blow::CtrlCTwice, Moment::Before),
    strike("2nd apply", Blow::SecondApply, Moment::Before),
    strike("go back", Blow::GoBack, Moment::After),
    strike("go on", Blow::GoElsewhere, Moment::After),
];

/// Everything that is tried.
pub(crate) fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for update in &UPDATES {
        for number in 1..=update.changes.len() {
            let all = STRIKES.into_iter();
            cells.extend(all.map(|strike| Cell {
                update,
                number,
                strike,
            }));
        }
    }
    cells
}

impl Cell {
    /// The change, as the host is asked for it.
    pub(crate) fn change(&self) -> &'static str {
        self.update.changes[self.number - 1]
    }

    /// The name to ask for this cell alone by.
    pub(crate) fn name(&self) -> String {
        let strike = self.strike.name.replace(' ', "_");
        format!(
            "{}::{:02}_{}::{strike}",
            self.update.name,
            self.number,
            self.change()
        )
    }

    pub(crate) fn stop(&self) -> Stop {
        Stop {
            of: self.update.of,
            number: self.number,
            moment: self.strike.moment,
        }
    }
}
