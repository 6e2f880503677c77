//! Where credentials come from, through the real Terraform: found, renewed, or told to be missing.

use crate::account::REGION;
use crate::place::{Place, endpoint};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// A metadata service as it is where there is none: connections open and nobody answers.
struct Silence {
    address: String,
    asked: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Silence {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (asked, stop) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (counts, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                counts.fetch_add(1, Ordering::SeqCst);
                open.push(stream);
            }
        });
        Self {
            address,
            asked,
            stop,
            thread: Some(thread),
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let woken = std::net::TcpStream::connect(&self.address);
        if woken.is_ok()
            && let Some(thread) = self.thread.take()
        {
            thread.join().ok();
        }
    }
}

/// A directory with a configuration of one release, in which Terraform finds nothing of this machine.
pub(crate) struct Shop {
    directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Shop {
    /// `aws` is what the provider's block says beside the endpoint.
    pub(crate) fn new(aws: &str, image: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let configuration = format!(
            r#"
terraform {{
  required_providers {{
    immutable = {{ source = "immutable-fleets/immutable" }}
  }}
}}
provider "immutable" {{
  aws = {{
    max_attempts = 1
    {aws}
  }}
}}
resource "immutable_image_release" "web" {{
  name    = "web"
  version = "1"
  source  = {{ image_id = "{image}" }}
}}
"#
        );
        std::fs::write(directory.path().join("main.tf"), configuration).unwrap();
        let binary = Path::new(env!("CARGO_BIN_EXE_terraform-provider-immutable"));
        let overrides = format!(
            "provider_installation {{\n  dev_overrides {{ \"immutable-fleets/immutable\" = {:?} }}\n}}\n",
            binary.parent().unwrap()
        );
        std::fs::write(directory.path().join("terraform.rc"), overrides).unwrap();
        Self {
            directory,
            variables: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn terraform(&self, command: &str) -> Output {
        let terraform = std::env::var("TERRAFORM_INSTALLED");
        let arguments: &[&str] = match command {
            "apply" => &["apply", "-auto-approve", "-no-color", "-input=false"],
            _ => &[command, "-no-color", "-input=false"],
        };
        Command::new(terraform.unwrap_or_else(|_| "terraform".to_owned()))
            .args(arguments)
            .current_dir(&self.directory)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", self.directory.path())
            .env("CHECKPOINT_DISABLE", "1")
            .env(
                "TF_CLI_CONFIG_FILE",
                self.directory.path().join("terraform.rc"),
            )
            .envs(self.variables.iter().cloned())
            .output()
            .unwrap()
    }

    pub(crate) fn applies(&self) {
        let output = self.terraform("apply");
        assert!(output.status.success(), "{}", text(&output));
    }
}

pub(crate) fn text(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    // Terraform breaks lines and draws a border where it likes.
    let words = String::from_utf8_lossy(&all).replace('│', " ");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The stand-in, as the provider's block names it.
fn here() -> String {
    format!(
        "region = {REGION:?}\n    endpoint_url = \"http://{}\"",
        endpoint()
    )
}

#[test]
fn without_credentials_it_ends_with_where_they_may_come_from() {
    let silence = Silence::new();
    let shop = Shop::new(&format!("region = {REGION:?}"), "ami-1").with(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        format!("http://{}", silence.address),
    );
    let output = shop.terraform("plan");
    let said = text(&output);
    assert!(!output.status.success());
    for part in [
        "No usable credentials were found",
        "AWS_PROFILE",
        "aws sso login",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // One search, with its tries; no call comes after it.
    let asked = silence.asked();
    assert!((1..=4).contains(&asked), "asked {asked} times");
}

#[test]
fn without_a_region_nobody_is_asked() {
    let silence = Silence::new();
    let shop = Shop::new("", "ami-1").with(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        format!("http://{}", silence.address),
    );
    let output = shop.terraform("plan");
    let said = text(&output);
    assert!(!output.status.success());
    assert!(said.contains("No region is set"), "{said}");
    assert_eq!(silence.asked(), 0);
}

#[test]
fn a_profiles_credentials_are_renewed_before_they_run_out() {
    let place = Place::new();
    let shop = Shop::new(
        &format!("profile = \"deploy\"\n{}", here()),
        &place.image("1"),
    );
    // Whatever it gives is about to run out.
    let script = format!(
        "#!/bin/sh\necho asked >> {0}/asked\nprintf '{{\"Version\":1,\"AccessKeyId\":\"AKIA{1}\",\
         \"SecretAccessKey\":\"any\",\"SessionToken\":\"any\",\"Expiration\":\"%s\"}}' \
         \"$(date -u -d '+5 seconds' +%Y-%m-%dT%H:%M:%SZ)\"\n",
        shop.directory.path().display(),
        place.account
    );
    let program = shop.file("credentials", &script);
    let profile = format!("[profile deploy]\ncredential_process = {program}\n");
    let file = shop.file("config", &profile);
    let shop = shop.with("AWS_CONFIG_FILE", file);
    shop.applies();
    let asked = std::fs::read_to_string(shop.directory.path().join("asked")).unwrap();
    assert!(asked.lines().count() > 2, "{asked}");
    assert!(!place.inventory()["parameters"].is_empty());
}

#[test]
fn a_role_is_assumed_and_everything_is_made_in_its_account() {
    let (ours, theirs) = (Place::new(), Place::new());
    let role = format!("arn:aws:iam::{}:role/deploy", theirs.account);
    let aws = format!("{}\n    assume_role = {{ role_arn = \"{role}\" }}", here());
    let shop = Shop::new(&aws, &theirs.image("1"))
        .with("AWS_ACCESS_KEY_ID", format!("AKIA{}", ours.account))
        .with("AWS_SECRET_ACCESS_KEY", "any");
    shop.applies();
    assert!(!theirs.inventory()["parameters"].is_empty());
    assert!(ours.inventory()["parameters"].is_empty());
}

#[test]
fn a_web_identity_is_exchanged_for_its_role() {
    let place = Place::new();
    let shop = Shop::new(&here(), &place.image("1"));
    let token = shop.file("token", "any");
    let shop = shop
        .with("AWS_ENDPOINT_URL", format!("http://{}", endpoint()))
        .with("AWS_WEB_IDENTITY_TOKEN_FILE", token)
        .with(
            "AWS_ROLE_ARN",
            format!("arn:aws:iam::{}:role/ci", place.account),
        );
    shop.applies();
    assert!(!place.inventory()["parameters"].is_empty());
}

/// A profile that logs in at the portal once, and one that keeps a session there.
const PORTAL: &str = "[profile corp-once]
sso_start_url = https://sso.example.com/start
sso_region = us-east-1
sso_account_id = ACCOUNT
sso_role_name = deploy

[sso-session corp]
sso_start_url = https://sso.example.com/start
sso_region = us-east-1

[profile corp]
sso_session = corp
sso_account_id = ACCOUNT
sso_role_name = deploy
";

/// Where the login of either leaves its token: the hash of the start URL, or of the session's name.
const ONCE: &str = ".aws/sso/cache/9ad544bfa11b39c042ecaec2e1b51e4dfb5ec648.json";
const SESSION: &str = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";

/// A directory in whose home someone has logged in, or not, at the stand-in's portal.
fn logged_in(place: &Place, profile: &str, token: Option<(&str, Value)>) -> Shop {
    let shop = Shop::new(
        &format!("profile = \"{profile}\"\n{}", here()),
        &place.image("1"),
    );
    std::fs::create_dir_all(shop.directory.path().join(".aws/sso/cache")).unwrap();
    shop.file(".aws/config", &PORTAL.replace("ACCOUNT", &place.account));
    if let Some((file, token)) = token {
        shop.file(file, &token.to_string());
    }
    shop.with("AWS_ENDPOINT_URL", format!("http://{}", endpoint()))
}

#[test]
fn whoever_is_logged_in_at_the_portal_needs_no_keys() {
    let place = Place::new();
    let token = json!({
        "accessToken": "valid", "expiresAt": "2099-01-01T00:00:00Z",
        "region": REGION, "startUrl": "https://sso.example.com/start",
    });
    logged_in(&place, "corp-once", Some((ONCE, token))).applies();
    assert!(!place.inventory()["parameters"].is_empty());
}

#[test]
fn a_session_at_the_portal_is_renewed() {
    let place = Place::new();
    let token = json!({
        "accessToken": "old", "expiresAt": "2020-01-01T00:00:00Z",
        "clientId": "id", "clientSecret": "secret", "refreshToken": "valid",
        "registrationExpiresAt": "2099-01-01T00:00:00Z",
        "region": REGION, "startUrl": "https://sso.example.com/start",
    });
    let shop = logged_in(&place, "corp", Some((SESSION, token)));
    shop.applies();
    assert!(!place.inventory()["parameters"].is_empty());
    let kept = std::fs::read_to_string(shop.directory.path().join(SESSION)).unwrap();
    assert!(kept.contains("valid-again"), "{kept}");
}

#[test]
fn whoever_is_logged_in_no_longer_hears_how_to_log_in() {
    let place = Place::new();
    let refused = json!({
        "accessToken": "old", "expiresAt": "2099-01-01T00:00:00Z",
        "region": REGION, "startUrl": "https://sso.example.com/start",
    });
    for (profile, token) in [("corp", None), ("corp-once", Some((ONCE, refused)))] {
        let shop = logged_in(&place, profile, token);
        let output = shop.terraform("plan");
        let said = text(&output);
        assert!(!output.status.success(), "{said}");
        for part in [
            format!("profile {profile}, which the provider's aws block names"),
            format!("aws sso login --profile {profile}"),
        ] {
            assert!(said.contains(&part), "{said}");
        }
    }
}

#[test]
fn a_profile_that_is_named_counts_more_than_keys_that_happen_to_be_there() {
    let (named, around) = (Place::new(), Place::new());
    let shop = Shop::new(
        &format!("profile = \"deploy\"\n{}", here()),
        &named.image("1"),
    );
    let profile = format!(
        "[profile deploy]\naws_access_key_id = AKIA{}\naws_secret_access_key = any\n",
        named.account
    );
    let file = shop.file("config", &profile);
    let shop = shop
        .with("AWS_CONFIG_FILE", file)
        .with("AWS_ACCESS_KEY_ID", format!("AKIA{}", around.account))
        .with("AWS_SECRET_ACCESS_KEY", "any");
    shop.applies();
    assert!(!named.inventory()["parameters"].is_empty());
    assert!(around.inventory()["parameters"].is_empty());
}

#[test]
fn a_role_that_may_not_be_assumed_is_named() {
    let place = Place::new();
    place.fault(json!({ "kind": "denied", "operation": "AssumeRole", "count": 0 }));
    let role = format!("arn:aws:iam::{}:role/deploy", place.account);
    let aws = format!("{}\n    assume_role = {{ role_arn = \"{role}\" }}", here());
    let shop = Shop::new(&aws, "ami-1")
        .with("AWS_ACCESS_KEY_ID", format!("AKIA{}", place.account))
        .with("AWS_SECRET_ACCESS_KEY", "any");
    let output = shop.terraform("plan");
    let said = text(&output);
    assert!(!output.status.success());
    for part in [
        &format!("role {role} could not be assumed"),
        "sts:AssumeRole",
    ] {
        assert!(said.contains(part), "{said}");
    }
}
