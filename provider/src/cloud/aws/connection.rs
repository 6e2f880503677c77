//! How AWS is reached: one configuration, from which every client is made.
//!
//! Region and credentials are found once, when the connection is made, so that a laptop without
//! either hears so at once instead of waiting for a metadata service at every call.

use super::credentials;
use super::failure::{Failure, Result};
use super::proxy;
use crate::cloud::ErrorKind;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use std::time::Duration;

/// How often a call is tried unless the user says otherwise. With the waits in between this bears
/// half a minute of throttling within one call; the driver bears more.
const ATTEMPTS: u32 = 8;
/// Within this a connection is made or the address is wrong.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);
/// The slowest call that we make, reading a thousand instances, takes a few seconds.
const ATTEMPT_TAKES: Duration = Duration::from_secs(30);
/// A call with all its attempts ends well within a lease, so that a holder never acts after it.
const CALL_TAKES: Duration = Duration::from_secs(60);

/// What a user says about how AWS is reached; what is absent comes from the SDK's usual chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connection {
    /// The region.
    pub region: Option<String>,
    /// The profile of the shared configuration files.
    pub profile: Option<String>,
    /// The address of an emulator.
    pub endpoint_url: Option<String>,
    /// A role that is assumed for everything.
    pub assume_role: Option<Role>,
    /// How often a call is tried before it fails, at least 1.
    pub max_attempts: Option<u32>,
    /// Accounts whose releases count here: one that this account does not have is looked for among
    /// the images that they share with it.
    pub release_owners: Vec<String>,
}

/// A role that is assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its ARN.
    pub role_arn: String,
    /// The session's name; absent: `terraform-provider-immutable`.
    pub session_name: Option<String>,
    /// The external id that the role asks for.
    pub external_id: Option<String>,
}

/// The configuration of all clients.
pub(super) async fn sdk_config(connection: &Connection) -> Result<SdkConfig> {
    let region = region(connection).await?;
    let config = loader(connection, region).load().await;
    let config = match &connection.assume_role {
        Some(role) => credentials::assumed(role, config).await?,
        None => config,
    };
    credentials::check(&config, connection).await?;
    Ok(config)
}

/// The metadata service is not asked for the region: where nobody answers it costs seconds, and where
/// it does answer, a fleet would move with the machine that applies.
async fn region(connection: &Connection) -> Result<Region> {
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &connection.profile {
        profile = profile.profile_name(name);
    }
    RegionProviderChain::first_try(connection.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build())
        .region()
        .await
        .ok_or_else(|| {
            Failure::refused(
                ErrorKind::Invalid,
                "no region is set: write region in the provider's aws block, set AWS_REGION, or give \
                 the profile one",
            )
        })
}

fn loader(connection: &Connection, region: Region) -> ConfigLoader {
    let attempts = connection.max_attempts.unwrap_or(ATTEMPTS).max(1);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECTS_WITHIN)
        .operation_attempt_timeout(ATTEMPT_TAKES)
        .operation_timeout(CALL_TAKES)
        .build();
    let (http, retry) = (
        proxy::http_client(),
        RetryConfig::adaptive().with_max_attempts(attempts),
    );
    let how = ProviderConfig::without_region()
        .with_region(Some(region.clone()))
        .with_http_client(http.clone())
        .with_retry_config(retry.clone())
        .with_timeout_config(timeouts.clone());
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(region)
        .http_client(http)
        .retry_config(retry)
        .timeout_config(timeouts)
        .credentials_provider(credentials::chain(connection, &how));
    if let Some(name) = &connection.profile {
        loader = loader.profile_name(name);
    }
    if let Some(url) = &connection.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader
}
