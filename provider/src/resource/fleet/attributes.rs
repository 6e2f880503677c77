//! What users write about a fleet and what they read back: the contract of the resource.

use super::texts::{HoldText, ReleaseText};
use crate::model::FleetName;
use crate::schema::{
    Applied, Attributes, Bounded, Choice, CountOrShare, DurationText, List, Stage,
};
use std::collections::BTreeMap;

/// Members of a fleet at most: what a member's share of the traffic and the arithmetic of surges
/// are meant for.
pub const LARGEST_FLEET: i64 = 100_000;

/// A number of members.
pub type Size = Bounded<1, LARGEST_FLEET>;

/// A port that members can listen on.
pub type Port = Bounded<1, 65_535>;

/// A string map whose values may be unknown one by one.
pub type Map<S> = BTreeMap<String, <S as Stage>::Of<String>>;

/// A fleet of machines that all run one release of one image. Every change to what they run makes
/// a new *generation*: it is created beside the serving one, proven healthy, given the traffic and
/// watched, and only then is the earlier generation removed. Nothing that runs is ever modified.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Fleet<S: Stage = Applied> {
    /// The fleet's name, unique within the cloud.
    #[tf(required, replace)]
    pub name: S::Of<FleetName>,
    /// What members run: `immutable_image_release.web.id`, or an image id as it stands. A change
    /// makes a new generation.
    #[tf(required)]
    pub release: S::Of<ReleaseText>,
    /// How many members there shall be; required unless `autoscale` is set. A change adds members to
    /// the serving generation or takes some away.
    #[tf(optional)]
    pub size: S::Of<Option<Size>>,
    /// Lets the number of members follow their load, in place of `size`; AWS only. A new generation
    /// starts at the number that the serving one has, and is brought level with it before it gets
    /// all of the traffic. Members that differ from their image are then only listed.
    #[tf(optional)]
    pub autoscale: S::Of<Option<Autoscale<S>>>,
    /// Who decides how many members there are: with `managed` this configuration does, and any other
    /// number is someone else's change. With `external` something else does, such as a scaling policy
    /// of your own; `size` is then the number of members of the first generation and no more. AWS only.
    #[tf(optional, default = "managed")]
    pub capacity: S::Of<Capacity>,
    /// Environment of every member. A change makes a new generation.
    #[tf(optional)]
    pub config: S::Of<Option<Map<S>>>,
    /// More environment of every member, as references that are resolved where the member boots;
    /// values never reach the state. On the local cloud `env:NAME` or `file:/path`; on AWS the ARN
    /// of a secret or parameter. A change makes a new generation.
    #[tf(optional)]
    pub secrets: S::Of<Option<Map<S>>>,
    /// How members are started on the local cloud. A change makes a new generation.
    #[tf(optional)]
    pub local: S::Of<Option<Local<S>>>,
    /// How members are started on AWS. A change makes a new generation.
    #[tf(optional)]
    pub aws: S::Of<Option<Aws<S>>>,
    /// Where the fleet's traffic comes in; without it the fleet is one of workers.
    #[tf(optional)]
    pub traffic: S::Of<Option<Traffic<S>>>,
    /// When a member counts as healthy.
    #[tf(optional, default = ())]
    pub health: S::Of<Health<S>>,
    /// How a new generation takes over, and how carefully.
    #[tf(optional, default = ())]
    pub rollout: S::Of<Rollout<S>>,
    /// How long requests in flight get before the member that serves them is stopped.
    #[tf(optional, default = "30s")]
    pub drain: S::Of<DurationText>,
    /// A new value tries a release again that was rolled back.
    #[tf(optional)]
    pub retry: S::Of<Option<String>>,
    /// What becomes of members that differ from their image or were touched: `replace` starts
    /// others in their place, `report` only lists them in `drifted`.
    #[tf(optional, default = "replace")]
    pub drift: S::Of<Drift>,
    /// Tags of every member. A change makes a new generation.
    #[tf(optional)]
    pub tags: S::Of<Option<Map<S>>>,
    /// Refuses to destroy or replace the fleet while it is true.
    #[tf(optional, default = false)]
    pub deletion_protection: S::Of<bool>,
    /// How long each operation may take. One that runs out of time goes on in the next apply.
    #[tf(optional, default = ())]
    pub timeouts: S::Of<Timeouts<S>>,

    /// The fleet's name.
    #[tf(computed)]
    pub id: S::Of<Option<String>>,
    /// The number of the generation that serves; known in the plan.
    #[tf(computed)]
    pub generation: S::Of<Option<u32>>,
    /// The hash of everything that makes members differ. Only its change makes a new generation.
    #[tf(computed)]
    pub fingerprint: S::Of<Option<String>>,
    /// The image that the serving generation runs.
    #[tf(computed)]
    pub image_id: S::Of<Option<String>>,
    /// Where clients connect; null for a fleet without traffic.
    #[tf(computed)]
    pub endpoint: S::Of<Option<String>>,
    /// Where the fleet stands: `stable` at rest; `held` where a step says `hold = "next_apply"`,
    /// and the next apply goes on from there. Anything else (`launching`, `shifting`, `baking`,
    /// `rolling_back`, `retiring`) is the rest of an interrupted rollout, which the next apply
    /// finishes, or a change of weights or sizes by someone else (`interfered`), which the next
    /// apply takes as it is and goes on from.
    #[tf(computed)]
    pub phase: S::Of<Option<String>>,
    /// Members that differ from their image or were touched, with the reason.
    #[tf(computed)]
    pub drifted: S::Of<Option<Vec<Drifted<S>>>>,
    /// Members that a person took out of the traffic to look at. They never return.
    #[tf(computed)]
    pub parked: S::Of<Option<Vec<ParkedState<S>>>>,
    /// Every step that the apply will take, shown in the plan; empty once it is taken.
    #[tf(computed)]
    pub forecast: S::Of<Option<Vec<String>>>,
    /// The generations that exist, the newest first.
    #[tf(computed)]
    pub generations: S::Of<Option<Vec<GenerationState<S>>>>,
    /// The highest number ever given to a generation.
    #[tf(computed)]
    pub latest_generation: S::Of<Option<u32>>,
    /// The rollout that failed last; null once a later one succeeded.
    #[tf(computed)]
    pub failure: S::Of<Option<Failure<S>>>,
}

