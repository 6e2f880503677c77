//! One person's request and its way to being obeyed.
//!
//! The request is left in the world first. Whoever holds the fleet's lease obeys it at its next
//! look; when nobody does, this process takes the lease and drives the fleet itself.

use crate::cloud::Holder;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::driver::{Driver, Ending, Order, Outcome, Progress};
use crate::model::{FleetName, GenerationNumber};
use crate::resource::fleet::order;
use crate::resource::site::{Configured, Site};
use crate::resource::{Context, trouble};
use crate::rollout::{Foreign, Goal, Intent, Policy, Request, Wish, World};
use std::time::Duration;

/// How long an operation may take: as long as an update by default.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

/// The time between two looks at a fleet that another process drives.
const LOOKS_EVERY: Duration = Duration::from_secs(2);

/// What a person says to every operation.
pub(super) struct Asked {
    /// Completes "could not" where the provider is not configured.
    pub(super) purpose: &'static str,
    pub(super) fleet: FleetName,
    /// Absent: whoever runs this process.
    pub(super) by: Option<String>,
    pub(super) reason: String,
}

/// A person's request, and where it goes.
struct Operation<'a> {
    context: &'a Context<Configured>,
    site: &'a Site,
    fleet: FleetName,
    by: String,
    reason: String,
    holder: Holder,
    progress: &'a Progress,
}

/// A fleet as it is, with what the last apply wanted of it.
pub(super) struct Found {
    pub(super) world: World,
    pub(super) intent: Intent,
}

/// What there is to ask for.
pub(super) enum Answer {
    /// This.
    Ask(Wish),
    /// Nothing: it has come about already, as the words say.
    Already(String),
    /// Nothing that could be done.
    Impossible(Diagnostic),
}

/// What a look says of a request that was left.
pub(super) enum Heard {
    /// It has come about; the words say how.
    Done(String),
    /// It will not come about any more; the words say why.
    Missed(String),
    /// Not yet.
    Pending,
}

/// An operation of one kind: what it asks for, and when that has come about.
pub(super) trait Kind: Send + Sync {
    /// Completes "could not".
    fn verb(&self) -> &'static str;

    /// Says what there is to ask for.
    fn ask(&self, found: &Found) -> Answer;

    /// Says what became of what was asked for.
    fn heard(&self, wish: &Wish, world: &World) -> Heard;

    /// Says why nothing became of it although the fleet is at its goal; absent: nothing better than
    /// that can be said.
    fn stands_against(&self, wish: &Wish, world: &World, policy: &Policy) -> Option<String> {
        let _ = (wish, world, policy);
        None
    }
}

/// Asks for an operation on a fleet, and follows until it has come about.
pub(super) async fn carry_out(
    context: &Context<Configured>,
    progress: &Progress,
    asked: Asked,
    kind: &impl Kind,
) -> Diagnostics {
    let site = match context.configured.site(asked.purpose) {
        Ok(site) => site,
        Err(error) => return error.into(),
    };
    let operation = Operation {
        context,
        site,
        fleet: asked.fleet,
        by: asker(asked.by),
        reason: asked.reason,
        holder: order::holder(),
        progress,
    };
    operation.carry_out(kind).await
}

/// Who asks: as the configuration says, else whoever runs this process.
fn asker(by: Option<String>) -> String {
    by.unwrap_or_else(|| {
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy().into_owned();
        match user {
            Ok(user) => format!("{user} on {host}"),
            Err(_) => format!("someone on {host}"),
        }
    })
}

