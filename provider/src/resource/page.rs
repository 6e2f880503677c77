//! The page that members are asked for to show that they are well.

use http::uri::PathAndQuery;

/// Returns what is wrong with a page's path; absent: members can be asked for it.
pub(super) fn fault(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("A path begins with a slash, such as \"/healthz\".");
    }
    let is_askable = !path.contains('#') && path.parse::<PathAndQuery>().is_ok();
    (!is_askable).then_some(
        "It cannot be asked for over HTTP: write what stands in an address behind the host, with \
         spaces and the like escaped, such as \"/health%20check\", and without a # part.",
    )
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn a_path_is_what_can_be_asked_for() {
        for path in ["/", "/healthz", "/a?b=c&d", "/health%20check"] {
            assert_eq!(fault(path), None, "{path}");
        }
        for path in ["", "healthz", "/health check", "/a#b", "/a\nb"] {
            assert!(fault(path).is_some(), "{path}");
        }
    }
}
