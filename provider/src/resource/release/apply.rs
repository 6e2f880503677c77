//! The ways of a release: taken in, tried out, made current; gone back to; removed.

use super::attributes::{ImageRelease, Verify};
use super::{bill, history, plan, reach};
use crate::cloud::{ErrorKind, NewRelease, Probe, Reach, Trial, TrialPlace};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{Line, Release, ReleaseId};
use crate::resource::site::Site;
use crate::resource::{Outcome, trouble};
use crate::schema::{Bounded, DurationText};
use crate::value::Path;
use tokio_util::sync::CancellationToken;

/// One apply of one release.
pub(super) struct Apply<'a> {
    /// Where.
    pub(super) site: &'a Site,
    /// Cancelled when the user asks to stop.
    pub(super) cancel: &'a CancellationToken,
    /// The state before; absent: the line is made now.
    pub(super) have: Option<ImageRelease>,
    /// The state wanted.
    pub(super) want: ImageRelease,
}

impl Apply<'_> {
    /// Makes the line or moves an existing one.
    pub(super) async fn run(self) -> Outcome<ImageRelease> {
        let version = self.want.version.as_str();
        let bound = self.have.as_ref().map(|have| have.digest_of(version));
        match bound {
            None => self.create().await,
            Some(None) => self.take_in().await,
            Some(Some(bound)) => self.return_to(bound).await,
        }
    }

    /// Makes the line, or takes over what an apply that was killed has left of it.
    async fn create(&self) -> Outcome<ImageRelease> {
        let line = match self.site.cloud.line(&self.want.name).await {
            Ok(line) => line,
            Err(error) => return Outcome::refused(trouble(&error)),
        };
        let current = line.and_then(|line| line.current);
        match current {
            Some(current) if current != self.id() => Outcome::refused(self.exists(&current)),
            Some(_) | None => self.take_in().await,
        }
    }

    /// Moves the line to a release that it has. The content was taken in long ago; its source may
    /// be gone, but it may not be another one.
    async fn return_to(&self, bound: &str) -> Outcome<ImageRelease> {
        let version = self.want.version.as_str();
        let source = &self.want.source;
        match plan::digest(self.site, source).await {
            Ok(digest) if digest != bound => {
                Outcome::refused(plan::changed_content(version, bound, &digest, source))
            }
            Ok(_) | Err(_) => match self.reach().await {
                Ok(reach) => self.bring(&reach).await,
                Err(refused) => Outcome::refused(refused),
            },
        }
    }

    /// Where else the release shall be; refused before anything is made where it cannot be.
    async fn reach(&self) -> Result<Reach, Diagnostic> {
        let aws = self.want.aws.as_ref();
        let reach = aws.map(|aws| aws.reach(self.site)).unwrap_or_default();
        reach::check(self.site, &reach).await?;
        Ok(reach)
    }

    /// Copies and shares the release, and then makes it current. Copies go on by themselves: an
    /// apply that is stopped or fails on the way is taken up by the next one.
    async fn bring(&self, reach: &Reach) -> Outcome<ImageRelease> {
        let (cloud, id) = (&self.site.cloud, self.id());
        let spread = tokio::select! {
            spread = cloud.spread(&id, reach) => spread,
            () = self.cancel.cancelled() => {
                let then = "Its copies were not all there yet. They go on by themselves.";
                return Outcome::refused(self.stopped(then));
            }
        };
        match spread {
            Ok(()) => self.make_current().await,
            Err(error) => {
                let at = match error.kind {
                    ErrorKind::NotFound => self.want.source.blamed(),
                    _ => Path::of("aws"),
                };
                Outcome::refused(self.not_released(trouble(&error)).at(at))
            }
        }
    }

    fn stopped(&self, then: &str) -> Diagnostic {
        let summary = format!("The release of {} was stopped", self.id());
        let stopped = Diagnostic::error(summary, then);
        self.not_released(stopped)
    }

    fn id(&self) -> ReleaseId {
        ReleaseId {
            line: self.want.name.clone(),
            version: self.want.version.as_str().to_owned(),
        }
    }

    fn exists(&self, current: &ReleaseId) -> Diagnostic {
        let name = &self.want.name;
        Diagnostic::error(
            format!("The line {name} exists already"),
            format!(
                "Its current release is {current}, it was not made by this configuration, and \
                 nothing of it was changed. To manage it here, import it: terraform import \
                 immutable_image_release.NAME {name}. Otherwise choose another name."
            ),
        )
        .at(Path::of("name"))
    }

    async fn take_in(&self) -> Outcome<ImageRelease> {
        let source = match self.want.source.resolve(self.site) {
            Ok(source) => source,
            Err(none) => return Outcome::refused(none.into_diagnostic()),
        };
        let reach = match self.reach().await {
            Ok(reach) => reach,
            Err(refused) => return Outcome::refused(refused),
        };
        // Before anything is taken in that would then wait for its bill.
        if let Some(Err(none)) = self.want.sbom.as_deref().map(bill::read) {
            return Outcome::refused(self.not_released(none.into_diagnostic()));
        }
        let release = NewRelease {
            id: self.id(),
            source,
            provenance: self.want.provenance.clone().unwrap_or_default(),
        };
        let release = match self.site.cloud.import(&release).await {
            Ok(release) => release,
            Err(error) => {
                let error = self.not_released(trouble(&error));
                return Outcome::refused(error.at(self.want.source.blamed()));
            }
        };
        // What was accepted once is taken over as it is: there may be fleets that run it.
        if let Some(verify) = &self.want.verify
            && !release.accepted
            && let Err(refused) = self.verify(&release, verify).await
        {
            return Outcome::refused(refused);
        }
        self.bring(&reach).await
    }

    /// Adds what is true of the line after a release did not come to be.
    fn not_released(&self, error: Diagnostic) -> Diagnostic {
        let now = match &self.have {
            Some(have) => format!(
                "The line's current release is still {}@{}.",
                have.name,
                have.version.as_str()
            ),
            None => "The line has no release yet.".to_owned(),
        };
        Diagnostic {
            detail: format!("{}\n\n{now} The next apply tries again.", error.detail),
            ..error
        }
    }

    /// Tries the release out; one that fails is removed again.
    async fn verify(&self, release: &Release, verify: &Verify) -> Result<(), Diagnostics> {
        let trial = {
            let probe = self.probe(verify);
            self.site
                .cloud
                .verify(&release.id, &probe, self.cancel)
                .await
        };
        let error = match trial {
            Ok(Trial::Passed) => return Ok(()),
            Ok(Trial::Failed { why, output }) => self.failed_trial(&why, &output),
            Ok(Trial::Stopped) => self.stopped("Nobody knows yet whether its image is well."),
            Err(error) => self.not_released(trouble(&error)).at(Path::of("verify")),
        };
        let mut told = Diagnostics::from(error);
        if let Err(error) = self.site.cloud.remove_release(&release.id).await {
            told.push(as_warning(
                trouble(&error),
                "The image that was taken in is still there. The next apply removes or takes it \
                 over.",
            ));
        }
        Err(told)
    }

    fn probe(&self, verify: &Verify) -> Probe {
        let aws = self.want.aws.as_ref();
        let place = aws.and_then(|aws| aws.verify.as_ref());
        Probe {
            port: port(verify.port),
            path: verify.path.clone(),
            command: verify.command.clone().unwrap_or_default(),
            timeout: DurationText::duration(&verify.timeout),
            tags: self.site.default_tags.clone(),
            place: place.map(|place| TrialPlace {
                instance_type: place.instance_type.clone(),
                subnet_id: place.subnet_id.clone(),
                security_group_ids: place.security_group_ids.clone().unwrap_or_default(),
            }),
        }
    }

    fn failed_trial(&self, why: &str, output: &str) -> Diagnostic {
        let quoted = match output.trim_end() {
            "" => "It wrote nothing.".to_owned(),
            output => format!("The end of its output:\n\n{}", indented(output)),
        };
        Diagnostic::error(
            format!("The release {} failed its verification", self.id()),
            format!(
                "A member booted from it was not well: {why}. {quoted}\n\nThe line's current \
                 release is what it was, and what was made for this one is removed. Correct the \
                 image and release it again, under the same version if you like: this one was \
                 never accepted."
            ),
        )
        .at(Path::of("verify"))
    }

    /// Stores what the release is made of, moves the line's pointer, then removes what is no longer kept.
    async fn make_current(&self) -> Outcome<ImageRelease> {
        if let Some(path) = &self.want.sbom
            && let Err(error) = bill::store(self.site, &self.id(), path).await
        {
            return Outcome::refused(self.not_released(error));
        }
        let earlier = self.have.as_ref().and_then(|have| have.history.clone());
        let reached = ImageRelease {
            history: Some(earlier.unwrap_or_default()),
            ..self.want.clone()
        };
        let (line, warning) = match self.moved().await {
            Moved::To(line, warning) => (line, warning),
            // Terraform would destroy what a failed create leaves, which is the release; it is found
            // by the next one.
            Moved::Unseen(error) if self.have.is_none() => {
                return Outcome::refused(taken_over_later(error));
            }
            Moved::Unseen(error) => return Outcome::failed(unread(reached), error),
            Moved::Not(error) => return Outcome::refused(error),
        };
        let (line, warnings) = self.prune(line).await;
        let Some(state) = history::told(reached, &line) else {
            return Outcome::refused(vanished(&self.id()));
        };
        let done = Outcome::done(state);
        let warnings = warning.into_iter().chain(warnings);
        warnings.fold(done, Outcome::with)
    }

    /// Moves the line's pointer. What counts is where it is found afterwards: the call may have
    /// failed once it had moved it.
    async fn moved(&self) -> Moved {
        let cloud = &self.site.cloud;
        let from = self.have.as_ref().map(ImageRelease::current);
        let moved = cloud.move_line(&self.id(), from.as_ref()).await;
        match (cloud.line(&self.want.name).await, moved) {
            (Ok(Some(line)), Ok(())) if line.current == Some(self.id()) => Moved::To(line, None),
            (Ok(Some(line)), Ok(())) => Moved::Not(self.overtaken(line.current.as_ref())),
            (Ok(Some(line)), Err(error)) if error.kind == ErrorKind::Conflict => {
                let told = self.contested(&format!("{}.", error.source));
                match line.current == Some(self.id()) {
                    true => Moved::To(line, Some(told)),
                    false => Moved::Not(told),
                }
            }
            (Ok(Some(line)), Err(error)) if line.current == Some(self.id()) => {
                let then = "The release is current all the same; the next new release makes up \
                            for what is missing.";
                Moved::To(line, Some(as_warning(trouble(&error), then)))
            }
            (_, Err(error)) => Moved::Not(self.not_released(trouble(&error))),
            (Ok(None), Ok(())) => Moved::Not(vanished(&self.id())),
            (Err(error), Ok(())) => Moved::Unseen(trouble(&error)),
        }
    }

    /// Another apply moved the line as soon as this one had.
    fn overtaken(&self, current: Option<&ReleaseId>) -> Diagnostic {
        let current = current.map_or("no release".to_owned(), ToString::to_string);
        let id = self.id();
        self.contested(&format!(
            "This apply made {id} current, and now {current} is."
        ))
    }

    /// Says that two applies moved a line at the same time: whoever is told plans again, and sees what
    /// the other one did.
    fn contested(&self, words: &str) -> Diagnostic {
        Diagnostic::error(
            format!("Someone else moved the line {} meanwhile", self.want.name),
            format!(
                "{words}\n\nPlan again: it shows which release is current now, and an apply of that \
                 plan moves the line from there."
            ),
        )
    }

    /// Removes the releases that are no longer kept and that no fleet runs. A failure here costs
    /// room and nothing else, so it is a warning.
    async fn prune(&self, line: Line) -> (Line, Diagnostics) {
        let keep = usize::try_from(self.want.keep.get()).unwrap_or(usize::MAX);
        let mut removed = Vec::new();
        let mut warnings = Diagnostics::none();
        for id in history::done_with(&line, keep) {
            match self.site.cloud.remove_release(id).await {
                Ok(()) => removed.push(id.clone()),
                // A fleet runs it. It goes with a later release, once no fleet does.
                Err(error) if error.kind == ErrorKind::Conflict => {}
                Err(error) => warnings.push(as_warning(
                    trouble(&error),
                    "The release is still there; the next new release tries again to remove it.",
                )),
            }
        }
        let releases = line.releases.into_iter();
        let releases = releases.filter(|it| !removed.contains(&it.id)).collect();
        (Line { releases, ..line }, warnings)
    }
}

