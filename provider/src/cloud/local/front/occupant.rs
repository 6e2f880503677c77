//! Who already listens on an address, as far as this machine tells.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// A process that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Occupant {
    pid: u32,
    name: String,
}

impl fmt::Display for Occupant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "process {} (pid {})", self.name, self.pid)
    }
}

/// The process that listens on the address's port. `None` when it belongs to someone whose
/// processes cannot be looked into, or where there is no `/proc`.
pub(super) fn occupant(listener: SocketAddr) -> Option<Occupant> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inodes: Vec<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, listener.port()))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find_map(|pid| holder(pid, &inodes))
}

/// Rows of `/proc/net/tcp`: number, local address, remote address, state, ..., inode (10th).
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    const LISTENING: &str = "0A";
    let local_port = format!(":{port:04X}");
    let rows = table
        .lines()
        .skip(1)
        .map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1).is_some_and(|local| local.ends_with(&local_port)))
        .filter(|row| row.get(3) == Some(&LISTENING))
        .filter_map(|row| row.get(9).map(|inode| (*inode).to_owned()))
        .collect()
}

fn holder(pid: u32, inodes: &[String]) -> Option<Occupant> {
    let process = Path::new("/proc").join(pid.to_string());
    let files = fs::read_dir(process.join("fd"))
        .ok()?
        .filter_map(Result::ok);
    let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    let holds = targets.any(|target| {
        let target = target.to_string_lossy();
        inodes
            .iter()
            .any(|inode| target == format!("socket:[{inode}]"))
    });
    let name = fs::read_to_string(process.join("comm")).ok()?;
    holds.then(|| Occupant {
        pid,
        name: name.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::listening_inodes;

    #[test]
    fn only_listening_rows_of_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20 0: 0100007F:1F98 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0\n\
            \x20 1: 0100007F:1F98 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0\n\
            \x20 2: 0100007F:1F99 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0\n";
        assert_eq!(listening_inodes(table, 8088), ["111"]);
    }
}
