//! The count of who is inside, and the door that can be shut.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A door that counts who is inside and can be shut.
///
/// The order is everything: who enters counts itself first and then looks whether the door is
/// shut; who shuts it shuts first and then looks at the count. With sequentially consistent
/// operations at least one of the two sees the other, so a count of 0 behind a shut door is
/// final: nobody who will be let in is unaccounted for.
#[derive(Debug, Default)]
pub(super) struct Gate {
    inside: AtomicUsize,
    shut: AtomicBool,
    emptied: Notify,
}

impl Gate {
    /// Lets one more in, unless the door is shut.
    pub(super) fn enter(&self) -> bool {
        self.count_in();
        if self.is_shut() {
            self.leave();
            return false;
        }
        true
    }

    pub(super) fn leave(&self) {
        if self.count_out() {
            self.tell_if_shut();
        }
    }

    pub(super) fn set_shut(&self, shut: bool) {
        self.shut.store(shut, Ordering::SeqCst);
    }

    pub(super) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::SeqCst)
    }

    pub(super) fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    /// Waits until nobody is inside. Only behind a shut door is that final, and only then is
    /// whoever waits woken.
    pub(super) async fn empty(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            // Listening starts before the count is read, or the last leaver could be missed.
            emptied.as_mut().enable();
            if self.inside() == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn count_in(&self) {
        self.inside.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether the last one has left.
    fn count_out(&self) -> bool {
        self.inside.fetch_sub(1, Ordering::SeqCst) == 1
    }

    fn tell_if_shut(&self) {
        if self.is_shut() {
            self.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};

    use super::Gate;

    /// Where one who enters and leaves stands; each step is one atomic operation of the gate.
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Visitor {
        Outside,
        Counted,
        /// Only in the order that is wrong: looked first, not yet counted.
        Looked,
        Admitted,
        Left {
            was_last: bool,
        },
        Done,
    }

    type Step = fn(Visitor, &Gate) -> Visitor;

    fn step(visitor: Visitor, gate: &Gate) -> Visitor {
        match visitor {
            Visitor::Outside => {
                gate.count_in();
                Visitor::Counted
            }
            Visitor::Counted if gate.is_shut() => Visitor::Left {
                was_last: gate.count_out(),
            },
            Visitor::Counted => Visitor::Admitted,
            other => leaving(other, gate),
        }
    }

    fn step_in_the_wrong_order(visitor: Visitor, gate: &Gate) -> Visitor {
        match visitor {
            Visitor::Outside if gate.is_shut() => Visitor::Done,
            Visitor::Outside => Visitor::Looked,
            Visitor::Looked => {
                gate.count_in();
                Visitor::Admitted
            }
            other => leaving(other, gate),
        }
    }

    fn leaving(visitor: Visitor, gate: &Gate) -> Visitor {
        match visitor {
            Visitor::Admitted => Visitor::Left {
                was_last: gate.count_out(),
            },
            Visitor::Left { was_last: true } => {
                gate.tell_if_shut();
                Visitor::Done
            }
            _ => Visitor::Done,
        }
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Two visitors and one who shuts the door and waits: each number of the order moves that
    /// one (0 and 1 the visitors, 2 the waiter). Says what went wrong, if anything did.
    fn run(order: &[usize], step: Step) -> Option<&'static str> {
        let gate = Gate::default();
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut empty = pin!(gate.empty());
        let mut poll = || {
            Pin::as_mut(&mut empty)
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
        };
        let mut visitors = [Visitor::Outside; 2];
        let (mut is_shut, mut polls, mut was_empty) = (false, 0, false);
        for actor in order {
            if let Some(visitor) = visitors.get_mut(*actor) {
                *visitor = step(*visitor, &gate);
                if was_empty && *visitor == Visitor::Admitted {
                    return Some("let in after the gate was found empty");
                }
            } else if !is_shut {
                gate.set_shut(true);
                is_shut = true;
            } else if polls == 0 {
                was_empty = poll();
                polls += 1;
                if was_empty && visitors.contains(&Visitor::Admitted) {
                    return Some("found empty with somebody inside");
                }
            }
        }
        let is_missed = !was_empty && (wakes.0.load(Ordering::SeqCst) == 0 || !poll());
        is_missed.then_some("the last one left and nobody was told")
    }

    /// All orders in which the visitors take four steps each and the waiter two.
    fn orders() -> Vec<Vec<usize>> {
        let mut orders = vec![(Vec::new(), [4, 4, 2])];
        for _ in 0..10 {
            orders = orders.into_iter().flat_map(longer).collect();
        }
        orders.into_iter().map(|(order, _)| order).collect()
    }

    fn longer((order, left): (Vec<usize>, [usize; 3])) -> Vec<(Vec<usize>, [usize; 3])> {
        let movers = (0..3).filter(|actor| left[*actor] > 0);
        let next = movers.map(|actor| {
            let (mut order, mut left) = (order.clone(), left);
            order.push(actor);
            left[actor] -= 1;
            (order, left)
        });
        next.collect()
    }

    #[test]
    fn an_empty_shut_gate_stays_empty_and_is_noticed_in_every_order_of_events() {
        let orders = orders();
        assert_eq!(orders.len(), 3_150, "10! / (4! 4! 2!)");
        for order in orders {
            assert_eq!(run(&order, step), None, "{order:?}");
        }
    }

    #[test]
    fn looking_before_counting_would_let_somebody_slip_in() {
        let slips = orders()
            .iter()
            .filter(|order| run(order, step_in_the_wrong_order).is_some())
            .count();
        assert!(slips > 0, "the check above could not fail");
    }

    #[test]
    fn enter_and_leave_are_those_steps() {
        let gate = Gate::default();
        assert!(gate.enter() && gate.enter());
        assert_eq!(gate.inside(), 2);
        gate.set_shut(true);
        assert!(!gate.enter());
        gate.leave();
        gate.leave();
        assert_eq!(gate.inside(), 0);
    }
}
