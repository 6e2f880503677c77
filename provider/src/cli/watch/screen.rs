//! What a fleet looks like to a person.

use std::fmt::{self, Write as _};

use crate::cli::printable;
use immutable::model::{FleetName, GenerationNumber, Timestamp, Weight};
use immutable::rollout::{
    Decision, Generation, Goal, Headcount, Health, Intent, Member, Policy, Step, Strategy, Traffic,
    Words, World, decide, wording,
};

/// Members of one generation that are shown at most; the ill ones come first.
const MEMBERS_SHOWN: usize = 8;

/// The width of a bar.
const BAR: usize = 20;

/// One look at a fleet.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) fleet: FleetName,
    pub(super) world: World,
    /// What the last apply wanted; absent: nobody knows.
    pub(super) intent: Option<Intent>,
}

/// What comes next for a fleet, and until when it is waited for.
struct Now {
    what: String,
    until: Option<Until>,
}

/// When a wait ends.
#[derive(Debug, Clone, Copy)]
enum Until {
    /// Then, if all goes on like this.
    Expected(Timestamp),
    /// By then at the latest, one way or the other.
    Latest(Timestamp),
}

impl Until {
    fn at(self) -> Timestamp {
        match self {
            Self::Expected(at) | Self::Latest(at) => at,
        }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected(at) => write!(f, "until {at}"),
            Self::Latest(at) => write!(f, "at most until {at}"),
        }
    }
}

impl Sight {
    /// Claims that there is anything of the fleet.
    pub(super) fn is_there(&self) -> bool {
        self.world.settings.is_some() || !self.world.generations.is_empty()
    }

    /// The fleet as a picture of several lines.
    pub(super) fn drawn(&self) -> String {
        if !self.is_there() {
            return format!("{}\n", self.line());
        }
        let mut text = String::new();
        let _ = writeln!(text, "{}  {}", self.fleet, self.world.now);
        if let Some(intent) = &self.intent {
            let _ = writeln!(text, "  {}", aim(intent));
        }
        for (number, generation) in &self.world.generations {
            self.draw(*number, generation, &mut text);
        }
        if self.world.generations.is_empty() {
            text.push_str("  nothing runs\n");
        }
        for parked in &self.world.parked {
            let said = printable(format!("{}: {}", parked.by, parked.reason));
            let _ = writeln!(
                text,
                "  parked {} until {} by {said}",
                parked.member, parked.until
            );
        }
        if let Some(request) = self.world.asked() {
            let said = printable(format!("{}: {}", request.by, request.reason));
            let _ = writeln!(text, "  asked  by {said}");
        }
        if let Some(failure) = &self.world.failure {
            let said = printable(&failure.cause.summary);
            let _ = writeln!(text, "  failed {}: {said}", failure.release);
        }
        let now = self.now();
        let _ = writeln!(text, "  now    {}", now.what);
        if let Some(until) = now.until {
            let left = until.at().since(self.world.now);
            let left = std::time::Duration::from_secs(left.as_secs());
            let _ = writeln!(text, "         {until}, in {}", Words(left));
        }
        text
    }

    /// The fleet in one line. It changes when something has happened, not with every second.
    pub(super) fn line(&self) -> String {
        if !self.is_there() {
            return format!("{}: there is no such fleet", self.fleet);
        }
        let generations = self.world.generations.iter();
        let generations: Vec<String> = generations
            .map(|(number, generation)| {
                let weight = self.weight(*number);
                let healthy = self.count(generation).healthy;
                let role = self.role(*number, generation);
                let wanted = generation.wanted;
                format!("generation {number} ({role}) {weight} {healthy}/{wanted} healthy")
            })
            .collect();
        let now = self.now();
        let until = now
            .until
            .map_or_else(String::new, |until| format!(", {until}"));
        let generations = generations.join(", ");
        format!("{}: {generations} | {}{until}", self.fleet, now.what)
    }

