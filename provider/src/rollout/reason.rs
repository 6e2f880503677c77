//! Why: what a decision rests on, with its numbers, and the one way to say it.

use super::{HoldPoint, RolloutFailure};
use crate::model::{GenerationNumber, ReleaseRef, Weight, Weights};
use std::fmt;
use std::time::Duration;

/// Why a step comes next. Times are left out on purpose: a step carries them where they matter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "a variant's fields are the numbers of its sentence"
)]
pub enum Reason {
    /// The fleet is new.
    NoRecord,
    /// Front, checks or drain time changed.
    SettingsDiffer,
    /// What runs is not what is wanted; `serving` is what runs.
    ReleaseWanted {
        wanted: ReleaseRef,
        serving: Option<(GenerationNumber, ReleaseRef)>,
    },
    /// Another number of members is wanted.
    SizeWanted { wanted: u32, has: u32 },
    /// The next weight needs more members.
    WeightNeeds {
        weight: Weight,
        needed: u32,
        has: u32,
    },
    /// There is room below the limit.
    RoomForSurge { running: u32, limit: u32 },
    /// Fewer members are enough beside the other generation.
    CarriedElsewhere {
        by: GenerationNumber,
        weight: Weight,
        healthy: u32,
    },
    /// Members differ from their image.
    Drifted { drifted: u32 },
    /// New members stand beside the drifted ones.
    DriftReplaced { healthy: u32, wanted: u32 },
    /// Its members are healthy.
    Healthy { healthy: u32, wanted: u32 },
    /// It served before and is still warm.
    StillWarm { healthy: u32, wanted: u32 },
    /// A person asked for it.
    Asked { by: String, reason: String },
    /// The time to look at a member is over.
    LookedAt,
    /// Nothing else is there to trust.
    OnlyOneServing,
    /// The fleet was to be gone, and is wanted again.
    NobodyHasTraffic,
    /// It has all the traffic and was watched; `None` where nothing was there to compare with.
    Proven { bake: Option<Duration> },
    /// What is held against a candidate.
    Condemnable { summary: String },
    /// A generation must go.
    Going {
        generation: GenerationNumber,
        why: Going,
    },
    /// Stable members take the traffic back as far as they can.
    TakesBack {
        generation: GenerationNumber,
        healthy: u32,
        of: u32,
    },
    /// What was written does not show, so it is sent again.
    SentAgain { shown: String, written: String },
    /// Someone else's change, which the user saw in the plan, is taken as it is.
    Adopted { shown: String, written: String },

    /// Members are on their way.
    AwaitsHealthy {
        generation: GenerationNumber,
        healthy: u32,
        wanted: u32,
        /// What is known of a member that is not healthy; absent: nothing.
        why: Option<String>,
    },
    /// Members are on their way out.
    AwaitsLeaving {
        generation: GenerationNumber,
        leaving: u32,
        /// What one of them waits for; absent: nothing is known.
        why: Option<String>,
    },
    /// A write does not show yet.
    AwaitsShown { shown: String, written: String },
    /// The front cannot be read.
    AwaitsReadable { why: String },
    /// The weights are in force but fresh.
    AwaitsSettled { settle: Duration },
    /// A canary is watched.
    Holds { weight: Weight, hold: Duration },
    /// A candidate is watched at full weight.
    Bakes { bake: Duration },
    /// An alarm that must be quiet is not known to be.
    AwaitsAlarm { alarm: String, why: String },
    /// Requests in flight.
    AwaitsDrained {
        generation: GenerationNumber,
        in_flight: Option<u64>,
        drain: Duration,
    },

    /// A generation would have to be made, and how its members are started is not known here.
    NotMade,
    /// Someone else changed the weights.
    ForeignWeights { shown: Weights, written: Weights },
    /// Someone else changed a generation's capacity.
    ForeignCapacity {
        generation: GenerationNumber,
        shown: u32,
        written: u32,
    },
    /// Members shall be replaced in batches while their number changes by itself.
    RollsWhatScales,
    /// An alarm is not quiet although the candidate has no traffic.
    AlarmBefore { alarm: String, why: String },
    /// The stable generation does not get well by itself.
    StableIll {
        generation: GenerationNumber,
        healthy: u32,
        wanted: u32,
        error: Option<String>,
    },
    /// Members do not go.
    StuckLeaving {
        generation: GenerationNumber,
        leaving: u32,
    },
    /// A generation that must go is all that is healthy.
    NothingToReturnTo {
        going: GenerationNumber,
        why: Going,
        stable: GenerationNumber,
    },

    /// The rollout rests until the next apply.
    Held(HoldPoint),
    /// The goal was tried and rolled back.
    RolledBack(Box<RolloutFailure>),
    /// The fleet is as wanted; `kept` is the earlier generation kept warm.
    Reached {
        generation: GenerationNumber,
        size: u32,
        kept: Option<(GenerationNumber, Duration)>,
    },
    /// The fleet is gone.
    Gone,
}

