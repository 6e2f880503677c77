//! Tables of configurations and what is found in them.

use super::*;
use crate::schema::Field;
use crate::value::{Tree, json};

/// Validates a configuration whose unnamed attributes have their defaults, everywhere and on the
/// given cloud; each finding as `path: detail`.
fn check(kind: CloudKind, attributes: &str) -> Vec<String> {
    sized(kind, &format!(r#""size": 6, {attributes}"#))
}

/// The same without a size.
fn sized(kind: CloudKind, attributes: &str) -> Vec<String> {
    let config = format!(r#"{{"name": "web", "release": "web@1", {attributes}}}"#);
    let config = json::decode(config.as_bytes()).unwrap();
    let schema = crate::schema::Schema::of::<Fleet<Planned>>(0);
    let config = json::conform(config, &schema.value_type()).unwrap();
    let config = crate::resource::plan::configured(&schema, &config);
    let config = Fleet::<Planned>::decode(&config).unwrap();
    let found = everywhere(&config).into_iter().chain(on(kind, &config));
    found
        .map(|it| format!("{}: {}", it.path, it.detail))
        .collect()
}

/// Each row: attributes, and how each finding begins, in order.
fn table(kind: CloudKind, rows: &[(&str, &[&str])]) {
    for (attributes, expected) in rows {
        let found = check(kind, attributes);
        let matches = found.len() == expected.len()
            && found
                .iter()
                .zip(*expected)
                .all(|(found, expected)| found.starts_with(expected));
        assert!(
            matches,
            "{attributes}\nfound {found:#?}\nexpected {expected:#?}"
        );
    }
}

#[test]
fn a_plain_fleet_is_fine() {
    table(
        CloudKind::Local,
        &[
            (r#""retry": "1""#, &[]),
            (
                r#""traffic": {"port": 80, "listener": "127.0.0.1:8088"}"#,
                &[],
            ),
            (r#""traffic": {"port": 80, "listener": "[::1]:8088"}"#, &[]),
        ],
    );
}

#[test]
fn environments_have_names_and_references_not_values() {
    table(
        CloudKind::Local,
        &[
            (r#""config": {"LOG_LEVEL": "a", "_x9": "b"}"#, &[]),
            (
                r#""config": {"PORT": "1"}"#,
                &[r#"config["PORT"]: PORT and HOST are given"#],
            ),
            (
                r#""config": {"9A": "1"}"#,
                &[r#"config["9A"]: The name of an environment"#],
            ),
            (
                r#""config": {"A=B": "1"}"#,
                &[r#"config["A=B"]: The name of"#],
            ),
            (r#""secrets": {"A": "env:B", "C": "file:/run/secret"}"#, &[]),
            (
                r#""config": {"A": "1"}, "secrets": {"A": "env:A"}"#,
                &[r#"secrets["A"]: A is in config as well"#],
            ),
            (
                r#""secrets": {"A": "hunter2"}"#,
                &[
                    r#"secrets["A"]: Give a reference, never the value"#,
                    r#"secrets["A"]: On the local cloud"#,
                ],
            ),
            (
                r#""secrets": {"A": "arn:aws:ssm:eu-west-1:1:parameter/a"}"#,
                &[r#"secrets["A"]: On the local cloud"#],
            ),
            (
                r#""secrets": {"A": "file:secret"}"#,
                &[r#"secrets["A"]"#, r#"secrets["A"]"#],
            ),
        ],
    );
}

#[test]
fn a_secret_given_by_mistake_is_not_repeated() {
    let found = check(CloudKind::Local, r#""secrets": {"A": "hunter2"}"#);
    assert!(!found.is_empty() && found.iter().all(|it| !it.contains("hunter2")));
}

#[test]
fn a_command_lies_in_the_image() {
    table(
        CloudKind::Local,
        &[
            (r#""local": {"command": ["bin/web", "/etc/x", ".."]}"#, &[]),
            (
                r#""local": {"command": []}"#,
                &["local.command: Name the program"],
            ),
            (
                r#""local": {"command": ["/bin/sh"]}"#,
                &["local.command[0]: The program is a path"],
            ),
            (
                r#""local": {"command": ["../web"]}"#,
                &["local.command[0]: The program is a path"],
            ),
        ],
    );
}

#[test]
fn checks_fit_into_each_other() {
    table(
        CloudKind::Local,
        &[
            (
                r#""health": {"path": "/healthz"}"#,
                &["health.path: A fleet without traffic"],
            ),
            (
                r#""traffic": {"port": 80, "listener": "127.0.0.1:80"}, "health": {"path": "up"}"#,
                &["health.path: A path begins with a slash"],
            ),
            (
                r#""health": {"interval": "0s"}"#,
                &["health.interval: Checks need some time"],
            ),
            (
                r#""health": {"timeout": "11s"}"#,
                &[
                    "health.timeout: A check must be over before the next one begins: at most the interval, 10s",
                ],
            ),
            (
                r#""rollout": {"launch_deadline": "30s"}"#,
                &["rollout.launch_deadline: A member needs 30s at least"],
            ),
            (
                r#""health": {"streak": 100}"#,
                &["rollout.launch_deadline: A member needs 16m 40s at least"],
            ),
            (
                r#""timeouts": {"update": "0s"}"#,
                &["timeouts.update: An operation needs some time"],
            ),
        ],
    );
}

#[test]
fn a_strategy_has_what_it_needs_and_nothing_else() {
    let step = r#"{"weight": 5, "hold": "1m"}"#;
    let rows = [
        (
            r#""rollout": {"strategy": "canary"}"#.to_owned(),
            vec!["rollout.steps: A canary needs"],
        ),
        (
            format!(r#""rollout": {{"strategy": "canary", "steps": [{step}]}}"#),
            vec![],
        ),
        (
            format!(r#""rollout": {{"strategy": "canary", "steps": [{step}, {step}]}}"#),
            vec!["rollout.steps[1].weight: Weights rise from step to step; the one before is 5"],
        ),
        (
            format!(r#""rollout": {{"steps": [{step}]}}"#),
            vec!["rollout.steps: Only the strategy \"canary\""],
        ),
        (
            r#""rollout": {"surge": "1"}"#.to_owned(),
            vec!["rollout.surge: Only the strategy \"rolling\""],
        ),
        (r#""rollout": {"strategy": "rolling"}"#.to_owned(), vec![]),
        (
            r#""rollout": {"strategy": "rolling", "surge": "0"}"#.to_owned(),
            vec!["rollout.surge: With a surge of 0 and min_healthy of 100% no member"],
        ),
        (
            r#""rollout": {"strategy": "rolling", "surge": "0%", "min_healthy": "5"}"#.to_owned(),
            vec![],
        ),
        (
            r#""rollout": {"strategy": "rolling", "min_healthy": "7"}"#.to_owned(),
            vec!["rollout.min_healthy: The fleet has only 6 members"],
        ),
    ];
    for (attributes, expected) in &rows {
        table(
            CloudKind::Local,
            &[(attributes.as_str(), expected.as_slice())],
        );
    }
}

#[test]
fn what_belongs_to_another_cloud_is_refused() {
    let aws = r#""aws": {"instance_types": ["t3.micro"], "subnet_ids": ["subnet-1"]}"#;
    let both = format!(r#"{aws}, "local": {{}}"#);
    table(
        CloudKind::Local,
        &[
            (aws, &["aws: The provider is configured for local"]),
            (
                &both,
                &["aws: A fleet runs on one cloud", "aws: The provider is"],
            ),
            (
                r#""traffic": {"port": 80, "listener": "arn:aws:x", "hosts": ["a"], "priority": 1}"#,
                &[
                    "traffic.hosts: Listeners are shared on AWS only",
                    "traffic.priority: Listeners are shared on AWS only",
                    "traffic.listener: On the local cloud a listener is an IP address",
                ],
            ),
            (
                r#""traffic": {"port": 80, "listener": "127.0.0.1:0"}"#,
                &["traffic.listener: On the local cloud"],
            ),
        ],
    );
    table(
        CloudKind::Aws,
        &[
            (aws, &[]),
            (
                r#""local": {}"#,
                &[
                    "local: The provider is configured for aws",
                    "aws: The provider is",
                ],
            ),
        ],
    );
}

#[test]
fn what_is_unknown_is_left_alone() {
    let schema = crate::schema::Schema::of::<Fleet<Planned>>(0);
    let unknown = schema
        .attributes
        .iter()
        .map(|attribute| (attribute.name.to_owned(), Tree::Unknown));
    let config = Fleet::<Planned>::decode(&Tree::Map(unknown.collect())).unwrap();
    let found = everywhere(&config)
        .into_iter()
        .chain(on(CloudKind::Local, &config));
    assert_eq!(found.count(), 0);
}

#[test]
fn one_alone_decides_about_the_size() {
    let aws = r#""aws": {"instance_types": ["a"], "subnet_ids": ["b"]}"#;
    let rows: [(&str, &[&str]); 8] = [
        (r#""size": 6"#, &[]),
        (r#""size": 6, "capacity": "external""#, &[]),
        (r#""autoscale": {"min": 2, "max": 9, "cpu": 60}"#, &[]),
        (
            r#""retry": "1""#,
            &["size: A fleet needs a number of members"],
        ),
        (
            r#""size": 6, "autoscale": {"min": 2, "max": 9, "cpu": 60}"#,
            &["autoscale: Either size decides"],
        ),
        (
            r#""capacity": "external", "autoscale": {"min": 2, "max": 9, "cpu": 60}"#,
            &["capacity: autoscale decides"],
        ),
        (
            r#""autoscale": {"min": 9, "max": 2, "cpu": 60}"#,
            &["autoscale.min: It is 9 and autoscale.max is 2"],
        ),
        (
            r#""size": 6, "capacity": "external", "rollout": {"strategy": "rolling"}"#,
            &["rollout.strategy: \"rolling\" replaces members"],
        ),
    ];
    for (attributes, expected) in rows {
        let found = sized(CloudKind::Aws, &format!("{attributes}, {aws}"));
        let begins = |(found, expected): (&String, &&str)| found.starts_with(expected);
        assert!(
            found.len() == expected.len() && found.iter().zip(expected).all(begins),
            "{attributes}: {found:#?}"
        );
    }
}

#[test]
fn nothing_sizes_a_fleet_on_the_local_cloud_but_its_configuration() {
    let found = sized(
        CloudKind::Local,
        r#""autoscale": {"min": 2, "max": 9, "cpu": 60}"#,
    );
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("autoscale: Nothing on the local cloud"));
    let found = sized(CloudKind::Local, r#""size": 6, "capacity": "external""#);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("capacity: Nothing on the local cloud"));
}