    fn draw(&self, number: GenerationNumber, generation: &Generation, text: &mut String) {
        let weight = self.weight(number);
        let filled = usize::from(weight.percent()) * BAR / 100;
        let bar = "█".repeat(filled) + &"░".repeat(BAR - filled);
        let percent = weight.to_string();
        let healthy = self.count(generation).healthy;
        let _ = writeln!(
            text,
            "  generation {number:<4} {role:<9} {release:<24} {bar} {percent:>4}  {healthy} of {} healthy",
            generation.wanted,
            role = self.role(number, generation),
            release = printable(generation.release.to_string()),
        );
        let mut members: Vec<&Member> = generation.members.iter().collect();
        members.sort_by_key(|member| (self.health(member) == Health::Healthy, &member.id));
        for member in members.iter().take(MEMBERS_SHOWN) {
            let condition = self.condition(member);
            let _ = writeln!(text, "    {:<22} {condition}", member.id.to_string());
        }
        if members.len() > MEMBERS_SHOWN {
            let more = members.len() - MEMBERS_SHOWN;
            let _ = writeln!(text, "    and {more} more");
        }
    }

    fn condition(&self, member: &Member) -> String {
        let word = match self.health(member) {
            Health::Healthy => "healthy",
            Health::Unproven if member.streak > 0 => "passes its checks, not for long enough yet",
            Health::Unproven => "not healthy",
            Health::Leaving => "leaves",
            Health::Failed => "failed",
            Health::Parked => "parked",
        };
        // What it said before it began to pass its checks is no news.
        let error = member.last_error.as_deref().filter(|_| member.streak == 0);
        let drift = member.drift.as_deref();
        let more: Vec<String> = error.into_iter().chain(drift).map(printable).collect();
        if more.is_empty() {
            word.to_owned()
        } else {
            format!("{word}: {}", more.join("; "))
        }
    }

    /// Without knowing the limits, whoever passes its checks counts.
    fn health(&self, member: &Member) -> Health {
        Health::of(member, &self.policy(), self.world.now)
    }

    fn count(&self, generation: &Generation) -> Headcount {
        Headcount::of(generation, &self.policy(), self.world.now)
    }

    fn policy(&self) -> Policy {
        let known = self.intent.as_ref().map(|intent| intent.policy.clone());
        known.unwrap_or(Policy {
            strategy: Strategy::BlueGreen,
            streak: 1,
            steady: std::time::Duration::ZERO,
            settle: std::time::Duration::ZERO,
            bake: std::time::Duration::ZERO,
            alarms: Vec::new(),
            launch_deadline: std::time::Duration::ZERO,
            drain: std::time::Duration::ZERO,
            keep_previous: std::time::Duration::ZERO,
            keep_failed: false,
        })
    }

    fn weight(&self, number: GenerationNumber) -> Weight {
        match &self.world.traffic {
            Traffic::Known { weights, .. } => weights.get(&number).copied().unwrap_or_default(),
            Traffic::None | Traffic::Unreadable { .. } => Weight::NONE,
        }
    }

    fn role(&self, number: GenerationNumber, generation: &Generation) -> &'static str {
        if generation.condemned.is_some() {
            "failed"
        } else if generation.draining_since.is_some() {
            "leaves"
        } else if self.world.stable == Some(number) {
            "stable"
        } else if generation.retired_at.is_some() {
            "kept"
        } else {
            "candidate"
        }
    }

    /// What the engine would do now.
    fn now(&self) -> Now {
        let Some(intent) = &self.intent else {
            let what = "nobody has left what this fleet shall become".to_owned();
            return Now { what, until: None };
        };
        let goal = Goal::Fleet(Box::new(intent.goal.clone()));
        let Decision { step, reason } = decide(&self.world, &goal, &intent.policy);
        let (what, until) = match step {
            Step::Act(action) => (wording(&action, &self.world), None),
            Step::Wait { until, expected } => {
                let expected = expected.filter(|at| *at > self.world.now);
                let until = expected.map_or(Until::Latest(until), Until::Expected);
                (format!("wait: {reason}"), Some(until))
            }
            Step::Halt => (format!("stands still: {reason}"), None),
            Step::Held => (reason.to_string(), None),
            Step::RolledBack => (format!("rolled back: {reason}"), None),
            Step::Done => (format!("at rest: {reason}"), None),
        };
        Now {
            what: printable(&what),
            until,
        }
    }
}