/// Why a generation must go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Going {
    /// It failed.
    Condemned,
    /// Something else is wanted by now.
    Superseded,
    /// Another one serves in its place.
    Retired,
    /// The whole fleet goes.
    FleetGoes,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecord
            | Self::SettingsDiffer
            | Self::ReleaseWanted { .. }
            | Self::SizeWanted { .. }
            | Self::WeightNeeds { .. }
            | Self::RoomForSurge { .. }
            | Self::CarriedElsewhere { .. }
            | Self::Drifted { .. }
            | Self::DriftReplaced { .. }
            | Self::Healthy { .. }
            | Self::StillWarm { .. }
            | Self::Asked { .. }
            | Self::LookedAt
            | Self::OnlyOneServing
            | Self::NobodyHasTraffic
            | Self::Proven { .. }
            | Self::Condemnable { .. }
            | Self::Going { .. }
            | Self::TakesBack { .. }
            | Self::SentAgain { .. }
            | Self::Adopted { .. } => self.say_action(f),
            Self::AwaitsHealthy { .. }
            | Self::AwaitsLeaving { .. }
            | Self::AwaitsShown { .. }
            | Self::AwaitsReadable { .. }
            | Self::AwaitsSettled { .. }
            | Self::Holds { .. }
            | Self::Bakes { .. }
            | Self::AwaitsAlarm { .. }
            | Self::AwaitsDrained { .. } => self.say_wait(f),
            Self::NotMade
            | Self::ForeignWeights { .. }
            | Self::ForeignCapacity { .. }
            | Self::RollsWhatScales
            | Self::AlarmBefore { .. }
            | Self::StableIll { .. }
            | Self::StuckLeaving { .. }
            | Self::NothingToReturnTo { .. } => self.say_halt(f),
            Self::Held(_) | Self::RolledBack(_) | Self::Reached { .. } | Self::Gone => {
                self.say_end(f)
            }
        }
    }
}

impl Reason {
    fn say_action(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecord => write!(f, "the fleet is new"),
            Self::SettingsDiffer => write!(f, "its front, checks or drain time changed"),
            Self::ReleaseWanted { wanted, serving } => say_wanted(f, wanted, serving.as_ref()),
            Self::SizeWanted { wanted, has } => write!(f, "{wanted} wanted, it has {has}"),
            Self::WeightNeeds {
                weight,
                needed,
                has,
            } => {
                write!(f, "{weight} of the traffic needs {needed}, it has {has}")
            }
            Self::RoomForSurge { running, limit } => {
                write!(f, "{running} members run and {limit} may")
            }
            Self::CarriedElsewhere {
                by,
                weight,
                healthy,
            } => {
                write!(
                    f,
                    "generation {by} has {healthy} healthy and carries {weight}"
                )
            }
            Self::Drifted { drifted } => write!(f, "{drifted} differ from their image"),
            Self::DriftReplaced { healthy, wanted } => {
                write!(
                    f,
                    "{healthy} of {wanted} are healthy without the drifted ones"
                )
            }
            Self::Healthy { healthy, wanted } => write!(f, "{healthy} of {wanted} are healthy"),
            Self::StillWarm { healthy, wanted } => {
                write!(f, "it is still warm: {healthy} of {wanted} are healthy")
            }
            Self::NobodyHasTraffic => write!(f, "no generation has traffic"),
            Self::OnlyOneServing => write!(f, "it serves and nothing else does"),
            Self::Proven { bake: None } => write!(f, "it is healthy"),
            Self::Proven { bake: Some(bake) } => {
                write!(f, "it stayed healthy for {}", Words(*bake))
            }
            Self::Condemnable { summary } => f.write_str(summary),
            Self::Going { generation, why } => write!(f, "generation {generation} {why}"),
            Self::TakesBack {
                generation,
                healthy,
                of,
            } => {
                write!(f, "generation {generation} has {healthy} of {of} healthy")
            }
            Self::LookedAt => f.write_str("its time to be looked at is over"),
            Self::Asked { by, reason } => write!(f, "asked for by {by}: {reason}"),
            Self::SentAgain { shown, written } => {
                write!(f, "still {shown} instead of {written}; sent again")
            }
            Self::Adopted { shown, written } => {
                write!(
                    f,
                    "someone else made it {shown} instead of {written}, as planned for"
                )
            }
            _ => Ok(()),
        }
    }

    fn say_wait(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AwaitsHealthy {
                generation,
                healthy,
                wanted,
                why,
            } => {
                write!(
                    f,
                    "generation {generation}: {healthy} of {wanted} are healthy"
                )?;
                say_why(f, why.as_deref())
            }
            Self::AwaitsLeaving {
                generation,
                leaving,
                why,
            } => {
                write!(f, "generation {generation}: {leaving} members leave")?;
                say_why(f, why.as_deref())
            }
            Self::AwaitsShown { shown, written } => {
                write!(f, "still {shown}, written was {written}")
            }
            Self::AwaitsReadable { why } => write!(f, "the traffic could not be read: {why}"),
            Self::AwaitsSettled { settle } => write!(f, "traffic settles for {}", Words(*settle)),
            Self::Holds { weight, hold } => write!(f, "held at {weight} for {}", Words(*hold)),
            Self::Bakes { bake } => write!(f, "bakes for {}", Words(*bake)),
            Self::AwaitsAlarm { alarm, why } => {
                write!(f, "alarm {alarm} is not known to be quiet: {why}")
            }
            Self::AwaitsDrained {
                generation,
                in_flight,
                drain,
            } => {
                write!(f, "generation {generation} drains")?;
                match in_flight {
                    Some(requests) => write!(f, ": {requests} requests in flight"),
                    None => write!(f, " for {}", Words(*drain)),
                }
            }
            _ => Ok(()),
        }
    }

    fn say_halt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMade => {
                f.write_str("a generation must be made, which takes the configuration: apply it")
            }
            Self::ForeignWeights { shown, written } => write!(
                f,
                "someone else changed the traffic: it is {}, this provider wrote {}; set it back, \
                 or plan again and approve going on from there",
                Division(shown),
                Division(written)
            ),
            Self::ForeignCapacity {
                generation,
                shown,
                written,
            } => write!(
                f,
                "someone else changed the capacity of generation {generation}: it is {shown}, this \
                 provider wrote {written}; set it back, or plan again and approve going on from \
                 there"
            ),
            Self::RollsWhatScales => f.write_str(ROLLS_WHAT_SCALES),
            Self::AlarmBefore { alarm, why } => say_alarm_before(f, alarm, why),
            Self::StableIll {
                generation,
                healthy,
                wanted,
                error,
            } => {
                write!(
                    f,
                    "generation {generation} has {healthy} of {wanted} healthy and no more get well"
                )?;
                error.iter().try_for_each(|error| write!(f, " ({error})"))
            }
            Self::StuckLeaving {
                generation,
                leaving,
            } => write!(
                f,
                "{leaving} members of generation {generation} were told to go and are still there"
            ),
            Self::NothingToReturnTo { going, why, stable } => write!(
                f,
                "generation {going} {why}, and generation {stable} has no healthy member to return \
                 the traffic to; it stays where it is. Apply again when generation {stable} has \
                 healthy members"
            ),
            _ => Ok(()),
        }
    }

    fn say_end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(HoldPoint { generation, weight }) => write!(
                f,
                "generation {generation} is held at {weight} until the next apply"
            ),
            Self::RolledBack(failure) => write!(
                f,
                "generation {} of {} was rolled back: {}",
                failure.generation, failure.release, failure.cause.summary
            ),
            Self::Reached {
                generation,
                size,
                kept,
            } => {
                let members = super::wording::members(*size);
                write!(f, "generation {generation} serves with {members}")?;
                kept.iter().try_for_each(|kept| say_kept(f, *kept))
            }
            Self::Gone => write!(f, "nothing is left of the fleet"),
            _ => Ok(()),
        }
    }
}

