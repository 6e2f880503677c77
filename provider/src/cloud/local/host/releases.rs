//! Lines of releases and the images behind them.

use super::machine::{Boot, Machine, blocking};
use super::member::{Checked, Member, Order, Stage};
use crate::cloud::{Error, ErrorKind, NewRelease, Probe, Result, Trial, moving};
use crate::model::{Line, LineName, MemberId, Release, ReleaseId, ReleaseRef, Sbom};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

/// Between two questions to a member on trial: short, because a person waits for the answer.
const TRIAL_INTERVAL: Duration = Duration::from_millis(200);

/// How long a member on trial may take for one answer.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// The releases of a host. Changes to them, and the choice of an image for a new generation, go one
/// after the other: no image goes while someone begins to use it.
pub(super) struct Releases {
    machine: Arc<Machine>,
    changing: Mutex<()>,
}

/// Keeps the releases as they are while it lives.
pub(super) type Unchanged<'a> = tokio::sync::MutexGuard<'a, ()>;

impl Releases {
    pub(super) fn new(machine: Arc<Machine>) -> Self {
        Self {
            machine,
            changing: Mutex::new(()),
        }
    }

    /// Keeps the releases as they are until the answer is dropped.
    pub(super) async fn unchanged(&self) -> Unchanged<'_> {
        self.changing.lock().await
    }

    /// Returns the digest of the image that is meant.
    pub(super) fn image(&self, reference: &ReleaseRef) -> Result<String> {
        match reference {
            ReleaseRef::Release(id) => self.release(id).map(|release| release.image_id),
            ReleaseRef::Image(digest) => {
                self.machine.images.content(digest).map(|_| digest.clone())
            }
        }
    }

    pub(super) async fn import(&self, new: NewRelease) -> Result<Release> {
        let _one = self.changing.lock().await;
        let line = self.machine.store.line(&new.id.line)?;
        let there = line.as_ref().and_then(|line| find(line, &new.id)).cloned();
        let machine = Arc::clone(&self.machine);
        blocking(move || match there {
            Some(release) => same_content(&machine, &new, release),
            None => take_in(&machine, new, line),
        })
        .await?
    }

    pub(super) async fn move_line(&self, id: &ReleaseId, from: Option<&ReleaseId>) -> Result<()> {
        let _one = self.changing.lock().await;
        self.release(id)?;
        let line = self.machine.store.line(&id.line)?;
        let current = line.as_ref().and_then(|line| line.current.as_ref());
        moving::check(current, id, from).map_err(|why| {
            let subject = format!("release {id}");
            Error::new(ErrorKind::Conflict, "make it current", subject, why)
        })?;
        self.edit(&id.line, |line| line.accept(id)).await
    }

    /// Stores what a release is made of, once.
    pub(super) async fn store_sbom(&self, id: ReleaseId, sbom: Sbom) -> Result<()> {
        let _one = self.changing.lock().await;
        self.release(&id)?;
        let store = self.machine.store.clone();
        blocking(move || match store.sbom(&id)? {
            None => store.write_sbom(&id, &sbom),
            Some(there) if there == sbom => Ok(()),
            Some(_) => Err(Error::new(
                ErrorKind::AlreadyExists,
                "store what it is made of",
                format!("release {id}"),
                "another bill of materials is stored with it, and a release never changes",
            )),
        })
        .await?
    }

    /// Removes a release. `users` names the fleets that run it or, where nothing else keeps it, its
    /// image.
    pub(super) async fn remove(
        &self,
        id: &ReleaseId,
        users: impl Fn(Option<&str>) -> Result<Vec<String>>,
    ) -> Result<()> {
        let _one = self.changing.lock().await;
        let Some(line) = self.machine.store.line(&id.line)? else {
            return Ok(());
        };
        let Some(release) = find(&line, id).cloned() else {
            return Ok(());
        };
        let lines = self.machine.store.all_lines()?;
        let releases = lines.readable.iter().flat_map(|line| &line.releases);
        let same = releases.filter(|other| other.digest == release.digest);
        // A line that cannot be read may have the same image.
        let shared = same.count() > 1 || !lines.unreadable.is_empty();
        let users = users((!shared).then_some(release.digest.as_str()))?;
        if !users.is_empty() {
            let words = format!("{} still run it", users.join(", "));
            return Err(Error::new(
                ErrorKind::Conflict,
                "remove it",
                format!("release {id}"),
                words,
            ));
        }
        // First, so that an interruption leaves a release whose packages nobody tells, and no file that
        // nobody removes.
        let (store, of) = (self.machine.store.clone(), id.clone());
        blocking(move || store.remove_sbom(&of)).await??;
        self.edit(&id.line, |line| {
            line.releases.retain(|other| other.id != *id);
            if line.current.as_ref() == Some(id) {
                line.current = None;
            }
        })
        .await?;
        if !shared {
            self.remove_image(release.digest).await?;
        }
        Ok(())
    }

    /// Removes images that nothing refers to: a host was killed between two writes.
    pub(super) fn sweep(&self, used: impl Fn(&str) -> bool) -> Result<()> {
        let failed =
            |error| super::super::store::failed("sweep the images", "the store".to_owned(), error);
        self.machine.images.sweep().map_err(failed)?;
        let lines = self.machine.store.all_lines()?;
        let kept = |digest: &str| {
            used(digest)
                || !lines.unreadable.is_empty()
                || lines
                    .readable
                    .iter()
                    .flat_map(|line| &line.releases)
                    .any(|release| release.digest == digest)
        };
        for digest in self.machine.images.all().map_err(failed)? {
            if !kept(&digest) {
                self.machine.images.remove(&digest).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Boots a throw-away member and asks it until it is well, time is up or it is told to stop.
    pub(super) async fn verify(
        &self,
        id: &ReleaseId,
        probe: &Probe,
        stop: &CancellationToken,
    ) -> Result<Trial> {
        let image = self.release(id)?.image_id;
        self.machine
            .check_command(&image, &probe.command, &format!("release {id}"))?;
        let changed = Arc::new(Notify::new());
        let boot = Boot {
            image,
            command: probe.command.clone(),
            environment: Ok(BTreeMap::new()),
            takes_traffic: true,
        };
        let name = MemberId(format!("trial-{}-{}", id.line, super::super::random_name()));
        let member = self.machine.boot(name, None, boot, &changed);
        let check = super::super::health::Check {
            path: probe.path.clone(),
            interval: TRIAL_INTERVAL,
            timeout: TRIAL_TIMEOUT,
        };
        member.order(Order::Serve(Some(Checked { check, streak: 1 })));
        let failed = |why| Trial::Failed {
            why,
            output: member.output.tail(),
        };
        let trial = tokio::select! {
            why = outcome(&member, &changed) => why.map_or(Trial::Passed, failed),
            () = tokio::time::sleep(probe.timeout) => failed(too_late(&member, probe)),
            () = stop.cancelled() => Trial::Stopped,
        };
        end(&member, &changed).await;
        Ok(trial)
    }

    fn release(&self, id: &ReleaseId) -> Result<Release> {
        let line = self.machine.store.line(&id.line)?;
        let release = line.as_ref().and_then(|line| find(line, id));
        release.cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "find it",
                format!("release {id}"),
                "the store holds no such release",
            )
        })
    }

    async fn edit(&self, name: &LineName, change: impl FnOnce(&mut Line)) -> Result<()> {
        let Some(mut line) = self.machine.store.line(name)? else {
            return Ok(());
        };
        change(&mut line);
        let store = self.machine.store.clone();
        let written = blocking(move || {
            if line.releases.is_empty() {
                store.remove_line(&line.name)
            } else {
                store.write_line(&line)
            }
        });
        written.await?
    }

    async fn remove_image(&self, digest: String) -> Result<()> {
        self.machine.forget_image(&digest);
        let machine = Arc::clone(&self.machine);
        let removed = blocking(move || {
            machine
                .images
                .remove(&digest)
                .map_err(|error| (digest, error))
        })
        .await?;
        removed.map_err(|(digest, error)| {
            super::super::store::failed("remove it", format!("image {digest}"), error)
        })
    }
}