fn aim(intent: &Intent) -> String {
    let strategy = match &intent.policy.strategy {
        Strategy::BlueGreen => "blue_green",
        Strategy::Canary { .. } => "canary",
        Strategy::Rolling { .. } => "rolling",
    };
    format!("wanted: {} members, {strategy}", intent.goal.size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use immutable::cloud::sim::{Event, Fleet};
    use immutable::model::{
        Fingerprint, Front, HealthCheck, LaunchTemplate, LocalLaunch, Platform, Protocol,
        ReleaseRef, Scaling, Settings,
    };
    use immutable::rollout::{CanaryStep, FleetGoal, Hold};
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn goal(version: &str) -> FleetGoal {
        let launch = LaunchTemplate {
            release: ReleaseRef::parse(&format!("web@{version}")).expect("a release"),
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            port: Some(80),
            health_path: None,
            tags: BTreeMap::new(),
            platform: Platform::Local(LocalLaunch::default()),
        };
        FleetGoal {
            fingerprint: Fingerprint::of(&launch),
            launch: Some(launch),
            size: 2,
            settings: Settings {
                front: Some(Front {
                    listener: "127.0.0.1:8088".to_owned(),
                    protocol: Protocol::Http,
                    hosts: Vec::new(),
                    paths: Vec::new(),
                    priority: None,
                }),
                check: HealthCheck {
                    interval: Duration::from_secs(10),
                    timeout: Duration::from_secs(2),
                    streak: 3,
                },
                drain: Duration::from_secs(30),
                scaling: Scaling::Configured,
            },
            retry: None,
            replace_drifted: true,
            beyond: None,
        }
    }

    fn policy() -> Policy {
        let step = CanaryStep {
            weight: Weight::new(25).expect("a weight"),
            hold: Hold::For(Duration::from_secs(600)),
        };
        Policy {
            strategy: Strategy::Canary { steps: vec![step] },
            streak: 3,
            steady: Duration::from_secs(30),
            settle: Duration::from_secs(10),
            bake: Duration::from_secs(300),
            alarms: Vec::new(),
            launch_deadline: Duration::from_secs(600),
            drain: Duration::from_secs(30),
            keep_previous: Duration::ZERO,
            keep_failed: false,
        }
    }

    /// Goes on until there is nothing to do, or something holds.
    fn drive(fleet: &mut Fleet, goal: &FleetGoal, is_there: impl Fn(&Fleet) -> bool) {
        let goal = Goal::Fleet(Box::new(goal.clone()));
        while !is_there(fleet) {
            match decide(&fleet.look(), &goal, &policy()).step {
                Step::Act(action) => fleet.act(&action).expect("it is done"),
                Step::Wait { .. } => fleet.pass(fleet.now + Duration::from_secs(5)),
                Step::Halt | Step::Held | Step::RolledBack | Step::Done => return,
            }
        }
    }

    #[test]
    fn a_rollout_is_a_picture_of_members_and_weights() {
        let mut fleet = Fleet::new(1, Duration::from_secs(60));
        drive(&mut fleet, &goal("1"), |_| false);
        let is_divided = |fleet: &Fleet| fleet.weights.len() == 2;
        drive(&mut fleet, &goal("2"), is_divided);
        fleet.pass(fleet.now + Duration::from_secs(60));
        fleet.happen(Event::Ill(GenerationNumber(1)));
        let sight = Sight {
            fleet: "web".parse().expect("a name"),
            world: fleet.look(),
            intent: Some(Intent::of(&goal("2"), &policy())),
        };
        expect![[r#"
            web  1970-01-01T00:04:10Z
              wanted: 2 members, canary
              generation 1 stable    web@1                    ███████████████░░░░░  75%  1 of 2 healthy
                m0                     not healthy: answered 500
                m1                     healthy
              generation 2 candidate web@2                    █████░░░░░░░░░░░░░░░  25%  1 of 1 healthy
                m2                     healthy
              now    wait: held at 25% for 10m
                     until 1970-01-01T00:13:20Z, in 9m10s
        "#]].assert_eq(&sight.drawn());
    }

    #[test]
    fn a_fleet_that_there_is_not_is_said_to_be_none() {
        let sight = Sight {
            fleet: "web".parse().expect("a name"),
            world: World::absent(Timestamp::from_milliseconds(0)),
            intent: None,
        };
        assert_eq!(sight.drawn(), "web: there is no such fleet\n");
    }
}
