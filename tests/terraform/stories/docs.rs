//! What the pages show works: every configuration in them is formatted and valid, and the guide for
//! beginners does what it says.

use crate::terraform::{Output, Terraform};
use crate::workspace::Workspace;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

with_both_terraforms!(the_getting_started_guide_works);

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What packer writes of a run that made an image in each of two regions.
const MANIFEST: &str = r#"{
  "builds": [
    {
      "name": "web",
      "builder_type": "amazon-ebs",
      "build_time": 1795236134,
      "files": null,
      "artifact_id": "eu-west-1:ami-0123456789abcdef0,us-east-1:ami-0fedcba9876543210",
      "packer_run_uuid": "ed2e7889-1c38-32a6-b9d5-15793f2dec32",
      "custom_data": null
    }
  ],
  "last_run_uuid": "ed2e7889-1c38-32a6-b9d5-15793f2dec32"
}"#;

/// A fenced part of a page.
struct Block {
    /// The page, and the line that the block begins on.
    place: String,
    language: String,
    text: String,
}

impl Block {
    /// Claims that it stands in a file for `terraform query`.
    fn is_query(&self) -> bool {
        self.text.lines().any(|line| line.starts_with("list \""))
    }
}

/// Blocks in the language `terraform` are for this provider alone and are validated; those in `hcl`
/// have other providers, or are fragments of anything, and are only formatted.
#[test]
fn every_configuration_in_the_pages_is_formatted_and_valid() {
    let workspace = Workspace::new(&Terraform::newest());
    fs::remove_file(workspace.path("provider.tf")).unwrap();
    let modules = PathBuf::from(REPOSITORY).join("examples/modules");
    let mut valid = 0;
    let mut wrong = String::new();
    for (number, block) in blocks().iter().enumerate() {
        let directory = format!("block-{number}");
        let main = format!("{directory}/main.tf");
        let file = match block.is_query() {
            true => format!("{directory}/main.tfquery.hcl"),
            false => main.clone(),
        };
        workspace.write(&file, &block.text);
        let chdir = format!("-chdir={directory}");
        let formatted = workspace.run(&["fmt", "-check", "-diff", "-no-color", &file]);
        complain(&mut wrong, block, &formatted);
        if block.language != "terraform" {
            continue;
        }
        let whole = match block.is_query() {
            true => completed(""),
            false => completed(&block.text),
        };
        workspace.write(&main, &whole);
        // Files that a configuration reads are packer's manifests.
        for file in mentioned_files(&block.text) {
            workspace.write(&format!("{directory}/{file}"), MANIFEST);
        }
        for place in ["modules", "../modules"] {
            let link = workspace.path(&directory).join(place);
            std::os::unix::fs::symlink(&modules, link).ok();
        }
        if block.text.contains("\nmodule \"") || block.text.starts_with("module \"") {
            workspace.run(&[&chdir, "get", "-no-color"]).succeeded();
        }
        let arguments = [&chdir, "validate", "-no-color", "-query"];
        let count = arguments.len() - usize::from(!block.is_query());
        let validated = workspace.run(&arguments[..count]);
        complain(&mut wrong, block, &validated);
        valid += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(valid > 15, "only {valid} configurations found");
}

fn complain(wrong: &mut String, block: &Block, output: &Output) {
    if output.code() != Some(0) {
        let _ = writeln!(wrong, "{}:\n{}", block.place, output.everything());
    }
}

/// The block as a whole configuration: what it refers to and does not declare is declared, and
/// attributes that stand alone are those of a fleet.
fn completed(text: &str) -> String {
    let first = text.trim_start().lines().next().unwrap_or_default();
    let is_fragment = first.split_whitespace().nth(1) == Some("=");
    let mut whole = if is_fragment {
        let has = |name: &str| text.lines().any(|line| line.starts_with(name));
        let mut fleet = "resource \"immutable_fleet\" \"web\" {\n".to_owned();
        for (name, value) in [("name", "\"web\""), ("release", "\"web@1\""), ("size", "4")] {
            if !has(name) {
                let _ = writeln!(fleet, "{name} = {value}");
            }
        }
        if text.contains("alarms") || text.contains("steps") {
            fleet.push_str("traffic = { port = 80, listener = \"arn:aws:listener\" }\n");
        }
        format!("{fleet}{text}}}\n")
    } else {
        text.to_owned()
    };
    if !text.contains("required_providers") {
        whole.push_str(
            "terraform {\n  required_providers {\n    immutable = { source = \"immutable-fleets/immutable\" }\n  }\n}\n",
        );
    }
    for name in mentioned(text, "var.") {
        if !text.contains(&format!("variable \"{name}\"")) {
            let _ = writeln!(whole, "variable \"{name}\" {{}}");
        }
    }
    for kind in ["immutable_image_release", "immutable_fleet"] {
        for name in mentioned(text, &format!("{kind}.")) {
            if !text.contains(&format!("\"{kind}\" \"{name}\"")) {
                whole.push_str(&stand_in(kind, &name));
            }
        }
    }
    whole
}

/// A resource that a block refers to, as small as it may be.
fn stand_in(kind: &str, name: &str) -> String {
    let rest = match kind {
        "immutable_fleet" => "release = \"web@1\"\n  size = 1",
        _ => "version = \"1\"\n  source = { path = \"image\" }",
    };
    format!("resource \"{kind}\" \"{name}\" {{\n  name = \"{name}\"\n  {rest}\n}}\n")
}

/// The names that follow a prefix anywhere in a text. What is part of a longer word is not meant.
fn mentioned(text: &str, prefix: &str) -> BTreeSet<String> {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let found = text.match_indices(prefix).filter(|(at, _)| {
        !text[..*at].ends_with(|letter| is_name(letter) || letter == '.' || letter == '"')
    });
    found
        .map(|(at, _)| {
            let rest = &text[at + prefix.len()..];
            rest.chars().take_while(|letter| is_name(*letter)).collect()
        })
        .collect()
}

/// What is read with `file("...")`.
fn mentioned_files(text: &str) -> Vec<&str> {
    let calls = text.split("file(\"").skip(1);
    calls.filter_map(|rest| rest.split('"').next()).collect()
}

fn blocks() -> Vec<Block> {
    let root = Path::new(REPOSITORY);
    let mut pages = vec![root.join("README.md")];
    for folder in ["docs", "examples"] {
        let files = crate::workspace::files_below(&root.join(folder));
        pages.extend(
            files
                .into_iter()
                .filter(|path| path.extension().is_some_and(|it| it == "md")),
        );
    }
    pages.sort();
    pages
        .iter()
        .flat_map(|page| blocks_of(root, page))
        .collect()
}

fn blocks_of(root: &Path, page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).unwrap();
    let name = page.strip_prefix(root).unwrap_or(page).display();
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (line, number) in text.lines().zip(1..) {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language @ ("terraform" | "hcl")), None) => {
                open = Some(Block {
                    place: format!("{name}:{number}"),
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (_, None) => {}
        }
    }
    found
}

