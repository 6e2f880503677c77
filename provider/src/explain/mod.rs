//! A plan as a page for people: what `terraform show -json` prints, for a merge request.
//!
//! [`Page`] is what there is to say, read from the plan; `markdown` and `html` say it. Whatever comes
//! from the plan is text to them and never markup.

mod change;
mod course;
mod html;
mod markdown;
mod plan;

pub use change::{Attribute, Change, FleetChange};
pub use html::html;
pub use markdown::markdown;
pub use plan::NotAPlan;

/// What there is to say of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The Terraform that made the plan.
    pub terraform_version: String,
    /// The fleets that change.
    pub fleets: Vec<FleetChange>,
    /// Everything else that changes.
    pub others: Vec<Change>,
}

impl Page {
    /// Reads what `terraform show -json PLAN` printed.
    ///
    /// # Errors
    /// It is no plan as JSON; the error says what it is instead.
    pub fn read(json: &[u8]) -> Result<Self, NotAPlan> {
        plan::page(json)
    }

    fn is_empty(&self) -> bool {
        self.fleets.is_empty() && self.others.is_empty()
    }

    /// What a plan amounts to, in one sentence.
    fn summary(&self) -> String {
        if self.is_empty() {
            return "Nothing changes.".to_owned();
        }
        let count = |count: usize, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            _ => Some(format!("{count} {many}")),
        };
        let parts = [
            count(self.fleets.len(), "fleet changes", "fleets change"),
            count(self.others.len(), "other thing", "other things"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        format!("{}.", parts.join(", and "))
    }
}
