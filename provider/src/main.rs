//! The provider's executable: reads the environment, wires the parts together and serves.

mod cli;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[cfg(feature = "aws")]
use immutable::cloud::aws::{AwsCloud, Connection, Role};
use immutable::cloud::local::{Directory, LocalCloud};
use immutable::cloud::{self, Cloud, ErrorKind};
use immutable::plugin::{self, Error, Mode, Work};
use immutable::protocol::Service;
#[cfg(feature = "aws")]
use immutable::resource::configuration::AwsSettings;
use immutable::resource::configuration::ImmutableProvider;
#[cfg(feature = "aws")]
use immutable::resource::site::Timing;

/// Where Terraform looks for this provider.
const SOURCE_ADDRESS: &str = "registry.terraform.io/immutable-fleets/immutable";

fn main() -> ExitCode {
    // Terraform starts plugins without arguments, and only then must Ctrl-C be left to it.
    if env::args_os().len() > 1 {
        return cli::run();
    }
    plugin::outlive_interrupts();
    serve(Mode::Plugin)
}

/// Serves Terraform until it is done.
fn serve(mode: Mode) -> ExitCode {
    match plugin::serve(mode, provider) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::NotATerraform) => cli::introduce(),
        Err(error) => cli::fail(&error),
    }
}

/// Wires the parts together.
fn provider(work: Work) -> Service<ImmutableProvider> {
    let provider = ImmutableProvider::new(Box::new(open_local));
    #[cfg(feature = "aws")]
    let provider = provider.with_aws(Box::new(|settings| Box::pin(open_aws(settings))));
    Service::new(provider, work)
}

fn open_local(path: PathBuf) -> cloud::Result<Arc<dyn Cloud>> {
    let directory = Directory::at(&path).map_err(|error| {
        let subject = path.display().to_string();
        cloud::Error::new(ErrorKind::Invalid, "open the local cloud", subject, error)
    })?;
    Ok(Arc::new(LocalCloud::new(directory)))
}

/// Says that what answers at the configured endpoint is an emulator, which needs no patience.
#[cfg(feature = "aws")]
const EMULATOR: &str = "IMMUTABLE_AWS_EMULATOR";

/// Connects to AWS as the provider's configuration describes it, and tells the region.
#[cfg(feature = "aws")]
async fn open_aws(settings: AwsSettings) -> cloud::Result<(String, Timing, Arc<dyn Cloud>)> {
    let timing = timing(&settings)?;
    let attempts = settings.max_attempts.map(|attempts| attempts.get());
    let connection = Connection {
        region: settings.region,
        profile: settings.profile,
        endpoint_url: settings.endpoint_url,
        assume_role: settings.assume_role.map(|role| Role {
            role_arn: role.role_arn,
            session_name: role.session_name,
            external_id: role.external_id,
        }),
        max_attempts: attempts.and_then(|attempts| u32::try_from(attempts).ok()),
        release_owners: settings.release_owners.unwrap_or_default(),
    };
    let cloud = AwsCloud::connect(&connection).await?;
    Ok((cloud.region().to_owned(), timing, Arc::new(cloud)))
}

/// Nobody shall roll a fleet on AWS itself at an emulator's pace: it takes an endpoint as well.
#[cfg(feature = "aws")]
fn timing(settings: &AwsSettings) -> cloud::Result<Timing> {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let has_endpoint = settings.endpoint_url.is_some() || is_set("AWS_ENDPOINT_URL");
    match (is_set(EMULATOR), has_endpoint) {
        (false, _) => Ok(Timing::AWS),
        (true, true) => Ok(Timing::EMULATOR),
        (true, false) => Err(cloud::Error::new(
            ErrorKind::Invalid,
            "connect to AWS",
            "the provider",
            format!(
                "{EMULATOR} is set, but no endpoint: set endpoint_url in the provider's aws block \
                 to the emulator's address, or unset it"
            ),
        )),
    }
}
