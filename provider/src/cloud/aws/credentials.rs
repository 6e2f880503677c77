//! Where credentials come from: one search when the connection is made, and whoever was found then is
//! asked again whenever they run out.

use super::connection::{Connection, Role};
use super::failure::{self, Failure, Result};
use super::machine;
use crate::cloud::ErrorKind;
use aws_config::SdkConfig;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

/// Makes the places in which credentials are looked for, in the SDK's usual order.
///
/// A profile that the provider's block names is the only one: keys that happen to be in the
/// environment would else take a rollout to another account. The metadata service is asked where this
/// machine may be an instance, and nowhere else, so that no laptop waits for it.
pub(super) fn chain(connection: &Connection, how: &ProviderConfig) -> CredentialsProviderChain {
    let profile = ProfileFileCredentialsProvider::builder().configure(how);
    if let Some(name) = &connection.profile {
        let profile = profile.profile_name(name).build();
        return CredentialsProviderChain::first_try("Profile", profile);
    }
    let identity = WebIdentityTokenCredentialsProvider::builder();
    let chain = CredentialsProviderChain::first_try(
        "Environment",
        EnvironmentVariableCredentialsProvider::new(),
    )
    .or_else("Profile", profile.build())
    .or_else("WebIdentityToken", identity.configure(how).build())
    .or_else(
        "EcsContainer",
        EcsCredentialsProvider::builder().configure(how).build(),
    );
    if !machine::may_be_an_instance() {
        return chain;
    }
    let metadata = ImdsCredentialsProvider::builder().configure(how).build();
    chain.or_else("Ec2InstanceMetadata", metadata)
}

/// The same configuration in a role, where one is to be assumed.
pub(super) async fn assumed(role: &Role, config: SdkConfig) -> Result<SdkConfig> {
    let Some(credentials) = config.credentials_provider() else {
        return Err(none_found("the chain is empty", None));
    };
    let name = role
        .session_name
        .as_deref()
        .unwrap_or("terraform-provider-immutable");
    let mut provider = AssumeRoleProvider::builder(&role.role_arn)
        .session_name(name)
        .configure(&config);
    if let Some(id) = &role.external_id {
        provider = provider.external_id(id);
    }
    let provider = provider.build_from_provider(credentials).await;
    let provider = SharedCredentialsProvider::new(provider);
    Ok(config.into_builder().credentials_provider(provider).build())
}

/// Makes sure that there are credentials.
///
/// # Errors
/// `Denied`: there are none, or a role cannot be assumed with them.
pub(super) async fn check(config: &SdkConfig, connection: &Connection) -> Result<()> {
    let profile = connection.profile.as_deref();
    let Some(provider) = config.credentials_provider() else {
        return Err(none_found("the chain is empty", profile));
    };
    match provider.provide_credentials().await {
        Ok(_) => Ok(()),
        Err(error) => {
            let words = failure::chain(&error);
            Err(match &connection.assume_role {
                Some(role) => Failure::refused(
                    ErrorKind::Denied,
                    format!("the role {} could not be assumed: {words}", role.role_arn),
                ),
                None => none_found(&words, profile),
            })
        }
    }
}

fn none_found(words: &str, profile: Option<&str>) -> Failure {
    let advice = match profile {
        Some(name) => format!(
            "the profile {name}, which the provider's aws block names, has no usable credentials: \
             log in with aws sso login --profile {name}, look at it with aws configure list \
             --profile {name}, or leave profile out to take those of the environment"
        ),
        None => "no usable credentials were found: set AWS_PROFILE, or profile in the provider's aws \
                 block, log in with aws sso login, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            .to_owned(),
    };
    Failure::refused(ErrorKind::Denied, format!("{advice} ({words})"))
}
