//! A throw-away instance that shows whether an image boots and answers.
//!
//! The instance is asked from here, at its private address and then at its public one: whoever applies
//! must be able to reach it. It is terminated whatever it answers. One that outlived a killed process
//! is found by its tag, and goes with the next trial of its release or with the release.

use super::call::{Calls, NewInstance};
use super::failure::{Failure, Result};
use super::names;
use super::record;
use crate::cloud::{ErrorKind, Probe, Trial};
use crate::model::{Release, ReleaseId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The tag of a throw-away instance, with the release that it tries.
const TRIAL: &str = "immutable:trial";
/// The time between two questions to the instance.
const ASKS_EVERY: Duration = Duration::from_secs(1);
/// The time within which an instance answers or does not.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// EC2 is asked where the instance is so often at most.
const LOOKS_EVERY: u32 = 5;
/// What is quoted of the output.
const OUTPUT: usize = 4096;

/// Boots one instance of a release and asks it until it is well, time is up or it is told to stop. The
/// call that starts it is never cut off: nobody would know the instance.
pub(super) async fn trial(
    calls: &Calls,
    release: &Release,
    probe: &Probe,
    stop: &CancellationToken,
) -> Result<Trial> {
    sweep(calls, &release.id).await?;
    if stop.is_cancelled() {
        return Ok(Trial::Stopped);
    }
    let name = names::printable(&format!("trial of {}", release.id));
    let mut tags = probe.tags.clone();
    tags.extend([
        (TRIAL.to_owned(), release.id.to_string()),
        // Without it the documented policy would let nobody read its console or end it.
        (names::OWNER.to_owned(), name.clone()),
        ("Name".to_owned(), name),
    ]);
    let place = probe.place.as_ref();
    let new = NewInstance {
        image: &release.image_id,
        instance_type: place.map_or(small(&release.architecture), |place| &place.instance_type),
        subnet: place.map(|place| place.subnet_id.as_str()),
        security_groups: place.map_or(&[], |place| &place.security_group_ids),
        tags: &tags,
    };
    let id = calls.run_one(&new).await?;
    let mut trial = tokio::select! {
        asked = ask_until_well(calls, &id, probe) => asked.map(|why| match why {
            None => Trial::Passed,
            Some(why) => Trial::Failed { why, output: String::new() },
        }),
        () = stop.cancelled() => Ok(Trial::Stopped),
    };
    if let Ok(Trial::Failed { output, .. }) = &mut trial {
        *output = self::output(calls, &id).await.unwrap_or_default();
    }
    calls.terminate(&id).await?;
    trial
}

/// Terminates what an earlier trial of a release has left.
pub(super) async fn sweep(calls: &Calls, id: &ReleaseId) -> Result<()> {
    for left in calls.instances_tagged_as(TRIAL, &id.to_string()).await? {
        calls.terminate(&left).await?;
    }
    Ok(())
}

/// The smallest type that runs an architecture.
fn small(architecture: &str) -> &'static str {
    if architecture.starts_with("arm64") {
        "t4g.micro"
    } else {
        "t3.micro"
    }
}

/// Asks an instance until it is well, and tells what was wrong when time is up; absent: it is well.
async fn ask_until_well(calls: &Calls, id: &str, probe: &Probe) -> Result<Option<String>> {
    let ends = Instant::now() + probe.timeout;
    let mut addresses = Vec::new();
    let mut why = "it never ran".to_owned();
    for look in 0u32.. {
        if look.is_multiple_of(LOOKS_EVERY) {
            match whereabouts(calls, id).await? {
                Whereabouts::At(found) => addresses = found,
                Whereabouts::Ended(words) => return Ok(Some(words)),
            }
        }
        for address in &addresses {
            match timeout(ANSWERS_WITHIN, ask(address, probe)).await {
                Ok(Ok(())) => return Ok(None),
                Ok(Err(words)) => why = words,
                Err(_) => why = format!("{address} did not answer within {ANSWERS_WITHIN:?}"),
            }
        }
        if Instant::now() + ASKS_EVERY > ends {
            break;
        }
        sleep(ASKS_EVERY).await;
    }
    let within = humantime::format_duration(probe.timeout);
    Ok(Some(format!("it was not well within {within}: {why}")))
}

enum Whereabouts {
    At(Vec<String>),
    Ended(String),
}

async fn whereabouts(calls: &Calls, id: &str) -> Result<Whereabouts> {
    let found = calls.instances(&[id.to_owned()]).await?;
    let Some(instance) = found.into_iter().next() else {
        return Ok(Whereabouts::At(Vec::new()));
    };
    let state = instance.state().and_then(|state| state.name());
    let state = state
        .map_or("pending", aws_sdk_ec2::types::InstanceStateName::as_str)
        .to_owned();
    if !matches!(state.as_str(), "pending" | "running") {
        let reason = instance.state_transition_reason.unwrap_or_default();
        return Ok(Whereabouts::Ended(format!(
            "its instance is {state} {reason}"
        )));
    }
    let addresses = [instance.private_ip_address, instance.public_ip_address];
    let known = addresses.into_iter().flatten();
    Ok(Whereabouts::At(
        known.filter(|address| !address.is_empty()).collect(),
    ))
}

/// Asks once.
async fn ask(address: &str, probe: &Probe) -> std::result::Result<(), String> {
    let at = format!("{address}:{}", probe.port);
    let refused = |error: std::io::Error| format!("{at}: {error}");
    let mut stream = TcpStream::connect(&at).await.map_err(refused)?;
    let Some(path) = &probe.path else {
        return Ok(());
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(refused)?;
    let mut answer = Vec::new();
    stream
        .take(64)
        .read_to_end(&mut answer)
        .await
        .map_err(refused)?;
    let answer = String::from_utf8_lossy(&answer);
    match answer
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse::<u16>().ok())
    {
        Some(200..=399) => Ok(()),
        Some(status) => Err(format!("GET {path} answered {status}")),
        None => Err(format!("GET {path} did not answer in HTTP")),
    }
}

/// The end of an instance's console output.
pub(super) async fn output(calls: &Calls, id: &str) -> Result<String> {
    let Some(encoded) = calls.console(id).await? else {
        return Ok(String::new());
    };
    let bytes = STANDARD.decode(encoded.trim()).map_err(|error| {
        Failure::refused(ErrorKind::Invalid, format!("the console output: {error}"))
    })?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(record::end(&text, OUTPUT).to_owned())
}
