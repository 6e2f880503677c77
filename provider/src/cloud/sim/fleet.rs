//! The plain machine of one fleet: what it holds, how time passes, what a look shows.

use super::{Dice, Event, Fate, Faults, Member};
use crate::model::{
    Fingerprint, GenerationNumber, LaunchTemplate, ReleaseRef, Scaling, Settings, Timestamp,
    Weight, Weights,
};
use crate::rollout::{
    self, AlarmState, Condemned, Intent, MemberState, Parked, Request, RolloutFailure, Traffic,
    World,
};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// How long a cloud waits before it starts a member in place of one that ended.
const RESTARTS_AFTER: Duration = Duration::from_secs(5);

/// How long the requests in flight take when a generation gets no new ones.
pub(super) const REQUESTS_TAKE: Duration = Duration::from_secs(5);

/// A fleet and everything around it, as it really is; [`Fleet::look`] shows less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    /// The time.
    pub now: Timestamp,
    /// The record; absent: there is no such fleet.
    pub settings: Option<Settings>,
    /// The generations that exist.
    pub generations: BTreeMap<GenerationNumber, Generation>,
    /// The trusted one.
    pub stable: Option<GenerationNumber>,
    /// The highest number given.
    pub latest: GenerationNumber,
    /// The weights in force.
    pub weights: Weights,
    /// Since when they are in force.
    pub weighed_at: Timestamp,
    /// The weights that will be in force, and from when.
    pub coming: Option<(Timestamp, Weights)>,
    pub(super) written: Weights,
    pub(super) before: Weights,
    pub(super) written_at: Timestamp,
    /// Whether the front can be read.
    pub is_readable: bool,
    /// What the alarms say.
    pub alarms: BTreeMap<String, AlarmState>,
    /// The last failed rollout.
    pub failure: Option<RolloutFailure>,
    /// What a person has asked for last.
    pub request: Option<Request>,
    /// The members that a person looks at.
    pub looked_at: Vec<Parked>,
    /// What the last apply was up to.
    pub intent: Option<Intent>,
    /// The member parked last.
    pub parked: Option<String>,
    /// How members of a release fare: the first launches one by one, the last entry for all others.
    pub fates: BTreeMap<ReleaseRef, Vec<Fate>>,
    /// How members of any other release fare.
    pub fate: Fate,
    /// The health path that members of a release know; those of any other release know every one.
    pub answers: BTreeMap<ReleaseRef, String>,
    /// How badly the cloud behaves.
    pub faults: Faults,
    /// What decides about faults.
    pub dice: Dice,
    /// Members ever launched.
    pub launched: u32,
    pub(super) shown_before: Option<(Timestamp, Box<World>)>,
    /// What will happen, the next first.
    pub script: Vec<(Timestamp, Event)>,
}

/// One generation as it really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// What its members are started from.
    pub fingerprint: Fingerprint,
    /// How its members are started; shared, because searches copy whole fleets.
    pub launch: Arc<LaunchTemplate>,
    /// What we wrote last.
    pub wanted: u32,
    pub(super) wanted_before: u32,
    /// What is in force.
    pub desired: u32,
    /// When it was made.
    pub created_at: Timestamp,
    pub(super) resized_at: Timestamp,
    /// Its members.
    pub members: Vec<Member>,
    /// Why it must go.
    pub condemned: Option<Condemned>,
    pub(super) promoted_at: Option<Timestamp>,
    pub(super) retired_at: Option<Timestamp>,
    /// Since when it drains.
    pub draining_since: Option<Timestamp>,
    pub(super) idle_from: Timestamp,
    pub(super) launched: usize,
}

impl Fleet {
    /// Makes an empty place for a fleet whose members boot in `boots` and are well.
    #[must_use]
    pub fn new(seed: u64, boots: Duration) -> Self {
        Self {
            now: Timestamp::default(),
            settings: None,
            generations: BTreeMap::new(),
            stable: None,
            latest: GenerationNumber::default(),
            weights: Weights::new(),
            weighed_at: Timestamp::default(),
            coming: None,
            written: Weights::new(),
            before: Weights::new(),
            written_at: Timestamp::default(),
            is_readable: true,
            alarms: BTreeMap::new(),
            failure: None,
            request: None,
            looked_at: Vec::new(),
            intent: None,
            parked: None,
            fates: BTreeMap::new(),
            fate: Fate::well(boots),
            answers: BTreeMap::new(),
            faults: Faults::default(),
            dice: Dice::new(seed),
            launched: 0,
            shown_before: None,
            script: Vec::new(),
        }
    }

