//! What a host tells people about itself.

use crate::model::Timestamp;
use crate::rollout::MemberState;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

/// Everything that lives in one host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    pub(super) version: String,
    pub(super) process: u32,
    pub(super) directory: PathBuf,
    pub(super) has_namespaces: bool,
    pub(super) fleets: Vec<FleetStatus>,
    pub(super) releases: Vec<ReleaseStatus>,
    /// Records that cannot be read, and why.
    #[serde(default)]
    pub(super) unreadable: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FleetStatus {
    pub(super) name: String,
    pub(super) listener: Option<String>,
    pub(super) unroutable: u64,
    pub(super) lease: Option<String>,
    pub(super) generations: Vec<GenerationStatus>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct GenerationStatus {
    pub(super) number: u32,
    pub(super) release: String,
    pub(super) is_stable: bool,
    pub(super) is_condemned: bool,
    /// It was stable before another one was.
    #[serde(default)]
    pub(super) is_previous: bool,
    pub(super) is_draining: bool,
    pub(super) wanted: u32,
    pub(super) weight: u8,
    pub(super) served: u64,
    pub(super) failed: u64,
    pub(super) in_flight: u64,
    pub(super) members: Vec<MemberStatus>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct MemberStatus {
    pub(super) id: String,
    pub(super) state: Option<MemberState>,
    pub(super) is_healthy: bool,
    pub(super) streak: u32,
    pub(super) address: Option<String>,
    pub(super) process: Option<u32>,
    pub(super) launched_at: Timestamp,
    pub(super) last_error: Option<String>,
    pub(super) drift: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ReleaseStatus {
    pub(super) id: String,
    pub(super) digest: String,
    pub(super) released_at: Timestamp,
    pub(super) is_current: bool,
}

impl Display for Status {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let isolation = if self.has_namespaces {
            "in namespaces of their own"
        } else {
            "as plain processes"
        };
        writeln!(
            f,
            "host {} (version {}), {}",
            self.process,
            self.version,
            self.directory.display()
        )?;
        writeln!(f, "members run {isolation}")?;
        for fleet in &self.fleets {
            write!(f, "\n{fleet}")?;
        }
        if !self.releases.is_empty() {
            writeln!(f, "\nreleases")?;
        }
        for release in &self.releases {
            let current = if release.is_current { "current" } else { "" };
            writeln!(
                f,
                "  {:<24} {:<8} {}  {}",
                release.id,
                current,
                release.released_at,
                short(&release.digest)
            )?;
        }
        for error in &self.unreadable {
            writeln!(f, "\n{error}")?;
        }
        Ok(())
    }
}

/// A digest's beginning is enough for people to tell images apart.
fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}

impl Display for FleetStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let listener = self.listener.as_deref().unwrap_or("no traffic");
        writeln!(f, "fleet {} ({listener})", self.name)?;
        if let Some(lease) = &self.lease {
            writeln!(f, "  changed by {lease}")?;
        }
        if self.unroutable > 0 {
            writeln!(f, "  {} requests found no healthy member", self.unroutable)?;
        }
        self.generations
            .iter()
            .try_for_each(|generation| write!(f, "{generation}"))
    }
}

impl Display for GenerationStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            release,
            wanted,
            weight,
            served,
            failed,
            in_flight,
            ..
        } = self;
        let role = self.role();
        writeln!(
            f,
            "  generation {number:<4} {role:<19} {release:<16} {wanted} wanted, weight {weight}%, \
             {served} served, {failed} failed, {in_flight} in flight"
        )?;
        self.members
            .iter()
            .try_for_each(|member| write!(f, "{member}"))
    }
}

impl GenerationStatus {
    fn role(&self) -> String {
        let role = match self {
            Self {
                is_condemned: true, ..
            } => "condemned",
            Self {
                is_stable: true, ..
            } => "stable",
            Self {
                is_previous: true, ..
            } => "previous",
            Self { .. } => "candidate",
        };
        let draining = if self.is_draining { ", draining" } else { "" };
        format!("{role}{draining}")
    }
}

impl Display for MemberStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            address,
            process,
            launched_at,
            ..
        } = self;
        let condition = self.condition();
        let address = address.as_deref().unwrap_or("-");
        let process = process.map_or_else(|| "-".to_owned(), |process| process.to_string());
        writeln!(
            f,
            "    {id:<24} {condition:<18} {address:<16} process {process:<8} since {launched_at}"
        )?;
        // What was wrong before it got well is history.
        let error = self.last_error.as_ref().filter(|_| self.is_unwell());
        for note in [&self.drift, &error.cloned()].into_iter().flatten() {
            // A member's words, which no terminal should obey.
            writeln!(f, "      {}", note.replace(char::is_control, " "))?;
        }
        Ok(())
    }
}