const ROLLS_WHAT_SCALES: &str = "the strategy is rolling and the fleet's size changes by itself; choose \
                                 blue_green or canary";

fn say_kept(f: &mut fmt::Formatter<'_>, (kept, keep): (GenerationNumber, Duration)) -> fmt::Result {
    let keep = Words(keep);
    write!(
        f,
        "; generation {kept} stays warm for {keep} and goes with the first apply after that"
    )
}

fn say_alarm_before(f: &mut fmt::Formatter<'_>, alarm: &str, why: &str) -> fmt::Result {
    write!(
        f,
        "alarm {alarm} is not quiet although the new generation has no traffic ({why}); apply again \
         when it is, or take it out of rollout.alarms when this release is the cure"
    )
}

fn say_wanted(
    f: &mut fmt::Formatter<'_>,
    wanted: &ReleaseRef,
    serving: Option<&(GenerationNumber, ReleaseRef)>,
) -> fmt::Result {
    match serving {
        None => write!(f, "nothing runs yet"),
        Some((number, release)) if release == wanted => {
            write!(
                f,
                "members shall be started otherwise than those of generation {number}"
            )
        }
        Some((number, release)) => write!(f, "generation {number} runs {release}"),
    }
}

impl fmt::Display for Going {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Condemned => "failed",
            Self::Superseded => "is no longer wanted",
            Self::Retired => "no longer serves",
            Self::FleetGoes => "goes with its fleet",
        })
    }
}

/// Says a division of traffic: `generation 3 95%, generation 4 5%`.
pub struct Division<'a>(pub &'a Weights);

impl fmt::Display for Division<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nobody");
        }
        for (index, (number, weight)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}generation {number} {weight}")?;
        }
        Ok(())
    }
}

/// Says a duration as users write it: `1h30m`, `90s` as `1m30s`.
pub struct Words(pub Duration);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = humantime::format_duration(self.0).to_string();
        f.write_str(&text.replace(' ', ""))
    }
}

/// Adds what is known beside the numbers.
fn say_why(f: &mut fmt::Formatter<'_>, why: Option<&str>) -> fmt::Result {
    match why {
        Some(why) => write!(f, ": {why}"),
        None => Ok(()),
    }
}
