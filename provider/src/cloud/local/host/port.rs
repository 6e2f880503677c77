//! Ports for members.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};

/// Below the ports that Linux gives to outgoing connections (32768 and up by default), so that no
/// stranger's connection takes one between our look and the member's.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that one member may listen on, kept from all other members of all hosts on this machine
/// until it is dropped.
#[derive(Debug)]
pub(super) struct Port {
    address: SocketAddr,
    /// A name that only one process can have. It belongs to the same network namespace as the port
    /// and goes with the process, so nothing is left behind.
    _claim: UnixDatagram,
}

impl Port {
    /// Finds a port that nobody listens on, beginning anywhere.
    ///
    /// # Errors
    /// All are taken, or the machine allows no sockets.
    pub(super) fn find() -> io::Result<Self> {
        let start = super::super::random_number();
        let offsets = (0..COUNT).map(|step| (start % u64::from(COUNT)) as u16 + step);
        let ports = offsets.map(|offset| FIRST + offset % COUNT);
        for port in ports {
            if let Some(found) = Self::claim(port)? {
                return Ok(found);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            "no port from 20000 to 31999 is free",
        ))
    }

    /// Where the member is to listen.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn claim(port: u16) -> io::Result<Option<Self>> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let name = UnixAddress::from_abstract_name(format!("immutable-member-port-{port}"))?;
        let claimed = UnixDatagram::bind_addr(&name)
            .and_then(|claim| TcpListener::bind(address).map(|_| claim));
        match claimed {
            Ok(claim) => Ok(Some(Self {
                address,
                _claim: claim,
            })),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(error),
        }
    }
}
