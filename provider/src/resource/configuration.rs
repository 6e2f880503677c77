//! The provider's own configuration: which cloud, and how it is reached.

use super::action::{Actions, FleetAbort, FleetPromote, FleetRehearse, FleetRollback, GlassBreak};
use super::fleet::FleetResource;
use super::inventory::{AffectedFleets, FindRelease, Inventory, ListFleets, ListReleases};
use super::release::ReleaseResource;
use super::site::{Adopted, CloudKind, Configured, Site, Timing};
use super::trouble;
use super::{DataSources, Functions, Listings, Provider, Resources, functions};
use crate::cloud::{self, Cloud};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::driver::MachineClock;
use crate::schema::{Applied, Attributes, Bounded, Field, Maybe, Planned, Stage};
use crate::value::Path;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::path::{self, PathBuf};
use std::sync::Arc;

/// Where the local cloud keeps everything unless the user says otherwise.
const DEFAULT_DIRECTORY: &str = ".immutable";

/// Tags whose values may be unknown one by one.
pub type Tags<S> = BTreeMap<String, <S as Stage>::Of<String>>;

/// Runs fleets of machines from immutable images: every change creates new members beside the
/// serving ones, proves them healthy, moves the traffic and only then removes the earlier ones.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Configuration<S: Stage = Applied> {
    /// Fleets run as processes on this machine. Exactly one of `local` and `aws` is required.
    #[tf(optional)]
    pub local: S::Of<Option<LocalSettings<S>>>,
    /// Fleets run as instances on AWS. Exactly one of `local` and `aws` is required.
    #[tf(optional)]
    pub aws: S::Of<Option<AwsSettings<S>>>,
}

/// How this machine is used.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct LocalSettings<S: Stage = Applied> {
    /// Where everything is kept, relative to the working directory. Without it `.immutable`.
    #[tf(optional)]
    pub directory: S::Of<Option<String>>,
}

/// How AWS is reached. What is left out comes from the AWS SDK's usual chain.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct AwsSettings<S: Stage = Applied> {
    /// The region.
    #[tf(optional)]
    pub region: S::Of<Option<String>>,
    /// The profile of the shared configuration.
    #[tf(optional)]
    pub profile: S::Of<Option<String>>,
    /// The address of an emulator; `AWS_ENDPOINT_URL` works as well.
    #[tf(optional)]
    pub endpoint_url: S::Of<Option<String>>,
    /// A role that is assumed for everything.
    #[tf(optional)]
    pub assume_role: S::Of<Option<AssumeRole<S>>>,
    /// How often a call is tried before it fails.
    #[tf(optional)]
    pub max_attempts: S::Of<Option<Bounded<1, 100>>>,
    /// Accounts whose releases may be run here: a release that this account does not have is looked
    /// for among the images that they share with it.
    #[tf(optional)]
    pub release_owners: S::Of<Option<Vec<S::Of<String>>>>,
    /// Tags of everything that is made; a resource's own tags win.
    #[tf(optional)]
    pub default_tags: S::Of<Option<Tags<S>>>,
}

/// A role that is assumed.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct AssumeRole<S: Stage = Applied> {
    /// The role.
    #[tf(required)]
    pub role_arn: S::Of<String>,
    /// The session's name.
    #[tf(optional)]
    pub session_name: S::Of<Option<String>>,
    /// The external id that the role asks for.
    #[tf(optional)]
    pub external_id: S::Of<Option<String>>,
}

/// Opens the local cloud in a directory.
pub type OpenLocal = dyn Fn(PathBuf) -> cloud::Result<Arc<dyn Cloud>> + Send + Sync;

/// Opens AWS as it was configured, and tells the region and how it is to be asked.
pub type OpenAws = dyn Fn(AwsSettings) -> BoxFuture<'static, cloud::Result<(String, Timing, Arc<dyn Cloud>)>>
    + Send
    + Sync;

/// The provider `immutable`.
pub struct ImmutableProvider {
    open_local: Box<OpenLocal>,
    open_aws: Option<Box<OpenAws>>,
}

impl ImmutableProvider {
    /// Makes the provider of what only the executable knows: the clouds themselves.
    #[must_use]
    pub fn new(open_local: Box<OpenLocal>) -> Self {
        Self {
            open_local,
            open_aws: None,
        }
    }

    /// Adds AWS, which not every build has.
    #[must_use]
    pub fn with_aws(self, open_aws: Box<OpenAws>) -> Self {
        Self {
            open_aws: Some(open_aws),
            ..self
        }
    }