    /// Lets something happen at a time; without order among equal times.
    pub fn plan(&mut self, at: Timestamp, event: Event) {
        self.script.push((at, event));
        self.script.sort_by_key(|(at, _)| *at);
    }

    /// Lets time pass, with everything that happens on the way.
    pub fn pass(&mut self, until: Timestamp) {
        while let Some(next) = self.next_change(until) {
            self.now = self.now.max(next);
            self.change();
        }
        self.now = self.now.max(until);
        let now = self.now;
        for generation in self.generations.values_mut() {
            generation
                .members
                .retain(|member| !member.is_forgotten(now));
        }
    }

    /// The next moment up to `until` at which something changes by itself.
    fn next_change(&self, until: Timestamp) -> Option<Timestamp> {
        let ends = self
            .generations
            .values()
            .flat_map(|generation| &generation.members)
            .filter(|member| member.is_live())
            .filter_map(Member::ends_at);
        let coming = self.coming.iter().map(|(at, _)| *at);
        let script = self.script.first().map(|(at, _)| *at);
        ends.chain(coming)
            .chain(script)
            .filter(|at| *at <= until)
            .min()
    }

    fn change(&mut self) {
        let now = self.now;
        if let Some((at, weights)) = self.coming.take_if(|(at, _)| *at <= now) {
            self.weigh(weights, at);
        }
        let ended: Vec<(GenerationNumber, u32)> = self
            .generations
            .iter()
            .flat_map(|(number, generation)| {
                let ends = |member: &&Member| {
                    member.is_live() && member.ends_at().is_some_and(|at| at <= now)
                };
                generation
                    .members
                    .iter()
                    .filter(ends)
                    .map(|member| (*number, member.index))
            })
            .collect();
        for (number, index) in ended {
            self.end(number, index);
        }
        while self.script.first().is_some_and(|(at, _)| *at <= now) {
            let (_, event) = self.script.remove(0);
            self.happen(event);
        }
    }

    /// Ends a member and starts another one in its place.
    fn end(&mut self, number: GenerationNumber, index: u32) {
        let now = self.now;
        let Some(generation) = self.generations.get_mut(&number) else {
            return;
        };
        if let Some(member) = generation.members.iter_mut().find(|m| m.index == index) {
            member.ended_at = Some(now);
        }
        let live = generation.live();
        if live < generation.desired && generation.draining_since.is_none() {
            let missing = generation.desired - live;
            self.launch(number, missing, now + RESTARTS_AFTER);
        }
    }

    /// Takes a member out; another one is started in its place.
    pub(super) fn park(&mut self, parked: &Parked) {
        if self.looked_at.iter().any(|it| it.member == parked.member) {
            return;
        }
        let number = parked.generation;
        let Some(generation) = self.generations.get_mut(&number) else {
            return;
        };
        let before = generation.members.len();
        generation
            .members
            .retain(|member| member.id() != parked.member);
        if generation.members.len() < before {
            self.launch(number, 1, self.now + RESTARTS_AFTER);
            self.looked_at.push(parked.clone());
        }
    }

