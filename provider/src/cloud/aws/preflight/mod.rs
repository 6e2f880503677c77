//! A look at everything that a wish rests on, all at once, before anything is written.

mod front;
mod known;
mod launch;
mod room;

pub(super) use known::Known;

use super::AwsCloud;
use super::call::Calls;
use super::failure::{Failure, Result};
use super::record::FleetRecord;
use crate::cloud::{Doubt, Finding, LaunchWish, Subject, Wish};
use crate::model::{Fingerprint, Platform};
use std::collections::BTreeMap;

/// What is needed to look ahead.
struct Ahead<'a> {
    calls: &'a Calls,
    known: &'a Known,
    wish: &'a Wish,
    /// Absent: there is no such fleet yet.
    record: Option<&'a FleetRecord>,
    /// An apply that was interrupted has begun what is wished for: its members are counted already.
    is_begun: bool,
}

/// Finds what stands against a wish; each finding says where was looked.
pub(super) async fn findings(cloud: &AwsCloud, wish: &Wish) -> Vec<Finding> {
    let (record, failure) = match cloud.record(&wish.fleet).await {
        Ok(record) => (record, None),
        Err(failure) => (None, Some(unasked(Subject::Fleet, &failure))),
    };
    let launch = wish.launch.as_ref();
    let is_begun = launch.is_some_and(|launch| is_there(record.as_ref(), launch));
    let launch = launch.filter(|_| !is_begun);
    let ahead = Ahead {
        calls: &cloud.calls,
        known: &cloud.known,
        wish,
        record: record.as_ref(),
        is_begun,
    };
    let (launched, fronted, alarmed) = futures_util::join!(
        ahead.launch(launch),
        ahead.front(),
        alarms(cloud, &wish.alarms)
    );
    let all = failure.into_iter().chain(launched);
    let mut found: Vec<Finding> = all.chain(fronted).chain(alarmed).collect();
    found.sort_by_key(|finding| finding.about);
    if !found.is_empty() {
        let place = ahead.place().await;
        found
            .iter_mut()
            .for_each(|finding| finding.why.push_str(&place));
    }
    found
}

impl Ahead<'_> {
    fn subnet_ids(&self) -> &[String] {
        match self.wish.launch.as_ref().map(|launch| &launch.platform) {
            Some(Some(Platform::Aws(aws))) => &aws.subnet_ids,
            Some(Some(Platform::Local(_)) | None) | None => &[],
        }
    }

    async fn place(&self) -> String {
        let region = &self.calls.region;
        match self.known.account(self.calls).await {
            Some(account) => format!(" (Region {region}, account {account}.)"),
            None => format!(" (Region {region}.)"),
        }
    }
}

/// Whether the generation that is wished for was begun by an apply that was interrupted: what it
/// rests on was looked at then, and its members take their addresses already.
fn is_there(record: Option<&FleetRecord>, launch: &LaunchWish) -> bool {
    let (Some(record), Some(whole)) = (record, &launch.whole) else {
        return false;
    };
    let fingerprint = Fingerprint::of(whole);
    let mut generations = record.generations.values();
    generations.any(|it| it.fingerprint == fingerprint && it.condemned.is_none() && !it.removing)
}

async fn alarms(cloud: &AwsCloud, names: &[String]) -> Vec<Finding> {
    if names.is_empty() {
        return Vec::new();
    }
    match cloud.reads.alarms.ask(names).await {
        Ok(states) => {
            let missing = names.iter().filter(|name| !states.contains_key(*name));
            let words = |name| format!("There is no CloudWatch alarm \"{name}\".");
            let found = missing.map(|name| missing_yet(Subject::Alarms, words(name)));
            found.collect()
        }
        Err(failure) => vec![unasked(Subject::Alarms, &failure)],
    }
}

fn wrong(about: Subject, why: impl Into<String>) -> Finding {
    Finding {
        about,
        doubt: Doubt::Wrong,
        why: why.into(),
    }
}

fn missing_yet(about: Subject, why: impl Into<String>) -> Finding {
    Finding {
        about,
        doubt: Doubt::Missing,
        why: why.into(),
    }
}

/// A question that failed. What passes by itself is no fault of the wish; a missing permission is.
fn unasked(about: Subject, failure: &Failure) -> Finding {
    let doubt = if failure.kind.is_transient() {
        Doubt::Unread
    } else {
        Doubt::Wrong
    };
    Finding {
        about,
        doubt,
        why: format!(
            "It could not be looked at: {}.",
            failure.to_string().trim_end_matches('.')
        ),
    }
}

/// Findings about what was asked for, or the one that it could not be asked.
fn judged<V>(
    about: Subject,
    asked: &Result<BTreeMap<String, V>>,
    judge: impl FnOnce(&BTreeMap<String, V>) -> Vec<Finding>,
) -> Vec<Finding> {
    match asked {
        Ok(known) => judge(known),
        Err(failure) => vec![unasked(about, failure)],
    }
}

/// Names in a sentence.
fn listed<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    names.join(", ")
}

/// Words as the beginning of a sentence.
fn capital(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}
