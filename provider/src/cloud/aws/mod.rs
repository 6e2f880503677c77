//! AWS as a cloud.
//!
//! A generation is a launch template, an Auto Scaling group and a target group; the traffic is one
//! listener rule that the fleet owns; a fleet's memory is one SSM parameter. The groups keep members
//! alive between applies, each from its own image alone. Start reading at [`AwsCloud`]; what is
//! remembered is in `record`, how it is guarded in `journal`.

mod activity;
mod agenda;
mod call;
mod connection;
mod copies;
mod create;
mod credentials;
mod failure;
mod foreign;
mod front;
mod glass;
mod image;
mod joined;
mod journal;
mod launch_failure;
mod launched;
mod look;
mod machine;
mod member;
mod members;
mod memory;
mod names;
mod packed;
mod policy;
mod preflight;
mod proxy;
mod reach;
mod reads;
mod recent;
mod record;
mod release_record;
mod releases;
mod remove;
mod requests;
mod resize;
mod sboms;
mod scaling;
mod streaks;
mod survey;
mod template;
mod turn;
mod user_data;
mod verify;
mod written;

pub use connection::{Connection, Role};

use super::{
    Cloud, Error, ErrorKind, Fence, Finding, Holder, ImageFacts, Lease, NewRelease, Polled, Probe,
    Reach, Result, Trial, Wish,
};
use crate::model::{
    FleetName, GenerationNumber, ImageSource, LaunchTemplate, Line, LineName, MemberId, Release,
    ReleaseId, Sbom,
};
use crate::rollout::{Action, Intent, Request, World};
use agenda::Purpose;
use async_trait::async_trait;
use call::Calls;
use failure::Failure;
use journal::Journal;
use memory::{ENDPOINT_LASTS, Memory};
use reads::Reads;
use releases::Releases;
use sboms::Sboms;
use std::collections::BTreeSet;
use std::time::Duration;
use survey::Surveys;
use tokio_util::sync::CancellationToken;

/// AWS, in one region, with one set of credentials.
#[derive(Debug)]
pub struct AwsCloud {
    calls: Calls,
    reads: Reads,
    surveys: Surveys,
    journal: Journal,
    memory: Memory,
    known: preflight::Known,
}

impl AwsCloud {
    /// Finds region and credentials, and is ready.
    ///
    /// # Errors
    /// There is no region (`Invalid`), or there are no usable credentials (`Denied`); the words say
    /// where they may come from.
    pub async fn connect(connection: &Connection) -> Result<Self> {
        let calls = Calls::connect(connection)
            .await
            .map_err(|failure| failure.about("connect to AWS", "the provider"))?;
        Ok(Self::with(calls))
    }

    /// Uses a configuration as it stands, which must have a region.
    #[must_use]
    pub fn of(config: &aws_config::SdkConfig) -> Self {
        Self::with(Calls::of(config))
    }

    /// The same cloud, in which the releases count that these accounts share with this one.
    #[must_use]
    pub fn trusting(self, owners: &[String]) -> Self {
        Self::with(self.calls.trusting(owners))
    }

    fn with(calls: Calls) -> Self {
        Self {
            reads: Reads::new(&calls),
            surveys: Surveys::new(&calls),
            journal: Journal::new(calls.clone()),
            memory: Memory::default(),
            known: preflight::Known::new(&calls),
            calls,
        }
    }

    /// The region that everything is in.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.calls.region
    }

    /// Looks at a fleet through reads that ask anew or know what was read ahead.
    async fn look(
        &self,
        fleet: &FleetName,
        (reads, purpose): (&Reads, Purpose),
        alarms: &[String],
    ) -> failure::Result<World> {
        let record = match self.journal.held(fleet) {
            Some(record) => Some(record),
            None => {
                let (record, asked) = futures_util::join!(
                    self.journal.look(fleet, reads),
                    requests::read_ahead(&self.memory, reads, fleet)
                );
                asked?;
                record?
            }
        };
        let endpoint = record.as_ref().and_then(|record| record.front.as_ref());
        let endpoint = endpoint.map(|front| front.endpoint.clone());
        let endpoints = &self.memory.endpoints;
        endpoints.keep(fleet, endpoint, journal::now());
        let Some(record) = record else {
            return Ok(World::absent(journal::now()));
        };
        let looks = look::Looks {
            calls: &self.calls,
            reads,
            memory: &self.memory,
            fleet,
            record: &record,
        };
        looks.world(alarms, purpose).await
    }

    fn releases(&self) -> Releases<'_> {
        Releases { calls: &self.calls }
    }

    fn sboms(&self) -> Sboms<'_> {
        Sboms { calls: &self.calls }
    }

    /// The record of a fleet: this process's own while it holds the lease, for then nobody else
    /// writes it.
    async fn record(&self, fleet: &FleetName) -> failure::Result<Option<record::FleetRecord>> {
        match self.journal.held(fleet) {
            Some(record) => Ok(Some(record)),
            None => self.journal.look(fleet, &self.reads).await,
        }
    }
}