/// A number of members that follows their load.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Autoscale<S: Stage = Applied> {
    /// Members at least, and those of the first generation.
    #[tf(required)]
    pub min: S::Of<Size>,
    /// Members at most.
    #[tf(required)]
    pub max: S::Of<Size>,
    /// The average load of the members' processors that their number is kept for, in percent.
    #[tf(required)]
    pub cpu: S::Of<Bounded<1, 100>>,
}

/// How members are started on the local cloud.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Local<S: Stage = Applied> {
    /// The program, relative to the image's root, and its arguments. Without it the image's only
    /// file is started.
    #[tf(optional)]
    pub command: S::Of<Option<Vec<S::Of<String>>>>,
}

/// How members are started on AWS.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Aws<S: Stage = Applied> {
    /// Instance types, best first.
    #[tf(required)]
    pub instance_types: S::Of<Vec<S::Of<String>>>,
    /// Subnets that members are spread over.
    #[tf(required)]
    pub subnet_ids: S::Of<Vec<S::Of<String>>>,
    /// Security groups of every member.
    #[tf(optional)]
    pub security_group_ids: S::Of<Option<Vec<S::Of<String>>>>,
    /// The name of the instance profile.
    #[tf(optional)]
    pub instance_profile: S::Of<Option<String>>,
    /// A script (`#!`) that runs when services have started, or a `#cloud-config` or `#cloud-boothook`;
    /// alone, without `config` and `secrets`, whatever the image understands.
    #[tf(optional)]
    pub user_data: S::Of<Option<String>>,
    /// The root volume; without it as in the image, encrypted.
    #[tf(optional)]
    pub root_volume: S::Of<Option<RootVolume<S>>>,
    /// Whether members are spot instances.
    #[tf(optional, default = false)]
    pub spot: S::Of<bool>,
}

/// A member's root volume. What is left out is as in the image.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct RootVolume<S: Stage = Applied> {
    /// The size in GiB.
    #[tf(optional)]
    pub size_gb: S::Of<Option<Bounded<1, 65_536>>>,
    /// The volume type.
    #[tf(optional)]
    pub r#type: S::Of<Option<String>>,
    /// The encryption key; without it the account's default key.
    #[tf(optional)]
    pub kms_key: S::Of<Option<String>>,
}

