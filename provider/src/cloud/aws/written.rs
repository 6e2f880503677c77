//! Which of the versions of a fleet's record counts.
//!
//! A call that its sender gave up may reach AWS later all the same, after what was written since. AWS
//! takes whatever comes last, so the record itself tells which writing is the newer one: by the number
//! of the lease that it was written under, and under the same lease by the time of its one holder.
//!
//! A record also tells which version of its parameter it was to become. Where it became just that,
//! nothing came in between, for its writer had seen all that there was before it. So one read is
//! enough but where something was late, and then the versions before tell the rest.

use super::call::{Calls, Parameter};
use super::failure::{Failure, Result};
use super::record::{FORMAT, FleetRecord};
use crate::cloud::ErrorKind;

/// So many late calls are looked through at most; AWS keeps a hundred versions.
const MOST_LATE: usize = 20;

/// A record with the version of the parameter that it was read from or written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) record: FleetRecord,
    /// 0: the parameter is to be made.
    pub(super) version: i64,
}

/// Reads the record that counts, at the version that its parameter has now.
pub(super) async fn entry(calls: &Calls, parameter: &Parameter) -> Result<Entry> {
    let version = parameter.version;
    let mut found = vec![(version, parsed(parameter)?)];
    for earlier in (1..version).rev().take(MOST_LATE) {
        if found.last().is_some_and(is_in_place) {
            break;
        }
        let name = format!("{}:{earlier}", parameter.name);
        let Some(parameter) = calls.parameter(&name).await? else {
            break;
        };
        found.push((earlier, parsed(&parameter)?));
    }
    Ok(Entry {
        record: counting(&found),
        version,
    })
}

/// Reads a record, and refuses one of a form that this version does not know.
pub(super) fn parsed(parameter: &Parameter) -> Result<FleetRecord> {
    let unreadable = |why: String| {
        Failure::refused(
            ErrorKind::Invalid,
            format!(
                "the SSM parameter {} is not a fleet's record: {why}",
                parameter.name
            ),
        )
    };
    let record: FleetRecord =
        serde_json::from_str(&parameter.value).map_err(|error| unreadable(error.to_string()))?;
    if record.format != FORMAT {
        return Err(unreadable(format!(
            "its form is {} and this version of the provider knows {FORMAT}; use the newer version",
            record.format
        )));
    }
    Ok(record)
}

fn is_in_place((version, record): &(i64, FleetRecord)) -> bool {
    record.stamp.version == *version
}

/// The record that counts among versions, the latest first.
///
/// A parameter that begins with a record that was not to be its first was made by a call that was late
/// for a fleet that is gone, and so is what it tells.
fn counting(found: &[(i64, FleetRecord)]) -> FleetRecord {
    let newest = found.iter().rev().max_by_key(|(_, record)| record.order());
    let (_, newest) = newest.expect("there is the version that was read");
    let begins_late =
        found.last().is_some_and(|oldest| oldest.0 == 1) && !found.iter().any(is_in_place);
    if begins_late {
        return FleetRecord::new(newest.fence, None, newest.stamp);
    }
    newest.clone()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cloud::Fence;
    use crate::cloud::aws::record::Stamp;
    use crate::model::{GenerationNumber, Timestamp};

    /// A record written under a lease at a time, to become a version.
    fn written(fence: u64, at: u64, version: i64) -> FleetRecord {
        let at = Timestamp::from_milliseconds(at);
        let mut record = FleetRecord::new(Fence(fence), None, Stamp { version, at });
        record.latest = GenerationNumber(7);
        record
    }

    /// Checks which of some versions counts: the version that each has, and its fence, time and the
    /// version that it was to become.
    fn check(versions: &[(i64, (u64, u64, i64))], counts: (u64, u64)) {
        let found: Vec<_> = versions
            .iter()
            .map(|(version, (fence, at, of))| (*version, written(*fence, *at, *of)))
            .collect();
        let record = counting(&found);
        let told = (record.fence.0, record.stamp.at.milliseconds());
        assert_eq!(told, counts, "{versions:?}");
        assert_eq!(record.latest, GenerationNumber(7), "{versions:?}");
    }

    #[test]
    fn what_was_written_last_counts_whenever_it_arrived() {
        check(&[(6, (1, 60, 6))], (1, 60));
        // Given up, written again, and then it came.
        check(&[(7, (1, 50, 6)), (6, (1, 60, 6))], (1, 60));
        // It came before what was written in its place.
        check(&[(7, (1, 60, 6)), (6, (1, 50, 6))], (1, 60));
        // Sent twice, because the first answer got lost.
        check(&[(7, (1, 60, 6)), (6, (1, 60, 6))], (1, 60));
        // Two of them, long after.
        check(
            &[(9, (1, 40, 6)), (8, (1, 50, 6)), (7, (1, 70, 7))],
            (1, 70),
        );
        // From a holder that was overtaken, by whose clock it is later.
        check(&[(7, (1, 99, 6)), (6, (2, 60, 6))], (2, 60));
    }

    #[test]
    fn what_arrives_after_its_fleet_is_gone_is_no_fleet() {
        let found = [(2, written(3, 60, 18)), (1, written(3, 50, 17))];
        let nothing = counting(&found);
        assert_eq!(nothing.fence, Fence(3));
        assert!(nothing.is_void() && nothing.lease.is_none());
        assert_eq!(nothing.latest, GenerationNumber(0));
        // A lease that follows it begins another fleet.
        check(&[(2, (4, 70, 2))], (4, 70));
    }
}
