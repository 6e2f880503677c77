//! What all fleets of a host share: the store, the images, and the way members come up.

use super::super::directory::Directory;
use super::super::fleet_record::{FleetRecord, GenerationRecord};
use super::super::front::Clients;
use super::super::image::{Content, Images, Watch};
use super::super::init::{Isolation, Spec};
use super::super::store::Store;
use super::super::wire::Values;
use super::member::{Launch, Member};
use super::open_files::OpenFiles;
use super::port::Port;
use super::secret;
use super::spawner::Spawner;
use crate::cloud::{Error, ErrorKind, Result};
use crate::model::{FleetName, GenerationNumber, MemberId, Platform};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};

/// How long the answer to "is this image as it was?" is taken for true. Looking costs a call for
/// each of its files, and during a rollout the question comes many times a second.
const TRUSTED: Duration = Duration::from_millis(500);

/// How long a new host holds back members whose secrets it does not know: whoever started it may be
/// about to hand them over.
const HANDING_OVER: Duration = Duration::from_secs(1);

/// How many members are prepared at a time. The first of an image may have to read all of it, and
/// the others wait for that; more of them would only take threads from those who write records.
const PREPARED: usize = 4;

/// The facilities of one host.
pub(super) struct Machine {
    pub(super) directory: Directory,
    pub(super) store: Store,
    pub(super) images: Images,
    pub(super) spawner: Spawner,
    pub(super) isolation: Isolation,
    /// For the clients of all fronts together.
    pub(super) places: Clients,
    open_files: OpenFiles,
    values: Mutex<BTreeMap<(FleetName, GenerationNumber), Values>>,
    /// Held to find an entry, never while an image is read.
    watches: Mutex<BTreeMap<String, Arc<Watched>>>,
    preparing: Semaphore,
    began: Instant,
}

/// An image in use.
struct Watched {
    content: Content,
    sight: Mutex<Sight>,
}

/// What is known of an image's files.
struct Sight {
    watch: Watch,
    looked: Option<Instant>,
    difference: Option<String>,
}

/// What a member is started with.
pub(super) struct Boot {
    pub(super) image: String,
    /// Empty: the image's only program.
    pub(super) command: Vec<String>,
    /// Configuration and secrets; an error says which secret could not be resolved.
    pub(super) environment: io::Result<BTreeMap<String, String>>,
    pub(super) takes_traffic: bool,
}

impl Machine {
    pub(super) fn new(
        directory: Directory,
        spawner: Spawner,
        isolation: Isolation,
        open_files: OpenFiles,
    ) -> Self {
        Self {
            store: Store::new(directory.clone()),
            images: Images::new(directory.clone()),
            directory,
            spawner,
            isolation,
            places: open_files.clients(),
            open_files,
            values: Mutex::default(),
            watches: Mutex::default(),
            preparing: Semaphore::new(PREPARED),
            began: Instant::now(),
        }
    }

    /// Writes a fleet's record without holding up whoever serves traffic.
    pub(super) async fn write_fleet(&self, record: &FleetRecord) -> Result<()> {
        let (store, record) = (self.store.clone(), record.clone());
        blocking(move || store.write_fleet(&record)).await?
    }

    /// Launches a member of a generation. What goes wrong is told by the member.
    pub(super) fn launch(
        self: &Arc<Self>,
        fleet: &FleetName,
        number: GenerationNumber,
        generation: &GenerationRecord,
        changed: &Arc<Notify>,
    ) -> Arc<Member> {
        let command = match &generation.launch.platform {
            Platform::Local(local) => local.command.clone(),
            Platform::Aws(_) => Vec::new(),
        };
        let values = self
            .values()
            .get(&(fleet.clone(), number))
            .cloned()
            .unwrap_or_default();
        let boot = Boot {
            image: generation.image.clone(),
            command,
            environment: secret::environment(&generation.launch, &values),
            takes_traffic: generation.launch.port.is_some(),
        };
        let id = MemberId(format!("{fleet}-{number}-{}", super::super::random_name()));
        self.boot(id, Some(number), boot, changed)
    }

    /// Whether a generation's members had better not be launched yet: their secrets are not known
    /// and may be soon. Later a member is launched all the same, so that its failure says why.
    pub(super) fn waits_for_values(
        &self,
        fleet: &FleetName,
        number: GenerationNumber,
        generation: &GenerationRecord,
    ) -> bool {
        let key = (fleet.clone(), number);
        let known = self.values().get(&key).cloned().unwrap_or_default();
        let is_missing =
            secret::variables(&generation.launch).any(|name| !known.0.contains_key(name));
        is_missing && self.began.elapsed() < HANDING_OVER
    }

