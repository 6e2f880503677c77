//! The documented policy allows the calls that are made, and no others.

use crate::account::{Account, REGION, between, control};
use crate::place::Place;
use crate::tcp;
use immutable::cloud::{Cloud, Trial};
use immutable::driver::Ending;
use immutable::rollout::{Goal, Strategy};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// What calls need that no code of ours makes: AWS asks for it where tags are given at creation, and
/// where members get a role.
const IMPLIED: [&str; 4] = [
    "autoscaling:CreateOrUpdateTags",
    "elasticloadbalancing:AddTags",
    "iam:PassRole",
    "ssm:AddTagsToResource",
];

#[test]
fn the_policy_allows_the_calls_that_are_made_and_no_others() {
    let mut used = calls_of_the_code();
    used.extend(IMPLIED.map(str::to_owned));
    let allowed: BTreeSet<String> = statements().iter().flat_map(actions).collect();
    let missing: Vec<_> = used.difference(&allowed).collect();
    let unused: Vec<_> = allowed.difference(&used).collect();
    assert!(missing.is_empty(), "docs/aws.md lacks {missing:?}");
    assert!(
        unused.is_empty(),
        "docs/aws.md allows without need {unused:?}"
    );
    assert!(used.len() > 30);
}

/// The calls as IAM names them, each where it is made.
pub(crate) fn calls_of_the_code() -> BTreeSet<String> {
    let calls = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cloud/aws/call");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(calls).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let quoted = text.split('"').skip(1).step_by(2);
        found.extend(quoted.filter(|text| is_permission(text)).map(str::to_owned));
    }
    found
}

/// The calls that make something, with what is counted of it when an account is said to be empty.
const MAKE: [(&str, &[&str]); 8] = [
    (
        "autoscaling:CreateAutoScalingGroup",
        &["groups", "instances"],
    ),
    ("autoscaling:PutScalingPolicy", &["policies", "alarms"]),
    ("ec2:CopyImage", &["images", "snapshots"]),
    ("ec2:CreateLaunchTemplate", &["launch_templates"]),
    ("ec2:RunInstances", &["instances", "volumes"]),
    ("elasticloadbalancing:CreateRule", &["rules"]),
    ("elasticloadbalancing:CreateTargetGroup", &["target_groups"]),
    ("ssm:PutParameter", &["parameters"]),
];

