//! The one line on standard output that tells Terraform where to connect and whom to trust.

use std::io::{self, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The version of Terraform's protocol that this provider speaks.
pub(super) const PROTOCOL: u32 = 6;

/// go-plugin's own version, the same since its beginning.
const CORE_PROTOCOL: u32 = 1;

/// The handshake, without its newline. `certificate` is DER, and absent without TLS.
///
/// The certificate goes without padding: go-plugin decodes it so, and refuses a padded one, which
/// would show for two certificates in three.
pub(super) fn line(socket: &Path, certificate: Option<&[u8]>) -> String {
    let socket = socket.display();
    let certificate = certificate
        .map(|der| STANDARD_NO_PAD.encode(der))
        .unwrap_or_default();
    format!("{CORE_PROTOCOL}|{PROTOCOL}|unix|{socket}|grpc|{certificate}")
}

/// Prints the line, as the first and only thing that standard output ever gets.
///
/// # Errors
/// Terraform closed the other end, or there never was one.
pub(super) fn announce(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_has_six_fields_and_an_unpadded_certificate() {
        let socket = Path::new("/tmp/p/s");
        for (certificate, wanted) in [
            (None, "1|6|unix|/tmp/p/s|grpc|"),
            (Some(&b"abc"[..]), "1|6|unix|/tmp/p/s|grpc|YWJj"),
            // One and two bytes left over are where padding would be.
            (Some(&b"abcd"[..]), "1|6|unix|/tmp/p/s|grpc|YWJjZA"),
            (Some(&b"abcde"[..]), "1|6|unix|/tmp/p/s|grpc|YWJjZGU"),
            (Some(&b"\xfb\xff\xfe"[..]), "1|6|unix|/tmp/p/s|grpc|+//+"),
        ] {
            assert_eq!(line(socket, certificate), wanted);
        }
    }
}