    async fn aws(&self, settings: &AwsSettings<Planned>) -> Result<Configured, Diagnostics> {
        let at = Path::of("aws");
        let Some(open_aws) = &self.open_aws else {
            return Err(Diagnostic::error(
                "This build of the provider has no AWS cloud",
                "It was built without it. Configure local = {} instead of aws, or install a build \
                 that has it.",
            )
            .at(at)
            .into());
        };
        // The types were checked before: what cannot be read here is not known yet.
        let Ok(settings) = AwsSettings::<Applied>::decode(&settings.encode()) else {
            return Ok(Configured::NotYet);
        };
        let default_tags = settings.default_tags.clone().unwrap_or_default();
        let opened = open_aws(settings).await;
        let (region, timing, cloud) = opened.map_err(|error| trouble(&error).at(at))?;
        Ok(Configured::Site(Site {
            kind: CloudKind::Aws,
            region,
            timing,
            cloud,
            default_tags,
            clock: Arc::new(MachineClock),
            adopted: Adopted::default(),
        }))
    }

    fn local(&self, settings: &LocalSettings<Planned>) -> Result<Configured, Diagnostics> {
        let directory = match &settings.directory {
            Maybe::Unknown => return Ok(Configured::NotYet),
            Maybe::Known(directory) => directory.as_deref().unwrap_or(DEFAULT_DIRECTORY),
        };
        let at = Path::of("local").attribute("directory");
        // The host that runs the members has a working directory of its own.
        let directory = path::absolute(directory).map_err(|error| {
            Diagnostic::invalid(at.clone(), format!("It is not a usable path: {error}."))
        })?;
        let cloud = (self.open_local)(directory).map_err(|error| trouble(&error).at(at.clone()))?;
        Ok(Configured::Site(Site {
            kind: CloudKind::Local,
            region: "local".to_owned(),
            timing: Timing::LOCAL,
            cloud,
            clock: Arc::new(MachineClock),
            adopted: Adopted::default(),
            default_tags: BTreeMap::new(),
        }))
    }
}

impl Provider for ImmutableProvider {
    const NAME: &'static str = "immutable";
    type Config<S: Stage> = Configuration<S>;
    type Configured = Configured;

    fn validate(&self, config: &Configuration<Planned>) -> Diagnostics {
        match (&config.local, &config.aws) {
            (Maybe::Known(None), Maybe::Known(None)) => Diagnostic::error(
                "No cloud is configured",
                "The provider \"immutable\" needs exactly one of the blocks local and aws, and has \
                 neither. To run fleets on this machine write: local = {}",
            )
            .into(),
            (Maybe::Known(Some(_)), Maybe::Known(Some(_))) => Diagnostic::error(
                "Two clouds are configured",
                "The provider \"immutable\" needs exactly one of the blocks local and aws, and has \
                 both. For fleets on both configure it twice, once with an alias.",
            )
            .at(Path::of("aws"))
            .into(),
            (Maybe::Known(_) | Maybe::Unknown, Maybe::Known(_) | Maybe::Unknown) => {
                Diagnostics::none()
            }
        }
    }

    async fn configure(&self, config: Configuration<Planned>) -> Result<Configured, Diagnostics> {
        match (config.local, config.aws) {
            (Maybe::Known(Some(local)), Maybe::Known(None)) => self.local(&local),
            (Maybe::Known(None), Maybe::Known(Some(aws))) => self.aws(&aws).await,
            (Maybe::Known(_) | Maybe::Unknown, Maybe::Known(_) | Maybe::Unknown) => {
                Ok(Configured::NotYet)
            }
        }
    }

    fn resources(&self) -> Resources<Configured> {
        Resources::none().with(FleetResource).with(ReleaseResource)
    }

    fn actions(&self) -> Actions<Configured> {
        Actions::none()
            .with(FleetAbort)
            .with(FleetPromote)
            .with(FleetRehearse)
            .with(FleetRollback)
            .with(GlassBreak)
    }

    fn data_sources(&self) -> DataSources<Configured> {
        let sources = DataSources::none().with(Inventory).with(FindRelease);
        sources.with(AffectedFleets)
    }

    fn functions(&self) -> Functions {
        functions::all()
    }

    fn listings(&self) -> Listings<Configured> {
        Listings::none().with(ListFleets).with(ListReleases)
    }
}