fn find<'a>(line: &'a Line, id: &ReleaseId) -> Option<&'a Release> {
    line.releases.iter().find(|release| release.id == *id)
}

fn same_content(machine: &Machine, new: &NewRelease, there: Release) -> Result<Release> {
    let digest = machine.images.inspect(&new.source)?.digest;
    if digest == there.digest {
        if machine.images.content(&digest).is_err() {
            // Lost meanwhile: this is the way to get it back.
            machine.images.import(&new.source)?;
        }
        return Ok(there);
    }
    let words = format!(
        "{} is released with the content {} and never changes; the content now is {digest}. \
         Give it another version",
        new.id, there.digest
    );
    Err(Error::new(
        ErrorKind::AlreadyExists,
        "take it in",
        format!("release {}", new.id),
        words,
    ))
}

fn take_in(machine: &Machine, new: NewRelease, line: Option<Line>) -> Result<Release> {
    let facts = machine.images.import(&new.source)?;
    let release = Release {
        id: new.id,
        image_id: facts.digest.clone(),
        image_ids: BTreeMap::from([("local".to_owned(), facts.digest.clone())]),
        digest: facts.digest,
        architecture: facts.architecture,
        released_at: SystemTime::now().into(),
        accepted: false,
        provenance: new.provenance,
    };
    let name = release.id.line.clone();
    let mut line = line.unwrap_or(Line {
        name,
        current: None,
        releases: Vec::new(),
    });
    line.releases.insert(0, release.clone());
    machine.store.write_line(&line)?;
    Ok(release)
}

/// Why a member on trial is not well; absent: it is.
async fn outcome(member: &Member, changed: &Notify) -> Option<String> {
    loop {
        let condition = member.condition();
        match condition.stage {
            Stage::Failed(_) => return Some(condition.last_error.unwrap_or_default()),
            Stage::Running if condition.streak > 0 => return None,
            Stage::Launching | Stage::Running | Stage::Leaving | Stage::Parked | Stage::Gone => {}
        }
        changed.notified().await;
    }
}

fn too_late(member: &Member, probe: &Probe) -> String {
    let what = match &probe.path {
        Some(path) => format!("GET {path}"),
        None => "connecting to its port".to_owned(),
    };
    let last = member
        .condition()
        .last_error
        .unwrap_or_else(|| "no answer".to_owned());
    format!(
        "{what} did not succeed within {}: {last}",
        humantime::format_duration(probe.timeout)
    )
}

async fn end(member: &Member, changed: &Notify) {
    member.order(Order::Leave {
        serving: None,
        limit: Duration::ZERO,
    });
    loop {
        match member.condition().stage {
            Stage::Failed(_) => member.forget(),
            Stage::Gone => return,
            Stage::Launching | Stage::Running | Stage::Leaving | Stage::Parked => {
                changed.notified().await
            }
        }
    }
}
