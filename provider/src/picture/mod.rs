//! A rollout's course as a picture: who runs and who serves, from the first step to the last.
//!
//! It draws what a [`Forecast`] foresees and knows nothing of where that came from. The picture is
//! SVG without scripts, fonts or references, so that it can stand in any page.

mod axis;
mod svg;

pub use svg::escaped;

use crate::model::{GenerationNumber, Weight};
use crate::rollout::{Forecast, Moment, members};
use axis::Axis;
use svg::{Drawing, Rect, Text};

/// Colours that are told apart in light and dark, and by most who do not tell red from green.
const COLOURS: [&str; 6] = [
    "#4477aa", "#ee8866", "#44aa99", "#aa4499", "#ddaa33", "#777777",
];

/// The width of a picture, in its own units.
const WIDTH: u32 = 960;
/// What stands left of the time axis.
const LEFT: u32 = 90;
/// The height of each of the two panels.
const PANEL: u32 = 150;
/// Between the panels, and above the first one.
const GAP: u32 = 40;

/// Draws a course. `title` is told to those who cannot see it.
///
/// ```
/// use immutable::model::Timestamp;
/// use immutable::picture::timeline;
/// use immutable::rollout::{Goal, Policy, Strategy, World, forecast};
/// # use std::time::Duration;
/// # let policy = Policy {
/// #     strategy: Strategy::BlueGreen, streak: 1, steady: Duration::ZERO,
/// #     settle: Duration::ZERO, bake: Duration::ZERO, alarms: Vec::new(),
/// #     launch_deadline: Duration::ZERO, drain: Duration::ZERO,
/// #     keep_previous: Duration::ZERO, keep_failed: false,
/// # };
/// let nothing = World::absent(Timestamp::default());
/// let picture = timeline(&forecast(&nothing, &Goal::Absent, &policy), "a fleet that is gone");
/// assert!(picture.starts_with("<svg"));
/// ```
#[must_use]
pub fn timeline(forecast: &Forecast, title: &str) -> String {
    let axis = Axis::of(&forecast.course, LEFT, WIDTH - 20);
    let generations = generations(&forecast.course);
    let most = forecast.most_running.max(1);
    let told = forecast.closing().join(". ");
    let mut drawing = Drawing::new((WIDTH, 2 * (PANEL + GAP) + GAP), title, &told);
    let members = Panel {
        top: GAP,
        name: "members",
        most,
        amount: |place| place.members,
    };
    let traffic = Panel {
        top: 2 * GAP + PANEL,
        name: "traffic",
        most: 100,
        amount: |place| place.weight.percent().into(),
    };
    for panel in [members, traffic] {
        panel.draw(&mut drawing, &forecast.course, &axis, &generations);
    }
    legend(&mut drawing, &generations);
    times(&mut drawing, &axis);
    drawing.end()
}

/// The generations of a course, each with its colour.
fn generations(course: &[Moment]) -> Vec<(GenerationNumber, &'static str)> {
    let mut numbers: Vec<GenerationNumber> = course
        .iter()
        .flat_map(|moment| moment.places.keys().copied())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let colours = COLOURS.iter().copied().cycle();
    numbers.into_iter().zip(colours).collect()
}

/// One amount of every generation over time, stacked.
struct Panel {
    top: u32,
    name: &'static str,
    most: u32,
    amount: fn(&crate::rollout::Place) -> u32,
}

impl Panel {
    fn draw(
        &self,
        drawing: &mut Drawing,
        course: &[Moment],
        axis: &Axis,
        generations: &[(GenerationNumber, &'static str)],
    ) {
        let bottom = self.top + PANEL;
        for (moment, (from, to)) in course.iter().zip(axis.slots()) {
            let mut base = bottom;
            for (number, colour) in generations {
                let Some(place) = moment.places.get(number) else {
                    continue;
                };
                let amount = (self.amount)(place);
                let height = PANEL * amount.min(self.most) / self.most;
                base = base.saturating_sub(height);
                drawing.rect(&Rect {
                    x: from,
                    y: base,
                    width: to - from,
                    height,
                    fill: colour,
                    title: &format!("{}: {}", step(moment), said(*number, place)),
                });
            }
        }
        drawing.line((LEFT, bottom), (axis.end(), bottom));
        drawing.line((LEFT, self.top), (LEFT, bottom));
        let unit = if self.most == 100 && self.name == "traffic" {
            "%"
        } else {
            ""
        };
        drawing.text(&Text::end(
            LEFT - 8,
            self.top + 10,
            &format!("{}{unit}", self.most),
        ));
        drawing.text(&Text::end(LEFT - 8, bottom, "0"));
        drawing.text(&Text::end(LEFT - 8, self.top + PANEL / 2, self.name));
    }
}

fn said(number: GenerationNumber, place: &crate::rollout::Place) -> String {
    let weight = match place.weight {
        Weight::NONE => "no traffic".to_owned(),
        weight => format!("{weight} of the traffic"),
    };
    format!("generation {number}, {}, {weight}", members(place.members))
}

/// What has just been done.
fn step(moment: &Moment) -> &str {
    match moment.step.as_str() {
        "" => "as it is",
        step => step,
    }
}

fn legend(drawing: &mut Drawing, generations: &[(GenerationNumber, &'static str)]) {
    let mut x = LEFT;
    for (number, colour) in generations {
        drawing.rect(&Rect {
            x,
            y: 12,
            width: 12,
            height: 12,
            fill: colour,
            title: "",
        });
        let name = format!("generation {number}");
        drawing.text(&Text::start(x + 18, 22, &name));
        x += 130;
    }
}

fn times(drawing: &mut Drawing, axis: &Axis) {
    let y = 2 * (PANEL + GAP) + 18;
    for (x, text) in axis.labels() {
        drawing.line((x, y - 18), (x, y - 12));
        drawing.text(&Text::middle(x, y, &text));
    }
}
