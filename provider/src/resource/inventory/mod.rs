//! What runs where: the data sources and lists that look at every fleet and release.
//!
//! `survey` looks at the cloud once for all of them; each data source is a question to what it found.

mod affected;
mod fleets;
mod listings;
mod release;
mod survey;
mod texts;

pub use affected::{Affected, AffectedFleets, FoundPackage, Search};
pub use fleets::{FoundFleet, FoundGeneration, FoundMember, Inventory, Question, State, Undecided};
pub use listings::{FleetFilter, ListFleets, ListReleases, ReleaseFilter};
pub use release::{FindRelease, Wanted};
pub use texts::{LineOrRelease, Versions};
