//! Why an instance was not launched, from AWS's own words.
//!
//! A group goes on trying by itself, in other zones and with other types where it has any. So the one
//! question is whether that can ever help: then the rollout waits, within its launch deadline; else it
//! counts as a member that failed, and three of those end the rollout at once.
//!
//! The words are those that the user guide of Auto Scaling lists under launch failures, and EC2's
//! error codes, which stand in the words where a group has a policy for several types.

use std::fmt;
use std::time::Duration;

/// An instance profile is seen everywhere some seconds after it was made.
const PROFILE_IS_SEEN_WITHIN: Duration = Duration::from_secs(120);

/// A launch that did not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LaunchFailure<'a> {
    cause: Cause,
    words: &'a str,
}

/// What a failed launch means for a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The group may succeed by itself.
    Waits,
    /// It will fail again until someone changes something.
    GivesUp,
}

/// What stands behind a failed launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Capacity,
    Addresses,
    Quota,
    SpotPrice,
    Throttled,
    Service,
    Profile,
    Key,
    Image,
    Network,
    Volume,
    Denied,
    Configuration,
    Unknown,
}

/// Words, in lower case, by what they mean. The first that is found counts, so that the narrower ones
/// come first.
const WORDS: [(&str, Cause); 45] = [
    ("client.internalerror", Cause::Key),
    ("client error on launch", Cause::Key),
    ("kms key", Cause::Key),
    ("kmskey", Cause::Key),
    ("insufficientfreeaddresses", Cause::Addresses),
    ("not enough free addresses", Cause::Addresses),
    ("insufficient free addresses", Cause::Addresses),
    ("unfulfillablecapacity", Cause::Capacity),
    ("insufficientinstancecapacity", Cause::Capacity),
    ("insufficienthostcapacity", Cause::Capacity),
    ("insufficientcapacity", Cause::Capacity),
    ("do not have sufficient", Cause::Capacity),
    ("no spot capacity", Cause::Capacity),
    ("insufficient capacity", Cause::Capacity),
    ("in your requested availability zone", Cause::Capacity),
    ("vcpulimitexceeded", Cause::Quota),
    ("vcpu limit", Cause::Quota),
    ("instancelimitexceeded", Cause::Quota),
    ("instance limit", Cause::Quota),
    ("instance quota", Cause::Quota),
    ("instance(s) are already running", Cause::Quota),
    ("spot instance count exceeded", Cause::Quota),
    ("maxspotinstancecountexceeded", Cause::Quota),
    ("volumelimitexceeded", Cause::Quota),
    ("maximum network interfaces", Cause::Quota),
    ("spotmaxpricetoolow", Cause::SpotPrice),
    ("spot request price", Cause::SpotPrice),
    ("request limit exceeded", Cause::Throttled),
    ("requestlimitexceeded", Cause::Throttled),
    ("server.internalerror", Cause::Service),
    ("internal error", Cause::Service),
    ("unavailable", Cause::Service),
    ("iam instance profile", Cause::Profile),
    ("iaminstanceprofile", Cause::Profile),
    ("invalidami", Cause::Image),
    ("image id", Cause::Image),
    ("does not match the architecture", Cause::Image),
    ("ami cannot be launched", Cause::Image),
    ("security group", Cause::Network),
    ("subnet", Cause::Network),
    ("device name", Cause::Volume),
    ("block device", Cause::Volume),
    ("not authorized", Cause::Denied),
    ("authfailure", Cause::Denied),
    ("not supported", Cause::Configuration),
];

impl<'a> LaunchFailure<'a> {
    /// Reads what an activity says.
    pub(super) fn of(words: &'a str) -> Self {
        let lower = words.to_lowercase();
        let found = WORDS.iter().find(|(pattern, _)| lower.contains(pattern));
        Self {
            cause: found.map_or(Cause::Unknown, |(_, cause)| *cause),
            words,
        }
    }

    /// What becomes of it, `age` after the generation was begun.
    pub(super) fn way(&self, age: Duration) -> Way {
        match self.cause {
            Cause::Capacity
            | Cause::Addresses
            | Cause::Quota
            | Cause::SpotPrice
            | Cause::Throttled
            | Cause::Service => Way::Waits,
            Cause::Profile if age < PROFILE_IS_SEEN_WITHIN => Way::Waits,
            Cause::Profile
            | Cause::Key
            | Cause::Image
            | Cause::Network
            | Cause::Volume
            | Cause::Denied
            | Cause::Configuration
            | Cause::Unknown => Way::GivesUp,
        }
    }
}

impl Cause {
    /// What the reader can do; empty where AWS's words say it all.
    fn advice(self) -> &'static str {
        match self {
            Self::Capacity => "more instance types and subnets in more zones give AWS more choice",
            Self::Addresses => "add subnets, or let fewer members run at a time",
            Self::Quota => "ask AWS for a higher quota, or let fewer members run at a time",
            Self::SpotPrice => "there is no spot instance at that price now",
            Self::Throttled | Self::Service => "this passes by itself",
            Self::Profile => {
                "aws.instance_profile names none that EC2 knows in this account: look for a typo, and \
                 give the profile's name, not its role's; one that was made just now is seen after \
                 some seconds"
            }
            Self::Key => {
                "this is mostly a key that Auto Scaling may not use: let the role \
                 AWSServiceRoleForAutoScaling use the root volume's KMS key and create grants for it"
            }
            Self::Image
            | Self::Network
            | Self::Volume
            | Self::Denied
            | Self::Configuration
            | Self::Unknown => "",
        }
    }
}

