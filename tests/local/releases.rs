//! Releases: what is kept, what is tried out, what is in use.

use crate::members::GOOD;
use crate::place::{Place, words};
use immutable::cloud::{Cloud, ErrorKind, NewRelease, Probe, Trial};
use immutable::model::{ImageSource, ReleaseId, ReleaseRef};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn id(version: &str) -> ReleaseId {
    ReleaseId::new("web".parse().unwrap(), version).unwrap()
}

fn new(place: &Place, version: &str, program: &str) -> NewRelease {
    let path = place.program("web", program);
    NewRelease {
        id: id(version),
        source: ImageSource::Path(path),
        provenance: BTreeMap::from([("commit".to_owned(), "9f2".to_owned())]),
    }
}

#[tokio::test]
async fn a_version_and_its_content_belong_together_for_ever() {
    let place = Place::new();
    let first = place.cloud.import(&new(&place, "1", GOOD)).await.unwrap();
    assert_eq!(
        place.cloud.import(&new(&place, "1", GOOD)).await.unwrap(),
        first
    );
    let error = place
        .cloud
        .import(&new(&place, "1", "#!/bin/sh\n"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    assert!(
        words(&error).contains("web@1 is released with the content sha256:"),
        "{}",
        words(&error)
    );
    let line = place
        .cloud
        .line(&"web".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((line.current, line.releases), (None, vec![first.clone()]));
    let seen = place
        .cloud
        .inspect(&ImageSource::Path(place.root.path().join("web")))
        .await
        .unwrap();
    assert_ne!(seen.digest, first.digest);
    let seen = place
        .cloud
        .inspect(&ImageSource::Image(first.digest.clone()))
        .await
        .unwrap();
    assert_eq!(seen.digest, first.digest);
}

#[tokio::test]
async fn a_line_knows_its_current_release_and_goes_with_its_last() {
    let place = Place::new();
    for (version, program) in [("1", GOOD), ("2", "#!/bin/sh\n")] {
        place
            .cloud
            .import(&new(&place, version, program))
            .await
            .unwrap();
        place.cloud.set_current(&id(version)).await.unwrap();
    }
    assert_eq!(
        place.cloud.set_current(&id("3")).await.unwrap_err().kind,
        ErrorKind::NotFound
    );
    place.cloud.set_current(&id("1")).await.unwrap();
    let line = place
        .cloud
        .line(&"web".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(line.current, Some(id("1")));
    assert_eq!(
        line.releases
            .iter()
            .map(|release| release.id.clone())
            .collect::<Vec<_>>(),
        [id("2"), id("1")]
    );
    for version in ["1", "2", "2"] {
        place.cloud.remove_release(&id(version)).await.unwrap();
    }
    assert_eq!(
        place.cloud.line(&"web".parse().unwrap()).await.unwrap(),
        None
    );
    place.nothing_is_left();
}

#[tokio::test]
async fn a_release_in_use_stays_and_its_user_is_named() {
    let place = Place::new();
    let release = place.release("1", GOOD).await;
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &release).await;
    assert_eq!(
        place.cloud.users(&id("1")).await.unwrap(),
        vec![fleet.name.clone()]
    );
    let error = place.cloud.remove_release(&id("1")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(words(&error).contains("fleet web"), "{}", words(&error));
    fleet.destroy(1).await;
    place.cloud.remove_release(&id("1")).await.unwrap();
}

#[tokio::test]
async fn an_image_that_the_store_has_can_be_run_and_released_again() {
    let place = Place::new();
    let first = place.cloud.import(&new(&place, "1", GOOD)).await.unwrap();
    let again = NewRelease {
        id: id("2"),
        source: ImageSource::Image(first.digest.clone()),
        provenance: BTreeMap::new(),
    };
    assert_eq!(
        place.cloud.import(&again).await.unwrap().digest,
        first.digest
    );
    // The image is shared: it stays while one of them does.
    place.cloud.remove_release(&id("1")).await.unwrap();
    let fleet = place.fleet().await;
    fleet.healthy(1, 1, &ReleaseRef::Image(first.digest)).await;
    let unknown = ImageSource::Image(format!("sha256:{}", "0".repeat(64)));
    assert_eq!(
        place.cloud.inspect(&unknown).await.unwrap_err().kind,
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn a_trial_tells_how_it_went_and_leaves_nothing() {
    let place = Place::new();
    let cases = [
        ("1", GOOD.to_owned(), ""),
        (
            "2",
            "#!/bin/sh\necho no config\nexit 4\n".to_owned(),
            "exited with status 4",
        ),
        (
            "3",
            GOOD.replace("\"v1\", 200", "\"v1\", 503"),
            "GET /healthz did not succeed within 5s: status 503",
        ),
    ];
    for (version, program, expected) in cases {
        place
            .cloud
            .import(&new(&place, version, &program))
            .await
            .unwrap();
        let timeout = if version == "3" {
            Duration::from_secs(5)
        } else {
            Duration::from_secs(30)
        };
        let probe = Probe {
            port: 8080,
            path: Some("/healthz".to_owned()),
            command: Vec::new(),
            timeout,
            tags: BTreeMap::new(),
            place: None,
        };
        match place
            .cloud
            .verify(&id(version), &probe, &CancellationToken::new())
            .await
            .unwrap()
        {
            Trial::Passed => assert_eq!(expected, "", "{version}"),
            Trial::Stopped => panic!("nobody stopped it"),
            Trial::Failed { why, output } => {
                assert!(
                    !expected.is_empty() && why.contains(expected),
                    "{version}: {why}"
                );
                assert_eq!(output, if version == "2" { "no config\n" } else { "" });
            }
        }
        let left = place
            .processes()
            .into_iter()
            .filter(|process| Some(*process) != place.host())
            .count();
        assert_eq!(left, 0, "{version}");
    }
}

#[tokio::test]
async fn a_trial_starts_the_program_that_is_named() {
    let place = Place::new();
    let image = place.root.path().join("image");
    std::fs::create_dir(&image).unwrap();
    for (name, text) in [
        ("web", GOOD),
        ("worker", "#!/bin/sh\necho \"$1\"\nexit 4\n"),
    ] {
        std::fs::rename(place.program(name, text), image.join(name)).unwrap();
    }
    let two = NewRelease {
        id: id("1"),
        source: ImageSource::Path(image),
        provenance: BTreeMap::new(),
    };
    place.cloud.import(&two).await.unwrap();
    let verify = async |command: &[&str]| {
        let probe = Probe {
            port: 8080,
            path: Some("/healthz".to_owned()),
            command: command.iter().map(|&part| part.to_owned()).collect(),
            timeout: Duration::from_secs(30),
            tags: BTreeMap::new(),
            place: None,
        };
        place
            .cloud
            .verify(&id("1"), &probe, &CancellationToken::new())
            .await
    };
    assert_eq!(verify(&["web"]).await.unwrap(), Trial::Passed);
    let Trial::Failed { why, output } = verify(&["worker", "no queue"]).await.unwrap() else {
        panic!("the worker serves nothing");
    };
    assert!(why.starts_with("exited with status 4"), "{why}");
    assert_eq!(output, "no queue\n");
    for (command, expected) in [
        (&[][..], "web"),
        (&["bin/web"], "there is no bin/web in the image"),
    ] {
        let error = verify(command).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(words(&error).contains(expected), "{}", words(&error));
    }
}

#[tokio::test]
async fn a_trial_that_is_told_to_stop_leaves_no_member() {
    let place = Place::new();
    place.release("1", GOOD).await;
    // The path never answers as it should.
    let probe = Probe {
        port: 80,
        path: Some("/missing".to_owned()),
        command: Vec::new(),
        timeout: Duration::from_secs(600),
        tags: BTreeMap::new(),
        place: None,
    };
    let members = || {
        let all = place.processes().into_iter();
        all.filter(|process| Some(*process) != place.host()).count()
    };
    let (stop, of) = (CancellationToken::new(), id("1"));
    let trial = place.cloud.verify(&of, &probe, &stop);
    let stopped = async {
        while members() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
    };
    let (trial, ()) = futures_util::join!(trial, stopped);
    assert_eq!(trial.unwrap(), Trial::Stopped);
    assert_eq!(members(), 0);
}