    /// Lets something happen now.
    pub fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Exit(number) => {
                if let Some(index) = self.oldest(number) {
                    self.end(number, index);
                }
            }
            Event::Ill(number) => self.change_oldest(number, |m| m.ill_since = Some(now)),
            Event::Well(number) => {
                if let Some(generation) = self.generations.get_mut(&number) {
                    for member in &mut generation.members {
                        let ready = member.fate.ready.is_some();
                        if member.ill_since.take().is_some() && ready {
                            member.fate.ready = Some(now.since(member.launched_at));
                        }
                    }
                }
            }
            Event::Drift(number) => {
                self.change_oldest(number, |m| m.drift = Some("was touched by hand".to_owned()));
            }
            Event::Alarm(alarm, state) => {
                self.alarms.insert(alarm, state);
            }
            Event::Weights(weights) => {
                // Without a front there is nothing that anyone could divide.
                if self.settings.as_ref().is_some_and(|it| it.front.is_some()) {
                    self.weigh(weights, now);
                }
            }
            Event::Capacity(number, size) => self.set_capacity(number, size),
            Event::Scale(size) => self.scale(size),
            Event::Front { readable } => self.is_readable = readable,
            Event::Fate(fate) => self.fate = fate,
        }
    }

    fn oldest(&self, number: GenerationNumber) -> Option<u32> {
        let members = &self.generations.get(&number)?.members;
        let live = |member: &&Member| member.is_live() && member.ill_since.is_none();
        members.iter().find(live).map(|member| member.index)
    }

    fn change_oldest(&mut self, number: GenerationNumber, change: impl FnOnce(&mut Member)) {
        let oldest = self.oldest(number);
        let member = self
            .generations
            .get_mut(&number)
            .and_then(|g| g.members.iter_mut().find(|m| Some(m.index) == oldest));
        if let Some(member) = member {
            change(member);
        }
    }

    pub(super) fn weigh(&mut self, weights: Weights, at: Timestamp) {
        for (number, generation) in &mut self.generations {
            let had = self.weights.contains_key(number);
            if had && !weights.contains_key(number) {
                generation.idle_from = at + REQUESTS_TAKE;
            }
        }
        self.weights = weights;
        self.weighed_at = at;
    }

    pub(super) fn set_capacity(&mut self, number: GenerationNumber, size: u32) {
        let now = self.now;
        let drain = self.settings.as_ref().map_or(Duration::ZERO, |s| s.drain);
        let Some(generation) = self.generations.get_mut(&number) else {
            return;
        };
        generation.desired = size;
        let live = generation.live();
        if live < size {
            self.launch(number, size - live, now);
            return;
        }
        let serves = self.weights.contains_key(&number);
        let leaves_at = if serves {
            now + drain.min(REQUESTS_TAKE)
        } else {
            now
        };
        for index in generation.first_to_go(live - size, now) {
            if let Some(member) = generation.members.iter_mut().find(|m| m.index == index) {
                member.leaves_at = Some(leaves_at);
            }
        }
        generation
            .members
            .retain(|member| !member.is_forgotten(now));
    }

    /// Gives the generation that serves most another size. While another one is on trial, what serves
    /// may only grow; and whatever else there is stays as it is.
    fn scale(&mut self, size: u32) {
        let Some(number) = self.serves_most() else {
            return;
        };
        let Some(generation) = self.generations.get(&number) else {
            return;
        };
        let (least, most) = match self.settings.as_ref().map(|settings| &settings.scaling) {
            Some(Scaling::Tracking(tracking)) => (tracking.min, tracking.max),
            Some(Scaling::External) => (1, u32::MAX),
            Some(Scaling::Configured) | None => return,
        };
        let mut others = self.generations.iter();
        let is_tried = others.any(|(other, it)| *other != number && it.retired_at.is_none());
        let least = if is_tried { generation.desired } else { least };
        let size = size.clamp(least, most.max(least));
        if size != generation.desired && generation.draining_since.is_none() {
            self.set_capacity(number, size);
        }
    }

    /// The generation with most of the traffic, of two with the same the trusted one.
    fn serves_most(&self) -> Option<GenerationNumber> {
        let most = self.written.iter().max_by_key(|(number, weight)| {
            let is_stable = self.stable == Some(**number);
            (**weight, is_stable)
        });
        most.map(|(number, _)| *number).or(self.stable)
    }

    pub(super) fn launch(&mut self, number: GenerationNumber, count: u32, at: Timestamp) {
        for _ in 0..count {
            let fate = self.next_fate(number);
            let index = self.launched;
            self.launched += 1;
            if let Some(generation) = self.generations.get_mut(&number) {
                generation.launched += 1;
                generation.members.push(Member::launched(index, at, fate));
            }
        }
    }

    fn next_fate(&mut self, number: GenerationNumber) -> Fate {
        let Some(generation) = self.generations.get(&number) else {
            return self.fate;
        };
        let fates = self.fates.get(&generation.launch.release);
        let fate = fates
            .and_then(|fates| fates.get(generation.launched).or(fates.last()))
            .copied()
            .unwrap_or(self.fate);
        if !self.knows_its_question(&generation.launch) {
            return Fate::sick(fate.boots);
        }
        if self.dice.happens(self.faults.sick) {
            return Fate::sick(fate.boots);
        }
        if self.dice.happens(self.faults.exits) {
            return Fate::exiting(
                fate.boots,
                fate.boots + Duration::from_secs(self.dice.below(300)),
            );
        }
        fate
    }

    /// Whether members answer at the path that their generation is asked at.
    fn knows_its_question(&self, launch: &LaunchTemplate) -> bool {
        let known = self.answers.get(&launch.release);
        let asked = launch.health_path.as_ref();
        asked.is_none_or(|asked| known.is_none_or(|known| known == asked))
    }

    /// What a look shows. A lagging cloud shows the world before the last change for a while.
    #[must_use]
    pub fn look(&self) -> World {
        if let Some((until, world)) = &self.shown_before
            && self.now < *until
        {
            return World {
                now: self.now,
                ..(**world).clone()
            };
        }
        self.truth()
    }

    /// What a look would show if nothing lagged but the weights.
    #[must_use]
    pub fn truth(&self) -> World {
        let interval = self
            .settings
            .as_ref()
            .map_or(Duration::from_secs(1), |s| s.check.interval);
        let has_front = self.settings.as_ref().is_some_and(|s| s.front.is_some());
        World {
            now: self.now,
            settings: self.settings.clone(),
            generations: self
                .generations
                .iter()
                .map(|(number, generation)| (*number, self.told(*number, generation, interval)))
                .collect(),
            stable: self.stable,
            latest: self.latest,
            traffic: self.traffic(has_front),
            alarms: self.alarms.clone(),
            failure: self.failure.clone(),
            request: self.request.clone(),
            parked: self.looked_at.clone(),
        }
    }

    fn traffic(&self, has_front: bool) -> Traffic {
        if !has_front {
            return Traffic::None;
        }
        if !self.is_readable {
            return Traffic::Unreadable {
                why: "the front does not answer".to_owned(),
            };
        }
        Traffic::Known {
            weights: self.weights.clone(),
            written: self.written.clone(),
            before: self.before.clone(),
            written_at: self.written_at,
        }
    }

    fn told(
        &self,
        number: GenerationNumber,
        generation: &Generation,
        interval: Duration,
    ) -> rollout::Generation {
        let is_idle = !self.weights.contains_key(&number) && self.now >= generation.idle_from;
        rollout::Generation {
            fingerprint: generation.fingerprint.clone(),
            release: generation.launch.release.clone(),
            image_id: format!("image of {}", generation.launch.release),
            takes_traffic: generation.launch.port.is_some(),
            wanted: generation.wanted,
            wanted_before: generation.wanted_before,
            desired: generation.desired,
            created_at: generation.created_at,
            resized_at: generation.resized_at,
            members: generation
                .members
                .iter()
                .map(|member| member.told(self.now, interval))
                .collect(),
            condemned: generation.condemned.clone(),
            promoted_at: generation.promoted_at,
            retired_at: generation.retired_at,
            draining_since: generation.draining_since,
            in_flight: (!self.faults.blind).then_some(if is_idle { 0 } else { 7 }),
        }
    }

    /// The weight in force of a generation.
    #[must_use]
    pub fn weight(&self, number: GenerationNumber) -> Weight {
        self.weights.get(&number).copied().unwrap_or(Weight::NONE)
    }
}