fn about_fleet(operation: impl Into<String>, fleet: &FleetName) -> impl FnOnce(Failure) -> Error {
    let (operation, subject) = (operation.into(), format!("fleet {fleet}"));
    |failure| failure.about(operation, subject)
}

fn about(operation: &str, subject: impl std::fmt::Display) -> impl FnOnce(Failure) -> Error {
    let (operation, subject) = (operation.to_owned(), subject.to_string());
    |failure| failure.about(operation, subject)
}

#[async_trait]
impl Cloud for AwsCloud {
    async fn observe(&self, fleet: &FleetName, alarms: &[String]) -> Result<World> {
        let world = self.look(fleet, (&self.reads, Purpose::Deciding), alarms);
        world.await.map_err(about_fleet("observe it", fleet))
    }

    async fn poll(&self, fleet: &FleetName, alarms: &[String]) -> Result<Polled> {
        let world = self.look(fleet, (&self.reads, Purpose::Waiting), alarms);
        let world = world.await.map_err(about_fleet("observe it", fleet))?;
        Ok(Polled {
            world,
            is_whole: false,
        })
    }

    async fn glance(&self, fleet: &FleetName) -> Result<World> {
        let reads = self.surveys.reads_for(fleet).await;
        let world = self.look(fleet, (reads, Purpose::Deciding), &[]);
        world.await.map_err(about_fleet("observe it", fleet))
    }

    async fn fleets(&self) -> Result<Vec<FleetName>> {
        let records = self.journal.all().await;
        let records = records.map_err(about("list fleets", self.region()))?;
        let made = records
            .into_iter()
            .filter(|(_, record)| record.settings.is_some());
        Ok(made.map(|(fleet, _)| fleet).collect())
    }

    async fn preflight(&self, wish: &Wish) -> Vec<Finding> {
        preflight::findings(self, wish).await
    }

    async fn act(&self, fleet: &FleetName, fence: Fence, action: &Action) -> Result<()> {
        self.surveys.forget();
        let turn = turn::Turn {
            calls: &self.calls,
            reads: &self.reads,
            journal: &self.journal,
            memory: &self.memory,
            fleet,
        };
        let done = turn.act(fence, action).await;
        done.map_err(about_fleet(turn::operation(action), fleet))
    }

    async fn take_lease(
        &self,
        fleet: &FleetName,
        holder: &Holder,
        duration: Duration,
    ) -> Result<Lease> {
        self.surveys.forget();
        let taken = self.journal.take(fleet, holder, duration).await;
        taken.map_err(about_fleet("take its lease", fleet))
    }

    async fn release_lease(&self, fleet: &FleetName, fence: Fence) -> Result<()> {
        let released = self.journal.release(fleet, fence).await;
        released.map_err(about_fleet("give its lease back", fleet))
    }

    async fn leave_intent(&self, fleet: &FleetName, fence: Fence, intent: &Intent) -> Result<()> {
        let left = requests::leave_intent(&self.calls, &self.journal, fleet, (fence, intent));
        left.await
            .map_err(about_fleet("leave what is intended", fleet))
    }

    async fn intent(&self, fleet: &FleetName) -> Result<Option<Intent>> {
        let intent = requests::intent(&self.calls, fleet).await;
        intent.map_err(about_fleet("read what is intended", fleet))
    }