impl MemberStatus {
    fn condition(&self) -> String {
        let state = match self.state {
            Some(MemberState::Launching) => "launching",
            Some(MemberState::Running) if self.is_healthy => "healthy",
            Some(MemberState::Running) => "unhealthy",
            Some(MemberState::Leaving) => "leaving",
            Some(MemberState::Failed) => "failed",
            Some(MemberState::Parked) => "parked",
            None => "gone",
        };
        let drifted = if self.drift.is_some() {
            ", drifted"
        } else {
            ""
        };
        format!("{state}{drifted}")
    }

    fn is_unwell(&self) -> bool {
        self.streak == 0 || self.state == Some(MemberState::Failed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn member(id: &str, state: MemberState, streak: u32, error: &str) -> MemberStatus {
        MemberStatus {
            id: id.to_owned(),
            state: Some(state),
            is_healthy: streak >= 2,
            streak,
            address: Some("127.0.0.1:20001".to_owned()),
            process: Some(4711).filter(|_| state != MemberState::Failed),
            launched_at: Timestamp::default() + Duration::from_secs(1_000_000_000),
            last_error: Some(error.to_owned()),
            drift: None,
        }
    }

    fn generation(number: u32, release: &str, members: Vec<MemberStatus>) -> GenerationStatus {
        GenerationStatus {
            number,
            release: release.to_owned(),
            is_stable: false,
            is_condemned: false,
            is_previous: false,
            is_draining: false,
            wanted: 1,
            weight: 0,
            served: 0,
            failed: 0,
            in_flight: 0,
            members,
        }
    }

    fn status() -> Status {
        let well = member(
            "web-2-aaaaaa",
            MemberState::Running,
            9,
            "connection refused",
        );
        let drifted = MemberStatus {
            drift: Some("bin/\u{1b}[2Jweb was changed".to_owned()),
            ..member(
                "web-2-bbbbbb",
                MemberState::Running,
                9,
                "connection refused",
            )
        };
        let sick = member("web-3-cccccc", MemberState::Running, 0, "status 500");
        let dead = member(
            "web-3-dddddd",
            MemberState::Failed,
            0,
            "exited with status 1 after 0.1s",
        );
        let stable = GenerationStatus {
            is_stable: true,
            wanted: 2,
            weight: 95,
            served: 1200,
            in_flight: 3,
            ..generation(2, "web@1.4.0", vec![well, drifted])
        };
        let condemned = GenerationStatus {
            is_condemned: true,
            is_draining: true,
            served: 60,
            failed: 2,
            ..generation(3, "web@1.5.0", vec![sick, dead])
        };
        let previous = GenerationStatus {
            is_previous: true,
            ..generation(1, "web@1.3.0", Vec::new())
        };
        let candidate = GenerationStatus {
            weight: 5,
            ..generation(4, "web@1.6.0", Vec::new())
        };
        Status {
            version: "1.2.3".to_owned(),
            process: 77,
            directory: "/srv/.immutable".into(),
            has_namespaces: true,
            fleets: vec![FleetStatus {
                name: "web".to_owned(),
                listener: Some("127.0.0.1:8088".to_owned()),
                unroutable: 0,
                lease: None,
                generations: vec![previous, stable, condemned, candidate],
            }],
            releases: vec![ReleaseStatus {
                id: "web@1.4.0".to_owned(),
                digest: format!("sha256:{}", "0".repeat(64)),
                released_at: Timestamp::default() + Duration::from_secs(1_000_000_000),
                is_current: true,
            }],
            unreadable: vec!["fleet api: could not read its record".to_owned()],
        }
    }

    #[test]
    fn people_see_roles_drift_and_only_what_is_wrong_now() {
        let expected = "\
host 77 (version 1.2.3), /srv/.immutable
members run in namespaces of their own

fleet web (127.0.0.1:8088)
  generation 1    previous            web@1.3.0        1 wanted, weight 0%, 0 served, 0 failed, 0 in flight
  generation 2    stable              web@1.4.0        2 wanted, weight 95%, 1200 served, 0 failed, 3 in flight
    web-2-aaaaaa             healthy            127.0.0.1:20001  process 4711     since 2001-09-09T01:46:40Z
    web-2-bbbbbb             healthy, drifted   127.0.0.1:20001  process 4711     since 2001-09-09T01:46:40Z
      bin/ [2Jweb was changed
  generation 3    condemned, draining web@1.5.0        1 wanted, weight 0%, 60 served, 2 failed, 0 in flight
    web-3-cccccc             unhealthy          127.0.0.1:20001  process 4711     since 2001-09-09T01:46:40Z
      status 500
    web-3-dddddd             failed             127.0.0.1:20001  process -        since 2001-09-09T01:46:40Z
      exited with status 1 after 0.1s
  generation 4    candidate           web@1.6.0        1 wanted, weight 5%, 0 served, 0 failed, 0 in flight

releases
  web@1.4.0                current  2001-09-09T01:46:40Z  sha256:000000000000

fleet api: could not read its record
";
        assert_eq!(status().to_string(), expected);
    }
}
