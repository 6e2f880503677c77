//! What things are called on AWS and which tags they carry.
//!
//! A name follows from fleet and number alone, so that a thing can be found again without any memory,
//! and so that making it twice fails. Tags say whose it is: a thing of the right name without them is
//! a stranger's and is left alone.

use crate::model::{Fingerprint, FleetName, GenerationNumber, LaunchTemplate, ReleaseRef};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The tag that names the fleet.
pub(super) const FLEET: &str = "immutable:fleet";
/// The tag that tells the generation's number.
pub(super) const GENERATION: &str = "immutable:generation";
/// The tag that tells the generation's fingerprint.
pub(super) const FINGERPRINT: &str = "immutable:fingerprint";
/// The tag that tells the release.
pub(super) const RELEASE: &str = "immutable:release";
/// The tag that tells who made it.
pub(super) const OWNER: &str = "immutable:owner";
/// The tag that consoles show as a thing's name.
const NAME: &str = "Name";
/// The tag of a member that is kept to be looked at.
pub(super) const PARKED: &str = "immutable:parked";

/// A target group's name has at most so many characters.
const LONGEST_TARGET_GROUP: usize = 32;
/// A tag's value has at most so many characters.
const LONGEST_TAG: usize = 256;

/// Tags, sorted by key.
pub(super) type Tags = BTreeMap<String, String>;

/// The name of a generation's Auto Scaling group and launch template: at most 53 characters, within
/// the 128 that a launch template's may have.
pub(super) fn generation(fleet: &FleetName, number: GenerationNumber) -> String {
    format!("immutable-{fleet}-{number}")
}

/// The name of a generation's target group.
///
/// Where fleet and number do not fit, the fleet's name is cut and its hash keeps two fleets apart.
/// Fleet `web`, number 4: `im-web-4`.
pub(super) fn target_group(fleet: &FleetName, number: GenerationNumber) -> String {
    let full = format!("im-{fleet}-{number}");
    if full.len() <= LONGEST_TARGET_GROUP {
        return full;
    }
    let digest = Sha256::digest(fleet.as_str());
    let hash: String = digest
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let number = number.to_string();
    let room = LONGEST_TARGET_GROUP - "im--".len() - 1 - hash.len() - number.len();
    let cut = fleet.as_str().get(..room).unwrap_or(fleet.as_str());
    format!("im-{}-{hash}-{number}", cut.trim_end_matches('-'))
}

/// The tags of what belongs to a whole fleet.
pub(super) fn fleet_tags(fleet: &FleetName, owner: &str) -> Tags {
    Tags::from([
        (FLEET.to_owned(), fleet.to_string()),
        (OWNER.to_owned(), printable(owner)),
    ])
}

/// The tags of what belongs to a generation, members included. The user's own come first: ours win.
pub(super) fn generation_tags(
    fleet: &FleetName,
    number: GenerationNumber,
    launch: &LaunchTemplate,
    fingerprint: &Fingerprint,
    owner: &str,
) -> Tags {
    let mut tags = launch.tags.clone();
    tags.entry(NAME.to_owned())
        .or_insert_with(|| usual_name(fleet, number));
    tags.extend(fleet_tags(fleet, owner));
    tags.insert(GENERATION.to_owned(), number.to_string());
    tags.insert(FINGERPRINT.to_owned(), fingerprint.to_string());
    tags.insert(RELEASE.to_owned(), release(&launch.release));
    tags
}

/// Leaves the user's own tags of those that a generation carries.
pub(super) fn take_out_ours(tags: &mut Tags, fleet: &FleetName, number: GenerationNumber) {
    let usual = usual_name(fleet, number);
    let ours = [FLEET, GENERATION, FINGERPRINT, RELEASE, OWNER];
    tags.retain(|key, value| {
        let is_usual = key == NAME && *value == usual;
        !is_usual && !ours.contains(&key.as_str())
    });
}

/// What members are called unless the user calls them something else.
fn usual_name(fleet: &FleetName, number: GenerationNumber) -> String {
    format!("{fleet}-{number}")
}

/// A release as a tag tells it.
pub(super) fn release(release: &ReleaseRef) -> String {
    printable(&release.to_string())
}

/// What a tag's value may hold: letters, digits, spaces and a few signs.
pub(super) fn printable(text: &str) -> String {
    let allowed = |c: char| c.is_alphanumeric() || " +-=._:/@".contains(c);
    text.chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .take(LONGEST_TAG)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(fleet: &str, number: u32, expected: &str) {
        let name = target_group(&fleet.parse().unwrap(), GenerationNumber(number));
        assert_eq!(name, expected);
        assert!(name.len() <= LONGEST_TARGET_GROUP);
    }

    #[test]
    fn a_target_groups_name_fits_and_keeps_fleets_apart() {
        check("web", 4, "im-web-4");
        check(
            "a-fleet-with-a-name-of-28-xx",
            12,
            "im-a-fleet-with-a-na-c8e57379-12",
        );
        let long = |last: &str| -> FleetName {
            format!("a-fleet-with-a-very-long-name-{last}")
                .parse()
                .unwrap()
        };
        let (one, other) = (long("a"), long("b"));
        assert_ne!(
            target_group(&one, GenerationNumber(1)),
            target_group(&other, GenerationNumber(1))
        );
        check("w", u32::MAX, "im-w-4294967295");
    }

    #[test]
    fn an_owner_becomes_a_tag_whatever_it_holds() {
        assert_eq!(
            printable("apply on x, process 7 (web)"),
            "apply on x_ process 7 _web_"
        );
        assert_eq!(printable(&"x".repeat(300)).len(), LONGEST_TAG);
    }
}
