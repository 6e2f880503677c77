//! What applies are up to and what people ask for: two SSM parameters beside the fleet's record.
//!
//! They are not part of the record, because whoever asks holds no lease and must not write it.

use super::agenda::{Agenda, Question};
use super::call::{Calls, Parameter};
use super::failure::{Failure, Result};
use super::journal::{FLEETS, Journal, now};
use super::look::Looks;
use super::memory::{Memory, REQUEST_LASTS};
use super::reads::Reads;
use crate::cloud::{ErrorKind, Fence};
use crate::model::FleetName;
use crate::rollout::{Intent, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Leaves what the holder of a lease is up to.
pub(super) async fn leave_intent(
    calls: &Calls,
    journal: &Journal,
    fleet: &FleetName,
    (fence, intent): (Fence, &Intent),
) -> Result<()> {
    journal.open(fleet, fence).await?;
    calls
        .write_parameter(&intent_name(fleet), &text_of(intent)?)
        .await
        .map(drop)
}

/// Reads what was left last; absent: nothing was.
pub(super) async fn intent(calls: &Calls, fleet: &FleetName) -> Result<Option<Intent>> {
    let found = calls.parameter(&intent_name(fleet)).await?;
    found.map(|parameter| read(&parameter)).transpose()
}

/// Leaves a person's request, or takes it back.
pub(super) async fn ask(calls: &Calls, fleet: &FleetName, request: Option<&Request>) -> Result<()> {
    let name = name_of(fleet);
    match request {
        Some(request) => calls
            .write_parameter(&name, &text_of(request)?)
            .await
            .map(drop),
        None => calls.delete_parameter(&name).await,
    }
}

impl Looks<'_> {
    /// Tells what a person has asked for last. It is read together with all else that is read of
    /// parameters, and not at every look.
    pub(super) async fn request(&self, agenda: &Agenda) -> Result<Option<Request>> {
        let requests = &self.memory.requests;
        let remembered = if agenda.holds(Question::Request) {
            requests.within(REQUEST_LASTS, self.fleet, now())
        } else {
            requests.last(self.fleet)
        };
        if let Some(remembered) = remembered {
            return Ok(remembered);
        }
        let request = read_request(self.reads, self.fleet).await?;
        requests.keep(self.fleet, request.clone(), now());
        Ok(request)
    }
}

/// Reads what a person has asked for last, for a look that follows: together with the record, because
/// two parameters are one question.
pub(super) async fn read_ahead(memory: &Memory, reads: &Reads, fleet: &FleetName) -> Result<()> {
    let remembered = memory.requests.within(REQUEST_LASTS, fleet, now());
    if remembered.is_none() {
        let request = read_request(reads, fleet).await?;
        memory.requests.keep(fleet, request, now());
    }
    Ok(())
}

async fn read_request(reads: &Reads, fleet: &FleetName) -> Result<Option<Request>> {
    let name = name_of(fleet);
    let mut found = reads.parameters.ask(std::slice::from_ref(&name)).await?;
    found
        .remove(&name)
        .map(|parameter| read(&parameter))
        .transpose()
}

fn intent_name(fleet: &FleetName) -> String {
    format!("{FLEETS}{fleet}/intent")
}

/// The name of the parameter that holds what a person asks of a fleet.
pub(super) fn name_of(fleet: &FleetName) -> String {
    format!("{FLEETS}{fleet}/request")
}

fn text_of(what: &impl Serialize) -> Result<String> {
    serde_json::to_string(what)
        .map_err(|error| Failure::refused(ErrorKind::Invalid, error.to_string()))
}

fn read<T: DeserializeOwned>(parameter: &Parameter) -> Result<T> {
    serde_json::from_str(&parameter.value).map_err(|error| {
        let words = format!(
            "the SSM parameter {} cannot be read: {error}; delete it if it is damaged",
            parameter.name
        );
        Failure::refused(ErrorKind::Invalid, words)
    })
}
