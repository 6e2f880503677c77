//! The clouds: one trait, its contract and its errors.
//!
//! A cloud acts and tells; it decides nothing about a rollout and knows nothing of Terraform.

#[cfg(feature = "aws")]
pub mod aws;
mod error;
mod lease;
pub mod local;
mod moving;
mod phrase;
mod polled;
mod preflight;
mod probe;
mod reach;
pub mod sim;

pub use error::{Error, ErrorKind, Result};
pub use lease::{Fence, Holder, Lease};
pub use polled::Polled;
pub use preflight::{Doubt, Finding, LaunchWish, Subject, Wish};
pub use probe::{ImageFacts, NewRelease, Probe, Trial, TrialPlace};
pub use reach::Reach;

use crate::model::{
    FleetName, GenerationNumber, ImageSource, LaunchTemplate, Line, LineName, MemberId, Release,
    ReleaseId, Sbom,
};
use crate::rollout::{Action, Intent, Request, World};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A place where fleets run and releases are kept.
///
/// # Contract
///
/// - Every call may be repeated: doing again what has been done succeeds and changes nothing.
/// - A call that failed may have had its effect all the same; only the next observation tells.
/// - [`observe`](Cloud::observe) may lag behind an action; it never mixes up fleets, and what it
///   cannot read it says so ([`Traffic::Unreadable`](crate::rollout::Traffic::Unreadable)) instead
///   of guessing.
/// - A thing that was made can be found again by its fleet's name alone, from the first moment.
/// - The members of a generation are asked at the path that it was [made
///   with](crate::model::LaunchTemplate::health_path); a [`Configure`](Action::Configure) changes only
///   how often and how strictly.
/// - A generation without a port takes no traffic: weights that name it are
///   [`Invalid`](ErrorKind::Invalid).
/// - Where a fleet's [size changes by itself](crate::model::Scaling), the cloud lets it change on the
///   generation with most of the traffic alone (of two with the same, the trusted one), and only
///   upwards while one is there that was never trusted. A [`Configure`](Action::Configure) that ends it takes the sizes
///   found for those that were wanted.
/// - Nothing starts or ends a rollout by itself. Between applies the cloud keeps each generation at
///   its wanted size from its own image, and routes around members that are not healthy.
///
/// Every error's [`kind`](Error::kind) says what the caller should do.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// Tells what is known of a fleet now, with the named alarms. A fleet that does not exist is a
    /// world without settings and generations, not an error.
    async fn observe(&self, fleet: &FleetName, alarms: &[String]) -> Result<World>;

    /// Tells what is known of a fleet to whoever waits for something of it, which lets a cloud ask
    /// less: of what is not waited for, some may be as it was seen in the last looks of this process,
    /// up to a minute ago. It is enough to wait on, and nothing is done or ended on its word, unless
    /// it is [whole](Polled::is_whole).
    ///
    /// What was done is looked at by [`observe`](Cloud::observe) first.
    async fn poll(&self, fleet: &FleetName, alarms: &[String]) -> Result<Polled> {
        let world = self.observe(fleet, alarms).await?;
        Ok(Polled {
            world,
            is_whole: true,
        })
    }

    /// Tells what is known of a fleet for someone who decides nothing by it: it may be some seconds
    /// old, which lets a cloud read many fleets at once.
    async fn glance(&self, fleet: &FleetName) -> Result<World> {
        self.observe(fleet, &[]).await
    }

    /// Names all fleets.
    async fn fleets(&self) -> Result<Vec<FleetName>>;

    /// Looks for everything that stands against a wish, before anything is written. It changes
    /// nothing, and what it could not look at is a finding too: it never fails.
    ///
    /// What is found may have changed when the wish is acted on, so that acting checks again what
    /// must hold.
    async fn preflight(&self, wish: &Wish) -> Vec<Finding>;

    /// Changes a fleet. Fails with [`ErrorKind::Conflict`] when the fence is not that of the newest
    /// lease, so that a process that was overtaken can do no harm; with [`ErrorKind::Invalid`] when
    /// it can never succeed as it stands (no such command in the image, listener taken by a
    /// stranger); with [`ErrorKind::NotFound`] when the release does not exist.
    async fn act(&self, fleet: &FleetName, fence: Fence, action: &Action) -> Result<()>;

    /// Takes the fleet's lease for `duration`, or prolongs it for the same holder. Fails with
    /// [`ErrorKind::Conflict`], naming the holder and the end, while another holder's lease runs.
    async fn take_lease(
        &self,
        fleet: &FleetName,
        holder: &Holder,
        duration: Duration,
    ) -> Result<Lease>;

    /// Gives a lease back. One that is no longer ours is left alone.
    async fn release_lease(&self, fleet: &FleetName, fence: Fence) -> Result<()>;

    /// Leaves in the world what the holder of the lease is up to, for those who come without its
    /// configuration; the newest stands. Fails with [`ErrorKind::Conflict`] as `act` does.
    async fn leave_intent(&self, fleet: &FleetName, fence: Fence, intent: &Intent) -> Result<()>;

    /// Returns what was left last of what the fleet shall become; absent: nothing was.
    async fn intent(&self, fleet: &FleetName) -> Result<Option<Intent>>;

    /// Leaves a person's request in the world, where every observation shows it; the newest stands,
    /// and none takes the last one back. It needs no lease: who holds that obeys. Fails with
    /// [`ErrorKind::NotFound`] when there is no such fleet.
    async fn ask(&self, fleet: &FleetName, request: Option<&Request>) -> Result<()>;

    /// Returns the end of a member's output, at most some 4 KiB; empty when it wrote nothing or is
    /// gone.
    async fn member_output(&self, fleet: &FleetName, member: &MemberId) -> Result<String>;

    /// Returns where the fleet's clients connect; absent: it has no front.
    async fn endpoint(&self, fleet: &FleetName) -> Result<Option<String>>;

    /// Returns how a generation's members are started, exactly as its creation said it: its hash is
    /// the generation's fingerprint. Absent: there is no such generation, or the cloud does not keep
    /// it.
    ///
    /// Asked once per import and never while a rollout goes on, so it may cost a call of its own.
    async fn launch_template(
        &self,
        fleet: &FleetName,
        generation: GenerationNumber,
    ) -> Result<Option<LaunchTemplate>>;

    /// Tells a line's releases; absent: there is no such line.
    async fn line(&self, line: &LineName) -> Result<Option<Line>>;

    /// Names all lines.
    async fn lines(&self) -> Result<Vec<LineName>>;

    /// Reads an image's content without keeping anything. Fails with [`ErrorKind::NotFound`] when
    /// there is nothing, with [`ErrorKind::Invalid`] when it cannot be an image, naming the entry
    /// at fault.
    async fn inspect(&self, source: &ImageSource) -> Result<ImageFacts>;

    /// Takes an image in under a release id without making it current. The same id with other
    /// content fails with [`ErrorKind::AlreadyExists`].
    async fn import(&self, release: &NewRelease) -> Result<Release>;

    /// Boots one throw-away member from a release and asks it until it is well or time is up; the
    /// member is gone when this returns. A member that is not well is an answer, not an error. Told
    /// to stop, it ends soon, without an answer about the member.
    async fn verify(
        &self,
        release: &ReleaseId,
        probe: &Probe,
        stop: &CancellationToken,
    ) -> Result<Trial>;

    /// Tells whether a release could be brought so far, before anything is made. Fails with
    /// [`ErrorKind::Invalid`], naming every region that there is none of. A cloud of one place has
    /// nowhere else to go, and agrees.
    async fn check_reach(&self, reach: &Reach) -> Result<()>;

    /// Brings a release everywhere that it shall be and takes it back from where it shall not be any
    /// more; a cloud of one place has nothing to do. Returns when all copies can be used, which may
    /// take an hour. What a call that failed or was cut off has made is found again and used: it is
    /// never made twice.
    async fn spread(&self, release: &ReleaseId, reach: &Reach) -> Result<()>;

    /// Names the places of a release ([`image_ids`](Release::image_ids)) where its image is gone,
    /// whoever removed it. A cloud that lets nobody at its images has none.
    async fn missing(&self, _release: &Release) -> Result<BTreeSet<String>> {
        Ok(BTreeSet::new())
    }

    /// Makes a release its line's current one, everywhere that it is. `from` is the one that the
    /// caller saw to be current; absent: there was none. Fails with [`ErrorKind::Conflict`] where
    /// another one is by now, so that of two who move a line at the same time neither undoes
    /// unawares what the other did; it may have had its effect then. What is current already is fine.
    async fn move_line(&self, release: &ReleaseId, from: Option<&ReleaseId>) -> Result<()>;

    /// Makes a release its line's current one, whichever is now.
    async fn set_current(&self, release: &ReleaseId) -> Result<()> {
        let line = self.line(&release.line).await?;
        let from = line.and_then(|line| line.current);
        self.move_line(release, from.as_ref()).await
    }

    /// Stores what a release is made of, once and for ever. The same packages again are fine; others
    /// fail with [`ErrorKind::AlreadyExists`]. Fails with [`ErrorKind::NotFound`] when there is no such
    /// release, with [`ErrorKind::Invalid`] when it is more than the cloud can keep.
    async fn store_sbom(&self, release: &ReleaseId, sbom: &Sbom) -> Result<()>;

    /// Tells what a release is made of; absent: there is no such release, or nobody stored it.
    async fn sbom(&self, release: &ReleaseId) -> Result<Option<Sbom>>;

    /// Removes a release with what was stored of it, and its image where nothing else uses it; one that is already gone is
    /// fine. Fails with [`ErrorKind::Conflict`], naming the fleet, while a generation runs it. A
    /// line whose last release goes is gone too.
    async fn remove_release(&self, release: &ReleaseId) -> Result<()>;

    /// Names the fleets that have a generation of this release.
    async fn users(&self, release: &ReleaseId) -> Result<Vec<FleetName>>;
}
