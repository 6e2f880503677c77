//! The client of the host: what the rest of the provider knows of this cloud.

use super::claimant::Claimant;
use super::directory::Directory;
use super::fleet_record::FleetRecord;
use super::host::{Reference, already_gone, nothing, variables};
use super::image::Images;
use super::starter::{self, Stopped};
use super::status::Status;
use super::store::Store;
use super::wire::{Note, Reply, Request, Values};
use crate::cloud::{
    Cloud, Doubt, Error, ErrorKind, Fence, Finding, Holder, ImageFacts, Lease, NewRelease, Probe,
    Reach, Result, Subject, Trial, Wish,
};
use crate::model::{
    FleetName, GenerationNumber, ImageSource, LaunchTemplate, Line, LineName, MemberId, Protocol,
    Release, ReleaseId, ReleaseRef, Sbom, Settings,
};
use crate::rollout::{self, Action, Intent, World};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks whether a host that has not answered yet still lives.
const STILL_THERE: Duration = Duration::from_secs(10);

/// The fleets and releases of one directory on this machine.
#[derive(Debug, Clone)]
pub struct LocalCloud {
    directory: Directory,
    store: Store,
    images: Images,
    host: Option<PathBuf>,
}

impl LocalCloud {
    /// Returns the cloud in a directory. Nothing is made or started by that.
    #[must_use]
    pub fn new(directory: Directory) -> Self {
        Self {
            store: Store::new(directory.clone()),
            images: Images::new(directory.clone()),
            directory,
            host: None,
        }
    }

    /// The same cloud, its host started from the program at `path` instead of our own: for those who
    /// use this library from another program.
    #[must_use]
    pub fn hosted_by(self, path: PathBuf) -> Self {
        Self {
            host: Some(path),
            ..self
        }
    }

    /// Asks the host what it does; absent: none runs.
    ///
    /// # Errors
    /// `Unavailable` when it does not answer or is of another protocol.
    pub async fn status(&self) -> Result<Option<Status>> {
        match self
            .ask_living(Request::Status, "ask for its status")
            .await?
        {
            None => Ok(None),
            Some(Reply::Status(status)) => Ok(Some(*status)),
            Some(other) => Err(self.nonsense(&other)),
        }
    }

    /// Returns all of a member's output that is kept; absent: no host runs.
    ///
    /// # Errors
    /// `NotFound` when there is no such member.
    pub async fn log(&self, member: &MemberId) -> Result<Option<String>> {
        match self
            .ask_living(
                Request::Log {
                    member: member.clone(),
                },
                "ask for a log",
            )
            .await?
        {
            None => Ok(None),
            Some(Reply::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.nonsense(&other)),
        }
    }

    /// Ends the host and all members. What is on record stays: the next call that needs a host starts
    /// everything again.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached.
    pub async fn stop(&self) -> Result<Stopped> {
        starter::stop(&self.directory)
            .await
            .map_err(|error| self.unreachable("stop it", error))
    }

    /// Asks the host, which is started where none lives.
    async fn request(&self, request: Request, operation: &str) -> Result<Reply> {
        let never = CancellationToken::new();
        self.request_until(&never, request, operation).await
    }

    /// Asks the host, and hangs up when told to stop: it answers all the same, as soon as it can.
    async fn request_until(
        &self,
        stop: &CancellationToken,
        request: Request,
        operation: &str,
    ) -> Result<Reply> {
        let reached = starter::reach(&self.directory, self.host.as_deref()).await;
        let (mut conversation, greeting) =
            reached.map_err(|error| self.unreachable(operation, error))?;
        let supplied = self.supplied(&greeting.missing)?;
        let exchange = async {
            if !supplied.0.is_empty() {
                conversation.say(&Request::Supply(supplied)).await?;
                conversation.hear::<Reply>().await?;
            }
            conversation.say(&request).await?;
            let heard = tokio::select! {
                heard = conversation.hear::<Reply>() => heard?,
                () = stop.cancelled() => {
                    conversation.hang_up().await?;
                    conversation.hear::<Reply>().await?
                }
            };
            heard.ok_or_else(|| io::Error::other("the host ended before it answered"))
        };
        let reply = tokio::select! {
            reply = exchange => reply,
            error = self.silence() => Err(error),
        };
        let reply = reply.map_err(|error| self.unreachable(operation, error))?;
        drop(conversation);
        match reply {
            Reply::Failed(failure) => Err(failure.heard_from(&greeting.version).into()),
            Reply::Done { leaving: true } => {
                let gone = starter::wait_until_gone(&self.directory).await;
                gone.map(|()| reply)
                    .map_err(|error| self.unreachable(operation, error))
            }
            _ => Ok(reply),
        }
    }

