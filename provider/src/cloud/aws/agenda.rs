//! What a look asks AWS.
//!
//! Before something is done, everything is asked. A run that only waits looks every few seconds, and
//! most of what a look tells is the same each time: such a look asks for all groups, for that which
//! the wait is for, and then for what was asked longest ago. The rest is told as it was seen last, so
//! that nothing is older than a few looks.

use crate::model::GenerationNumber;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

/// A look of a run that waits asks so much at most, beside the one question about all groups: four
/// calls, however many members there are.
const AT_ONCE: usize = 3;

/// Something that a look asks, besides the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// What the fleet's rule shows.
    Rule,
    /// What the alarms say.
    Alarms,
    /// What a person asks for.
    Request,
    /// What EC2 tells of the members.
    Instances,
    /// How a generation's members fare.
    Checks(GenerationNumber),
    /// Why a generation's members are missing.
    Activities(GenerationNumber),
    /// What a generation's members are held for.
    Hooks(GenerationNumber),
}

/// What a look is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To decide what is done.
    Deciding,
    /// To wait on, or not.
    Waiting,
}

/// What a look asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Agenda {
    /// All that there is to know.
    Everything,
    /// This alone.
    Only(BTreeSet<Question>),
}

/// A question that a look may ask or leave to the next one.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) question: Question,
    /// How old its last answer is; absent: it was never asked.
    pub(super) age: Option<Duration>,
    /// How long an answer is good for.
    pub(super) lasts: Duration,
    /// Whether the wait is for its answer.
    pub(super) is_awaited: bool,
}

impl Agenda {
    /// Chooses among open questions: what is awaited first, then what was asked longest ago.
    pub(super) fn of(mut open: Vec<Open>) -> Self {
        open.retain(|one| one.is_awaited || one.age.is_none_or(|age| age >= one.lasts));
        open.sort_by_key(|one| Reverse((one.is_awaited, one.age.unwrap_or(Duration::MAX))));
        let chosen = open.into_iter().take(AT_ONCE).map(|one| one.question);
        Self::Only(chosen.collect())
    }

    /// Whether a question is asked.
    pub(super) fn holds(&self, question: Question) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(questions) => questions.contains(&question),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OLDER: Question = Question::Checks(GenerationNumber(1));
    const NEWER: Question = Question::Checks(GenerationNumber(2));

    fn open(question: Question, age: Option<u64>) -> Open {
        Open {
            question,
            age: age.map(Duration::from_secs),
            lasts: match question {
                Question::Rule | Question::Request => Duration::from_secs(15),
                _ => Duration::ZERO,
            },
            is_awaited: question == NEWER,
        }
    }

    fn check(ages: &[(Question, Option<u64>)], expected: &[Question]) {
        let all = ages.iter().map(|(question, age)| open(*question, *age));
        let expected = BTreeSet::from_iter(expected.iter().copied());
        assert_eq!(Agenda::of(all.collect()), Agenda::Only(expected));
    }

    #[test]
    fn a_look_asks_what_is_awaited_and_what_was_asked_longest_ago() {
        use Question::{Alarms, Request, Rule};
        check(&[(NEWER, Some(1)), (OLDER, Some(1))], &[NEWER, OLDER]);
        check(
            &[
                (NEWER, Some(1)),
                (OLDER, Some(10)),
                (Alarms, Some(20)),
                (Rule, Some(14)),
                (Request, None),
            ],
            &[NEWER, Alarms, Request],
        );
        check(&[(Rule, Some(14)), (Request, Some(15))], &[Request]);
    }

    #[test]
    fn nothing_waits_for_more_than_two_looks_of_an_update() {
        let questions = [
            NEWER,
            OLDER,
            Question::Alarms,
            Question::Rule,
            Question::Request,
        ];
        let mut ages = [0_u64; 5];
        for _ in 0..100 {
            let all = questions.iter().zip(ages);
            let agenda = Agenda::of(all.map(|(one, age)| open(*one, Some(age))).collect());
            let Agenda::Only(chosen) = &agenda else {
                unreachable!("it chooses")
            };
            assert!(chosen.len() <= AT_ONCE && chosen.contains(&NEWER));
            for (question, age) in questions.iter().zip(&mut ages) {
                *age = if agenda.holds(*question) {
                    10
                } else {
                    *age + 10
                };
                assert!(*age <= 30, "{question:?} at {age} s");
            }
        }
    }
}
