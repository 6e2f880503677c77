//! A plan as a page for a merge request, from what Terraform itself prints.

use crate::app::Behaviour;
use crate::terraform::Terraform;
use crate::web::Web;
use crate::workspace::Workspace;
use std::io::Read;
use std::process::{Command, Stdio};

with_both_terraforms!(
    a_plan_becomes_a_page_with_every_step,
    a_page_of_a_rollout_that_rests_shows_the_rest_of_the_way,
    what_is_no_plan_is_said_to_be_none,
);

/// Runs the provider's own command and returns its exit code with both streams.
fn explain(workspace: &Workspace, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_terraform-provider-immutable"))
        .arg("explain")
        .args(arguments)
        .current_dir(workspace.path(""))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn page(workspace: &Workspace, format: &str) -> String {
    let (code, page, error) = explain(workspace, &["plan.json", "--format", format]);
    assert_eq!(code, Some(0), "{error}");
    page
}

/// Plans, and leaves what Terraform prints of it in `plan.json`.
fn plan(workspace: &Workspace) {
    workspace
        .run(&["plan", "-no-color", "-out=plan"])
        .succeeded();
    let shown = workspace.run(&["show", "-json", "plan"]).succeeded();
    workspace.write("plan.json", &shown.stdout);
}

fn a_plan_becomes_a_page_with_every_step(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.bake("1.1.0", Behaviour::Serves);
    let web = Web::new(&workspace, "1.0.0");
    workspace.configure(&web);
    plan(&workspace);
    let first = page(&workspace, "html");
    assert!(first.contains("create generation 1: 2 members"), "{first}");
    assert!(first.contains("<svg"), "{first}");
    workspace.apply_in_full();

    let nasty = r#"GREETING = "<script>alert('|`')</script>""#;
    workspace.configure(web.version("1.1.0").config(nasty));
    plan(&workspace);
    let html = page(&workspace, "html");
    let steps = [
        "create generation 2: 2 members of web@1.1.0",
        "shift traffic: generation 2 0% -&gt; 100%, generation 1 100% -&gt; 0%",
        "destroy generation 1: 2 members of web@1.0.0",
        "<svg",
        "&lt;script&gt;alert(&#39;|`&#39;)&lt;/script&gt;",
    ];
    for step in steps {
        assert!(html.contains(step), "no {step:?} in:\n{html}");
    }
    assert!(!html.contains("<script"), "{html}");

    let markdown = page(&workspace, "markdown");
    let rows = [
        "| `release` | `web@1.0.0` | `web@1.1.0` |",
        "create generation 2: 2 members of web@\u{200b}1.1.0 | 2, ██████████ 100% | 2 |",
        "``<script>alert('\\|`')</script>``",
        "- `immutable_image_release.web`: update",
    ];
    for row in rows {
        assert!(markdown.contains(row), "no {row:?} in:\n{markdown}");
    }
    has_a_reader_that_leaves(&workspace);
    workspace.destroy();
}

/// Whoever reads may have had enough: that is no error, and no panic.
fn has_a_reader_that_leaves(workspace: &Workspace) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_terraform-provider-immutable"))
        .args(["explain", "plan.json"])
        .current_dir(workspace.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    let mut errors = child.stderr.take().unwrap();
    errors.read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success() && said.is_empty(), "{status}: {said}");
}

fn a_page_of_a_rollout_that_rests_shows_the_rest_of_the_way(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.bake("1.0.0", Behaviour::Serves);
    workspace.bake("1.1.0", Behaviour::Serves);
    let rollout = r#"strategy = "canary", bake = "300ms", launch_deadline = "20s",
        steps = [{ weight = 20, hold = "next_apply" }]"#;
    let web = Web::new(&workspace, "1.0.0").rollout(rollout);
    workspace.configure(&web);
    workspace.apply_in_full();
    workspace.configure(web.version("1.1.0"));
    plan(&workspace);
    let held = page(&workspace, "html");
    assert!(
        held.contains("hold generation 2 at 20% until the next apply"),
        "{held}"
    );
    assert!(held.contains("<svg"), "{held}");
    workspace.apply().succeeded();
    plan(&workspace);
    let rest = page(&workspace, "html");
    assert!(
        rest.contains("shift traffic: generation 2 20% -&gt; 100%"),
        "{rest}"
    );
    assert!(rest.contains("<svg"), "{rest}");
    workspace.destroy();
}

fn what_is_no_plan_is_said_to_be_none(terraform: &Terraform) {
    let workspace = Workspace::new(terraform);
    workspace.write("plan.json", "{}");
    let (code, _, error) = explain(&workspace, &["plan.json"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("terraform show -json"), "{error}");
    let (code, _, error) = explain(&workspace, &["missing.json"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("missing.json"), "{error}");
}
