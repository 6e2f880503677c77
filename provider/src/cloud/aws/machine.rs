//! Whether this machine may be one of AWS's, told by itself.

use std::env;
use std::fs;

/// Who sets one of these has a metadata service, or something in its place.
const NAMED_BY: [&str; 2] = [
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
];

/// What Linux tells anybody of the board and the hypervisor.
const TOLD_IN: [&str; 4] = [
    "/sys/class/dmi/id/sys_vendor",
    "/sys/class/dmi/id/bios_vendor",
    "/sys/class/dmi/id/bios_version",
    "/sys/hypervisor/uuid",
];

/// Whether asking the metadata service can be of use. A machine that says nothing of itself may be
/// an instance, as a container there may be.
pub(super) fn may_be_an_instance() -> bool {
    let is_named = NAMED_BY.iter().any(|name| env::var_os(name).is_some());
    is_named || may_be_amazons(TOLD_IN.map(|file| fs::read_to_string(file).ok()))
}

/// An instance's board is Amazon's; on the older ones, with Xen, the BIOS' version or the hypervisor
/// says so. Source: "Identify EC2 instances" in EC2's user guide.
fn may_be_amazons(told: [Option<String>; 4]) -> bool {
    let told: Vec<String> = told.into_iter().flatten().collect();
    let is_amazons = |text: &String| {
        let text = text.trim().to_lowercase();
        text.contains("amazon") || text.starts_with("ec2")
    };
    told.is_empty() || told.iter().any(is_amazons)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(told: [&str; 4], expected: bool) {
        let files = told.map(|text| (!text.is_empty()).then(|| format!("{text}\n")));
        assert_eq!(may_be_amazons(files), expected, "{told:?}");
    }

    #[test]
    fn a_laptop_knows_that_it_is_no_instance() {
        check(["Amazon EC2", "Amazon EC2", "1.0", ""], true);
        let uuid = "ec2e1916-9099-7caf-fd21-012345abcdef";
        check(["Xen", "Xen", "4.11.amazon", uuid], true);
        check(["Xen", "Xen", "4.2", uuid], true);
        check(["LENOVO", "LENOVO", "N2IET91W (1.69 )", ""], false);
        check(["QEMU", "SeaBIOS", "1.16.3", ""], false);
        // It says nothing of itself: a container, or another system than Linux.
        check(["", "", "", ""], true);
    }
}
