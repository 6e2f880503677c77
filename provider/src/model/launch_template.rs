//! How a member is started.

use super::ReleaseRef;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that makes the members of two generations differ. Its hash is the
/// [`Fingerprint`](super::Fingerprint); it is written once and never edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchTemplate {
    /// The release that members run.
    pub release: ReleaseRef,
    /// Environment given to every member.
    pub config: BTreeMap<String, String>,
    /// Environment whose values are references that are resolved where the member boots; never values.
    pub secrets: BTreeMap<String, String>,
    /// The port that members listen on; absent: members take no traffic.
    pub port: Option<u16>,
    /// The HTTP path that must answer 2xx or 3xx; absent: the port accepts a connection, and without
    /// a port: the member runs. It is asked of these members alone, because others, of another
    /// release, may not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_path: Option<String>,
    /// Tags that members carry.
    pub tags: BTreeMap<String, String>,
    /// What only one kind of cloud needs to know.
    pub platform: Platform,
}

/// The part of a launch template that belongs to one kind of cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Processes on this machine.
    Local(LocalLaunch),
    /// Instances on AWS.
    Aws(AwsLaunch),
}

/// How a process is started from an image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LocalLaunch {
    /// The program, relative to the image's root, and its arguments; empty: the image's only file.
    pub command: Vec<String>,
}

/// How an instance is started from an image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AwsLaunch {
    /// Instance types, best first.
    pub instance_types: Vec<String>,
    /// Subnets that members are spread over.
    pub subnet_ids: Vec<String>,
    /// Security groups of every member.
    pub security_group_ids: Vec<String>,
    /// The instance profile's name; absent: none.
    pub instance_profile: Option<String>,
    /// A script that runs when services have started, or another kind of user data; absent: none.
    pub user_data: Option<String>,
    /// The root volume; absent: as in the image, encrypted.
    pub root_volume: Option<RootVolume>,
    /// Whether members are spot instances.
    pub spot: bool,
}

/// A member's root volume. What is absent is as in the image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RootVolume {
    /// Size in GiB.
    pub size_gb: Option<u32>,
    /// Volume type.
    pub volume_type: Option<String>,
    /// Encryption key; absent: the account's default key.
    pub kms_key: Option<String>,
}