/// Does what the guide tells, in its order, with its own files.
fn the_getting_started_guide_works(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    fs::remove_file(workspace.path("provider.tf")).unwrap();
    workspace.use_mirror();
    let page = PathBuf::from(REPOSITORY).join("docs/guides/getting-started.md");
    let page = fs::read_to_string(page).unwrap();
    let block = |begins: &str| {
        let (_, rest) = page
            .split_once(begins)
            .unwrap_or_else(|| panic!("no {begins}"));
        rest.split("\n```").next().unwrap().to_owned()
    };
    let listener = workspace.listener().to_string();
    let main = format!("terraform {{{}\n", block("```terraform\nterraform {"));
    let at_version = |version: &str| {
        let main = main.replace("127.0.0.1:8088", &listener);
        workspace.configure(main.replace("\"1.0.0\"", &format!("\"{version}\"")));
    };
    let program = workspace.path("image/bin/hello");
    let edit = |from: &str, to: &str| {
        let text = fs::read_to_string(&program).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&program, text.replacen(from, to, 1)).unwrap();
    };

    let made = Command::new("sh")
        .args(["-ec", &format!("mkdir -p{}", block("```shell\nmkdir -p"))])
        .current_dir(workspace.path(""))
        .status();
    assert!(made.unwrap().success());
    at_version("1.0.0");
    workspace.run(&["init", "-no-color"]).succeeded();
    workspace
        .apply_in_full()
        .says(&format!("endpoint = \"http://{listener}\""));
    assert!(workspace.get("/").unwrap().contains("hello from version 1"));

    edit("version 1", "version 2");
    workspace.plan().failed_with(&["A release never changes"]);
    at_version("1.1.0");
    workspace.apply_in_full();
    assert!(workspace.get("/").unwrap().contains("hello from version 2"));

    edit(
        "import http",
        "raise SystemExit(\"no database\")\nimport http",
    );
    at_version("1.2.0");
    workspace.apply().failed_with(&[
        "The rollout of hello@1.2.0 to the fleet hello failed",
        "no database",
    ]);
    workspace
        .plan()
        .failed_with(&["hello@1.2.0 was rolled back"]);
    assert!(workspace.get("/").unwrap().contains("hello from version 2"));
    edit(
        "raise SystemExit(\"no database\")\nimport http",
        "import http",
    );
    at_version("1.1.0");
    workspace.apply_in_full();
    let fleet = workspace.attributes("immutable_fleet.hello");
    assert_eq!(fleet["generation"], 2, "no machine changed for going back");
    workspace.destroy();
}
