//! The order in which generations are served, so that shares follow weights exactly.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A repeating sequence of indices in which each appears as often as its weight says, spread as
/// evenly as it goes (smooth weighted round robin).
///
/// It is computed once per change of routes, so that a request costs one atomic addition.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    turns: Vec<u16>,
    next: AtomicUsize,
}

impl Schedule {
    /// Weights 10 and 90 give ten turns: one for the first, nine for the second.
    ///
    /// It goes on where `earlier` stands, so that a small share gets its turn even if the routes
    /// change more often than the sequence repeats.
    pub(super) fn after(earlier: &Self, weights: &[u16]) -> Self {
        Self {
            turns: turns(weights),
            next: AtomicUsize::new(earlier.next.load(Ordering::Relaxed)),
        }
    }

    /// The index whose turn it is; `None` when every weight is 0.
    pub(super) fn next(&self) -> Option<usize> {
        if self.turns.is_empty() {
            return None;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.turns.len();
        self.turns.get(turn).map(|index| usize::from(*index))
    }
}

fn turns(weights: &[u16]) -> Vec<u16> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor);
    if divisor == 0 {
        return Vec::new();
    }
    let shares: Vec<i64> = weights
        .iter()
        .map(|weight| i64::from(weight / divisor))
        .collect();
    let total: i64 = shares.iter().sum();
    let mut credit = vec![0; shares.len()];
    (0..total)
        .map(|_| turn(&shares, total, &mut credit))
        .collect()
}

/// Every index earns its share each turn; the richest is served and pays the total.
fn turn(shares: &[i64], total: i64, credit: &mut [i64]) -> u16 {
    let mut richest = 0;
    for index in 0..shares.len() {
        credit[index] += shares[index];
        if credit[index] > credit[richest] {
            richest = index;
        }
    }
    credit[richest] -= total;
    u16::try_from(richest).unwrap_or(u16::MAX)
}

fn greatest_common_divisor(a: u16, b: u16) -> u16 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Schedule;

    fn check(weights: &[u16], requests: usize, expected: &[usize]) {
        let schedule = Schedule::after(&Schedule::default(), weights);
        let mut served = vec![0; weights.len()];
        for _ in 0..requests {
            served[schedule.next().unwrap()] += 1;
        }
        assert_eq!(served, expected, "weights {weights:?}");
    }

    #[test]
    fn shares_follow_weights_exactly() {
        check(&[100], 7, &[7]);
        check(&[0, 100], 7, &[0, 7]);
        check(&[5, 95], 200, &[10, 190]);
        check(&[50, 50], 10, &[5, 5]);
        check(&[1, 2, 3], 600, &[100, 200, 300]);
        check(&[99, 1], 1_000, &[990, 10]);
        check(&[u16::MAX, 1], 65_536, &[65_535, 1]);
    }

    #[test]
    fn turns_of_a_small_share_are_spread_out() {
        let schedule = Schedule::after(&Schedule::default(), &[25, 75]);
        let order: Vec<usize> = (0..8).map(|_| schedule.next().unwrap()).collect();
        assert_eq!(order, [1, 0, 1, 1, 1, 0, 1, 1]);
    }

    #[test]
    fn shares_hold_while_routes_change_all_the_time() {
        let (mut schedule, mut served) = (Schedule::default(), [0, 0]);
        for _ in 0..100 {
            schedule = Schedule::after(&schedule, &[5, 95]);
            served[schedule.next().unwrap()] += 1;
        }
        assert_eq!(served, [5, 95]);
    }

    #[test]
    fn no_weight_means_no_turn() {
        assert_eq!(Schedule::after(&Schedule::default(), &[]).next(), None);
        assert_eq!(Schedule::after(&Schedule::default(), &[0, 0]).next(), None);
    }
}