    /// Boots a member. The caller may hold locks: the image is looked at later, elsewhere.
    pub(super) fn boot(
        self: &Arc<Self>,
        id: MemberId,
        generation: Option<GenerationNumber>,
        boot: Boot,
        changed: &Arc<Notify>,
    ) -> Arc<Member> {
        let directory = self.directory.member(&id);
        let port = boot.takes_traffic.then(Port::find).transpose();
        let (port, address) = match port {
            Ok(port) => {
                let address = port.as_ref().map(Port::address);
                (port, Ok(address))
            }
            Err(error) => (None, Err(error)),
        };
        let at = address.as_ref().copied().unwrap_or_default();
        let member = Member::new(id, generation, directory, Arc::clone(changed));
        let member = Arc::new(member.at(at));
        let (machine, own) = (Arc::clone(self), Arc::clone(&member));
        tokio::spawn(async move {
            let spec = match address {
                Ok(address) => machine.prepared(own.id.clone(), boot, address).await,
                Err(error) => Err(error),
            };
            let launch = Launch {
                spawner: machine.spawner.clone(),
                spec,
                marker: machine.marker(&own.id.0),
                port,
            };
            own.live(launch).await;
        });
        member
    }

    /// Prepares what a member is started from, where a look at a whole image holds nobody up.
    async fn prepared(
        self: &Arc<Self>,
        id: MemberId,
        boot: Boot,
        address: Option<SocketAddr>,
    ) -> io::Result<Spec> {
        // Nobody closes the semaphore; without it there would be no limit.
        let _turn = self.preparing.acquire().await.ok();
        let machine = Arc::clone(self);
        tokio::task::spawn_blocking(move || machine.spec(&id, boot, address)).await?
    }

    /// What a member's processes carry, and no process of another directory's.
    pub(super) fn marker(&self, member: &str) -> String {
        format!("{}:{member}", self.directory.path().display())
    }

    /// Tells how an image differs from what it was; absent: it does not. It may read all of it.
    pub(super) fn difference(&self, image: &str) -> Option<String> {
        match self.watched(image) {
            Ok(watched) => watched.sight().look().clone(),
            Err(error) => Some(format!("its image is lost: {}", error.source)),
        }
    }

    /// Sets an image right from its spare copy, where it is not what it was. It may read all of it.
    fn repair(&self, image: &str) -> io::Result<()> {
        let watched = self.watched(image).map_err(flat)?;
        let mut sight = watched.sight();
        let Some(difference) = sight.look().clone() else {
            return Ok(());
        };
        (sight.looked, sight.difference) = (None, None);
        let repaired = sight.watch.repair();
        repaired.map_err(|error| {
            let words = format!("{difference}, and that cannot be set right: {error}");
            io::Error::new(error.kind(), words)
        })
    }

    /// Checks that a generation's program is in its image.
    pub(super) fn check_command(
        &self,
        image: &str,
        command: &[String],
        subject: &str,
    ) -> Result<()> {
        let content = &self.watched(image)?.content;
        let checked = match command.first() {
            Some(program) => content.check_program(program),
            None => content.only_program().map(drop),
        };
        checked.map_err(|words| Error::new(ErrorKind::Invalid, "use its command", subject, words))
    }

    /// Forgets what was known of an image.
    pub(super) fn forget_image(&self, image: &str) {
        self.watches().remove(image);
    }

