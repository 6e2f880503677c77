//! `release_id` and `parse_release_id`: a release's name and its parts.

use crate::model::{LineName, ReleaseId};
use crate::resource::Function;
use crate::resource::release::attributes::Version;
use crate::schema::{Applied, Attributes, Stage};
use crate::value::{Finding, Findings, Step};

/// The function `release_id`.
#[derive(Debug)]
pub struct MakeReleaseId;

/// Makes the id of a release, `name@version`, and checks both parts by the rules of
/// `immutable_image_release`. What it answers fits a fleet's `release`.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Parts {
    /// The line's name.
    #[tf(required)]
    pub name: LineName,
    /// The version within the line.
    #[tf(required)]
    pub version: Version,
}

impl Function for MakeReleaseId {
    const NAME: &'static str = "release_id";
    type Arguments = Parts;
    type Answer = String;

    fn call(&self, Parts { name, version }: Parts) -> Result<String, Findings> {
        Ok(format!("{name}@{}", version.as_str()))
    }
}

/// The function `parse_release_id`.
#[derive(Debug)]
pub struct ParseReleaseId;

/// Takes the id of a release apart. An image id, which a fleet may run as well, has no parts and is
/// an error.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Id {
    /// The id, `name@version`.
    #[tf(required)]
    pub id: String,
}

/// The parts of a release's id.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Parsed<S: Stage = Applied> {
    /// The line's name.
    #[tf(computed)]
    pub name: S::Of<String>,
    /// The version within the line.
    #[tf(computed)]
    pub version: S::Of<String>,
}

impl Function for ParseReleaseId {
    const NAME: &'static str = "parse_release_id";
    type Arguments = Id;
    type Answer = Parsed;

    fn call(&self, Id { id }: Id) -> Result<Parsed, Findings> {
        let parsed = id.parse::<ReleaseId>().map_err(|error| {
            let at = Step::Attribute("id".to_owned());
            Finding::here(error.to_string()).under(at)
        })?;
        Ok(Parsed {
            name: parsed.line.to_string(),
            version: parsed.version,
        })
    }
}