    /// Completes when the host greets nobody any more. As long as it does, an answer may take its
    /// time: an image is read, members drain.
    async fn silence(&self) -> io::Error {
        loop {
            tokio::time::sleep(STILL_THERE).await;
            match starter::greet(&self.directory).await {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return error,
                // A host that has ended hangs up by itself.
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Returns the values of those variables that the host misses and a fleet on record refers to:
    /// what else is in our environment is nobody's business.
    fn supplied(&self, missing: &[String]) -> Result<Values> {
        if missing.is_empty() {
            return Ok(Values::default());
        }
        let records = self.store.all_fleets()?.readable;
        let generations = records
            .iter()
            .flat_map(|record| record.generations.values());
        let referred: BTreeSet<&str> = generations
            .flat_map(|generation| variables(&generation.launch))
            .collect();
        let names = missing.iter().map(String::as_str);
        Ok(known(names.filter(|name| referred.contains(name))))
    }

    /// Asks the host that lives; absent: there is none.
    async fn ask_living(&self, request: Request, operation: &str) -> Result<Option<Reply>> {
        match starter::greet(&self.directory).await {
            Ok(Some(_)) => self.request(request, operation).await.map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(self.unreachable(operation, error)),
        }
    }

    async fn ask_done(&self, request: Request, operation: &str) -> Result<()> {
        match self.request(request, operation).await? {
            Reply::Done { .. } => Ok(()),
            other => Err(self.nonsense(&other)),
        }
    }

    fn unreachable(&self, operation: &str, error: io::Error) -> Error {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            _ => ErrorKind::Unavailable,
        };
        Error::new(
            kind,
            operation,
            format!("host of {}", self.directory.path().display()),
            error,
        )
    }

    fn nonsense(&self, reply: &Reply) -> Error {
        self.unreachable(
            "understand its answer",
            io::Error::other(format!("{reply:?}")),
        )
    }
}

#[async_trait]
impl Cloud for LocalCloud {
    async fn observe(&self, fleet: &FleetName, alarms: &[String]) -> Result<World> {
        if !self.store.has_fleet(fleet)? {
            return Ok(nothing(alarms));
        }
        let request = Request::Observe {
            fleet: fleet.clone(),
            alarms: alarms.to_owned(),
        };
        match self.request(request, "observe a fleet").await? {
            Reply::World(world) => Ok(*world),
            other => Err(self.nonsense(&other)),
        }
    }

    async fn fleets(&self) -> Result<Vec<FleetName>> {
        self.store.fleets()
    }

    /// Finds alarms, which would never be read. What else this machine refuses, its host refuses in no
    /// time and before any process is started.
    async fn preflight(&self, wish: &Wish) -> Vec<Finding> {
        if wish.alarms.is_empty() {
            return Vec::new();
        }
        let why = format!(
            "The local cloud has no alarms, so that {} would never be heard: remove rollout.alarms, or \
             set it for AWS alone.",
            wish.alarms.join(", ")
        );
        vec![Finding {
            about: Subject::Alarms,
            doubt: Doubt::Wrong,
            why,
        }]
    }

    async fn act(&self, fleet: &FleetName, fence: Fence, action: &Action) -> Result<()> {
        if !self.store.has_fleet(fleet)? {
            return already_gone(fleet, action);
        }
        let values = values(fleet, action)?;
        let request = Request::Act {
            fleet: fleet.clone(),
            fence,
            action: Box::new(action.clone()),
            values,
        };
        self.ask_done(request, "change a fleet").await
    }

    async fn take_lease(
        &self,
        fleet: &FleetName,
        holder: &Holder,
        duration: Duration,
    ) -> Result<Lease> {
        let request = Request::TakeLease {
            fleet: fleet.clone(),
            holder: holder.clone(),
            duration,
            claimant: Claimant::ourselves(),
        };
        match self.request(request, "take a lease").await? {
            Reply::Lease(lease) => Ok(lease),
            other => Err(self.nonsense(&other)),
        }
    }

    async fn release_lease(&self, fleet: &FleetName, fence: Fence) -> Result<()> {
        if !self.store.has_fleet(fleet)? {
            return Ok(());
        }
        self.ask_done(
            Request::ReleaseLease {
                fleet: fleet.clone(),
                fence,
            },
            "give a lease back",
        )
        .await
    }

    async fn leave_intent(&self, fleet: &FleetName, fence: Fence, intent: &Intent) -> Result<()> {
        let note = Note::Intent {
            fence,
            intent: Box::new(intent.clone()),
        };
        let request = Request::Note {
            fleet: fleet.clone(),
            note: Box::new(note),
        };
        self.ask_done(request, "leave what is intended").await
    }

    async fn intent(&self, fleet: &FleetName) -> Result<Option<Intent>> {
        let record = self.store.fleet(fleet)?;
        Ok(record.and_then(|record| record.intent))
    }

    async fn ask(&self, fleet: &FleetName, request: Option<&rollout::Request>) -> Result<()> {
        if !self.store.has_fleet(fleet)? {
            return Err(Error::new(
                ErrorKind::NotFound,
                "ask for something",
                format!("fleet {fleet}"),
                "there is no such fleet",
            ));
        }
        let request = Request::Note {
            fleet: fleet.clone(),
            note: Box::new(Note::Asked(request.cloned())),
        };
        self.ask_done(request, "ask for something").await
    }

    async fn member_output(&self, fleet: &FleetName, member: &MemberId) -> Result<String> {
        if !self.store.has_fleet(fleet)? {
            return Ok(String::new());
        }
        let request = Request::MemberOutput {
            fleet: fleet.clone(),
            member: member.clone(),
        };
        match self.request(request, "read a member's output").await? {
            Reply::Text(text) => Ok(text),
            other => Err(self.nonsense(&other)),
        }
    }

    async fn endpoint(&self, fleet: &FleetName) -> Result<Option<String>> {
        let record = self.store.fleet(fleet)?;
        Ok(record
            .and_then(|record| record.settings)
            .as_ref()
            .and_then(endpoint))
    }

    async fn launch_template(
        &self,
        fleet: &FleetName,
        generation: GenerationNumber,
    ) -> Result<Option<LaunchTemplate>> {
        let record = self.store.fleet(fleet)?;
        let found = record.and_then(|mut record| record.generations.remove(&generation));
        Ok(found.map(|found| found.launch))
    }

    async fn line(&self, line: &LineName) -> Result<Option<Line>> {
        self.store.line(line)
    }

    async fn lines(&self) -> Result<Vec<LineName>> {
        self.store.lines()
    }

    async fn store_sbom(&self, release: &ReleaseId, sbom: &Sbom) -> Result<()> {
        let (release, sbom) = (release.clone(), sbom.clone());
        self.ask_done(
            Request::StoreSbom { release, sbom },
            "store a bill of materials",
        )
        .await
    }

    async fn sbom(&self, release: &ReleaseId) -> Result<Option<Sbom>> {
        self.store.sbom(release)
    }

    async fn inspect(&self, source: &ImageSource) -> Result<ImageFacts> {
        let (images, source) = (self.images.clone(), absolute(source)?);
        let inspected = tokio::task::spawn_blocking(move || images.inspect(&source)).await;
        inspected.map_err(|error| self.unreachable("read an image", io::Error::other(error)))?
    }

    async fn import(&self, release: &NewRelease) -> Result<Release> {
        let release = NewRelease {
            source: absolute(&release.source)?,
            ..release.clone()
        };
        match self
            .request(Request::Import(release), "take a release in")
            .await?
        {
            Reply::Release(release) => Ok(*release),
            other => Err(self.nonsense(&other)),
        }
    }

    async fn verify(
        &self,
        release: &ReleaseId,
        probe: &Probe,
        stop: &CancellationToken,
    ) -> Result<Trial> {
        let request = Request::Verify {
            release: release.clone(),
            probe: probe.clone(),
        };
        let asked = self.request_until(stop, request, "verify a release");
        match asked.await? {
            Reply::Trial(trial) => Ok(trial),
            other => Err(self.nonsense(&other)),
        }
    }

    async fn check_reach(&self, _reach: &Reach) -> Result<()> {
        Ok(())
    }

    async fn spread(&self, _release: &ReleaseId, _reach: &Reach) -> Result<()> {
        Ok(())
    }

    async fn move_line(&self, release: &ReleaseId, from: Option<&ReleaseId>) -> Result<()> {
        let request = Request::MoveLine {
            to: release.clone(),
            from: from.cloned(),
        };
        self.ask_done(request, "make a release current").await
    }

    async fn remove_release(&self, release: &ReleaseId) -> Result<()> {
        let line = self.store.line(&release.line)?;
        if line.is_none_or(|line| line.releases.iter().all(|there| there.id != *release)) {
            return Ok(());
        }
        self.ask_done(Request::RemoveRelease(release.clone()), "remove a release")
            .await
    }

    async fn users(&self, release: &ReleaseId) -> Result<Vec<FleetName>> {
        let all = self.store.all_fleets()?;
        let runs = |record: &FleetRecord| {
            let mut generations = record.generations.values();
            generations
                .any(|generation| generation.launch.release == ReleaseRef::Release(release.clone()))
        };
        let users = all.readable.into_iter().filter(runs);
        let users = users.map(|record| record.name);
        // A fleet whose record cannot be read may run anything.
        let unknown = all.unreadable.into_iter().map(|(name, _)| name);
        Ok(users.chain(unknown).collect())
    }
}

/// Returns where clients of a fleet connect; absent: it has no front.
fn endpoint(settings: &Settings) -> Option<String> {
    let front = settings.front.as_ref()?;
    let scheme = match front.protocol {
        Protocol::Http => "http",
        Protocol::Tcp => "tcp",
    };
    Some(format!("{scheme}://{}", front.listener))
}

/// The host is elsewhere: it needs to know what is meant from here.
fn absolute(source: &ImageSource) -> Result<ImageSource> {
    match source {
        ImageSource::Image(digest) => Ok(ImageSource::Image(digest.clone())),
        ImageSource::Path(path) => {
            std::path::absolute(path)
                .map(ImageSource::Path)
                .map_err(|error| {
                    Error::new(
                        ErrorKind::Invalid,
                        "find it",
                        format!("image {}", path.display()),
                        error,
                    )
                })
        }
    }
}

/// Returns the values that a new generation's secrets need from our environment.
fn values(fleet: &FleetName, action: &Action) -> Result<Values> {
    let Action::CreateGeneration { launch, .. } = action else {
        return Ok(Values::default());
    };
    check_secrets(launch).map_err(|words| {
        Error::new(
            ErrorKind::Invalid,
            "resolve its secrets",
            format!("fleet {fleet}"),
            words,
        )
    })?;
    Ok(known(variables(launch)))
}

fn check_secrets(launch: &LaunchTemplate) -> std::result::Result<(), String> {
    for (name, reference) in &launch.secrets {
        match Reference::parse(reference).map_err(|words| format!("secret {name}: {words}"))? {
            Reference::File(_) => {}
            Reference::Variable(variable) => {
                let set = std::env::var(variable);
                set.map_err(|error| {
                    format!("secret {name}: {variable} in the environment of terraform: {error}")
                })?;
            }
        }
    }
    Ok(())
}

fn known<'a>(names: impl Iterator<Item = &'a str>) -> Values {
    Values(
        names
            .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
            .collect(),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixListener;

    #[tokio::test(start_paused = true)]
    async fn a_host_that_is_stopped_after_its_greeting_is_not_waited_for_for_ever() {
        let place = tempfile::tempdir().unwrap();
        let only_ours = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(place.path(), only_ours).unwrap();
        let directory = Directory::at(place.path()).unwrap();
        let listener = UnixListener::bind(directory.socket()).unwrap();
        // It greets the first client, and is stopped.
        let host = tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            let greeting = b"{\"protocol\":1,\"version\":\"0.0.9\"}\n";
            first.write_all(greeting).await.unwrap();
            std::future::pending::<()>().await;
            drop((listener, first));
        });
        let (fleet, holder) = ("web".parse().unwrap(), Holder("test".to_owned()));
        let cloud = LocalCloud::new(directory);
        let lease = cloud.take_lease(&fleet, &holder, Duration::from_secs(1));
        let error = lease.await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        let words = error.source.to_string();
        assert!(words.contains("says nothing"), "{words}");
        host.abort();
    }
}
