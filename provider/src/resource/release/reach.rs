//! Where else a release shall be: from what the user wrote to what the cloud is given.

use super::attributes::AwsRelease;
use crate::cloud::Reach;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::resource::site::Site;
use crate::resource::trouble;
use crate::schema::{Maybe, Planned};
use crate::value::Path;
use std::collections::BTreeSet;

impl AwsRelease {
    /// Returns where the release shall be and who may run it.
    pub(super) fn reach(&self, site: &Site) -> Reach {
        let regions = self.copy_to.iter().flatten().map(|region| {
            let key = self.kms_keys.as_ref().and_then(|keys| keys.get(region));
            (region.clone(), key.cloned())
        });
        Reach {
            regions: regions.collect(),
            accounts: self.share_with.iter().flatten().cloned().collect(),
            tags: site.default_tags.clone(),
        }
    }
}

/// Looks whether the cloud can bring a release so far.
pub(super) async fn check(site: &Site, reach: &Reach) -> Result<(), Diagnostic> {
    let at = Path::of("aws").attribute("copy_to");
    let checked = site.cloud.check_reach(reach).await;
    checked.map_err(|error| trouble(&error).at(at))
}

/// Checks what can be seen without a cloud, as far as it is known.
pub(super) fn validate(aws: &AwsRelease<Planned>) -> Diagnostics {
    let at = |name: &str| Path::of("aws").attribute(name);
    let regions = listed(aws.copy_to.given());
    let regions_found = regions.iter().flatten().filter(|it| !is_region(it));
    let regions_found = regions_found.map(|name| {
        let words = format!("\"{name}\" is not a region, such as \"eu-west-1\".");
        Diagnostic::invalid(at("copy_to"), words)
    });
    let accounts = listed(aws.share_with.given());
    let accounts_found = accounts.iter().flatten().filter(|it| !is_account(it));
    let accounts_found = accounts_found.map(|name| {
        let words = format!("\"{name}\" is not an account: that has 12 digits.");
        Diagnostic::invalid(at("share_with"), words)
    });
    let copied: BTreeSet<&str> = regions.iter().flatten().copied().collect();
    // A list with a part that is not known yet may hold any region.
    let all_known = regions
        .as_ref()
        .is_none_or(|it| it.len() == count(&aws.copy_to));
    let is_open = aws.copy_to.is_unknown() || !all_known;
    let keys = aws.kms_keys.given().into_iter().flatten();
    let keys_found = keys
        .filter(|(region, _)| !is_open && !copied.contains(region.as_str()))
        .map(|(region, _)| {
            let words = format!(
                "It has a key for {region}, which copy_to does not name: an image is encrypted \
                 when it is copied."
            );
            Diagnostic::invalid(at("kms_keys"), words)
        });
    regions_found
        .chain(accounts_found)
        .chain(keys_found)
        .collect()
}

/// The parts of a list that are known.
fn listed(list: Option<&Vec<Maybe<String>>>) -> Option<Vec<&str>> {
    let parts = list?.iter();
    Some(
        parts
            .filter_map(|part| Some(part.known()?.as_str()))
            .collect(),
    )
}

fn count(list: &Maybe<Option<Vec<Maybe<String>>>>) -> usize {
    list.given().map_or(0, Vec::len)
}

/// Whether a text has the form of a region: whether there is one of that name, the cloud knows.
fn is_region(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let ends_in_digit = text.bytes().last().is_some_and(|b| b.is_ascii_digit());
    ends_in_digit && text.split('-').count() >= 3 && text.split('-').all(is_part)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_accounts_have_a_form() {
        for good in ["eu-west-1", "us-gov-west-1", "ap-southeast-2"] {
            assert!(is_region(good), "{good}");
        }
        for bad in [
            "",
            "eu-west",
            "EU-WEST-1",
            "eu_west_1",
            "eu--1",
            "eu-west-1a",
        ] {
            assert!(!is_region(bad), "{bad}");
        }
        assert!(is_account("123456789012"));
        for bad in [
            "12345678901",
            "1234567890123",
            "12345678901x",
            "arn:aws:iam",
        ] {
            assert!(!is_account(bad), "{bad}");
        }
    }
}
