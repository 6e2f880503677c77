//! Where on a picture each moment of a course stands.
//!
//! Most steps take no time in a forecast, and a bake takes all of it: on an even axis nothing else
//! could be seen. Every step gets some room, and a wait gets more the longer it lasts, by its root.

use crate::rollout::{Moment, Words};
use std::time::Duration;

/// The room between two labels that can be read.
const LABEL: u32 = 70;

/// The time axis of a course.
pub(super) struct Axis {
    /// Where each moment's slot ends; it begins where the one before ends.
    ends: Vec<u32>,
    at: Vec<Duration>,
    left: u32,
}

impl Axis {
    pub(super) fn of(course: &[Moment], left: u32, right: u32) -> Self {
        let lasts = |index: usize| {
            let next = course.get(index + 1).map(|moment| moment.at);
            next.map_or(Duration::ZERO, |next| next.saturating_sub(course[index].at))
        };
        let room: Vec<f64> = (0..course.len())
            .map(|index| 1.0 + lasts(index).as_secs_f64().sqrt())
            .collect();
        let all: f64 = room.iter().sum::<f64>().max(1.0);
        let width = f64::from(right - left);
        let mut sum = 0.0;
        let ends = room.iter().map(|room| {
            sum += room;
            left + whole(width * sum / all)
        });
        Self {
            ends: ends.collect(),
            at: course.iter().map(|moment| moment.at).collect(),
            left,
        }
    }

    /// Where each moment begins and ends.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u32, u32)> {
        let begins = std::iter::once(self.left).chain(self.ends.iter().copied());
        begins.zip(self.ends.iter().copied())
    }

    /// Where the course ends.
    pub(super) fn end(&self) -> u32 {
        self.ends.last().copied().unwrap_or(self.left)
    }

    /// The times to write below, as many as can be read, each once.
    pub(super) fn labels(&self) -> Vec<(u32, String)> {
        let mut labels: Vec<(u32, String)> = Vec::new();
        let mut last = None;
        for ((x, _), at) in self.slots().zip(&self.at) {
            let is_new = last != Some(*at);
            let has_room = labels.last().is_none_or(|(before, _)| x >= before + LABEL);
            if is_new && has_room {
                labels.push((x, Words(*at).to_string()));
                last = Some(*at);
            }
        }
        labels
    }
}

/// The nearest whole number of a length that lies within the picture.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths lie between 0 and the picture's width"
)]
fn whole(length: f64) -> u32 {
    length.round().clamp(0.0, 100_000.0) as u32
}
