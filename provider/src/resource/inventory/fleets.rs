//! `immutable_inventory`: what runs where, now.

use super::survey::{Survey, held, policy, release_id};
use super::texts::{LineOrRelease, Versions};
use crate::diagnostic::Diagnostics;
use crate::model::{FleetName, GenerationNumber, Scheme, Timestamp};
use crate::resource::fleet::attributes::Role;
use crate::resource::fleet::observed::View;
use crate::resource::site::{Configured, Site};
use crate::resource::{Context, DataSource, Outcome};
use crate::rollout::{
    Generation, Headcount, Health, HoldPoint, Member, MemberState, Policy, World,
};
use crate::schema::{Applied, Attributes, Choice, Map, Stage};
use std::collections::BTreeMap;

/// The data source `immutable_inventory`.
#[derive(Debug)]
pub struct Inventory;

/// What runs where, now: every fleet of the provider's cloud, whoever manages it, with its
/// generations and their members.
///
/// Filters choose generations, and all that are given must hold. A fleet is listed when one of its
/// generations is chosen, with the chosen ones alone.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Question<S: Stage = Applied> {
    /// Only this fleet.
    #[tf(optional)]
    pub fleet: S::Of<Option<FleetName>>,
    /// Only what runs a release of this line, or this release.
    #[tf(optional)]
    pub release: S::Of<Option<LineOrRelease>>,
    /// Only releases whose version holds. Pre-releases are versions like any other: `< 1.5.0` finds
    /// `1.5.0-rc.1`. What cannot be compared, because it is no release or its version does not begin
    /// with a number, is listed in `undecided` instead.
    #[tf(optional)]
    pub version: S::Of<Option<Versions>>,
    /// Only what runs this image.
    #[tf(optional)]
    pub image_id: S::Of<Option<String>>,
    /// Only releases with this provenance: every key must be there with its value; `"*"` stands for
    /// any value.
    #[tf(optional)]
    pub provenance: S::Of<Option<Map<S, String>>>,

    /// The fleets found, by name.
    #[tf(computed)]
    pub fleets: S::Of<Option<Vec<FoundFleet<S>>>>,
    /// What `version` could not be asked of, because it has no order: it may or may not be meant.
    #[tf(computed)]
    pub undecided: S::Of<Option<Vec<Undecided<S>>>>,
}

/// A fleet.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct FoundFleet<S: Stage = Applied> {
    /// Its name.
    #[tf(computed)]
    pub name: S::Of<String>,
    /// Where it stands, as the `phase` of an `immutable_fleet`: `stable` at rest.
    #[tf(computed)]
    pub phase: S::Of<String>,
    /// Its generations that were chosen, the newest first.
    #[tf(computed)]
    pub generations: S::Of<Vec<FoundGeneration<S>>>,
}

/// A generation.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct FoundGeneration<S: Stage = Applied> {
    /// Its number.
    #[tf(computed)]
    pub number: S::Of<u32>,
    /// `stable` is trusted; `candidate` is on trial; `condemned` failed and goes; `previous` stays
    /// warm for an instant return; `retiring` is on its way out.
    #[tf(computed)]
    pub role: S::Of<Role>,
    /// Its share of the traffic in percent.
    #[tf(computed)]
    pub weight: S::Of<u32>,
    /// What it runs: `name@version`, or an image id as it stands.
    #[tf(computed)]
    pub release: S::Of<String>,
    /// The release's version; null for an image as it stands.
    #[tf(computed)]
    pub version: S::Of<Option<String>>,
    /// The image.
    #[tf(computed)]
    pub image_id: S::Of<String>,
    /// The hash of the image's content; null where the release is not known any more.
    #[tf(computed)]
    pub digest: S::Of<Option<String>>,
    /// What was stored with the release.
    #[tf(computed)]
    pub provenance: S::Of<BTreeMap<String, String>>,
    /// The members that it shall have.
    #[tf(computed)]
    pub size: S::Of<u32>,
    /// The members that pass their checks.
    #[tf(computed)]
    pub healthy: S::Of<u32>,
    /// The members that differ from their image or were touched.
    #[tf(computed)]
    pub drifted: S::Of<u32>,
    /// When it was created.
    #[tf(computed)]
    pub created_at: S::Of<String>,
    /// Its age in whole hours.
    #[tf(computed)]
    pub age_hours: S::Of<u64>,
    /// Its members.
    #[tf(computed)]
    pub members: S::Of<Vec<FoundMember<S>>>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct FoundMember<S: Stage = Applied> {
    /// Its id.
    #[tf(computed)]
    pub id: S::Of<String>,
    /// Where it is in its life.
    #[tf(computed)]
    pub state: S::Of<State>,
    /// Whether it passes its checks.
    #[tf(computed)]
    pub healthy: S::Of<bool>,
    /// When it was launched.
    #[tf(computed)]
    pub launched_at: S::Of<String>,
    /// How it differs from its image or was touched; null: it does not and was not.
    #[tf(computed)]
    pub drift: S::Of<Option<String>>,
    /// What its last check found wrong; null while it passes its checks.
    #[tf(computed)]
    pub last_error: S::Of<Option<String>>,
}

/// Something that a question about versions could not be asked of.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Undecided<S: Stage = Applied> {
    /// The fleet.
    #[tf(computed)]
    pub fleet: S::Of<String>,
    /// The number of its generation.
    #[tf(computed)]
    pub generation: S::Of<u32>,
    /// What that runs.
    #[tf(computed)]
    pub release: S::Of<String>,
    /// Why nobody can tell.
    #[tf(computed)]
    pub reason: S::Of<String>,
}

