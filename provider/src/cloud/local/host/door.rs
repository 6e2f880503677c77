//! A fleet's front door.

use super::super::front::{self, Clients, Front};
use crate::cloud::{Error, ErrorKind, Result};
use crate::model::{FleetName, Protocol, Settings};
use std::net::SocketAddr;

/// A fleet's front door.
pub(super) enum Door {
    /// The fleet takes no traffic.
    None,
    /// It listens.
    Open(Front),
    /// It cannot listen, for this reason.
    Shut(String),
}

impl Door {
    /// Opens the front that the settings of a fleet ask for.
    ///
    /// # Errors
    /// `Invalid` when the address cannot be listened on.
    pub(super) fn bind(fleet: &FleetName, settings: &Settings, places: &Clients) -> Result<Self> {
        let Some(asked) = &settings.front else {
            return Ok(Self::None);
        };
        let refuse = |words: String| {
            Error::new(
                ErrorKind::Invalid,
                format!("listen on {}", asked.listener),
                format!("fleet {}", fleet),
                words,
            )
        };
        let address: SocketAddr = asked.listener.parse().map_err(|_| {
            refuse(format!(
                "\"{}\" is not an address with a port, such as \"127.0.0.1:8088\"",
                asked.listener
            ))
        })?;
        if address.port() == 0 {
            return Err(refuse(
                "port 0 would be another one after each start of the host; choose one".to_owned(),
            ));
        }
        let protocol = match asked.protocol {
            Protocol::Http => front::Protocol::Http,
            Protocol::Tcp => front::Protocol::Tcp,
        };
        let bound =
            Front::bind(address, protocol, places).map_err(|error| refuse(error.to_string()))?;
        Ok(Self::Open(bound))
    }
}