impl Operation<'_> {
    async fn carry_out(&self, kind: &impl Kind) -> Diagnostics {
        let found = match self.find(kind).await {
            Ok(found) => found,
            Err(refusal) => return refusal.into(),
        };
        let wish = match kind.ask(&found) {
            Answer::Ask(wish) => wish,
            Answer::Already(words) => {
                self.progress.say(words);
                return Diagnostics::none();
            }
            Answer::Impossible(refusal) => return refusal.into(),
        };
        let request = Request {
            wish,
            by: self.by.clone(),
            reason: self.reason.clone(),
            // What was shifted before and what is shifted because of it must not share a moment.
            at: found.world.now + Duration::from_millis(1),
        };
        if let Err(error) = self.site.cloud.ask(&self.fleet, Some(&request)).await {
            return trouble(&error).into();
        }
        let told = self.follow(kind, &request.wish, found).await;
        // What has come about or was given up must not surprise anybody later.
        if let Err(error) = self.site.cloud.ask(&self.fleet, None).await {
            tracing::warn!(fleet = %self.fleet, %error, "the request stays until it lapses");
        }
        told
    }

    async fn find(&self, kind: &impl Kind) -> Result<Found, Diagnostic> {
        let cloud = &self.site.cloud;
        let world = cloud.observe(&self.fleet, &[]).await;
        let world = world.map_err(|error| trouble(&error))?;
        if world.settings.is_none() {
            return Err(self.impossible(
                kind,
                "There is no such fleet where the provider is configured to look.",
            ));
        }
        let intent = cloud.intent(&self.fleet).await;
        let intent = intent.map_err(|error| trouble(&error))?;
        let intent = intent.ok_or_else(|| {
            let why = "No apply of this version of the provider has left what it wanted of the \
                       fleet. Apply its configuration once.";
            self.impossible(kind, why)
        })?;
        let world = cloud.observe(&self.fleet, &intent.policy.alarms).await;
        let world = world.map_err(|error| trouble(&error))?;
        Ok(Found { world, intent })
    }

    /// Drives the fleet where nobody does, and watches where somebody does.
    async fn follow(&self, kind: &impl Kind, wish: &Wish, found: Found) -> Diagnostics {
        let ends = self.site.clock.now() + LONGEST;
        let mut held = false;
        loop {
            let run = self.drive(&found.intent).await;
            if let Some(world) = &run.world {
                match kind.heard(wish, world) {
                    Heard::Done(words) => {
                        self.progress.say(words);
                        return Diagnostics::none();
                    }
                    Heard::Missed(why) => return self.impossible(kind, &why).into(),
                    Heard::Pending => {}
                }
            }
            let Ending::LeaseHeld(error) = &run.ending else {
                let world = run.world.as_ref().filter(|_| run.ending.is_reached());
                let policy = &found.intent.policy;
                let why = world.and_then(|world| kind.stands_against(wish, world, policy));
                let why = why.unwrap_or_else(|| format!("The fleet {}.", run.ending));
                return self.impossible(kind, &why).into();
            };
            if !held {
                held = true;
                let who = error.source.to_string();
                let said = format!("{who}: it is asked to obey, and does at its next look");
                self.progress.say(said);
            }
            let is_late = self.site.clock.now() >= ends;
            if is_late || self.context.cancel.is_cancelled() {
                let why = "Whoever changes the fleet has not done it yet. The request was taken \
                           back; ask again when you still want it.";
                return self.impossible(kind, why).into();
            }
            tokio::select! {
                () = self.site.clock.sleep(LOOKS_EVERY) => {}
                () = self.context.cancel.cancelled() => {}
            }
        }
    }

    async fn drive(&self, intent: &Intent) -> Outcome {
        let driver = Driver {
            cloud: self.site.cloud.as_ref(),
            clock: self.site.clock.as_ref(),
            pace: self.site.timing.pace,
            progress: self.progress.clone(),
        };
        let order = Order {
            fleet: self.fleet.clone(),
            goal: Goal::Fleet(Box::new(intent.goal.clone())),
            policy: intent.policy.clone(),
            accepted: Foreign::default(),
            holder: self.holder.clone(),
            deadline: LONGEST,
            cancel: self.context.cancel.clone(),
        };
        driver.run(&order).await
    }

    /// A refusal: what could not be done, and why.
    fn impossible(&self, kind: &impl Kind, why: &str) -> Diagnostic {
        refusal(kind.verb(), &self.fleet, why)
    }
}

/// A refusal: what could not be done to which fleet, and why.
pub(super) fn refusal(verb: &str, fleet: &FleetName, why: &str) -> Diagnostic {
    Diagnostic::error(format!("Could not {verb} the fleet {fleet}"), why)
}

/// The generation on trial for what the last apply wanted; absent: none is.
pub(super) fn candidate(found: &Found) -> Option<GenerationNumber> {
    let Found { world, intent } = found;
    let is_on_trial = |number: &GenerationNumber| {
        let generation = &world.generations[number];
        Some(*number) != world.stable
            && generation.fingerprint == intent.goal.fingerprint
            && generation.condemned.is_none()
            && generation.draining_since.is_none()
    };
    world.generations.keys().rev().copied().find(is_on_trial)
}

/// The generation that is kept warm beside the one that serves; absent: none is.
pub(super) fn kept(world: &World) -> Option<GenerationNumber> {
    let is_kept = |number: &GenerationNumber| {
        let generation = &world.generations[number];
        Some(*number) != world.stable
            && generation.retired_at.is_some()
            && generation.condemned.is_none()
            && generation.draining_since.is_none()
    };
    world.generations.keys().rev().copied().find(is_kept)
}
