//! What releases are made of.
//!
//! A list of packages is too long for one SSM parameter, and a bucket would be one more thing to own.
//! So it is packed and divided over as many standard parameters as it needs, up to a limit. The parts
//! come first; the parameter that counts them comes last, is made once and never overwritten: without
//! it there is no list, and whoever reads it finds every part.

use super::call::Calls;
use super::failure::{Failure, Result};
use super::names::{self, Tags};
use super::packed;
use super::release_record::{escaped, name_of, parsed};
use crate::cloud::ErrorKind;
use crate::model::{Release, ReleaseId, Sbom, Timestamp};
use serde::{Deserialize, Serialize};

/// Below this lies what releases are made of.
const SBOMS: &str = "/immutable/sboms/";
/// More than some 10,000 packages; an account has room for 10,000 standard parameters in all.
const MOST_PARTS: usize = 32;
/// What a list consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    /// Names the parts, so that two writers never mix theirs: the hash of the packed list.
    digest: String,
    /// Their number.
    parts: usize,
    /// The packages, for people.
    packages: usize,
    /// When the release was accepted: a later one of the same version may hold other packages.
    released_at: Timestamp,
}

impl Contents {
    fn is_of(&self, release: &Release) -> bool {
        self.released_at == release.released_at
    }
}

/// What the releases of one region are made of.
pub(super) struct Sboms<'a> {
    pub(super) calls: &'a Calls,
}

impl Sboms<'_> {
    /// Stores a list, once.
    pub(super) async fn store(&self, id: &ReleaseId, sbom: &Sbom) -> Result<()> {
        let Some((release, there)) = self.look(id).await? else {
            let words = format!("there is no release {id}");
            return Err(Failure::refused(ErrorKind::NotFound, words));
        };
        if let Some(contents) = there.as_ref().filter(|it| it.is_of(&release)) {
            return same(id, &self.list(id, contents).await?, sbom);
        }
        let (contents, parts) = packed(sbom, &release)?;
        for (part, number) in parts.iter().zip(0..) {
            let name = part_name(id, &contents.digest, number);
            self.calls.write_parameter(&name, part).await?;
        }
        let text = serde_json::to_string(&contents)
            .map_err(|error| Failure::refused(ErrorKind::Invalid, error.to_string()))?;
        let name = contents_name(id);
        if there.is_some() {
            // It is that of a release of the same version which is gone.
            return self.calls.write_parameter(&name, &text).await.map(drop);
        }
        let tags = Tags::from([(names::RELEASE.to_owned(), id.to_string())]);
        match self.calls.create_parameter(&name, &text, &tags).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.has_code("ParameterAlreadyExists") => {
                let there = self.find(id).await?;
                there.map_or(Ok(()), |there| same(id, &there, sbom))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Tells a release's list; absent: there is none.
    pub(super) async fn find(&self, id: &ReleaseId) -> Result<Option<Sbom>> {
        let Some((release, there)) = self.look(id).await? else {
            return Ok(None);
        };
        match there.filter(|it| it.is_of(&release)) {
            Some(contents) => self.list(id, &contents).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads a release and what counts the parts of its list; absent: there is no release.
    async fn look(&self, id: &ReleaseId) -> Result<Option<(Release, Option<Contents>)>> {
        let names = [name_of(id), contents_name(id)];
        let found = self.calls.parameters(&names).await?;
        let [release, contents] =
            names.map(|name| found.iter().find(|parameter| parameter.name == name));
        let Some(release) = release else {
            return Ok(None);
        };
        let contents = contents
            .map(|it| serde_json::from_str(&it.value))
            .transpose();
        let contents = contents.map_err(|error| damaged(id, &error.to_string()))?;
        Ok(Some((parsed(release)?.release, contents)))
    }

    async fn list(&self, id: &ReleaseId, contents: &Contents) -> Result<Sbom> {
        let wanted = 0..contents.parts.min(MOST_PARTS);
        let wanted: Vec<String> = wanted
            .map(|number| part_name(id, &contents.digest, number))
            .collect();
        let found = self.calls.parameters(&wanted).await?;
        let mut text = String::new();
        for name in &wanted {
            let part = found.iter().find(|part| part.name == *name);
            text.push_str(&part.ok_or_else(|| damaged(id, "a part is missing"))?.value);
        }
        packed::unpack(&text).map_err(|why| damaged(id, &why))
    }

    /// Forgets a release's list, and what a writer that was interrupted left of one.
    pub(super) async fn remove(&self, id: &ReleaseId) -> Result<()> {
        let below = self.calls.parameters_below(&directory(id)).await?;
        self.calls.delete_parameter(&contents_name(id)).await?;
        for parameter in below {
            self.calls.delete_parameter(&parameter.name).await?;
        }
        Ok(())
    }
}

fn same(id: &ReleaseId, there: &Sbom, sbom: &Sbom) -> Result<()> {
    if there == sbom {
        return Ok(());
    }
    let words =
        format!("another bill of materials is stored with {id}, and a release never changes");
    Err(Failure::refused(ErrorKind::AlreadyExists, words))
}

fn damaged(id: &ReleaseId, why: &str) -> Failure {
    let words = format!(
        "the SSM parameters below {} are not a list of packages: {why}",
        directory(id)
    );
    Failure::refused(ErrorKind::Invalid, words)
}

fn packed(sbom: &Sbom, release: &Release) -> Result<(Contents, Vec<String>)> {
    let packed = packed::pack(sbom)?;
    let (needed, packages) = (packed.parts.len(), sbom.packages().len());
    if needed > MOST_PARTS {
        let words = format!(
            "its {packages} packages need {needed} SSM parameters even when packed, and {MOST_PARTS} \
             are the limit. Leave out what is no package of its own, such as single files"
        );
        return Err(Failure::refused(ErrorKind::Invalid, words));
    }
    let contents = Contents {
        digest: packed.digest,
        parts: needed,
        packages,
        released_at: release.released_at,
    };
    Ok((contents, packed.parts))
}

fn directory(id: &ReleaseId) -> String {
    format!("{SBOMS}{}/{}", id.line, escaped(&id.version))
}

fn contents_name(id: &ReleaseId) -> String {
    format!("{}/contents", directory(id))
}

fn part_name(id: &ReleaseId, digest: &str, number: usize) -> String {
    format!("{}/parts/{digest}/{number}", directory(id))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::Package;
    use sha2::{Digest, Sha256};
    use std::collections::BTreeMap;

    fn release() -> Release {
        Release {
            id: "web@1".parse().unwrap(),
            image_id: "ami-1".to_owned(),
            image_ids: BTreeMap::new(),
            digest: "ami-1".to_owned(),
            architecture: "arm64".to_owned(),
            released_at: Timestamp::default(),
            accepted: true,
            provenance: BTreeMap::new(),
        }
    }

    fn sbom(packages: usize) -> Sbom {
        Sbom::of((0..packages).map(|number| {
            // Names that a hash makes: what real names have in common would pack better.
            let name = Sha256::digest(number.to_string());
            let name: String = name
                .iter()
                .take(6)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            Package {
                purl: format!("pkg:deb/debian/{name}"),
                version: format!("{}.{}-{}", number % 7, number % 31, number % 3),
                name,
            }
        }))
    }

    #[test]
    fn a_list_that_is_too_long_is_refused_with_the_limit() {
        let failure = packed(&sbom(20_000), &release()).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Invalid);
        let words = failure.to_string();
        assert!(
            words.contains("20000 packages") && words.contains("32 are the limit"),
            "{words}"
        );
    }
}