#[test]
fn whatever_a_call_makes_is_counted() {
    let makes = |call: &&String| {
        let operation = call.split_once(':').unwrap().1;
        let begins = ["Copy", "Create", "Put", "Run"];
        begins.iter().any(|it| operation.starts_with(it)) && !operation.ends_with("Tags")
    };
    let calls = calls_of_the_code();
    let made: Vec<&String> = calls.iter().filter(makes).collect();
    assert_eq!(made, MAKE.map(|(call, _)| call));
    let counted = Account::in_region("000000000000".to_owned(), REGION).inventory();
    for kind in MAKE.iter().flat_map(|(_, kinds)| *kinds) {
        assert!(counted.contains_key(*kind), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_allows_a_life_with_the_tags_that_it_brings() {
    let place = Place::new();
    // Whoever bakes the images is not asked.
    let (good, bad) = (place.image("1"), place.register("bad", "/bin/false"));
    let begun = place.asked_of_iam().len();
    place.forget_calls();
    let first = place.release("1").await;
    let second = place.release_of("2", &bad).await;
    assert_ne!(good, bad);
    for (version, passes) in [("1", true), ("2", false)] {
        let id = format!("web@{version}").parse().unwrap();
        let trial = place
            .cloud
            .verify(&id, &place.probe(), &CancellationToken::new())
            .await
            .unwrap();
        assert_eq!(trial == Trial::Passed, passes, "{trial:?}");
    }
    for release in [&first, &second] {
        place
            .run(place.goal(place.launch(release), 2), Strategy::BlueGreen)
            .await;
    }
    let done = place
        .run(place.goal(place.launch(&first), 3), Strategy::BlueGreen)
        .await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    let gone = place.run(Goal::Absent, Strategy::BlueGreen).await;
    assert!(matches!(gone.ending, Ending::Reached(_)), "{gone:#?}");
    for version in ["1", "2"] {
        let id = format!("web@{version}").parse().unwrap();
        place.cloud.remove_release(&id).await.unwrap();
    }
    all_is_allowed(&place, begun);
    let allowed: BTreeSet<String> = statements().iter().flat_map(actions).collect();
    for call in place.calls().into_keys() {
        let call = call.replace("elbv2:", "elasticloadbalancing:");
        assert!(allowed.contains(&call), "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_allows_the_life_of_a_fleet_for_tcp() {
    let place = Place::with("network");
    place.image("1");
    let begun = place.asked_of_iam().len();
    let first = place.release("1").await;
    let done = place
        .run(tcp::goal(&place, &first), Strategy::BlueGreen)
        .await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    let gone = place.run(Goal::Absent, Strategy::BlueGreen).await;
    assert!(matches!(gone.ending, Ending::Reached(_)), "{gone:#?}");
    all_is_allowed(&place, begun);
}

/// Evaluates the policy for all that IAM would have been asked since a moment.
fn all_is_allowed(place: &Place, begun: usize) {
    let asked = place.asked_of_iam();
    let ours: Vec<&Value> = asked.iter().skip(begun).collect();
    assert!(ours.len() > 10, "{asked:#?}");
    let refused: Vec<_> = ours.iter().filter(|asked| !is_allowed(asked)).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

impl Place {
    /// What IAM would have been asked about this account's calls.
    fn asked_of_iam(&self) -> Vec<Value> {
        let query = format!("authority?account={}", self.account);
        let told = control("GET", &query, &Value::Null);
        told.as_array().unwrap().clone()
    }
}

fn statements() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../docs/aws.md")).unwrap();
    let text = between(&page, "<!-- policy -->\n```json\n", "```\n<!-- end -->");
    let policy: Value = serde_json::from_str(&text).unwrap();
    policy["Statement"].as_array().unwrap().clone()
}

fn actions(statement: &Value) -> Vec<String> {
    texts(&statement["Action"])
}

fn texts(value: &Value) -> Vec<String> {
    let several = value.as_array().cloned();
    let each = several.unwrap_or_else(|| vec![value.clone()]);
    each.iter()
        .map(|it| it.as_str().unwrap().to_owned())
        .collect()
}

/// Whether one statement allows what is asked, on each of its resources.
fn is_allowed(asked: &Value) -> bool {
    let resources = asked["resources"].as_array().unwrap();
    let are_named = !resources.is_empty();
    are_named
        && resources.iter().all(|resource| {
            let mut statements = statements().into_iter();
            statements.any(|statement| allows(&statement, asked, resource))
        })
}

fn allows(statement: &Value, asked: &Value, resource: &Value) -> bool {
    let arn = resource["arn"].as_str().unwrap();
    let is_about = texts(&statement["Resource"])
        .iter()
        .any(|pattern| fits(pattern, arn));
    let is_meant = actions(statement).iter().any(|it| asked["action"] == **it);
    is_about && is_meant && hold(&statement["Condition"], asked, resource)
}

/// Whether all of a statement's conditions hold.
fn hold(conditions: &Value, asked: &Value, resource: &Value) -> bool {
    let operators = conditions.as_object().into_iter().flatten();
    let mut each = operators.flat_map(|(operator, keys)| {
        let keys = keys.as_object().unwrap().iter();
        keys.map(move |(key, value)| (operator.as_str(), key.as_str(), value))
    });
    each.all(|(operator, key, value)| match operator {
        "Null" => is_there(key, asked, resource) == (value == "false"),
        "StringEquals" if key == "ec2:CreateAction" => texts(value)
            .iter()
            .any(|action| asked["created_by"] == **action),
        other => panic!("{other} on {key} is not known to this test"),
    })
}

/// Whether a request brings a condition's key. A thing that does not exist is taken to carry all tags:
/// nothing happens to it.
fn is_there(key: &str, asked: &Value, resource: &Value) -> bool {
    if let Some(tag) = key.strip_prefix("aws:RequestTag/") {
        let brought = asked["request_tags"].as_array().unwrap();
        return brought.iter().any(|it| it == tag);
    }
    let tag = key.strip_prefix("aws:ResourceTag/").unwrap();
    resource["tags"].is_null() || !resource["tags"][tag].is_null()
}

/// Whether a text fits a pattern in which a star stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((begin, rest)) => text.strip_prefix(begin).is_some_and(|text| {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| fits(rest, &text[at..]))
        }),
    }
}

fn is_permission(text: &str) -> bool {
    let services = [
        "autoscaling",
        "cloudwatch",
        "ec2",
        "elasticloadbalancing",
        "ssm",
    ];
    text.split_once(':').is_some_and(|(service, call)| {
        services.contains(&service) && call.chars().all(char::is_alphanumeric)
    })
}
