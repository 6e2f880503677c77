//! SSM parameters: where fleets and releases keep what AWS's own things do not tell.

use super::pages::Pages;
use super::{Calls, said};
use crate::cloud::aws::failure::{Failure, Result};
use crate::cloud::aws::names::Tags;
use aws_sdk_ssm::operation::put_parameter::builders::PutParameterFluentBuilder;
use aws_sdk_ssm::types::{ParameterTier, ParameterType, Tag};

/// As many names fit in one question.
pub(in super::super) const NAMES_AT_ONCE: usize = 10;

/// A parameter as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Parameter {
    pub(in super::super) name: String,
    pub(in super::super) value: String,
    /// Counts its writes, from 1.
    pub(in super::super) version: i64,
}

impl Parameter {
    fn of(parameter: aws_sdk_ssm::types::Parameter) -> Self {
        Self {
            name: parameter.name.unwrap_or_default(),
            value: parameter.value.unwrap_or_default(),
            version: parameter.version,
        }
    }
}

fn told(parameters: Option<Vec<aws_sdk_ssm::types::Parameter>>) -> impl Iterator<Item = Parameter> {
    parameters
        .unwrap_or_default()
        .into_iter()
        .map(Parameter::of)
}

impl Calls {
    /// Reads parameters; one that does not exist is left out.
    pub(in super::super) async fn parameters(&self, names: &[String]) -> Result<Vec<Parameter>> {
        let mut found = Vec::new();
        for some in names.chunks(NAMES_AT_ONCE) {
            let answer = self
                .parameters
                .get_parameters()
                .set_names(Some(some.to_vec()))
                .send()
                .await;
            let answer = said("ssm:GetParameters", answer)?;
            found.extend(told(answer.parameters));
        }
        Ok(found)
    }

    /// Reads one parameter; absent: it does not exist.
    pub(in super::super) async fn parameter(&self, name: &str) -> Result<Option<Parameter>> {
        let found = self.parameters(&[name.to_owned()]).await?;
        Ok(found.into_iter().next())
    }

    /// Reads everything below a path.
    pub(in super::super) async fn parameters_below(&self, path: &str) -> Result<Vec<Parameter>> {
        self.parameters_within(path, usize::MAX).await
    }

    /// Reads what is below a path, at most so many pages of it: for who reads ahead and asks for the
    /// rest by name.
    pub(in super::super) async fn parameters_within(
        &self,
        path: &str,
        most: usize,
    ) -> Result<Vec<Parameter>> {
        let mut found = Vec::new();
        let mut pages = Pages::of("ssm:GetParametersByPath");
        for _ in 0..most {
            let answer = self
                .parameters
                .get_parameters_by_path()
                .path(path)
                .recursive(true)
                .set_next_token(pages.token())
                .send()
                .await;
            let answer = said("ssm:GetParametersByPath", answer)?;
            found.extend(told(answer.parameters));
            if !pages.turn(answer.next_token)? {
                break;
            }
        }
        Ok(found)
    }

    /// Makes a parameter; it fails with `AlreadyExists` where there is one. This is atomic: of many
    /// who try at once, one succeeds.
    pub(in super::super) async fn create_parameter(
        &self,
        name: &str,
        value: &str,
        tags: &Tags,
    ) -> Result<i64> {
        let tags = tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| {
                Failure::refused(crate::cloud::ErrorKind::Invalid, error.to_string())
            })?;
        let answer = self
            .put(name, value)
            .overwrite(false)
            .set_tags(Some(tags))
            .send()
            .await;
        Ok(said("ssm:PutParameter", answer)?.version)
    }

    /// Writes a parameter anew and returns its new version.
    pub(in super::super) async fn write_parameter(&self, name: &str, value: &str) -> Result<i64> {
        let answer = self.put(name, value).overwrite(true).send().await;
        Ok(said("ssm:PutParameter", answer)?.version)
    }

    /// Deletes a parameter; one that is gone is fine.
    pub(in super::super) async fn delete_parameter(&self, name: &str) -> Result<()> {
        let answer = self.parameters.delete_parameter().name(name).send().await;
        match said("ssm:DeleteParameter", answer) {
            Ok(_) => Ok(()),
            Err(failure) if failure.has_code("ParameterNotFound") => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// A write. A standard parameter becomes an advanced one where its value outgrows 4 KiB.
    fn put(&self, name: &str, value: &str) -> PutParameterFluentBuilder {
        self.parameters
            .put_parameter()
            .name(name)
            .value(value)
            .r#type(ParameterType::String)
            .tier(ParameterTier::IntelligentTiering)
    }
}
