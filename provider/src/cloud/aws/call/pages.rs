//! The way through an answer that comes in pages.
//!
//! EC2 cuts a page first and filters it then, so that a page may be empty and not the last: only the
//! token tells. A list that is read in part is no list: an image whose user is on the page that was
//! left out would be let go.

use crate::cloud::ErrorKind;
use crate::cloud::aws::failure::{Failure, Result};

/// As many pages of one answer are read. The longest is that of the parameters of an account, ten on a
/// page, of which AWS keeps 10,000.
const MOST_PAGES: usize = 1000;

/// Where one is in an answer.
#[derive(Debug)]
pub(super) struct Pages {
    permission: &'static str,
    token: Option<String>,
    turned: usize,
}

impl Pages {
    /// The beginning of the answer to a call, as IAM names it.
    pub(super) fn of(permission: &'static str) -> Self {
        Self {
            permission,
            token: None,
            turned: 0,
        }
    }

    /// What the next question says of where one is; absent: it is the first.
    pub(super) fn token(&self) -> Option<String> {
        self.token.clone()
    }

    /// Turns to the page that an answer names, and tells whether there is one.
    ///
    /// # Errors
    /// The answer has no end.
    pub(super) fn turn(&mut self, next: Option<String>) -> Result<bool> {
        self.token = next.filter(|token| !token.is_empty());
        self.turned += 1;
        if self.token.is_some() && self.turned >= MOST_PAGES {
            let words = format!(
                "AWS's answer to {} has more than {MOST_PAGES} pages, and a part of it tells nothing",
                self.permission
            );
            return Err(Failure::refused(ErrorKind::Invalid, words));
        }
        Ok(self.token.is_some())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_to_its_end_or_not_at_all() {
        let mut pages = Pages::of("ec2:DescribeImages");
        assert_eq!(pages.token(), None);
        assert!(pages.turn(Some("2".to_owned())).unwrap());
        assert_eq!(pages.token().as_deref(), Some("2"));
        assert!(!pages.turn(Some(String::new())).unwrap());
        let mut endless = Pages::of("ec2:DescribeImages");
        let mut turns = (0..MOST_PAGES).map(|_| endless.turn(Some("more".to_owned())));
        let refused = turns.find_map(std::result::Result::err).unwrap();
        assert!(refused.to_string().contains("ec2:DescribeImages"));
        assert!(turns.next().is_none());
    }
}