/// Where a fleet's traffic comes in.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Traffic<S: Stage = Applied> {
    /// The port that members listen on. Members on the local cloud get a free port each, as
    /// `PORT`. A change makes a new generation.
    #[tf(required)]
    pub port: S::Of<Port>,
    /// Where clients connect: an address such as `127.0.0.1:8088` on the local cloud, the ARN of a
    /// listener on AWS.
    #[tf(required)]
    pub listener: S::Of<String>,
    /// What is spoken there.
    #[tf(optional, default = "http")]
    pub protocol: S::Of<Protocol>,
    /// Host names that the fleet answers to on a shared listener; AWS only.
    #[tf(optional)]
    pub hosts: S::Of<Option<Vec<S::Of<String>>>>,
    /// Paths that the fleet answers to on a shared listener; AWS only.
    #[tf(optional)]
    pub paths: S::Of<Option<Vec<S::Of<String>>>>,
    /// The place of the fleet's rule among those of a shared listener; AWS only.
    #[tf(optional)]
    pub priority: S::Of<Option<Bounded<1, 50_000>>>,
}

/// When a member counts as healthy. Only a change of `path` makes a new generation.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Health<S: Stage = Applied> {
    /// The HTTP path that must answer 2xx or 3xx. Without it the port must accept a connection,
    /// and a member without traffic must run. A change makes a new generation, which must prove
    /// itself by it before it serves; what serves until then is asked as before.
    #[tf(optional)]
    pub path: S::Of<Option<String>>,
    /// The time from one check to the next.
    #[tf(optional, default = "10s")]
    pub interval: S::Of<DurationText>,
    /// The time within which a check must be answered.
    #[tf(optional, default = "2s")]
    pub timeout: S::Of<DurationText>,
    /// Checks that a member must pass in a row before it counts.
    #[tf(optional, default = 3)]
    pub streak: S::Of<Bounded<1, 1_000>>,
    /// How long it must have passed them for.
    #[tf(optional, default = "30s")]
    pub steady: S::Of<DurationText>,
}

/// How a new generation takes over, and how carefully. Changing it touches no member.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Rollout<S: Stage = Applied> {
    /// `blue_green` creates the new generation at full size and then moves all of the traffic at
    /// once; `canary` moves it in `steps`; `rolling` replaces members in batches.
    #[tf(optional, default = "blue_green")]
    pub strategy: S::Of<StrategyName>,
    /// The steps of a canary, their weights rising; 100 follows by itself. Required with `canary`.
    #[tf(optional)]
    pub steps: S::Of<Option<List<S, CanaryStep<S>>>>,
    /// `rolling` only: members above the size, at most. A share rounds up. Without it `25%`.
    #[tf(optional)]
    pub surge: S::Of<Option<CountOrShare>>,
    /// `rolling` only: healthy members, at least. Without it `100%`.
    #[tf(optional)]
    pub min_healthy: S::Of<Option<CountOrShare>>,
    /// How long the new generation is watched at full weight before the earlier one may go. A member
    /// that falls ill meanwhile fails the rollout, but where `min_healthy` allows it, or there are 20
    /// members or more: then up to a twentieth may be replaced at a time, and the earlier generation
    /// stays until all are healthy again.
    #[tf(optional, default = "10m")]
    pub bake: S::Of<DurationText>,
    /// `aws` only: CloudWatch alarms of which any that fires, or cannot be read, ends the rollout.
    #[tf(optional)]
    pub alarms: S::Of<Option<Vec<S::Of<String>>>>,
    /// How long a rollout may go without one more healthy member.
    #[tf(optional, default = "10m")]
    pub launch_deadline: S::Of<DurationText>,
    /// How long the earlier generation stays warm for an instant return.
    #[tf(optional, default = "0s")]
    pub keep_previous: S::Of<DurationText>,
    /// Whether one member of a failed generation is parked out of the traffic to be looked at.
    #[tf(optional, default = false)]
    pub keep_failed: S::Of<bool>,
}

/// One notch of a canary.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct CanaryStep<S: Stage = Applied> {
    /// The new generation's share of the traffic in percent.
    #[tf(required)]
    pub weight: S::Of<Bounded<1, 99>>,
    /// How long it is watched there, or `next_apply`: the rollout rests there, the apply ends well
    /// with `phase` `held`, and the next apply goes on.
    #[tf(required)]
    pub hold: S::Of<HoldText>,
}

