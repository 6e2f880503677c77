//! Names as users write them: one rule for fleets and lines.

use crate::model::{FleetName, LineName};
use crate::schema::Text;

macro_rules! text {
    ($name:ty) => {
        impl Text for $name {
            const ACCEPTS: &'static str = "1 to 32 lower-case letters, digits and single dashes, \
                                           beginning with a letter and not ending with a dash";

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn text(&self) -> &str {
                self.as_str()
            }
        }
    };
}

text!(FleetName);
text!(LineName);
