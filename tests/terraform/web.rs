//! The configuration that most stories start from: a line of images and the fleet that runs it.

use crate::workspace::Workspace;
use std::fmt;

/// A release and its fleet, in HCL. The waits are short; a fragment goes into its place as it is.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    marker: String,
    version: String,
    release: String,
    size: String,
    config: String,
    local: String,
    traffic: String,
    health: String,
    rollout: String,
    drain: String,
    fleet: String,
}

impl Web {
    /// Two members of `images/VERSION` behind the workspace's listener.
    pub(crate) fn new(workspace: &Workspace, version: &str) -> Self {
        let health =
            r#"path = "/healthz", interval = "1s", timeout = "1s", streak = 1, steady = "500ms""#;
        Self {
            marker: workspace.marker().into(),
            version: version.into(),
            release: String::new(),
            size: "2".into(),
            config: String::new(),
            local: r#"command = ["bin/web"]"#.into(),
            traffic: format!(r#"port = 8080, listener = "{}""#, workspace.listener()),
            health: health.into(),
            rollout: r#"bake = "300ms", launch_deadline = "20s""#.into(),
            drain: "3s".into(),
            fleet: String::new(),
        }
    }

    /// The same with another version.
    pub(crate) fn version(&self, version: &str) -> Self {
        Self {
            version: version.into(),
            ..self.clone()
        }
    }

    /// The same with another size, as written.
    pub(crate) fn size(&self, size: impl ToString) -> Self {
        Self {
            size: size.to_string(),
            ..self.clone()
        }
    }

    /// The same with another drain time.
    pub(crate) fn drain(&self, duration: &str) -> Self {
        Self {
            drain: duration.into(),
            ..self.clone()
        }
    }

    /// The same for a fleet that gets no traffic.
    pub(crate) fn without_traffic(&self) -> Self {
        self.traffic("")
    }

    /// The same with more of the release.
    pub(crate) fn release(&self, hcl: &str) -> Self {
        Self {
            release: hcl.into(),
            ..self.clone()
        }
    }

    /// The same with more of the fleet.
    pub(crate) fn fleet(&self, hcl: &str) -> Self {
        Self {
            fleet: hcl.into(),
            ..self.clone()
        }
    }

    /// The same with more of the fleet's `config`.
    pub(crate) fn config(&self, hcl: &str) -> Self {
        Self {
            config: hcl.into(),
            ..self.clone()
        }
    }

    /// The same with another `health`.
    pub(crate) fn health(&self, hcl: &str) -> Self {
        Self {
            health: hcl.into(),
            ..self.clone()
        }
    }

    /// The same with another `rollout`.
    pub(crate) fn rollout(&self, hcl: &str) -> Self {
        Self {
            rollout: hcl.into(),
            ..self.clone()
        }
    }

    /// The same with another `local`.
    pub(crate) fn local(&self, hcl: &str) -> Self {
        Self {
            local: hcl.into(),
            ..self.clone()
        }
    }

    /// The same with another `traffic`.
    pub(crate) fn traffic(&self, hcl: &str) -> Self {
        Self {
            traffic: hcl.into(),
            ..self.clone()
        }
    }
}

impl fmt::Display for Web {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            marker,
            version,
            release,
            size,
            config,
            local,
            health,
            rollout,
            drain,
            fleet,
            ..
        } = self;
        let traffic = match self.traffic.as_str() {
            "" => String::new(),
            traffic => format!("traffic = {{ {traffic} }}"),
        };
        write!(
            formatter,
            r#"
resource "immutable_image_release" "web" {{
  name    = "web"
  version = "{version}"
  source  = {{ path = "images/{version}" }}
  {release}
}}

resource "immutable_fleet" "web" {{
  name    = "web"
  release = immutable_image_release.web.id
  size    = {size}
  config  = {{
    WORKSPACE = "{marker}"
    {config}
  }}
  local   = {{ {local} }}
  {traffic}
  health  = {{ {health} }}
  rollout = {{ {rollout} }}
  drain   = "{drain}"
  {fleet}
}}
"#
        )
    }
}
