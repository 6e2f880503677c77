//! Attributes declared once: a struct with doc comments is Terraform's schema, the decoding, the
//! validation and the reference page.
//!
//! Start at [`Attributes`], which is derived, and [`Field`], which says what a field's type can
//! hold. [`Stage`] is how one struct serves plan, where values may be unknown, and apply, where
//! they may not.

mod attribute;
mod bounded;
mod check;
mod count;
mod duration;
mod field;
mod nested;
mod object;
mod probe;
mod reference;
mod set;
mod signature;
mod stage;
mod stranger;
mod text;

pub use attribute::{Attribute, Kind, Nesting, Schema};
pub use bounded::Bounded;
pub use check::{RESERVED_IN_PROVIDER, RESERVED_IN_RESOURCE, problems};
pub use count::{Amount, CountOrShare};
pub use duration::DurationText;
pub use field::{Attributes, Field, absent};
pub use immutable_derive::{Attributes, Choice};
pub use nested::{Element, each, element_at, with_defaults};
pub use object::ObjectReader;
pub use probe::refuses_unknown;
pub use reference::{function_reference, reference};
pub use set::Set;
pub use signature::{Signature, parameter_type};
pub use stage::{Applied, List, Map, Maybe, Planned, Stage};
pub use stranger::strangers;
pub use text::Text;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
