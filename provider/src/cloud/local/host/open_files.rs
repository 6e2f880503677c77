//! How many files the host may have open.

use super::super::front::Clients;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for each client of a front: its connection, the one to a member, and one that the
/// client before it may have left idle there. A quarter of all stays for everything else: members
/// take some five each, records and requests of Terraform a handful.
const SHARES: u64 = 4;

/// What the host may have open, and what it was born with.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenFiles {
    inherited: Option<u64>,
    allowed: Option<u64>,
}

impl OpenFiles {
    /// Takes as many as the machine allows. The customary 1024 are meant for programs that know no
    /// better; a front door under load needs two for each client.
    pub(super) fn raise() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        let allowed = match setrlimit(Resource::Nofile, raised) {
            Ok(()) => raised.current,
            Err(_) => limit.current,
        };
        Self {
            inherited: limit.current,
            allowed,
        }
    }

    /// What members may have open: as much as if their user had started them.
    pub(super) fn inherited(self) -> Option<u64> {
        self.inherited
    }

    /// The clients that the fronts may have at once, all together.
    pub(super) fn clients(self) -> Clients {
        let most = self.allowed.map_or(u64::MAX, |allowed| allowed / SHARES);
        Clients::at_most(usize::try_from(most).unwrap_or(usize::MAX))
    }
}