/// How long operations may take.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Timeouts<S: Stage = Applied> {
    /// The first rollout.
    #[tf(optional, default = "30m")]
    pub create: S::Of<DurationText>,
    /// A change.
    #[tf(optional, default = "2h")]
    pub update: S::Of<DurationText>,
    /// The removal.
    #[tf(optional, default = "30m")]
    pub delete: S::Of<DurationText>,
}

/// A member that differs from its image or was touched.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Drifted<S: Stage = Applied> {
    /// The member's id.
    #[tf(computed)]
    pub member: S::Of<String>,
    /// How it differs.
    #[tf(computed)]
    pub reason: S::Of<String>,
}

/// A member that a person took out of the traffic to look at.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct ParkedState<S: Stage = Applied> {
    /// The member's id.
    #[tf(computed)]
    pub member: S::Of<String>,
    /// The generation that it was one of.
    #[tf(computed)]
    pub generation: S::Of<u32>,
    /// The release that it runs.
    #[tf(computed)]
    pub release: S::Of<String>,
    /// Who looks at it.
    #[tf(computed)]
    pub by: S::Of<String>,
    /// Why.
    #[tf(computed)]
    pub reason: S::Of<String>,
    /// Where more is written about it.
    #[tf(computed)]
    pub ticket: S::Of<String>,
    /// When its time is over.
    #[tf(computed)]
    pub until: S::Of<String>,
    /// Whether its time is over: the next apply removes it.
    #[tf(computed)]
    pub overdue: S::Of<bool>,
}

/// One generation as the cloud tells it.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct GenerationState<S: Stage = Applied> {
    /// Its number.
    #[tf(computed)]
    pub number: S::Of<u32>,
    /// The release that its members run.
    #[tf(computed)]
    pub release: S::Of<String>,
    /// The image of that release.
    #[tf(computed)]
    pub image_id: S::Of<String>,
    /// The hash of what its members are started from.
    #[tf(computed)]
    pub fingerprint: S::Of<String>,
    /// The members that it shall have.
    #[tf(computed)]
    pub size: S::Of<u32>,
    /// The members whose streak of passed checks is whole.
    #[tf(computed)]
    pub healthy: S::Of<u32>,
    /// Its share of the traffic in percent.
    #[tf(computed)]
    pub weight: S::Of<u32>,
    /// `stable` is trusted; `candidate` is on trial; `condemned` failed and goes; `previous` stays
    /// warm for an instant return; `retiring` is on its way out.
    #[tf(computed)]
    pub role: S::Of<Role>,
    /// Since when it has had that role.
    #[tf(computed)]
    pub since: S::Of<String>,
    /// Whether its number of members was changed after the newest of the others was made.
    #[tf(computed)]
    pub resized: S::Of<bool>,
}

/// The rollout that failed last.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Failure<S: Stage = Applied> {
    /// The generation that was rolled back.
    #[tf(computed)]
    pub generation: S::Of<u32>,
    /// The release that it ran.
    #[tf(computed)]
    pub release: S::Of<String>,
    /// The hash of what it was started from.
    #[tf(computed)]
    pub fingerprint: S::Of<String>,
    /// The value of `retry` that it was tried with.
    #[tf(computed)]
    pub retry: S::Of<Option<String>>,
    /// Which member failed, and how.
    #[tf(computed)]
    pub reason: S::Of<String>,
    /// When.
    #[tf(computed)]
    pub at: S::Of<String>,
}

/// What is spoken at a fleet's front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Protocol {
    /// Each request is given to a member by weight.
    Http,
    /// Each connection is given to a member by weight.
    Tcp,
}

/// How a new generation takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum StrategyName {
    /// At full size, then all at once.
    BlueGreen,
    /// In steps of traffic.
    Canary,
    /// In batches of members.
    Rolling,
}

/// Who decides how many members a fleet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Capacity {
    /// The configuration.
    Managed,
    /// Someone else.
    External,
}

/// What becomes of members that differ from their image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Drift {
    /// Others are started in their place.
    Replace,
    /// They are listed.
    Report,
}

/// What a generation is for its fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Role {
    /// It is trusted.
    Stable,
    /// It is on trial.
    Candidate,
    /// It failed and goes.
    Condemned,
    /// It stays warm for an instant return.
    Previous,
    /// It is on its way out.
    Retiring,
}
