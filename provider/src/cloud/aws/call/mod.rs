//! The calls that this cloud makes, one function each: the least that says what is asked and what
//! may be answered. Nothing is decided here.
//!
//! The list of functions is the list of permissions that a user must give: each names its own.

mod ahead;
mod alarms;
mod balancing;
mod compute;
mod groups;
mod images;
mod members;
mod pages;
mod parameters;
mod policies;

pub(super) use balancing::{Conditions, NewTargetGroup, TargetCheck, Targets, Thresholds};
pub(super) use compute::{HOPS, NewInstance, built, read};
pub(super) use groups::{NewGroup, rebalances};
pub(super) use images::{NewCopy, Sharing};
pub(super) use members::ENDED_AT_ONCE;
pub(super) use parameters::Parameter;

use super::connection::{self, Connection};
use super::failure::Result;

/// Everything that can be asked of AWS, in one region.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    /// What the clients were made of, for those of another region.
    config: aws_config::SdkConfig,
    ec2: aws_sdk_ec2::Client,
    groups: aws_sdk_autoscaling::Client,
    balancing: aws_sdk_elasticloadbalancingv2::Client,
    alarms: aws_sdk_cloudwatch::Client,
    parameters: aws_sdk_ssm::Client,
    identity: aws_sdk_sts::Client,
    /// The region.
    pub(super) region: String,
    /// Accounts whose shared releases count in this one.
    pub(super) release_owners: Vec<String>,
}

impl Calls {
    /// Finds region and credentials and makes the clients.
    pub(super) async fn connect(connection: &Connection) -> Result<Self> {
        let calls = Self::of(&connection::sdk_config(connection).await?);
        Ok(calls.trusting(&connection.release_owners))
    }

    /// Makes the clients of a configuration.
    pub(super) fn of(config: &aws_config::SdkConfig) -> Self {
        let region = config.region().map(ToString::to_string);
        Self {
            config: config.clone(),
            ec2: aws_sdk_ec2::Client::new(config),
            groups: aws_sdk_autoscaling::Client::new(config),
            balancing: aws_sdk_elasticloadbalancingv2::Client::new(config),
            alarms: aws_sdk_cloudwatch::Client::new(config),
            parameters: aws_sdk_ssm::Client::new(config),
            identity: aws_sdk_sts::Client::new(config),
            region: region.unwrap_or_default(),
            release_owners: Vec::new(),
        }
    }

    /// The same, in which the releases count that these accounts share with this one.
    pub(super) fn trusting(self, owners: &[String]) -> Self {
        Self {
            release_owners: owners.to_vec(),
            ..self
        }
    }

    /// The same of another region.
    pub(super) fn in_region(&self, region: &str) -> Self {
        if region == self.region {
            return self.clone();
        }
        let there = aws_config::Region::new(region.to_owned());
        let config = self.config.clone().into_builder().region(there).build();
        Self::of(&config).trusting(&self.release_owners)
    }
}

/// Sorts a call's error.
fn said<T, E>(
    permission: &str,
    answer: std::result::Result<
        T,
        aws_smithy_runtime_api::client::result::SdkError<
            E,
            aws_smithy_runtime_api::client::orchestrator::HttpResponse,
        >,
    >,
) -> Result<T>
where
    E: aws_smithy_types::error::metadata::ProvideErrorMetadata + std::error::Error + 'static,
{
    answer.map_err(|error| super::failure::Failure::of(permission, &error))
}
