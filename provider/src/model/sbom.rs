//! What a release is made of: the packages of its software bill of materials.

use super::version::Scheme;
use serde::{Deserialize, Serialize};

/// The packages that are part of a release, sorted and each once. Two bills of the same packages are
/// the same, whenever and by whatever tool they were written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sbom(Vec<Package>);

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Package {
    /// Its name, with the group before it where it has one: `org.apache.logging.log4j/log4j-core`.
    #[serde(rename = "n")]
    pub name: String,
    /// Its version; empty: the bill does not tell.
    #[serde(rename = "v", default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Its package URL without version and qualifiers, `pkg:deb/debian/openssl`; empty: none.
    #[serde(rename = "p", default, skip_serializing_if = "String::is_empty")]
    pub purl: String,
}

impl Sbom {
    /// Makes a bill of packages in any order.
    #[must_use]
    pub fn of(packages: impl IntoIterator<Item = Package>) -> Self {
        let mut packages: Vec<Package> = packages.into_iter().collect();
        packages.sort();
        packages.dedup();
        Self(packages)
    }

    /// The packages, by name.
    #[must_use]
    pub fn packages(&self) -> &[Package] {
        &self.0
    }
}

impl Package {
    /// Claims that this package is meant by a name, a group and a name, or a package URL. Case means
    /// nothing: registries differ in it.
    #[must_use]
    pub fn is(&self, meant: &str) -> bool {
        let same = |name: &str| name.eq_ignore_ascii_case(meant);
        let bare = self.name.rsplit('/').next().unwrap_or_default();
        if meant.starts_with("pkg:") {
            return same(&self.purl);
        }
        same(&self.name) || same(bare)
    }

    /// How its versions are compared.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        let kind = self.purl.strip_prefix("pkg:").unwrap_or_default();
        match kind.split('/').next() {
            Some("deb" | "rpm" | "apk" | "alpm") => Scheme::Distribution,
            Some(_) | None => Scheme::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_found_by_every_name_that_people_use() {
        let log4j = Package {
            name: "org.apache.logging.log4j/log4j-core".to_owned(),
            version: "2.14.1".to_owned(),
            purl: "pkg:maven/org.apache.logging.log4j/log4j-core".to_owned(),
        };
        for (meant, is) in [
            ("log4j-core", true),
            ("Log4j-Core", true),
            ("org.apache.logging.log4j/log4j-core", true),
            ("pkg:maven/org.apache.logging.log4j/log4j-core", true),
            ("log4j", false),
            ("pkg:maven/log4j-core", false),
        ] {
            assert_eq!(log4j.is(meant), is, "{meant}");
        }
    }
}
