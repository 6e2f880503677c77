//! A rollout live in a terminal, from outside Terraform. Watching takes no lease and changes nothing.

mod screen;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
#[cfg(feature = "aws")]
use immutable::cloud::aws::{AwsCloud, Connection};
use immutable::cloud::local::{Directory, LocalCloud};
use immutable::cloud::{self, Cloud};
use immutable::model::FleetName;
use immutable::rollout::Intent;

use screen::Sight;

/// Watch rollouts live: generations, weights, members, what is waited for and until when
///
/// In a terminal the picture is drawn anew; elsewhere a line is written whenever something changes.
/// It goes on until it is interrupted.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// The fleet; without it all fleets that there are
    fleet: Option<FleetName>,
    /// The `directory` of the provider's `local` block
    #[arg(long, default_value = ".immutable", conflicts_with_all = ["region", "profile", "endpoint_url"])]
    directory: PathBuf,
    /// Watch on AWS, in this region
    #[arg(long)]
    region: Option<String>,
    /// Watch on AWS, with this profile's credentials
    #[arg(long)]
    profile: Option<String>,
    /// Watch on AWS, at this address
    #[arg(long)]
    endpoint_url: Option<String>,
    /// Look once and end
    #[arg(long)]
    once: bool,
}

/// Where fleets are watched.
enum Place {
    Local(LocalCloud, Directory),
    #[cfg(feature = "aws")]
    Aws(Box<AwsCloud>),
}

/// Why watching ends.
enum End {
    /// Whoever read has had enough.
    Unread,
    /// It cannot go on; the words say why.
    Failed(String),
}

/// Does what the arguments say.
pub(super) fn run(watch: &Watch) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return super::fail(&error),
    };
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = go_on(watch) => ended,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    });
    match ended {
        Ok(()) | Err(End::Unread) => ExitCode::SUCCESS,
        Err(End::Failed(words)) => super::fail(&words),
    }
}

async fn go_on(watch: &Watch) -> Result<(), End> {
    let place = open(watch).await.map_err(End::Failed)?;
    let mut shown = BTreeMap::new();
    let mut trouble: Option<String> = None;
    loop {
        let sights = place.look(watch).await;
        match (sights, watch.once) {
            (Ok(sights), _) => {
                trouble = None;
                if watch.once {
                    found(watch, &place, &sights)?;
                }
                show(&place, &sights, &mut shown)?;
                if watch.once {
                    return Ok(());
                }
            }
            (Err(error), true) => return Err(End::Failed(super::words(&error))),
            // It may pass; whoever watches sees it once and waits.
            (Err(error), false) => {
                let words = super::words(&error);
                if trouble.as_ref() != Some(&words) {
                    write(&format!("{words}\n"))?;
                }
                trouble = Some(words);
            }
        }
        tokio::time::sleep(place.pace()).await;
    }
}

/// Whoever asks once for a fleet that there is not has asked in the wrong place.
fn found(watch: &Watch, place: &Place, sights: &[Sight]) -> Result<(), End> {
    match &watch.fleet {
        Some(fleet) if !sights.iter().any(Sight::is_there) => {
            Err(End::Failed(format!("there is no fleet {fleet} {place}")))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(feature = "aws")]
async fn open(watch: &Watch) -> Result<Place, String> {
    if !watch.is_on_aws() {
        return local(watch);
    }
    let connection = Connection {
        region: watch.region.clone(),
        profile: watch.profile.clone(),
        endpoint_url: watch.endpoint_url.clone(),
        ..Connection::default()
    };
    let cloud = AwsCloud::connect(&connection).await;
    let cloud = cloud.map_err(|error| super::words(&error))?;
    Ok(Place::Aws(Box::new(cloud)))
}

#[cfg(not(feature = "aws"))]
async fn open(watch: &Watch) -> Result<Place, String> {
    if watch.is_on_aws() {
        return Err("this build of the provider has no AWS cloud".to_owned());
    }
    local(watch)
}

fn local(watch: &Watch) -> Result<Place, String> {
    let directory = Directory::at(&watch.directory);
    let directory = directory.map_err(|error| format!("{}: {error}", watch.directory.display()))?;
    Ok(Place::Local(LocalCloud::new(directory.clone()), directory))
}

impl Watch {
    fn is_on_aws(&self) -> bool {
        self.region.is_some() || self.profile.is_some() || self.endpoint_url.is_some()
    }
}

/// Says where: `in /srv/.immutable`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(_, directory) => write!(f, "in {}", directory.path().display()),
            #[cfg(feature = "aws")]
            Self::Aws(_) => f.write_str("in this region of this account"),
        }
    }
}

impl Place {
    fn cloud(&self) -> &dyn Cloud {
        match self {
            Self::Local(cloud, _) => cloud,
            #[cfg(feature = "aws")]
            Self::Aws(cloud) => cloud.as_ref(),
        }
    }

    /// How long until the next look: calls on AWS are counted.
    fn pace(&self) -> Duration {
        match self {
            Self::Local(..) => Duration::from_millis(500),
            #[cfg(feature = "aws")]
            Self::Aws(_) => Duration::from_secs(5),
        }
    }

    async fn look(&self, watch: &Watch) -> cloud::Result<Vec<Sight>> {
        // Looking starts no members: where no host runs, there is nothing to see.
        match self {
            Self::Local(local, _) if local.status().await?.is_none() => return Ok(Vec::new()),
            Self::Local(..) => {}
            #[cfg(feature = "aws")]
            Self::Aws(_) => {}
        }
        let fleets = match &watch.fleet {
            Some(fleet) => vec![fleet.clone()],
            None => self.cloud().fleets().await?,
        };
        let mut sights = Vec::new();
        for fleet in fleets {
            sights.push(self.sight(fleet).await?);
        }
        Ok(sights)
    }

    async fn sight(&self, fleet: FleetName) -> cloud::Result<Sight> {
        let intent: Option<Intent> = self.cloud().intent(&fleet).await?;
        let alarms = intent.as_ref().map(|intent| &intent.policy.alarms);
        let alarms = alarms.cloned().unwrap_or_default();
        let world = self.cloud().observe(&fleet, &alarms).await?;
        Ok(Sight {
            fleet,
            world,
            intent,
        })
    }
}

/// Draws everything anew in a terminal; writes what has changed elsewhere.
fn show(
    place: &Place,
    sights: &[Sight],
    shown: &mut BTreeMap<FleetName, String>,
) -> Result<(), End> {
    let nothing = format!("nothing runs {place}\n");
    if io::stdout().is_terminal() {
        let drawn: Vec<String> = sights.iter().map(Sight::drawn).collect();
        let text = if drawn.is_empty() {
            nothing
        } else {
            drawn.join("\n")
        };
        // The cursor home, and everything away.
        return write(&format!("\x1b[H\x1b[2J{text}"));
    }
    if sights.is_empty() && shown.is_empty() {
        return write(&nothing);
    }
    for sight in sights {
        let line = sight.line();
        if shown.get(&sight.fleet) != Some(&line) {
            write(&format!("{} {line}\n", sight.world.now))?;
            shown.insert(sight.fleet.clone(), line);
        }
    }
    Ok(())
}

fn write(text: &str) -> Result<(), End> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => End::Unread,
        _ => End::Failed(error.to_string()),
    })
}