impl Generation {
    /// Members that count for its capacity.
    #[must_use]
    pub fn live(&self) -> u32 {
        let live = self.members.iter().filter(|member| member.is_live());
        u32::try_from(live.count()).unwrap_or(u32::MAX)
    }

    /// Those that go first: drifted, then not healthy, then the youngest.
    fn first_to_go(&self, count: u32, now: Timestamp) -> Vec<u32> {
        let mut live: Vec<&Member> = self.members.iter().filter(|m| m.is_live()).collect();
        live.sort_by_key(|member| {
            (
                member.drift.is_none(),
                member.told(now, Duration::from_secs(1)).state == MemberState::Running
                    && member.healthy_since(now).is_some(),
                std::cmp::Reverse((member.launched_at, member.index)),
            )
        });
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        live.iter().take(count).map(|member| member.index).collect()
    }
}

/// What a search tells worlds apart by: everything that changes while it runs.
impl Hash for Fleet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.now, self.settings.is_some(), self.stable, self.latest).hash(state);
        (&self.weights, self.weighed_at, &self.coming).hash(state);
        (
            &self.written,
            &self.before,
            self.written_at,
            self.is_readable,
        )
            .hash(state);
        (&self.dice, self.launched, self.script.len()).hash(state);
        let failure = self.failure.as_ref();
        failure.map(|f| (f.generation, f.at)).hash(state);
        self.shown_before.as_ref().map(|(at, _)| *at).hash(state);
        for (number, generation) in &self.generations {
            number.hash(state);
            (
                &generation.fingerprint,
                generation.wanted,
                generation.desired,
            )
                .hash(state);
            (
                generation.wanted_before,
                generation.resized_at,
                generation.created_at,
            )
                .hash(state);
            (
                &generation.members,
                generation.promoted_at,
                generation.retired_at,
            )
                .hash(state);
            (generation.draining_since, generation.idle_from).hash(state);
            generation.condemned.as_ref().map(|c| c.at).hash(state);
        }
        for alarm in self.alarms.values() {
            std::mem::discriminant(alarm).hash(state);
        }
    }
}
