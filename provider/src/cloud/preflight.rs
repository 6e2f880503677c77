//! What is looked at before anything is written.
//!
//! A look ahead only finds fault: nothing that is planned rests on what it sees.

use crate::model::{FleetName, Front, LaunchTemplate, Platform, ReleaseRef};

/// What a fleet is about to become, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The fleet.
    pub fleet: FleetName,
    /// The generation that will be made; absent: none.
    pub launch: Option<LaunchWish>,
    /// Members that there will be beside those of today, at the most crowded moment.
    pub more_members: u32,
    /// The front that will be set; absent: it stays as it is, there is none, or it is not known.
    pub front: Option<Front>,
    /// Alarms that the rollout will listen to.
    pub alarms: Vec<String>,
}

/// How the members of a new generation will be started. What is not known is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaunchWish {
    /// What they run.
    pub release: Option<ReleaseRef>,
    /// How, in the parts that are known: a list holds the elements that are.
    pub platform: Option<Platform>,
    /// All of it, where all of it is known.
    pub whole: Option<LaunchTemplate>,
}

/// Something that stands against a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is to blame.
    pub about: Subject,
    /// How much it means.
    pub doubt: Doubt,
    /// What is wrong and what would be right, as sentences.
    pub why: String,
}

/// How much a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It can never succeed as it stands.
    Wrong,
    /// It is not there yet; something else may make it before it is needed.
    Missing,
    /// It could not be looked at now.
    Unread,
}

/// The part of a wish that a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The fleet as a whole.
    Fleet,
    /// What members run.
    Release,
    /// Their instance types.
    InstanceTypes,
    /// Their subnets.
    Subnets,
    /// Their security groups.
    SecurityGroups,
    /// Their own script together with config and secrets.
    UserData,
    /// Their root volume.
    RootVolume,
    /// Their tags.
    Tags,
    /// How many there are.
    Size,
    /// The listener.
    Listener,
    /// What is spoken there.
    Protocol,
    /// The place of the fleet's rule.
    Priority,
    /// The conditions of the fleet's rule.
    Conditions,
    /// The alarms of the rollout.
    Alarms,
}