/// Where a line's pointer is after it was told to move.
enum Moved {
    /// On the release, with what went wrong on the way.
    To(Line, Option<Diagnostic>),
    /// On the release, as far as anyone said so: it could not be read back.
    Unseen(Diagnostic),
    /// Where it was.
    Not(Diagnostic),
}

/// Removes a line with all its releases, unless a fleet runs one of them.
pub(super) async fn remove(site: &Site, have: ImageRelease) -> Outcome<ImageRelease> {
    let line = match site.cloud.line(&have.name).await {
        Ok(Some(line)) => line,
        Ok(None) => return Outcome::gone(),
        Err(error) => return Outcome::refused(trouble(&error)),
    };
    for release in &line.releases {
        match site.cloud.users(&release.id).await {
            Ok(fleets) if fleets.is_empty() => {}
            Ok(fleets) => {
                let fleets: Vec<String> = fleets.iter().map(ToString::to_string).collect();
                return Outcome::refused(in_use(release, &fleets));
            }
            Err(error) => return Outcome::refused(trouble(&error)),
        }
    }
    // The current one goes last: an interruption leaves a line that still works.
    let others = history::beyond(&line, 0);
    for id in others.into_iter().chain(&line.current) {
        if let Err(error) = site.cloud.remove_release(id).await {
            let error = trouble(&error);
            let then = "Releases that were removed before it are gone; the next destroy goes on \
                        from here.";
            let detail = format!("{}\n\n{then}", error.detail);
            return Outcome::refused(Diagnostic { detail, ..error });
        }
    }
    Outcome::gone()
}

