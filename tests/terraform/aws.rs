//! A workspace on AWS: a stand-in, an account of its own there, and the configuration of a fleet.

use crate::account::{Account, REGION, control, standin};
use crate::app::Behaviour;
use crate::load::{Clients, Load, Tally};
use crate::terraform::{Output, Terraform};
use crate::workspace::{self, Workspace};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// Some requests are always in flight. The stand-in's load balancer is written in Python.
const CLIENTS: Clients = Clients {
    quick: 2,
    slow: 2,
    slow_path: "/slow?seconds=0.3",
    keep: true,
    pause: Duration::from_millis(20),
};

/// A workspace whose fleets run in an account that nobody else uses.
pub(crate) struct Site {
    // The account goes first: its groups would start again whatever the workspace ends.
    account: Account,
    workspace: Workspace,
}

impl Deref for Site {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        &self.workspace
    }
}

impl Site {
    pub(crate) fn new(terraform: &Terraform) -> Self {
        Self::of(terraform, Account::new())
    }

    /// A workspace whose load balancer is of a kind: `application` or `network`.
    pub(crate) fn with(terraform: &Terraform, kind: &str) -> Self {
        Self::of(terraform, Account::with(kind))
    }

    fn of(terraform: &Terraform, account: Account) -> Self {
        let listener = account.text("endpoint").parse().unwrap();
        let variables = vec![
            ("AWS_ACCESS_KEY_ID", format!("AKIA{}", account.account)),
            ("AWS_SECRET_ACCESS_KEY", "any".to_owned()),
            ("AWS_CONFIG_FILE", "/nonexistent".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent".to_owned()),
            ("IMMUTABLE_AWS_EMULATOR", "1".to_owned()),
        ];
        let workspace = Workspace::at(terraform, listener, variables);
        let address = &standin().address;
        let aws = format!(r#"aws = {{ region = "{REGION}", endpoint_url = "http://{address}" }}"#);
        workspace.write("provider.tf", &workspace::provider(&aws));
        Self { account, workspace }
    }

    /// The account, as a person at the console uses it.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// A load on the fleet's listener.
    pub(crate) fn load(&self) -> Load {
        let keep = self.account.network["kind"] != "network";
        Load::of(Clients { keep, ..CLIENTS }, self.workspace.listener())
    }

    /// Applies under load; no request is lost.
    #[track_caller]
    pub(crate) fn apply_under_load(&self) -> Tally {
        let load = self.load();
        self.apply_in_full();
        load.end_without_loss()
    }

    /// Bakes an image of a version and puts it into the account; returns its id.
    pub(crate) fn image(&self, version: &str, behaviour: Behaviour) -> String {
        self.workspace.bake(version, behaviour);
        let program = self.workspace.path(&format!("images/{version}/bin/web"));
        self.account.register(version, program.to_str().unwrap())
    }

    /// The ids of the instances that run, by what the account tells.
    pub(crate) fn instances(&self) -> BTreeSet<String> {
        let query = format!("guests?account={}", self.account.account);
        let guests = control("GET", &query, &Value::Null);
        let running = guests.as_array().unwrap().iter();
        let running = running.filter(|guest| guest["state"] == "running");
        let ids = running.map(|guest| guest["instance"].as_str().unwrap().to_owned());
        ids.collect()
    }

    /// What exists in the account beyond what it began with, by kind.
    pub(crate) fn made(&self) -> BTreeMap<String, Vec<String>> {
        self.account.made()
    }

    /// Waits until the account is as it was when it began.
    #[track_caller]
    pub(crate) fn account_is_empty(&self) {
        self.workspace
            .wait_until_or_tell("the account is empty", || {
                let left = self.made();
                if left.is_empty() { Ok(()) } else { Err(left) }
            });
    }

    /// Destroys everything; nothing is left in the account.
    #[track_caller]
    pub(crate) fn destroy(&self) -> Output {
        let destroy = ["destroy", "-auto-approve", "-no-color"];
        let output = self.workspace.run(&destroy).succeeded();
        self.account_is_empty();
        output
    }
}

/// A release and its fleet on AWS, in HCL. The waits are short; a fragment goes into its place as it
/// is.
#[derive(Debug, Clone)]
pub(crate) struct AwsWeb {
    marker: String,
    network: Value,
    version: String,
    image: String,
    sized: String,
    traffic: String,
    health: String,
    rollout: String,
}

impl AwsWeb {
    /// Two members of an image behind the account's listener.
    pub(crate) fn new(site: &Site, version: &str, image: &str) -> Self {
        Self {
            marker: site.marker().into(),
            network: site.account.network.clone(),
            version: version.into(),
            image: image.into(),
            sized: "size = 2".into(),
            traffic: format!(
                "port = 8080, listener = {}, priority = 10",
                site.account.network["listener_arn"]
            ),
            health: r#"path = "/healthz""#.into(),
            rollout: r#"launch_deadline = "30s""#.into(),
        }
    }

    /// The same with another version, of another image.
    pub(crate) fn version(&self, version: &str, image: &str) -> Self {
        Self {
            version: version.into(),
            image: image.into(),
            ..self.clone()
        }
    }

    /// The same with another size.
    pub(crate) fn size(&self, size: u32) -> Self {
        self.sized(&format!("size = {size}"))
    }

    /// The same with something else that says how many members there are.
    pub(crate) fn sized(&self, hcl: &str) -> Self {
        Self {
            sized: hcl.into(),
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

    /// The same for a fleet that gets no traffic.
    pub(crate) fn without_traffic(&self) -> Self {
        Self {
            traffic: String::new(),
            health: String::new(),
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
}

impl fmt::Display for AwsWeb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            marker,
            network,
            version,
            image,
            sized,
            traffic,
            health,
            rollout,
        } = self;
        let (subnets, group) = (&network["subnet_ids"], &network["security_group_id"]);
        let traffic = match traffic.as_str() {
            "" => String::new(),
            traffic => format!("traffic = {{ {traffic} }}"),
        };
        let path = match health.as_str() {
            "" => String::new(),
            health => format!("{health}, "),
        };
        write!(
            formatter,
            r#"
resource "immutable_image_release" "web" {{
  name    = "web"
  version = "{version}"
  source  = {{ image_id = "{image}" }}
}}

resource "immutable_fleet" "web" {{
  name    = "web"
  release = immutable_image_release.web.id
  {sized}
  config  = {{ WORKSPACE = "{marker}" }}
  aws = {{
    instance_types     = ["t3.micro"]
    subnet_ids         = {subnets}
    security_group_ids = [{group}]
  }}
  {traffic}
  health  = {{ {path}interval = "5s", timeout = "2s", streak = 2, steady = "300ms" }}
  rollout = {{ bake = "300ms", {rollout} }}
  drain   = "1s"
}}
"#
        )
    }
}
