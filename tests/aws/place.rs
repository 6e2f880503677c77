//! An account of its own on the stand-in, with a network, images and a cloud.

use crate::account::{Account, standin};
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use immutable::cloud::aws::AwsCloud;
use immutable::cloud::{Probe, TrialPlace};
use immutable::model::{
    AwsLaunch, Front, HealthCheck, LaunchTemplate, Platform, Protocol, ReleaseRef, Scaling,
    Settings,
};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

/// Where the stand-in listens.
pub(crate) fn endpoint() -> &'static str {
    &standin().address
}

/// An account with a network in one region, and a cloud that sees it.
pub(crate) struct Place {
    account: Account,
    pub(crate) cloud: AwsCloud,
}

impl Deref for Place {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.account
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::of(Account::new())
    }

    /// A place whose load balancer is of a kind: `application` or `network`.
    pub(crate) fn with(kind: &str) -> Self {
        Self::of(Account::with(kind))
    }

    pub(crate) fn of(account: Account) -> Self {
        Self {
            cloud: AwsCloud::of(&config(&account.account, &account.region)),
            account,
        }
    }

    /// A trial that members of good images pass.
    pub(crate) fn probe(&self) -> Probe {
        Probe {
            port: 8080,
            path: Some("/healthz".to_owned()),
            command: Vec::new(),
            timeout: Duration::from_secs(60),
            tags: BTreeMap::new(),
            place: Some(self.trial_place("t3.micro")),
        }
    }

    /// Where a throw-away instance of a type is started.
    pub(crate) fn trial_place(&self, instance_type: &str) -> TrialPlace {
        TrialPlace {
            instance_type: instance_type.to_owned(),
            subnet_id: self.network["subnet_ids"][0].as_str().unwrap().to_owned(),
            security_group_ids: vec![self.text("security_group_id")],
        }
    }

    /// The same place, where a fleet can be.
    pub(crate) fn with_network(self) -> Self {
        Self::of(self.account.with_network("application"))
    }

    /// Where AWS's API is served.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", endpoint())
    }

    /// Another region of the same account, without a network.
    pub(crate) fn elsewhere(&self, region: &str) -> Self {
        Self::of(Account::in_region(self.account.account.clone(), region))
    }

    /// Another process' view of the same account.
    pub(crate) fn another(&self) -> AwsCloud {
        AwsCloud::of(&config(&self.account.account, &self.region))
    }

    /// A process that counts the releases that an account shares with this one.
    pub(crate) fn trusting(&self, owner: &str) -> AwsCloud {
        self.another().trusting(&[owner.to_owned()])
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            front: Some(Front {
                listener: self.text("listener_arn"),
                protocol: Protocol::Http,
                hosts: Vec::new(),
                paths: Vec::new(),
                priority: Some(10),
            }),
            check: HealthCheck {
                interval: Duration::from_millis(100),
                timeout: Duration::from_secs(2),
                streak: 2,
            },
            drain: Duration::from_secs(1),
            scaling: Scaling::Configured,
        }
    }

    pub(crate) fn launch(&self, release: &ReleaseRef) -> LaunchTemplate {
        let subnets = self.network["subnet_ids"].as_array().unwrap().iter();
        LaunchTemplate {
            release: release.clone(),
            config: BTreeMap::from([("VERSION".to_owned(), release.to_string())]),
            secrets: BTreeMap::new(),
            port: Some(8080),
            health_path: Some("/healthz".to_owned()),
            tags: BTreeMap::new(),
            platform: Platform::Aws(AwsLaunch {
                instance_types: vec!["t3.micro".to_owned()],
                subnet_ids: subnets.map(|id| id.as_str().unwrap().to_owned()).collect(),
                security_group_ids: vec![self.text("security_group_id")],
                ..AwsLaunch::default()
            }),
        }
    }
}

fn config(account: &str, region: &str) -> SdkConfig {
    let credentials = Credentials::new(format!("AKIA{account}"), "any", None, None, "tests");
    let http = aws_smithy_http_client::Builder::new().build_http();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .endpoint_url(format!("http://{}", standin().address))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(aws_config::retry::RetryConfig::standard().with_max_attempts(1))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(Duration::from_secs(10))
                .build(),
        )
        .http_client(http)
        .build()
}
