//! What a release is made of and how it is tried out.

use crate::model::{ImageSource, ReleaseId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What an image's content tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// The hash of the content, the same however the content is packed.
    pub digest: String,
    /// The architecture that it runs on, in the cloud's words.
    pub architecture: String,
}

/// A release that shall be taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRelease {
    /// Its name.
    pub id: ReleaseId,
    /// Its content.
    pub source: ImageSource,
    /// What the user stores with it.
    pub provenance: BTreeMap<String, String>,
}

/// How a throw-away member is asked whether it is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The port that it listens on; on the local cloud it gets a free one as `PORT` instead.
    pub port: u16,
    /// The HTTP path that must answer 2xx or 3xx; absent: the port accepts a connection.
    pub path: Option<String>,
    /// The program, relative to the image's root, and its arguments, where a member is a process;
    /// empty: the image's only executable file.
    #[serde(default)]
    pub command: Vec<String>,
    /// How long it has until it is well.
    pub timeout: Duration,
    /// The tags that it carries, where members have any.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Where it is started; absent: the cloud chooses.
    pub place: Option<TrialPlace>,
}

/// Where a throw-away member is started, on a cloud that has more than one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialPlace {
    /// Its instance type.
    pub instance_type: String,
    /// Its subnet.
    pub subnet_id: String,
    /// Its security groups; none: the default one.
    pub security_group_ids: Vec<String>,
}

/// How a throw-away member did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trial {
    /// It was well.
    Passed,
    /// It was not.
    Failed {
        /// What was wrong: `exited with status 1 after 0.2s`, `GET /healthz answered 500`.
        why: String,
        /// The end of its output; empty: it wrote nothing.
        output: String,
    },
    /// Nobody knows: it was told to stop before.
    Stopped,
}
