//! Bad input: each mistake is an error that names the attribute and says what to do, at plan time
//! wherever it can be known by then.

use crate::app::Behaviour;
use crate::terraform::{Output, Terraform};
use crate::web::Web;
use crate::workspace::Workspace;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

with_both_terraforms!(
    a_fleet_with_a_mistake_is_refused_by_the_plan,
    a_source_that_is_no_image_is_refused,
    a_provider_without_one_cloud_is_refused,
    a_full_disk_is_said_and_survived,
);

/// A mistake: what it is, the fleet or release with it, and what the error has to say.
type Mistake = (&'static str, Web, &'static [&'static str]);

fn a_fleet_with_a_mistake_is_refused_by_the_plan(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    let mut wrong = Vec::new();
    for (what, web, fragments) in mistakes(&Web::new(&workspace, "1.0.0")) {
        workspace.configure(web);
        wrong.extend(complaint(what, &workspace.plan(), fragments));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    workspace.nothing_is_left();
}

/// What is wrong with the answer to a mistake; none: it is as it should be.
fn complaint(what: &str, answer: &Output, fragments: &[&str]) -> Option<String> {
    let missing = answer.missing(fragments);
    (!missing.is_empty()).then(|| format!("{what}: no {missing:?} in:\n{}", answer.stderr))
}

fn mistakes(web: &Web) -> Vec<Mistake> {
    vec![
        ("no members", web.size(0), &["size = 0"]),
        ("fewer than none", web.size(-1), &["size = -1"]),
        ("half a member", web.size("1.5"), &["size = 1.5"]),
        ("no name", web.version(""), &["version = \"\""]),
        ("a duration without a unit", web.rollout(r#"bake = "10""#), &["bake", "\"10\""]),
        ("a negative duration", web.rollout(r#"bake = "-1s""#), &["bake", "-1s"]),
        ("a duration in words", web.drain("soon"), &["drain", "soon", "90s"]),
        ("an unknown strategy", web.rollout(r#"strategy = "yolo""#), &["strategy", "yolo", "blue_green"]),
        (
            "steps that do not rise",
            web.rollout(r#"strategy = "canary", steps = [{ weight = 50, hold = "1s" }, { weight = 5, hold = "1s" }]"#),
            &["steps", "50", "5"],
        ),
        (
            "a step above all",
            web.rollout(r#"strategy = "canary", steps = [{ weight = 101, hold = "1s" }]"#),
            &["weight", "101"],
        ),
        ("a share above all", web.rollout(r#"strategy = "rolling", min_healthy = "120%""#), &["min_healthy", "120%"]),
        ("a share of nothing", web.rollout(r#"strategy = "rolling", surge = "many""#), &["surge", "many", "share"]),
        (
            "a deadline shorter than the streak",
            web.health(r#"interval = "10s", streak = 3, steady = "30s""#)
                .rollout(r#"launch_deadline = "5s""#),
            &["launch_deadline"],
        ),
        ("a check that lasts longer than its interval allows", web.health(r#"streak = 0"#), &["streak"]),
        ("a path that is none", web.health(r#"path = "healthz""#), &["path", "healthz", "/"]),
        ("a port that is none", web.traffic(r#"port = 70000, listener = "127.0.0.1:8088""#), &["port", "70000"]),
        ("a listener without a port", web.traffic(r#"port = 8080, listener = "localhost""#), &["listener", "IP address with a port"]),
        ("a protocol of others", web.traffic(r#"port = 8080, listener = "127.0.0.1:8088", protocol = "udp""#), &["protocol", "udp", "tcp"]),
        ("a secret that is a value", web.fleet(r#"secrets = { PASSWORD = "hunter2" }"#), &["secrets", "file:"]),
        ("drift of another kind", web.fleet(r#"drift = "ignore""#), &["drift", "ignore", "replace", "report"]),
        ("a block of the other cloud", web.fleet(r#"aws = { instance_types = ["m7g.large"], subnet_ids = ["subnet-1"] }"#), &["aws", "local"]),
        ("an alarm where there is none", web.rollout(r#"alarms = ["web-5xx"]"#), &["alarms", "web-5xx", "no alarms"]),
        ("fewer kept than none", web.release("keep = -1"), &["keep"]),
        (
            "a timeout that is none",
            web.fleet(r#"timeouts = { update = "whenever" }"#),
            &["timeouts", "whenever"],
        ),
    ]
}

fn a_source_that_is_no_image_is_refused(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    fs::create_dir_all(workspace.path("bad/nothing")).unwrap();
    workspace.write("bad/outside/app", "content");
    symlink("/etc/passwd", workspace.path("bad/outside/passwd")).unwrap();
    pack(&workspace, "bad/parent.tar", "../evil");
    pack(&workspace, "bad/absolute.tar", "/tmp/evil");
    truncate_archive(&workspace, "bad/truncated.tar.gz");
    workspace.write("bad/no-json.json", "this is not JSON");
    workspace.write(
        "bad/no-builds.json",
        r#"{ "builds": [], "last_run_uuid": "" }"#,
    );
    workspace.write(
        "bad/amazon.json",
        &manifest_of("amazon-ebs", "null", "us-east-1:ami-0abc"),
    );
    workspace.write("bad/no-files.json", &manifest_of("file", "[]", ""));

    let sources: &[(&str, &[&str])] = &[
        (r#"path = "bad/nothing""#, &["bad/nothing", "no file"]),
        (r#"path = "bad/outside""#, &["bad/outside", "passwd"]),
        (r#"path = "bad/parent.tar""#, &["bad/parent.tar", "../evil"]),
        (
            r#"path = "bad/absolute.tar""#,
            &["bad/absolute.tar", "/tmp/evil"],
        ),
        (
            r#"path = "bad/truncated.tar.gz""#,
            &["bad/truncated.tar.gz"],
        ),
        (
            r#"packer_manifest = "bad/no-json.json""#,
            &["bad/no-json.json", "not a Packer manifest"],
        ),
        (
            r#"packer_manifest = "bad/no-builds.json""#,
            &["bad/no-builds.json"],
        ),
        (
            r#"packer_manifest = "bad/amazon.json""#,
            &["bad/amazon.json", "amazon-ebs"],
        ),
        (
            r#"packer_manifest = "bad/no-files.json""#,
            &["bad/no-files.json"],
        ),
        (
            r#"path = "bad/nothing", image_id = "ami-0abc""#,
            &["path", "image_id"],
        ),
        (r#"packer_build = "web""#, &["path", "packer_manifest"]),
    ];
    let mut wrong = Vec::new();
    for (source, fragments) in sources {
        workspace.configure(release_from(source));
        let fragments = [&["source"], *fragments].concat();
        wrong.extend(complaint(source, &workspace.plan(), &fragments));
    }
    // What is not there yet may be made before the apply gets to it; then it has to be.
    for missing in [
        r#"path = "bad/missing""#,
        r#"packer_manifest = "bad/missing""#,
    ] {
        workspace.configure(release_from(missing));
        workspace.plan_has_changes();
        wrong.extend(complaint(missing, &workspace.apply(), &["bad/missing"]));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    workspace.nothing_is_left();
    assert!(!fs::exists("/tmp/evil").unwrap() && !workspace.path("evil").exists());

    what_may_not_be_read_is_refused(&workspace);
}

/// Root reads everything. In a user namespace that maps nobody it owns what it did before and has no
/// more rights there than others have.
fn what_may_not_be_read_is_refused(workspace: &Workspace) {
    workspace.write("bad/secret", "content");
    let nobody = fs::Permissions::from_mode(0o0);
    fs::set_permissions(workspace.path("bad/secret"), nobody).unwrap();
    workspace.configure(release_from(r#"path = "bad/secret""#));
    let terraform = workspace.terraform().command().to_str().unwrap();
    let arguments = ["--user", terraform, "plan", "-no-color"];
    let plan = Command::new("unshare")
        .args(arguments)
        .current_dir(workspace.path(""))
        .env("TF_CLI_CONFIG_FILE", workspace.path("terraform.rc"))
        .output()
        .unwrap();
    let plan = Output::of("unshare", &arguments, plan);
    plan.failed_with(&["source", "bad/secret", "ermission denied"]);
}

fn release_from(source: &str) -> String {
    format!(
        "resource \"immutable_image_release\" \"web\" {{\n  name = \"web\"\n  version = \"1.0.0\"\n  source = {{ {source} }}\n}}\n"
    )
}

/// Packs an archive with one entry of any name, as no well-meaning tool would.
fn pack(workspace: &Workspace, archive: &str, entry: &str) {
    let script = "import io, sys, tarfile\n\
        entry = tarfile.TarInfo(sys.argv[2]); entry.size = 4\n\
        tarfile.open(sys.argv[1], 'w').addfile(entry, io.BytesIO(b'evil'))\n";
    let packed = Command::new("python3")
        .args(["-c", script])
        .arg(workspace.path(archive))
        .arg(entry)
        .status();
    assert!(packed.unwrap().success(), "{archive}");
}

fn truncate_archive(workspace: &Workspace, archive: &str) {
    workspace.bake("whole", Behaviour::Serves);
    let path = workspace.path(archive);
    let image = workspace.path("images/whole");
    let packed = Command::new("tar")
        .arg("-czf")
        .arg(&path)
        .arg("-C")
        .arg(image)
        .arg(".")
        .status();
    assert!(packed.unwrap().success());
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
}

fn manifest_of(builder: &str, files: &str, artifact: &str) -> String {
    format!(
        r#"{{ "builds": [{{ "name": "web", "builder_type": "{builder}", "build_time": 1795227526,
             "files": {files}, "artifact_id": "{artifact}", "packer_run_uuid": "run", "custom_data": null }}],
             "last_run_uuid": "run" }}"#
    )
}

fn a_provider_without_one_cloud_is_refused(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.configure(Web::new(&workspace, "1.0.0"));
    let whole = fs::read_to_string(workspace.path("provider.tf")).unwrap();
    for clouds in ["", "local = {}\n  aws = { region = \"eu-west-1\" }"] {
        workspace.write("provider.tf", &whole.replace("local = {}", clouds));
        workspace.plan().failed_with(&["local", "aws"]);
    }
    workspace.nothing_is_left();
}

/// The whole story in one script: the store is on a small file system of its own, which is mounted
/// where nobody else sees it.
const FULL_DISK: &str = r#"
set -eu
run() { name=$1; shift; code=0; "$TERRAFORM" "$@" >"$name.out" 2>"$name.err" || code=$?; echo $code >"$name.code"; }
mkdir .immutable
mount -t tmpfs -o size=8m,mode=700 tmpfs .immutable
run small apply -auto-approve -no-color
cp larger.hcl main.tf
run full apply -auto-approve -no-color
mount -o remount,size=128m .immutable
run room apply -auto-approve -no-color
run empty plan -no-color -detailed-exitcode
run destroy destroy -auto-approve -no-color
ls -A .immutable >left
"#;

fn a_full_disk_is_said_and_survived(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.bake("1.1.0", Behaviour::Serves);
    fs::write(workspace.path("images/1.1.0/large"), vec![7; 16 << 20]).unwrap();
    let web = Web::new(&workspace, "1.0.0");
    workspace.configure(&web);
    workspace.write("larger.hcl", &web.version("1.1.0").to_string());
    let script = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            FULL_DISK,
        ])
        .current_dir(workspace.path(""))
        .env("TERRAFORM", workspace.terraform().command())
        .env("TF_CLI_CONFIG_FILE", workspace.path("terraform.rc"))
        .output()
        .unwrap();
    assert!(script.status.success(), "{script:#?}");

    let recorded = |name: &str| Output::recorded(&workspace.path(name));
    recorded("small").succeeded();
    recorded("full").failed_with(&["images/1.1.0", "No space left"]);
    recorded("room").succeeded();
    recorded("empty").succeeded();
    recorded("destroy").succeeded();
    assert_eq!(fs::read_to_string(workspace.path("left")).unwrap(), "");
    workspace.nothing_is_left();
}