impl fmt::Display for LaunchFailure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause.advice() {
            "" => f.write_str(self.words),
            advice => write!(f, "{} ({advice})", self.words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn check(words: &str, cause: Cause, way: Way) {
        let failure = LaunchFailure::of(words);
        assert_eq!((failure.cause, failure.way(LONG)), (cause, way), "{words}");
        assert!(
            failure.to_string().starts_with(words),
            "AWS's words come first"
        );
    }

    #[test]
    fn what_may_pass_is_waited_for() {
        let waits = |words, cause| check(words, cause, Way::Waits);
        waits(
            "We currently do not have sufficient m7g.large capacity in the Availability Zone you \
             requested (eu-west-1a). Our system will be working on provisioning additional capacity. \
             Launching EC2 instance failed.",
            Cause::Capacity,
        );
        waits(
            "Could not launch Spot Instances. InsufficientInstanceCapacity - There is no Spot capacity \
             available that matches your request. Launching EC2 instance failed.",
            Cause::Capacity,
        );
        waits(
            "Your requested instance type (m7g.large) is not supported in your requested Availability \
             Zone (eu-west-1c). Launching EC2 instance failed.",
            Cause::Capacity,
        );
        waits(
            "There are not enough free addresses in subnet 'subnet-1' to satisfy the requested number \
             of instances. Launching EC2 instance failed.",
            Cause::Addresses,
        );
        waits(
            "You have requested more vCPU capacity than your current vCPU limit of 32 allows for the \
             instance bucket that the specified instance type belongs to. Launching EC2 instance failed.",
            Cause::Quota,
        );
        waits(
            "You have requested more instances (7) than your current instance limit of 6 allows for the \
             specified instance type. Launching EC2 instance failed.",
            Cause::Quota,
        );
        waits(
            "5 instance(s) are already running. Launching EC2 instance failed.",
            Cause::Quota,
        );
        waits(
            "Max spot instance count exceeded. Placing Spot instance request failed.",
            Cause::Quota,
        );
        waits(
            "Your Spot request price of 0.001 is lower than the minimum required Spot request \
             fulfillment price of 0.0031. Launching EC2 instance failed.",
            Cause::SpotPrice,
        );
        waits(
            "Request limit exceeded. Launching EC2 instance failed.",
            Cause::Throttled,
        );
        waits(
            "Server.InternalError: Internal error on launch. Launching EC2 instance failed.",
            Cause::Service,
        );
    }

    #[test]
    fn what_will_fail_again_is_given_up() {
        let gives_up = |words, cause| check(words, cause, Way::GivesUp);
        gives_up(
            "Instance became unhealthy while waiting for instance to be in InService state. Termination \
             Reason: Client.InternalError: Client error on launch",
            Cause::Key,
        );
        gives_up(
            "Instance became unhealthy while waiting for instance to be in InService state. Termination \
             Reason: Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state",
            Cause::Key,
        );
        gives_up(
            "One or more of the attached Amazon EBS volumes are encrypted with an inaccessible AWS KMS \
             key. Launching EC2 instance failed.",
            Cause::Key,
        );
        gives_up(
            "The image id '[ami-0abc]' does not exist. Launching EC2 instance failed.",
            Cause::Image,
        );
        gives_up(
            "AMI cannot be launched; it is not available. Launching EC2 instance failed.",
            Cause::Image,
        );
        gives_up(
            "The architecture 'arm64' of the specified instance type does not match the architecture \
             'x86_64' of the specified AMI. Launching EC2 instance failed.",
            Cause::Image,
        );
        gives_up(
            "The security group 'sg-1' does not exist. Launching EC2 instance failed.",
            Cause::Network,
        );
        gives_up(
            "Value (web) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile \
             name. Launching EC2 instance failed.",
            Cause::Profile,
        );
        gives_up(
            "Invalid device name upload. Launching EC2 instance failed.",
            Cause::Volume,
        );
        gives_up(
            "You are not authorized to perform this operation. Launching EC2 instance failed.",
            Cause::Denied,
        );
        gives_up(
            "The requested configuration is currently not supported. Please check the documentation for \
             supported configurations. Launching EC2 instance failed.",
            Cause::Configuration,
        );
        gives_up("Something that AWS never said before.", Cause::Unknown);
    }

    #[test]
    fn a_profile_that_was_made_just_now_may_come() {
        let failure = LaunchFailure::of("Invalid IAM Instance Profile name");
        assert_eq!(failure.way(Duration::from_secs(30)), Way::Waits);
        assert_eq!(failure.way(LONG), Way::GivesUp);
    }
}