fn in_use(release: &Release, fleets: &[String]) -> Diagnostic {
    let regions: Vec<&str> = release.image_ids.keys().map(String::as_str).collect();
    let place = match regions.as_slice() {
        [] | [_] => String::new(),
        several => format!(" in one of {}", several.join(", ")),
    };
    Diagnostic::error(
        format!("The line {} is in use", release.id.line),
        format!(
            "The release {} is run by the fleet {}{place}. Destroy the fleet or move it to another \
             line first; nothing was removed.",
            release.id,
            fleets.join(", ")
        ),
    )
}

fn vanished(id: &ReleaseId) -> Diagnostic {
    Diagnostic::error(
        format!("The release {id} vanished"),
        "It was made current and is not there any more: someone else removed it. Apply again to \
         make it anew.",
    )
}

/// The pointer was moved and could not be read back: what is computed stays unknown to the state
/// until the next refresh reads it.
fn unread(reached: ImageRelease) -> ImageRelease {
    ImageRelease {
        id: Some(format!("{}@{}", reached.name, reached.version.as_str())),
        ..reached
    }
}

fn taken_over_later(error: Diagnostic) -> Diagnostic {
    let then = "The release was made current, and nobody could see it since. The next apply looks \
                again and takes it over as it is.";
    Diagnostic {
        detail: format!("{}\n\n{then}", error.detail),
        ..error
    }
}

fn as_warning(error: Diagnostic, then: &str) -> Diagnostic {
    Diagnostic::warning(error.summary, format!("{}\n\n{then}", error.detail))
}

fn indented(output: &str) -> String {
    let lines = output.lines().map(|line| format!("    {line}"));
    lines.collect::<Vec<String>>().join("\n")
}

fn port(port: Bounded<1, 65_535>) -> u16 {
    u16::try_from(port.get()).unwrap_or(u16::MAX)
}
