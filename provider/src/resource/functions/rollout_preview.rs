//! `rollout_preview`: the steps of a change, by the engine that takes them.

use crate::resource::Function;
use crate::resource::fleet::attributes::{LARGEST_FLEET, Rollout};
use crate::resource::fleet::preview;
use crate::rollout::{Forecast, Foreseen, Moment};
use crate::schema::{Applied, Attributes, Bounded, Choice, Stage};
use crate::value::Findings;

/// The function `rollout_preview`.
#[derive(Debug)]
pub struct RolloutPreview;

/// Foresees how a fleet at rest takes a new release: every step in order, with what is true once it
/// is done. The engine that takes the steps in an apply foresees them here, so a module can assert on
/// them in `terraform test` or in a policy.
///
/// The fleet is at generation 1, has traffic and the default `health` and `drain`; nothing goes wrong.
/// Times are the least that it takes: booting and requests in flight come on top, and on AWS two
/// minutes after every shift, in which new weights reach all of a load balancer's nodes.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Change {
    /// The fleet's `size`.
    #[tf(required)]
    pub size: Bounded<1, LARGEST_FLEET>,
    /// The fleet's `rollout`: an object with the same attributes, of which any may be left out.
    #[tf(required)]
    pub rollout: Rollout,
}

/// One step of a rollout.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct PreviewedStep<S: Stage = Applied> {
    /// What is done or waited for, as the plan's `forecast` says it.
    #[tf(computed)]
    pub step: S::Of<String>,
    /// `change`, `wait` or `remark`.
    #[tf(computed)]
    pub kind: S::Of<StepKind>,
    /// The members in service then.
    #[tf(computed)]
    pub serving: S::Of<u32>,
    /// The members that there are then.
    #[tf(computed)]
    pub running: S::Of<u32>,
    /// The new generation's share of the traffic then, in percent.
    #[tf(computed)]
    pub weight: S::Of<u32>,
    /// The seconds since the beginning, at least.
    #[tf(computed)]
    pub elapsed_seconds: S::Of<u64>,
}

/// What kind of step it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum StepKind {
    /// Something is changed.
    Change,
    /// Something is waited for.
    Wait,
    /// What remains for later.
    Remark,
}

impl Function for RolloutPreview {
    const NAME: &'static str = "rollout_preview";
    type Arguments = Change;
    type Answer = Vec<PreviewedStep>;

    fn call(&self, Change { size, rollout }: Change) -> Result<Vec<PreviewedStep>, Findings> {
        preview::forecast(size, rollout).map(|forecast| steps(&forecast))
    }
}

fn steps(forecast: &Forecast) -> Vec<PreviewedStep> {
    // What only remains to be said changes nothing: the last moment lasts.
    let moments = forecast.course.iter().skip(1);
    let moments = moments.chain(forecast.course.last().into_iter().cycle());
    let steps = forecast.steps.iter().zip(moments);
    steps.map(|(step, then)| previewed(step, then)).collect()
}

fn previewed(step: &Foreseen, then: &Moment) -> PreviewedStep {
    PreviewedStep {
        step: step.to_string(),
        kind: match step {
            Foreseen::Action(_) => StepKind::Change,
            Foreseen::Wait(_) => StepKind::Wait,
            Foreseen::Remark(_) => StepKind::Remark,
        },
        serving: then.serving,
        running: then.running(),
        weight: then
            .places
            .get(&preview::CANDIDATE)
            .map_or(0, |place| place.weight.percent().into()),
        elapsed_seconds: then.at.as_secs(),
    }
}
