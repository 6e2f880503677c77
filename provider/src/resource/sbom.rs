//! Software bills of materials: which packages a document lists.
//!
//! It reads text and knows neither files nor clouds. The formats are CycloneDX and SPDX 2 in JSON;
//! what they say beside packages is left alone.

use crate::model::{Package, Sbom};
use serde::Deserialize;

/// Why a document gives no packages.
#[derive(Debug, thiserror::Error)]
pub(super) enum SbomError {
    /// The text is not JSON, or a part of it has another shape.
    #[error("it is not a bill of materials in JSON, of CycloneDX or SPDX 2: {0}")]
    NotJson(#[from] serde_json::Error),
    /// It is SPDX of a later kind.
    #[error(
        "it is SPDX 3, and what is read are CycloneDX and SPDX 2 in JSON; have the tool that made it \
         write one of these"
    )]
    Spdx3,
    /// It is JSON of something else.
    #[error(
        "it is neither CycloneDX (\"bomFormat\": \"CycloneDX\") nor SPDX 2 (\"spdxVersion\": \
         \"SPDX-2.3\"), which are what is read"
    )]
    OtherFormat,
    /// It lists nothing, so that every question about it would be answered with no.
    #[error("it lists no packages; a bill without any would hide what the image holds")]
    NoPackages,
}

/// Returns the packages that a document lists.
///
/// # Errors
/// The document is none of the known formats, or lists nothing.
pub(super) fn read(text: &[u8]) -> Result<Sbom, SbomError> {
    let document: Document = serde_json::from_slice(text)?;
    let is_spdx = document
        .spdx_version
        .as_ref()
        .is_some_and(|it| it.starts_with("SPDX-2"));
    let packages: Vec<Package> = match document.bom_format.as_deref() {
        Some("CycloneDX") => document.components.iter().flat_map(flattened).collect(),
        Some(_) | None if is_spdx => document.packages.iter().map(spdx).collect(),
        Some(_) | None if document.is_spdx_3() => return Err(SbomError::Spdx3),
        Some(_) | None => return Err(SbomError::OtherFormat),
    };
    if packages.is_empty() {
        return Err(SbomError::NoPackages);
    }
    Ok(Sbom::of(packages))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    bom_format: Option<String>,
    spdx_version: Option<String>,
    #[serde(default)]
    components: Vec<Component>,
    #[serde(default)]
    packages: Vec<SpdxPackage>,
    /// Where the words of linked data are explained.
    #[serde(default, rename = "@context")]
    context: serde_json::Value,
}

impl Document {
    /// Linked data, as SPDX is since version 3; it has no version at the top.
    fn is_spdx_3(&self) -> bool {
        let version = self.spdx_version.as_ref();
        version.is_some_and(|it| it.starts_with("SPDX-"))
            || self.context.to_string().contains("spdx.org/rdf")
    }
}

#[derive(Deserialize)]
struct Component {
    #[serde(default)]
    group: String,
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    purl: String,
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpdxPackage {
    name: String,
    #[serde(default)]
    version_info: String,
    #[serde(default)]
    external_refs: Vec<ExternalRef>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_type: String,
    reference_locator: String,
}

/// A component and those that are within it. The parser bounds how deep that goes.
fn flattened(component: &Component) -> Vec<Package> {
    let name = match component.group.as_str() {
        "" => component.name.clone(),
        group => format!("{group}/{}", component.name),
    };
    let own = Package {
        name,
        version: component.version.clone(),
        purl: bare_purl(&component.purl),
    };
    let within = component.components.iter().flat_map(flattened);
    [own].into_iter().chain(within).collect()
}

fn spdx(package: &SpdxPackage) -> Package {
    let purl = package
        .external_refs
        .iter()
        .find(|it| it.reference_type == "purl");
    let is_told = |version: &&String| !["NOASSERTION", "NONE"].contains(&version.as_str());
    let version = Some(&package.version_info).filter(is_told);
    Package {
        name: package.name.clone(),
        version: version.cloned().unwrap_or_default(),
        purl: purl.map_or_else(String::new, |it| bare_purl(&it.reference_locator)),
    }
}

/// A package URL without version, qualifiers and subpath. The version stands behind the last `@`
/// that is no part of an npm scope.
fn bare_purl(purl: &str) -> String {
    let purl = purl.split(['?', '#']).next().unwrap_or_default();
    let (path, name) = purl.rsplit_once('/').unwrap_or(("", purl));
    let name = match name.rfind('@') {
        Some(at) if at > 0 => &name[..at],
        Some(_) | None => name,
    };
    match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn packages(text: &str) -> Vec<String> {
        let sbom = read(text.as_bytes()).unwrap();
        let packages = sbom.packages().iter();
        packages
            .map(|it| format!("{} {} {}", it.name, it.version, it.purl))
            .collect()
    }

    #[test]
    fn both_formats_list_packages() {
        let cyclone = r#"{"bomFormat":"CycloneDX","components":[
            {"type":"library","name":"b","version":"2","purl":"pkg:npm/%40x/b@2?arch=any"},
            {"type":"library","group":"g","name":"a","version":"1","components":[{"name":"c"}]}]}"#;
        assert_eq!(packages(cyclone), ["b 2 pkg:npm/%40x/b", "c  ", "g/a 1 "]);
        let spdx = r#"{"spdxVersion":"SPDX-2.3","packages":[
            {"name":"openssl","versionInfo":"3.0.11-1","externalRefs":[
              {"referenceType":"cpe23Type","referenceLocator":"cpe:2.3:a:x"},
              {"referenceType":"purl","referenceLocator":"pkg:deb/debian/openssl@3.0.11-1?arch=amd64"}]},
            {"name":"app","versionInfo":"NOASSERTION"}]}"#;
        assert_eq!(
            packages(spdx),
            ["app  ", "openssl 3.0.11-1 pkg:deb/debian/openssl"]
        );
    }

    #[test]
    fn what_lists_nothing_is_refused() {
        for (text, why) in [
            (
                "<xml/>",
                "not a bill of materials in JSON, of CycloneDX or SPDX 2",
            ),
            ("[]", "not a bill of materials in JSON"),
            ("{}", "neither CycloneDX"),
            (r#"{"spdxVersion":"SPDX-3.0"}"#, "it is SPDX 3"),
            (
                r#"{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[
                    {"type":"software_Package","name":"openssl"}]}"#,
                "CycloneDX and SPDX 2 in JSON",
            ),
            (r#"{"bomFormat":"CycloneDX"}"#, "lists no packages"),
            (
                r#"{"bomFormat":"CycloneDX","components":[{}]}"#,
                "missing field `name`",
            ),
        ] {
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
