//! `immutable_break_glass`: one member, out of the traffic, for a person to look at.

use super::Invocable;
use super::operation::{Answer, Asked, Found, Heard, Kind, candidate, carry_out, refusal};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::driver::Progress;
use crate::model::{FleetName, MemberId};
use crate::resource::Context;
use crate::resource::site::Configured;
use crate::rollout::{Health, MemberState, Wish, World};
use crate::schema::{Applied, Attributes, DurationText, Stage};
use crate::value::Path;
use std::time::Duration;

/// What is said of a member stands on the machine itself too, where a tag holds so many characters.
const LONGEST: usize = 256;

/// Takes one member of the generation that serves out of the traffic, so that a person can look at
/// it. Who, why, for which ticket and until when is recorded on the member and told by every plan.
/// Another member is started in its place; where the fleet would have too few without it, before it
/// goes. It never returns: the first apply after its time removes it.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct BreakGlass<S: Stage = Applied> {
    /// The fleet's name.
    #[tf(required)]
    pub fleet: S::Of<FleetName>,
    /// The member's id, as `terraform-provider-immutable watch` shows it.
    #[tf(required)]
    pub member: S::Of<String>,
    /// Why, in at most 256 characters.
    #[tf(required)]
    pub reason: S::Of<String>,
    /// Where more is written about it, in at most 256 characters.
    #[tf(optional)]
    pub ticket: S::Of<Option<String>>,
    /// How long the member stays.
    #[tf(optional, default = "4h")]
    pub keep_for: S::Of<DurationText>,
    /// Who looks at it. Without it the user and the machine that Terraform runs as.
    #[tf(optional)]
    pub by: S::Of<Option<String>>,
}

/// The action `immutable_break_glass`.
#[derive(Debug)]
pub struct GlassBreak;

impl Invocable for GlassBreak {
    const NAME: &'static str = "break_glass";
    type Model<S: Stage> = BreakGlass<S>;
    type Configured = Configured;

    async fn invoke(
        &self,
        context: &Context<Configured>,
        config: BreakGlass,
        progress: &Progress,
    ) -> Diagnostics {
        let said = [
            ("reason", Some(&config.reason)),
            ("ticket", config.ticket.as_ref()),
            ("by", config.by.as_ref()),
        ];
        let refused = said
            .into_iter()
            .filter_map(|(name, words)| too_long(name, words?));
        let refused: Diagnostics = refused.collect();
        if refused.has_errors() {
            return refused;
        }
        let asked = Asked {
            purpose: "take a member out of the traffic",
            fleet: config.fleet.clone(),
            by: config.by,
            reason: config.reason,
        };
        let look = Look {
            fleet: config.fleet,
            member: MemberId(config.member),
            ticket: config.ticket.unwrap_or_default(),
            keep_for: config.keep_for.duration(),
        };
        carry_out(context, progress, asked, &look).await
    }
}

/// Refuses words that a tag has no room for.
fn too_long(attribute: &str, words: &str) -> Option<Diagnostic> {
    let length = words.chars().count();
    (length > LONGEST).then(|| {
        let detail = format!(
            "It has {length} characters, and stands on the member, which has room for {LONGEST}: say it \
             shortly, and where more is written in ticket."
        );
        Diagnostic::invalid(Path::of(attribute), detail)
    })
}

/// A look at one member.
struct Look {
    fleet: FleetName,
    member: MemberId,
    ticket: String,
    keep_for: Duration,
}

impl Kind for Look {
    fn verb(&self) -> &'static str {
        "take a member out of"
    }

    fn ask(&self, found: &Found) -> Answer {
        let world = &found.world;
        if let Some(words) = self.is_out(world) {
            return Answer::Already(words);
        }
        let impossible = |why: &str| Answer::Impossible(refusal(self.verb(), &self.fleet, why));
        if candidate(found).is_some() {
            return impossible(
                "A rollout is under way. End it first; to look at a member of a generation that \
                 failed, set rollout.keep_failed.",
            );
        }
        let stable = world
            .stable
            .and_then(|number| world.generations.get(&number));
        let members = stable.iter().flat_map(|stable| &stable.members);
        let mut running = members.filter(|member| member.state == MemberState::Running);
        let meant = running.clone().find(|member| member.id == self.member);
        if let Some(member) = meant {
            let health = Health::of(member, &found.intent.policy, world.now);
            let scales = found.intent.goal.settings.scaling.is_live();
            if scales && health == Health::Healthy {
                return impossible(
                    "Its size changes by itself, and a healthy member of such a fleet is not taken \
                     out.",
                );
            }
            return Answer::Ask(Wish::BreakGlass {
                member: self.member.clone(),
                ticket: self.ticket.clone(),
                until: world.now + self.keep_for,
            });
        }
        let one = running.next().map(|member| member.id.to_string());
        impossible(&format!(
            "No member {} of the generation that serves runs. One that does is {}.",
            self.member,
            one.as_deref().unwrap_or("not there")
        ))
    }

    fn heard(&self, _: &Wish, world: &World) -> Heard {
        match self.is_out(world) {
            Some(words) => Heard::Done(words),
            None => Heard::Pending,
        }
    }
}

impl Look {
    fn is_out(&self, world: &World) -> Option<String> {
        let mut parked = world.parked.iter();
        let parked = parked.find(|parked| parked.member == self.member)?;
        Some(format!(
            "member {} is out of the traffic for {} until {}, and another one is in its place",
            parked.member, parked.by, parked.until
        ))
    }
}
