//! Why the provider could not serve.

use std::io;
use std::path::PathBuf;

/// Why the provider could not serve.
///
/// Terraform shows none of these texts by default, only that the plugin did not start; they are
/// for whoever looks at standard error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody who speaks the plugin protocol started the process: a person did. Say what this is.
    #[error("this is a Terraform plugin, started without Terraform")]
    NotATerraform,
    /// Terraform offers protocols, and 6 is not among them. Nothing but another Terraform helps.
    #[error(
        "this provider speaks plugin protocol 6, and this Terraform offers only {offered}: \
         Terraform 1.0 or newer is needed"
    )]
    NoCommonProtocol {
        /// The versions on offer, as they were sent.
        offered: String,
    },
    /// `PLUGIN_CLIENT_CERT` holds no certificate, so no caller could ever be recognised.
    #[error("PLUGIN_CLIENT_CERT does not hold a PEM certificate: {0}")]
    ClientCertificate(String),
    /// The provider's own key or certificate could not be made.
    #[error("cannot make a certificate for the connection to Terraform: {0}")]
    Identity(String),
    /// No directory could take the socket.
    #[error("cannot open a socket for Terraform in {}: {source}", directory.display())]
    Socket {
        /// The last directory that was tried.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused something that every process may do.
    #[error("cannot {what}: {source}")]
    System {
        /// What was refused.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The gRPC server ended by itself.
    #[error("the server for Terraform's calls ended: {0}")]
    Server(#[from] tonic::transport::Error),
}