    pub(super) fn values(&self) -> MutexGuard<'_, BTreeMap<(FleetName, GenerationNumber), Values>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget_values(&self, fleet: &FleetName, number: GenerationNumber) {
        self.values().remove(&(fleet.clone(), number));
    }

    fn spec(&self, id: &MemberId, boot: Boot, address: Option<SocketAddr>) -> io::Result<Spec> {
        let environment = boot.environment?;
        let command = self.command(&boot.image, &boot.command);
        let (program, arguments) = command.map_err(flat)?;
        self.repair(&boot.image)?;
        let root = self.images.root(&boot.image);
        let directory = self.directory.member(id);
        let (data, temporary) = (directory.join("data"), directory.join("tmp"));
        let mut all = basics(&data, &temporary);
        all.extend(environment);
        if let Some(address) = address {
            all.insert("HOST".to_owned(), address.ip().to_string());
            all.insert("PORT".to_owned(), address.port().to_string());
        }
        all.insert(super::spawner::MARKER.to_owned(), self.marker(&id.0));
        Ok(Spec {
            host: std::process::id(),
            isolation: self.isolation,
            open_files: self.open_files.inherited(),
            program: root.join(program),
            arguments,
            environment: all,
            root,
            writable: vec![data, temporary],
        })
    }

    fn command(&self, image: &str, command: &[String]) -> Result<(String, Vec<String>)> {
        if let Some((program, arguments)) = command.split_first() {
            return Ok((program.clone(), arguments.to_vec()));
        }
        let content = &self.watched(image)?.content;
        let program = content.only_program();
        let program = program.map_err(|words| {
            Error::new(
                ErrorKind::Invalid,
                "choose a program",
                format!("image {image}"),
                words,
            )
        })?;
        Ok((program.to_owned(), Vec::new()))
    }

    fn watched(&self, image: &str) -> Result<Arc<Watched>> {
        if let Some(there) = self.watches().get(image) {
            return Ok(Arc::clone(there));
        }
        let content = self.images.content(image)?;
        let (root, spare) = (self.images.root(image), self.images.spare(image));
        let watched = Watched {
            sight: Mutex::new(Sight {
                watch: Watch::new(root, spare, content.clone()),
                looked: None,
                difference: None,
            }),
            content,
        };
        // Two who find nothing get the same one.
        let mut watches = self.watches();
        let there = watches.entry(image.to_owned());
        Ok(Arc::clone(there.or_insert_with(|| Arc::new(watched))))
    }

    fn watches(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Watched>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn sight(&self) -> MutexGuard<'_, Sight> {
        self.sight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sight {
    /// Tells how the image differs from what it was, as of a moment ago at the earliest.
    fn look(&mut self) -> &Option<String> {
        if self.looked.is_none_or(|looked| looked.elapsed() > TRUSTED) {
            self.difference = self.watch.difference();
            self.looked = Some(Instant::now());
        }
        &self.difference
    }
}

/// The environment that every program may count on, and nothing else of the user's.
fn basics(data: &Path, temporary: &Path) -> BTreeMap<String, String> {
    let inherited =
        |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    BTreeMap::from([
        (
            "PATH".to_owned(),
            inherited("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ),
        ("LANG".to_owned(), inherited("LANG", "C.UTF-8")),
        ("TZ".to_owned(), inherited("TZ", "UTC")),
        ("HOME".to_owned(), data.display().to_string()),
        ("TMPDIR".to_owned(), temporary.display().to_string()),
    ])
}

fn flat(error: Error) -> io::Error {
    io::Error::other(error.source.to_string())
}

/// Runs what waits for the disk where it holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::new(ErrorKind::Unavailable, "do it", "the local host", error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::member::Stage;
    use super::super::spawner::spawner;
    use super::*;
    use crate::model::ImageSource;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::mpsc;

    /// Whoever calls may hold a fleet's state, and everybody waits for that.
    #[tokio::test]
    async fn booting_a_member_does_not_wait_for_a_look_at_its_image() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::at(place.path()).unwrap();
        let files = OpenFiles::raise();
        let machine = Machine::new(directory, spawner().0, Isolation::Process, files);
        let machine = Arc::new(machine);
        let program = place.path().join("web");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let image = machine.images.import(&ImageSource::Path(program)).unwrap();
        let watched = machine.watched(&image.digest).unwrap();
        let (begun, begins) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let looker = std::thread::spawn(move || {
            let _looking = watched.sight();
            begun.send(()).unwrap();
            // The limit only ends a test that is broken.
            ends.recv_timeout(Duration::from_secs(20)).is_ok()
        });
        begins.recv().unwrap();
        machine.check_command(&image.digest, &[], "it").unwrap();
        let boot = Boot {
            image: image.digest,
            command: Vec::new(),
            environment: Ok(BTreeMap::new()),
            takes_traffic: true,
        };
        let member = machine.boot(MemberId("m".to_owned()), None, boot, &Arc::default());
        assert_eq!(member.condition().stage, Stage::Launching);
        let _ = end.send(());
        assert!(looker.join().unwrap(), "it waited for the look to end");
        super::super::super::image::remove_tree(place.path()).unwrap();
    }
}
