//! A forecast's course as the rows of a table.

use crate::rollout::{Forecast, Moment};

/// Of more moments than this a page shows the beginning and the end: hundreds of batches are alike,
/// and few places take a comment of more than some ten thousand letters.
const READABLE: usize = 60;

/// A row of the table.
pub(super) enum Row<'a> {
    /// What is true after a step.
    Moment(&'a Moment),
    /// So many moments stand for themselves.
    LeftOut(usize),
}

/// Returns the rows: the beginning first, then what is true after each step.
pub(super) fn rows(forecast: &Forecast) -> Vec<Row<'_>> {
    let course = &forecast.course;
    if course.len() <= READABLE {
        return course.iter().map(Row::Moment).collect();
    }
    let (head, rest) = course.split_at(READABLE / 2);
    let (middle, tail) = rest.split_at(rest.len() - READABLE / 2);
    let head = head.iter().map(Row::Moment);
    let left_out = Row::LeftOut(middle.len());
    head.chain([left_out])
        .chain(tail.iter().map(Row::Moment))
        .collect()
}

impl Row<'_> {
    /// What was done, in words.
    pub(super) fn step(&self) -> String {
        match self {
            Self::Moment(moment) if moment.step.is_empty() => "as it is".to_owned(),
            Self::Moment(moment) => moment.step.clone(),
            Self::LeftOut(count) => format!("... {count} more steps like these ..."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Foreseen;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn forecast(moments: u64) -> Forecast {
        let moment = |second| Moment {
            at: Duration::from_secs(second),
            step: match second {
                0 => String::new(),
                _ => format!("step {second}"),
            },
            serving: 4,
            places: BTreeMap::new(),
        };
        Forecast {
            steps: vec![
                Foreseen::Action("step 1".to_owned()),
                Foreseen::Remark("keep generation 1 warm".to_owned()),
            ],
            least_serving: Some(4),
            running: 4,
            most_running: 8,
            makes_generation: true,
            configures: false,
            least_duration: Duration::from_secs(90),
            held: None,
            course: (0..moments).map(moment).collect(),
        }
    }

    fn steps(moments: u64) -> Vec<String> {
        rows(&forecast(moments)).iter().map(Row::step).collect()
    }

    #[test]
    fn a_long_course_shows_its_beginning_and_its_end() {
        assert_eq!(steps(2), ["as it is", "step 1"]);
        assert_eq!(steps(60).len(), 60);
        let long = steps(500);
        assert_eq!(long.len(), 61);
        assert_eq!(long[29], "step 29");
        assert_eq!(long[30], "... 440 more steps like these ...");
        assert_eq!(long[31], "step 470");
        assert_eq!(long[60], "step 499");
    }

    #[test]
    fn what_is_no_step_is_said_at_the_end_however_long_the_course_is() {
        let closing = [
            "keep generation 1 warm",
            "in all: at least 4 serving, at most 8 running, 1m30s or more",
        ];
        for moments in [2, 500] {
            assert_eq!(forecast(moments).closing(), closing);
        }
    }
}