/// Where a member is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    /// Asked for and not running yet.
    Launching,
    /// Running, healthy or not.
    Running,
    /// It finishes what it serves and goes.
    Leaving,
    /// It could not be started or ended by itself.
    Failed,
    /// Kept out of the traffic for a person to look at.
    Parked,
}

impl From<MemberState> for State {
    fn from(state: MemberState) -> Self {
        match state {
            MemberState::Launching => Self::Launching,
            MemberState::Running => Self::Running,
            MemberState::Leaving => Self::Leaving,
            MemberState::Failed => Self::Failed,
            MemberState::Parked => Self::Parked,
        }
    }
}

impl DataSource for Inventory {
    const NAME: &'static str = "inventory";
    type Model<S: Stage> = Question<S>;
    type Configured = Configured;

    async fn read(&self, context: &Context<Configured>, asked: Question) -> Outcome<Question> {
        let site = match context.configured.site("take the inventory") {
            Ok(site) => site,
            Err(error) => return Outcome::refused(error),
        };
        match answer(site, asked).await {
            Ok(answer) => Outcome::done(answer),
            Err(error) => Outcome::refused(error),
        }
    }
}

async fn answer(site: &Site, asked: Question) -> Result<Question, Diagnostics> {
    let survey = Survey::of(site, asked.fleet.as_ref()).await?;
    let mut fleets = Vec::new();
    let mut undecided = Vec::new();
    for (name, world) in &survey.fleets {
        let look = Look {
            survey: &survey,
            world,
            policy: policy(world),
            held: held(site, name, world).await?,
        };
        let newest_first = world.generations.iter().rev();
        let mut generations = Vec::new();
        for (number, generation) in newest_first {
            match asked.chooses(&look, generation) {
                Some(true) => generations.push(look.found(*number, generation)),
                Some(false) => {}
                None => undecided.push(undecidable(name, *number, generation)),
            }
        }
        if !generations.is_empty() {
            fleets.push(FoundFleet {
                name: name.to_string(),
                phase: look.view().phase().word().to_owned(),
                generations,
            });
        }
    }
    Ok(Question {
        fleets: Some(fleets),
        undecided: Some(undecided),
        ..asked
    })
}

fn undecidable(fleet: &FleetName, number: GenerationNumber, of: &Generation) -> Undecided {
    let reason = match release_id(of) {
        Some(_) => "its version does not begin with a number",
        None => "it runs an image as it stands, which has no version",
    };
    Undecided {
        fleet: fleet.to_string(),
        generation: number.0,
        release: of.release.to_string(),
        reason: reason.to_owned(),
    }
}

impl Question {
    /// Claims that every filter lets a generation through; absent: nobody can tell.
    fn chooses(&self, look: &Look<'_>, generation: &Generation) -> Option<bool> {
        let id = release_id(generation);
        let is_release = match &self.release {
            None => true,
            Some(LineOrRelease::Line(line)) => id.is_some_and(|id| id.line == *line),
            Some(LineOrRelease::Release(wanted, _)) => id == Some(wanted),
        };
        let image = self.image_id.as_ref();
        let is_image = image.is_none_or(|image| generation.image_id == *image);
        let stored = look.survey.release(generation).map(|it| &it.provenance);
        let provenance = self.provenance.iter().flatten();
        let has_provenance = provenance.clone().all(|(key, wanted)| {
            let value = stored.and_then(|stored| stored.get(key));
            value.is_some_and(|value| wanted == "*" || value == wanted)
        });
        if !is_release || !is_image || !has_provenance {
            return Some(false);
        }
        let Some(versions) = &self.version else {
            return Some(true);
        };
        versions.constraint().holds(&id?.version, Scheme::Plain)
    }
}

/// One fleet as it was seen.
struct Look<'a> {
    survey: &'a Survey,
    world: &'a World,
    policy: Policy,
    held: Option<HoldPoint>,
}

impl Look<'_> {
    fn view(&self) -> View<'_> {
        View {
            world: self.world,
            policy: &self.policy,
            held: self.held,
        }
    }

    fn found(&self, number: GenerationNumber, of: &Generation) -> FoundGeneration {
        let now = self.world.now;
        let release = self.survey.release(of);
        let count = Headcount::of(of, &self.policy, now);
        FoundGeneration {
            number: number.0,
            role: self.view().role(number, of).0,
            weight: self.view().weight(number).percent().into(),
            release: of.release.to_string(),
            version: release_id(of).map(|id| id.version.clone()),
            image_id: of.image_id.clone(),
            digest: release.map(|release| release.digest.clone()),
            provenance: release.map_or_else(BTreeMap::new, |it| it.provenance.clone()),
            size: of.desired,
            healthy: count.healthy,
            drifted: count.drifted,
            created_at: of.created_at.to_string(),
            age_hours: now.since(of.created_at).as_secs() / 3600,
            members: of.members.iter().map(|it| self.member(it, now)).collect(),
        }
    }

    fn member(&self, member: &Member, now: Timestamp) -> FoundMember {
        FoundMember {
            id: member.id.to_string(),
            state: member.state.into(),
            healthy: Health::of(member, &self.policy, now) == Health::Healthy,
            launched_at: member.launched_at.to_string(),
            drift: member.drift.clone(),
            last_error: member.last_error.clone().filter(|_| member.streak == 0),
        }
    }
}
