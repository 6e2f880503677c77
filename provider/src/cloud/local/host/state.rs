//! What a fleet is now: its record, its members, its front, and what each look at them asks for.

use super::super::fleet_record::{FleetRecord, GenerationRecord};
use super::super::front::{Closing, Drain, Route, Target, Traffic};
use super::super::health::Check;
use super::super::wire::Failure;
use super::backoff::Backoff;
use super::door::Door;
use super::member::{Checked, Condition, Member, Order, Stage};
use crate::model::{GenerationNumber, MemberId, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How many members that failed are remembered for each generation at least, and how long. From
/// size 50 on it is a tenth: a rollout counts them, and gives up at that share at the latest.
const REMEMBERED: usize = 5;
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// What a fleet is now.
pub(super) struct State {
    pub(super) record: FleetRecord,
    pub(super) members: BTreeMap<MemberId, Arc<Member>>,
    pub(super) door: Door,
    /// Fronts that were replaced and whose connections have not ended yet.
    pub(super) closing: Vec<Closing>,
    pub(super) backoffs: BTreeMap<GenerationNumber, Backoff>,
    /// Why the record still has generations of which nothing else is left.
    pub(super) unfinished: BTreeMap<GenerationNumber, Failure>,
    pub(super) routes: Vec<Route>,
    /// The host ends, and its members with it.
    pub(super) is_ending: bool,
    /// The fleet has been destroyed; whoever still waits for it comes too late.
    pub(super) is_over: bool,
}

impl State {
    pub(super) fn new(record: FleetRecord) -> Self {
        Self {
            record,
            members: BTreeMap::new(),
            door: Door::None,
            closing: Vec::new(),
            backoffs: BTreeMap::new(),
            unfinished: BTreeMap::new(),
            routes: Vec::new(),
            is_ending: false,
            is_over: false,
        }
    }

    fn of(&self, number: GenerationNumber) -> impl Iterator<Item = &Arc<Member>> {
        self.members
            .values()
            .filter(move |member| member.generation == Some(number))
    }

    pub(super) fn live(&self, number: GenerationNumber) -> Vec<Arc<Member>> {
        self.of(number)
            .filter(|member| member.condition().is_live() && !member.is_to_leave())
            .cloned()
            .collect()
    }

    pub(super) fn failed_at(&self, number: GenerationNumber) -> Vec<Instant> {
        let failed = self
            .of(number)
            .filter_map(|member| match member.condition().stage {
                Stage::Failed(at) => Some(at),
                Stage::Launching
                | Stage::Running
                | Stage::Leaving
                | Stage::Parked
                | Stage::Gone => None,
            });
        failed.collect()
    }

    /// Drops members that are gone, and failures that are old or too many.
    pub(super) fn forget(&mut self, now: Instant) {
        self.closing.retain(|front| !front.is_over());
        self.members
            .retain(|_, member| member.condition().stage != Stage::Gone);
        let mut failed: BTreeMap<Option<GenerationNumber>, Vec<(Instant, Arc<Member>)>> =
            BTreeMap::new();
        for member in self.members.values() {
            if let Stage::Failed(at) = member.condition().stage {
                failed
                    .entry(member.generation)
                    .or_default()
                    .push((at, Arc::clone(member)));
            }
        }
        for (number, mut failed) in failed {
            failed.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
            let remembered = self.remembered(number);
            let old = failed.iter().enumerate().filter(|(index, (at, _))| {
                *index >= remembered || now.saturating_duration_since(*at) > REMEMBERED_FOR
            });
            for (_, (_, member)) in old {
                member.forget();
                self.members.remove(&member.id);
            }
        }
    }

    fn remembered(&self, number: Option<GenerationNumber>) -> usize {
        let generation = number.and_then(|number| self.record.generations.get(&number));
        let wanted = generation.map_or(0, |generation| generation.wanted as usize);
        REMEMBERED.max(wanted.div_ceil(10))
    }

    /// Replaces members that do not get well, as long as that costs nobody an answer.
    pub(super) fn replace_sick(&self, now: Instant) {
        for (number, generation) in &self.record.generations {
            self.replace_sick_of(*number, generation.wanted as usize, now);
        }
    }

    /// Where none of a generation is well, whoever was well serves on (as in `route_of`): what they
    /// all depend on may be at fault, and a new member would fare no better. So then they go one
    /// after the other, each when the one before it has a successor that is well.
    fn replace_sick_of(&self, number: GenerationNumber, wanted: usize, now: Instant) {
        let live: Vec<(Arc<Member>, Condition)> = self
            .live(number)
            .into_iter()
            .map(|member| (Arc::clone(&member), member.condition()))
            .collect();
        let is_served = live
            .iter()
            .any(|(member, condition)| condition.is_eligible() && !member.is_to_end());
        let is_under_way = live.len() < wanted
            || live
                .iter()
                .any(|(member, condition)| member.is_to_end() || !condition.is_proven);
        let mut sick: Vec<_> = live
            .iter()
            .filter(|(member, _)| !member.is_to_end())
            .filter_map(|(member, condition)| {
                let why = condition.sickness(member.began, now)?;
                Some((condition.is_proven, condition.failing_since, member, why))
            })
            .collect();
        sick.sort_by_key(|(_, since, _, _)| *since);
        let mut one = !is_under_way;
        for (is_proven, _, member, why) in sick {
            // Who was never well serves nobody.
            if is_served || !is_proven || std::mem::take(&mut one) {
                member.order(Order::Replace { why });
            }
        }
    }

    /// Lets a generation's members go but for one to park. Returns whether none is left.
    pub(super) fn remove(&mut self, number: GenerationNumber, park: Option<&MemberId>) -> bool {
        let members: Vec<Arc<Member>> = self.of(number).cloned().collect();
        let (parked, others): (Vec<_>, Vec<_>) = members
            .into_iter()
            .partition(|member| Some(&member.id) == park);
        for member in parked
            .iter()
            .filter(|member| member.condition().stage != Stage::Leaving)
        {
            self.unpark_others(&member.id);
            member.park();
        }
        for member in &others {
            match member.condition().stage {
                Stage::Failed(_) => member.forget(),
                Stage::Launching | Stage::Running => self.leave(member),
                Stage::Leaving | Stage::Parked | Stage::Gone => {}
            }
        }
        self.members
            .retain(|_, member| member.condition().stage != Stage::Gone);
        self.of(number)
            .all(|member| member.condition().stage == Stage::Parked)
    }

    /// One parked member of failed generations is enough to look at; more would pile up. What a
    /// person took out is that person's.
    fn unpark_others(&self, parked: &MemberId) {
        let stays = |id: &MemberId| {
            let mut asked = self.record.parked.iter();
            id == parked || asked.any(|it| it.member == *id)
        };
        let members = self.members.values();
        for member in members.filter(|member| !stays(&member.id)) {
            self.end_parked(member);
        }
    }

    fn end_parked(&self, member: &Member) {
        let condition = member.condition();
        match (&condition.stage, condition.program) {
            (Stage::Parked, Some(_)) => self.leave(member),
            (Stage::Parked, None) => member.forget(),
            _ => {}
        }
    }

    /// Takes a member out of the traffic and out of its generation: it gets nothing new, and what it
    /// serves it finishes.
    pub(super) fn park(&mut self, id: &MemberId) {
        let Some(member) = self.members.get(id).cloned() else {
            return;
        };
        if member.condition().stage != Stage::Running {
            return;
        }
        drop(self.serving(id));
        member.park();
        self.route();
    }

    /// Lets a parked member go.
    pub(super) fn unpark(&self, id: &MemberId) {
        if let Some(member) = self.members.get(id) {
            self.end_parked(member);
        }
    }

    /// Lets so many of a generation's members go: first those that differ from their image, then
    /// those that are not healthy, then the youngest.
    pub(super) fn leave_first(&self, mut live: Vec<Arc<Member>>, excess: usize) {
        live.sort_by_key(|member| {
            let condition = member.condition();
            (
                condition.drift.is_none(),
                condition.is_eligible(),
                std::cmp::Reverse(member.began),
            )
        });
        live.iter()
            .take(excess)
            .for_each(|member| self.leave(member));
    }

    fn leave(&self, member: &Member) {
        let serving = self.serving(&member.id);
        let limit = self.time_to_finish(member.generation, SystemTime::now().into());
        member.order(Order::Leave { serving, limit });
    }

    /// How long the fleet lets go on what is in flight.
    pub(super) fn drain(&self) -> Duration {
        let settings = self.record.settings.as_ref();
        settings.map(|settings| settings.drain).unwrap_or_default()
    }

    /// Lets no front send a member anything new, and tells what it has to finish; absent: no front
    /// knows it.
    fn serving(&self, member: &MemberId) -> Option<Drain> {
        let earlier = self.closing.iter().map(|front| front.drain(&member.0));
        let present = match &self.door {
            Door::Open(front) => Some(front.drain(&member.0)),
            Door::None | Door::Shut(_) => None,
        };
        earlier.chain(present).reduce(Drain::and)
    }

    /// The requests that a generation has in flight, at every front that sent it some; absent: the
    /// front cannot be asked.
    pub(super) fn in_flight(&self, number: GenerationNumber) -> Option<u64> {
        let of = |traffic: Traffic| {
            let generation = traffic.generations.get(&number.0);
            generation.map_or(0, |generation| generation.in_flight as u64)
        };
        let present = match &self.door {
            Door::None => 0,
            Door::Shut(_) => return None,
            Door::Open(front) => of(front.traffic()),
        };
        let earlier = self.closing.iter().map(|front| of(front.traffic()));
        Some(present + earlier.sum::<u64>())
    }

    /// How long a member that leaves now may go on with what it serves: as long as the fleet gives,
    /// less what its generation has had of that already.
    fn time_to_finish(&self, number: Option<GenerationNumber>, now: Timestamp) -> Duration {
        let drain = self.drain();
        let generation = number.and_then(|number| self.record.generations.get(&number));
        let since = generation.and_then(|generation| generation.draining_since);
        drain.saturating_sub(since.map(|since| now.since(since)).unwrap_or_default())
    }

    pub(super) fn end(&mut self) {
        self.members.values().for_each(|member| self.leave(member));
        self.route();
    }

    /// Whether no process of the fleet is left.
    pub(super) fn is_empty(&self) -> bool {
        self.members
            .values()
            .all(|member| match member.condition().stage {
                Stage::Failed(_) | Stage::Gone => true,
                Stage::Parked => member.condition().program.is_none(),
                Stage::Launching | Stage::Running | Stage::Leaving => false,
            })
    }

    /// Tells members how they are checked: each generation by its own question, all by the same
    /// measure.
    pub(super) fn check_members(&self) {
        let Some(settings) = &self.record.settings else {
            return;
        };
        for member in self.members.values() {
            let generation = member.generation.as_ref();
            let generation = generation.and_then(|number| self.record.generations.get(number));
            let check = Check {
                path: generation.and_then(|it| it.launch.health_path.clone()),
                interval: settings.check.interval,
                timeout: settings.check.timeout,
            };
            let streak = settings.check.streak;
            member.order(Order::Serve(Some(Checked { check, streak })));
        }
    }

    /// Tells the front who is behind it, where that has changed.
    pub(super) fn route(&mut self) {
        let routes: Vec<Route> = self
            .record
            .generations
            .iter()
            .map(|(number, generation)| self.route_of(*number, generation))
            .collect();
        if let Door::Open(front) = &self.door
            && routes != self.routes
        {
            front.route(&routes);
            self.routes = routes;
        }
    }

    fn route_of(&self, number: GenerationNumber, generation: &GenerationRecord) -> Route {
        let members: Vec<(&Arc<Member>, Condition)> = self
            .of(number)
            .map(|member| (member, member.condition()))
            .collect();
        // When all are unwell at once the checks may be at fault; then whoever was well serves on.
        let any_eligible = members
            .iter()
            .any(|(member, condition)| condition.is_eligible() && !member.is_to_end());
        let targets = members.iter().filter_map(|(member, condition)| {
            let runs = matches!(condition.stage, Stage::Running | Stage::Leaving);
            let address = member.address().filter(|_| runs)?;
            Some(Target {
                member: member.id.0.clone(),
                address,
                eligible: condition.is_eligible() || (!any_eligible && condition.is_proven),
                // From the order on: until the member has heard of it, a new table of routes must
                // not open it again.
                draining: generation.draining_since.is_some() || member.is_to_end(),
            })
        });
        let weight = u16::from(self.record.weight(number).percent());
        Route {
            generation: number.0,
            weight,
            targets: targets.collect(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::{
        Fingerprint, HealthCheck, LaunchTemplate, LocalLaunch, Platform, ReleaseRef, Scaling,
        Settings,
    };

    const FIRST: GenerationNumber = GenerationNumber(1);

    fn generation() -> GenerationRecord {
        let launch = LaunchTemplate {
            release: ReleaseRef::parse("web@1").unwrap(),
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            port: Some(80),
            health_path: None,
            tags: BTreeMap::new(),
            platform: Platform::Local(LocalLaunch::default()),
        };
        GenerationRecord {
            fingerprint: Fingerprint::of(&launch),
            launch,
            image: String::new(),
            wanted: 1,
            wanted_before: 2,
            created_at: Default::default(),
            resized_at: Default::default(),
            condemned: None,
            promoted_at: None,
            retired_at: None,
            draining_since: None,
            removal: None,
        }
    }

    fn two_members() -> State {
        let mut state = State::new(FleetRecord::new("web".parse().unwrap()));
        state.record.generations.insert(FIRST, generation());
        for (id, port) in [("older", 1), ("younger", 2)] {
            let member = Member::well(id, FIRST, ([127, 0, 0, 1], port).into());
            state.members.insert(member.id.clone(), member);
        }
        state
    }

    fn draining(state: &State) -> Vec<(String, bool)> {
        let route = state.route_of(FIRST, &state.record.generations[&FIRST]);
        let targets = route.targets.into_iter();
        targets
            .map(|target| (target.member, target.draining))
            .collect()
    }

    /// The member itself hears of the order later; a table of routes that is made until then, for
    /// whatever reason, must not send it requests that its end would cut.
    #[test]
    fn a_member_is_out_of_the_routes_from_the_order_to_leave_on() {
        let state = two_members();
        state.leave_first(state.live(FIRST), 1);
        assert_eq!(
            draining(&state),
            [("older".to_owned(), false), ("younger".to_owned(), true)]
        );
    }

    /// Who is chosen depends on who is well, and that may change between two looks.
    #[test]
    fn a_shrink_that_is_under_way_chooses_nobody_else() {
        let state = two_members();
        state.leave_first(state.live(FIRST), 1);
        let live = state.live(FIRST);
        let live: Vec<&str> = live.iter().map(|member| member.id.0.as_str()).collect();
        assert_eq!(live, ["older"]);
    }

    fn replaced(state: &State) -> Vec<&str> {
        let members = state.members.values();
        let replaced = members.filter(|member| member.is_to_end());
        replaced.map(|member| member.id.0.as_str()).collect()
    }

    fn fail(state: &State, id: &str, since: Instant) {
        state.members[&MemberId(id.to_owned())].fail_checks(since);
    }

    #[test]
    fn a_generation_that_has_drained_is_not_waited_for_again() {
        let mut state = two_members();
        let second = Duration::from_secs(1);
        let at = |seconds| Timestamp::default() + seconds * second;
        let time = |state: &State, now| state.time_to_finish(Some(FIRST), at(now));
        assert_eq!(time(&state, 100), Duration::ZERO, "it has no settings");
        state.record.settings = Some(Settings {
            front: None,
            check: HealthCheck {
                interval: second,
                timeout: second,
                streak: 1,
            },
            drain: 30 * second,
            scaling: Scaling::Configured,
        });
        assert_eq!(time(&state, 100), 30 * second);
        let generation = state.record.generations.get_mut(&FIRST).unwrap();
        generation.draining_since = Some(at(100));
        assert_eq!(time(&state, 110), 20 * second);
        assert_eq!(time(&state, 131), Duration::ZERO);
    }

    #[test]
    fn as_many_failures_are_remembered_as_a_rollout_counts() {
        let mut state = two_members();
        for (wanted, expected) in [(1, 5), (50, 5), (51, 6), (400, 40)] {
            state.record.generations.get_mut(&FIRST).unwrap().wanted = wanted;
            assert_eq!(state.remembered(Some(FIRST)), expected);
        }
    }

    #[test]
    fn members_that_are_all_sick_are_replaced_one_after_the_other() {
        let mut state = two_members();
        state.record.generations.get_mut(&FIRST).unwrap().wanted = 2;
        let begin = Instant::now();
        let now = begin + Duration::from_secs(600);
        fail(&state, "older", begin + Duration::from_secs(1));
        fail(&state, "younger", begin);
        for _ in 0..3 {
            state.replace_sick(now);
            assert_eq!(replaced(&state), ["younger"]);
        }
        // It has ended, and its successor has not begun: the other one is all that serves.
        state.members.remove(&MemberId("younger".to_owned()));
        state.replace_sick(now);
        assert_eq!(replaced(&state), [""; 0]);
        // A successor that is well answers meanwhile.
        let successor = Member::well("successor", FIRST, ([127, 0, 0, 1], 3).into());
        state.members.insert(successor.id.clone(), successor);
        state.replace_sick(now);
        assert_eq!(replaced(&state), ["older"]);
    }

    #[test]
    fn a_sick_member_beside_one_that_is_well_is_replaced() {
        let state = two_members();
        let begin = Instant::now();
        fail(&state, "older", begin);
        state.replace_sick(begin + Duration::from_secs(29));
        assert_eq!(replaced(&state), [""; 0]);
        state.replace_sick(begin + Duration::from_secs(30));
        assert_eq!(replaced(&state), ["older"]);
    }

    #[test]
    fn a_sick_member_that_is_to_be_replaced_gets_nothing_while_it_ends() {
        let state = two_members();
        let why = "it is sick".to_owned();
        state.members[&MemberId("older".to_owned())].order(Order::Replace { why });
        assert_eq!(
            draining(&state),
            [("older".to_owned(), true), ("younger".to_owned(), false)]
        );
        // It counts until it has ended, so that its successor waits its turn.
        assert_eq!(state.live(FIRST).len(), 2);
    }
}
