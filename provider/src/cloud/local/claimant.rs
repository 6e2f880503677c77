//! The process behind a lease, told apart from every other one that ever had its number.

use serde::{Deserialize, Serialize};
use std::fs;
use std::io;

/// A process, as another one recognises it later.
///
/// A lease outlives its holder by design: across a network nobody can tell a holder that is slow
/// from one that is dead. On one machine everybody can, so that an apply that was killed holds up
/// the next one for no moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claimant {
    /// The run of the machine that the number is of.
    boot: String,
    /// The namespace that the number is of: a container shares the directory, not the numbers.
    namespace: String,
    id: u32,
    /// When it started, in the kernel's ticks; numbers are given out again.
    started: u64,
}

impl Claimant {
    /// Returns this process; absent: the system does not tell enough of it.
    pub(super) fn ourselves() -> Option<Self> {
        let id = std::process::id();
        let Life::Lives { started } = life(id).ok()? else {
            return None;
        };
        Some(Self {
            boot: boot().ok()?,
            namespace: namespace().ok()?,
            id,
            started,
        })
    }

    /// Claims that the process has ended. Whatever cannot be told leaves it alive.
    pub(super) fn is_gone(&self) -> bool {
        let (Ok(boot), Ok(namespace)) = (boot(), namespace()) else {
            return false;
        };
        if self.boot != boot {
            return true;
        }
        match life(self.id) {
            _ if self.namespace != namespace => false,
            Ok(Life::Lives { started }) => started != self.started,
            Ok(Life::Over) => true,
            Err(_) => false,
        }
    }
}

enum Life {
    Lives {
        started: u64,
    },
    /// No such process, or one that only waits for its parent to notice its end.
    Over,
}

fn life(id: u32) -> io::Result<Life> {
    let stat = match fs::read_to_string(format!("/proc/{id}/stat")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Life::Over),
        // It ended between the opening and the reading.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(Life::Over),
        other => other?,
    };
    let unreadable = || io::Error::from(io::ErrorKind::InvalidData);
    // The name in parentheses may hold anything; what follows it are fields 3 and on.
    let (_, fields) = stat.rsplit_once(") ").ok_or_else(unreadable)?;
    let mut fields = fields.split(' ');
    if let Some("Z" | "X") = fields.next() {
        return Ok(Life::Over);
    }
    let started = fields.nth(18).and_then(|field| field.parse().ok());
    Ok(Life::Lives {
        started: started.ok_or_else(unreadable)?,
    })
}

fn boot() -> io::Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim().to_owned())
}

fn namespace() -> io::Result<String> {
    let link = fs::read_link("/proc/self/ns/pid")?;
    Ok(link.to_string_lossy().into_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn claimant(id: u32) -> Claimant {
        let Life::Lives { started } = life(id).unwrap() else {
            panic!("process {id} has ended");
        };
        Claimant {
            id,
            started,
            ..Claimant::ourselves().unwrap()
        }
    }

    #[test]
    fn a_process_is_gone_once_it_was_killed_even_before_its_parent_notices() {
        let mut command = Command::new("cat");
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let claimant = claimant(child.id());
        assert!(!claimant.is_gone());
        child.kill().unwrap();
        // A kill takes effect at once, but not on another processor.
        while matches!(life(child.id()).unwrap(), Life::Lives { .. }) {
            std::thread::yield_now();
        }
        assert!(claimant.is_gone());
        child.wait().unwrap();
        assert!(claimant.is_gone());
    }

    #[test]
    fn another_process_of_the_same_number_is_another_process() {
        let ourselves = Claimant::ourselves().unwrap();
        assert!(!ourselves.is_gone());
        let earlier = Claimant {
            started: ourselves.started - 1,
            ..ourselves
        };
        assert!(earlier.is_gone());
    }

    #[test]
    fn a_process_of_another_container_may_be_alive_and_one_before_the_reboot_is_not() {
        let elsewhere = Claimant {
            namespace: "pid:[1]".to_owned(),
            id: u32::MAX,
            ..Claimant::ourselves().unwrap()
        };
        assert!(!elsewhere.is_gone());
        let earlier = Claimant {
            boot: "another".to_owned(),
            ..elsewhere
        };
        assert!(earlier.is_gone());
    }
}