    async fn ask(&self, fleet: &FleetName, request: Option<&Request>) -> Result<()> {
        let asked = async {
            match self.record(fleet).await? {
                Some(record) if record.settings.is_some() => {
                    requests::ask(&self.calls, fleet, request).await?;
                    let requests = &self.memory.requests;
                    requests.keep(fleet, request.cloned(), journal::now());
                    Ok(())
                }
                Some(_) | None => Err(Failure::refused(
                    ErrorKind::NotFound,
                    "there is no such fleet",
                )),
            }
        };
        asked.await.map_err(about_fleet("ask for something", fleet))
    }

    async fn member_output(&self, fleet: &FleetName, member: &MemberId) -> Result<String> {
        if look::is_launch(member) {
            return Ok(String::new());
        }
        let output = verify::output(&self.calls, &member.0).await;
        output.map_err(about_fleet(format!("read the output of {member}"), fleet))
    }

    async fn launch_template(
        &self,
        fleet: &FleetName,
        number: GenerationNumber,
    ) -> Result<Option<LaunchTemplate>> {
        let told = async {
            match self.record(fleet).await? {
                Some(record) => launched::template(&self.calls, fleet, &record, number).await,
                None => Ok(None),
            }
        };
        told.await.map_err(about_fleet(
            format!("tell what generation {number} is made from"),
            fleet,
        ))
    }

    async fn endpoint(&self, fleet: &FleetName) -> Result<Option<String>> {
        let endpoints = &self.memory.endpoints;
        if let Some(endpoint) = endpoints.within(ENDPOINT_LASTS, fleet, journal::now()) {
            return Ok(endpoint);
        }
        let record = self.record(fleet).await;
        let record = record.map_err(about_fleet("tell its endpoint", fleet))?;
        Ok(record.and_then(|record| Some(record.front?.endpoint)))
    }

    async fn line(&self, line: &LineName) -> Result<Option<Line>> {
        let found = self.releases().line(line).await;
        found.map_err(about("read the line", line))
    }

    async fn lines(&self) -> Result<Vec<LineName>> {
        let names = self.releases().names().await;
        names.map_err(about("list lines", self.region()))
    }

    async fn store_sbom(&self, release: &ReleaseId, sbom: &Sbom) -> Result<()> {
        let stored = self.sboms().store(release, sbom).await;
        stored.map_err(about("store what it is made of", release))
    }

    async fn sbom(&self, release: &ReleaseId) -> Result<Option<Sbom>> {
        let found = self.sboms().find(release).await;
        found.map_err(about("read what it is made of", release))
    }

    async fn inspect(&self, source: &ImageSource) -> Result<ImageFacts> {
        let facts = self.releases().inspect(source).await;
        facts.map_err(about("read the image", self.region()))
    }

    async fn import(&self, release: &NewRelease) -> Result<Release> {
        let imported = self.releases().import(release).await;
        imported.map_err(about("take the image in", &release.id))
    }

    async fn verify(
        &self,
        release: &ReleaseId,
        probe: &Probe,
        stop: &CancellationToken,
    ) -> Result<Trial> {
        let tried = async {
            let found = self.releases().find(release).await?;
            verify::trial(&self.calls, &found, probe, stop).await
        };
        tried.await.map_err(about("try the image out", release))
    }

    async fn check_reach(&self, reach: &Reach) -> Result<()> {
        let checked = reach::check(&self.calls, reach).await;
        checked.map_err(about("copy to these regions", self.region()))
    }

    async fn spread(&self, release: &ReleaseId, reach: &Reach) -> Result<()> {
        let spread = self.releases().spread(release, reach).await;
        spread.map_err(about("copy and share the release", release))
    }

    async fn missing(&self, release: &Release) -> Result<BTreeSet<String>> {
        let missing = self.releases().missing(release).await;
        missing.map_err(about("look for the images", &release.id))
    }

    async fn move_line(&self, release: &ReleaseId, from: Option<&ReleaseId>) -> Result<()> {
        let set = self.releases().move_line(release, from).await;
        set.map_err(about("make the release current", release))
    }

    async fn remove_release(&self, release: &ReleaseId) -> Result<()> {
        let removed = async {
            self.releases().remove(release).await?;
            self.sboms().remove(release).await
        };
        removed.await.map_err(about("remove the release", release))
    }

    async fn users(&self, release: &ReleaseId) -> Result<Vec<FleetName>> {
        let users = self.releases().users(release).await;
        users.map_err(about("tell who runs the release", release))
    }
}
