//! Whether a release can be copied to the regions that a user names.

use super::call::Calls;
use super::failure::{Failure, Result};
use crate::cloud::{ErrorKind, Reach};

/// Refuses regions that there are not, or that the account has not asked for, all at once.
pub(super) async fn check(calls: &Calls, reach: &Reach) -> Result<()> {
    let wanted: Vec<&String> = reach.regions.keys().collect();
    if wanted.iter().all(|region| **region == calls.region) {
        return Ok(());
    }
    let regions = calls.regions().await?;
    let trouble = wanted.into_iter().filter_map(|name| {
        match regions.iter().find(|region| region.name == *name) {
            None => Some(format!("there is no region {name}")),
            Some(region) if !region.is_enabled => {
                Some(format!("the region {name} is not enabled for this account"))
            }
            Some(_) => None,
        }
    });
    let trouble: Vec<String> = trouble.collect();
    if trouble.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(ErrorKind::Invalid, trouble.join("; ")))
}
