//! A provider that someone debugs, and the line with which Terraform finds it.

use std::path::Path;

use serde_json::json;

use super::handshake::PROTOCOL;

/// The value of `TF_REATTACH_PROVIDERS` for the provider at `address` in process `pid`.
///
/// `Test` tells Terraform to leave the process alone: it is not Terraform's to end.
pub(super) fn value(address: &str, pid: u32, socket: &Path) -> String {
    json!({
        address: {
            "Protocol": "grpc",
            "ProtocolVersion": PROTOCOL,
            "Pid": pid,
            "Test": true,
            "Addr": { "Network": "unix", "String": socket.to_string_lossy() },
        }
    })
    .to_string()
}

/// What the person who debugs reads: how to point Terraform here.
pub(super) fn instructions(value: &str) -> String {
    // In single quotes a shell takes everything literally but the quote itself.
    let quoted = value.replace('\'', r"'\''");
    format!(
        "Ready to be debugged. In another shell, in a directory with a configuration, run Terraform\n\
         with:\n\n    export TF_REATTACH_PROVIDERS='{quoted}'\n\n\
         Ctrl-C here ends the provider.\n"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn value_is_what_terraform_parses() {
        let value = value("registry.terraform.io/a/b", 42, Path::new("/tmp/it's/s"));
        let parsed: serde_json::Value = serde_json::from_str(&value).unwrap();
        assert_eq!(
            parsed,
            json!({"registry.terraform.io/a/b": {
                "Protocol": "grpc", "ProtocolVersion": 6, "Pid": 42, "Test": true,
                "Addr": {"Network": "unix", "String": "/tmp/it's/s"},
            }}),
        );
        assert!(instructions(&value).contains(r"/tmp/it'\''s/s"));
    }
}
