//! References to secrets, and the values behind them.

use super::super::wire::Values;
use crate::model::LaunchTemplate;
use std::collections::BTreeMap;
use std::fs;
use std::io;

/// Where a secret's value comes from.
pub(in crate::cloud::local) enum Reference<'a> {
    /// `env:NAME`: a variable of the process that applies. Its value goes to the host's memory and
    /// nowhere else; a host that lost it asks the next process that calls.
    Variable(&'a str),
    /// `file:/path`: read by the host each time a member boots.
    File(&'a str),
}

impl<'a> Reference<'a> {
    /// Reads a reference.
    ///
    /// # Errors
    /// It is neither of the two; the text says what is accepted.
    pub(in crate::cloud::local) fn parse(text: &'a str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() && !name.contains('=') => {
                Ok(Self::Variable(name))
            }
            Some(("file", path)) if path.starts_with('/') => Ok(Self::File(path)),
            _ => Err(format!(
                "\"{text}\" is neither \"env:NAME\" nor \"file:/absolute/path\""
            )),
        }
    }
}

/// Returns what a generation's members get from configuration and secrets.
///
/// # Errors
/// A secret cannot be resolved; the text names it and never a value.
pub(super) fn environment(
    launch: &LaunchTemplate,
    values: &Values,
) -> io::Result<BTreeMap<String, String>> {
    let mut environment = launch.config.clone();
    for (name, reference) in &launch.secrets {
        let value = resolve(reference, values);
        let value = value.map_err(|words| io::Error::other(format!("secret {name}: {words}")))?;
        environment.insert(name.clone(), value);
    }
    Ok(environment)
}

/// Names the variables that a launch template's secrets refer to.
pub(in crate::cloud::local) fn variables(launch: &LaunchTemplate) -> impl Iterator<Item = &str> {
    launch
        .secrets
        .values()
        .filter_map(|reference| match Reference::parse(reference) {
            Ok(Reference::Variable(name)) => Some(name),
            Ok(Reference::File(_)) | Err(_) => None,
        })
}

fn resolve(reference: &str, values: &Values) -> Result<String, String> {
    match Reference::parse(reference)? {
        Reference::Variable(name) => values.0.get(name).cloned().ok_or_else(|| {
            format!(
                "the value of {name} was known to an earlier host alone; \
                 run terraform with {name} in its environment to hand it over again"
            )
        }),
        Reference::File(path) => {
            let text = fs::read_to_string(path)
                .map_err(|error| format!("{path} cannot be read: {error}"))?;
            // Editors and echo end files with a newline that belongs to no secret.
            Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
        }
    }
}
