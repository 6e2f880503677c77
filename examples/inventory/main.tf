# What runs where, asked without managing any of it: a pipeline applies this with an empty state.

terraform {
  required_providers {
    immutable = { source = "immutable-fleets/immutable" }
  }
}

variable "directory" {
  description = "Where the local cloud of the fleets is."
  type        = string
  default     = ".immutable"
}

variable "older_than" {
  description = "Fleets that run an older release are listed."
  type        = string
  default     = "1.4.2"
}

provider "immutable" {
  local = { directory = var.directory }
}

# Which fleets run a release older than that?
data "immutable_inventory" "old" { version = "< ${var.older_than}" }

output "outdated" { value = data.immutable_inventory.old.fleets[*].name }

# What has no order is neither older nor newer: it may be meant.
output "unordered" {
  value = [for it in data.immutable_inventory.old.undecided : "${it.fleet} runs ${it.release}: ${it.reason}"]
}

# And which contain a package that an advisory names?
data "immutable_affected_fleets" "advisory" {
  package  = "openssl"
  versions = "< 3.0.14"
}

output "affected" {
  value = [for it in data.immutable_affected_fleets.advisory.fleets : "${it.name} runs ${it.release}"]
}

# Good news only when this is empty as well.
output "undecided" {
  value = [for it in data.immutable_affected_fleets.advisory.undecided : "${it.fleet}: ${it.reason}"]
}
