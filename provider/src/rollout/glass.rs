//! Members that a person took out of the traffic to look at: replaced, never returned.

use super::roles::{Subject, View};
use super::{Action, Decision, Health, Member, MemberState, Parked, Reason, Wish, clear};
use crate::model::{MemberId, Weight};

/// Decides the next step of taking a member out that somebody wants to look at; absent: nobody does,
/// or it is done.
///
/// One that serves goes only when there are enough without it: another one is started first.
pub(crate) fn park(view: &View<'_>, stable: &Subject<'_>) -> Option<Decision> {
    let request = view.world.asked()?;
    let Wish::BreakGlass {
        member,
        ticket,
        until,
    } = &request.wish
    else {
        return None;
    };
    let mut members = stable.generation.members.iter();
    let found = members.find(|it| it.id == *member && it.state == MemberState::Running)?;
    let (wanted, has) = (view.size.saturating_add(1), stable.generation.wanted);
    if is_needed(view, stable, found) {
        // Where the size changes by itself, one more would be taken for the size from then on.
        if view.goal.settings.scaling.is_live() {
            return None;
        }
        // Those that leave from an earlier change take the room of one more.
        let room_is_coming = || clear::leaving(view).filter(Decision::is_wait);
        return Some(if has < wanted {
            let grown = || clear::resize(stable.number, wanted, request.why());
            room_is_coming().unwrap_or_else(grown)
        } else {
            super::steady::recovery(view, stable)
        });
    }
    let action = Action::Park(Parked {
        member: member.clone(),
        generation: stable.number,
        release: stable.generation.release.clone(),
        by: request.by.clone(),
        reason: request.reason.clone(),
        ticket: ticket.clone(),
        until: *until,
    });
    Some(Decision::act(action, request.why()))
}

fn is_needed(view: &View<'_>, stable: &Subject<'_>, member: &Member) -> bool {
    let is_healthy = Health::of(member, view.policy, view.now()) == Health::Healthy;
    is_healthy && stable.count.healthy <= view.capacity.needed_for(Weight::ALL)
}

/// Removes a member whose time to be looked at is over; absent: there is none. Whoever is still busy
/// taking it out gets to see it.
pub(crate) fn remove_overdue(view: &View<'_>) -> Option<Decision> {
    let overdue = view.world.parked.iter();
    let overdue = overdue
        .filter(|parked| parked.until <= view.now() && !is_asked_for(view, &parked.member))
        .map(|parked| &parked.member)
        .next()?;
    let action = Action::Unpark {
        member: overdue.clone(),
    };
    Some(Decision::act(action, Reason::LookedAt))
}

fn is_asked_for(view: &View<'_>, id: &MemberId) -> bool {
    let asked = view.world.asked().map(|request| &request.wish);
    matches!(asked, Some(Wish::BreakGlass { member, .. }) if member == id)
}
