# What an operator does at 2 AM, in a configuration of its own: it needs no state, waits for no lock,
# and nobody edits the fleet's configuration at that hour. Terraform 1.14 or later.
#
#     terraform init
#     terraform plan                                                     # which members there are
#     terraform apply -invoke=action.immutable_break_glass.look -var member=web-1-abc123
#     terraform apply -invoke=action.immutable_fleet_abort.now -var reason="errors doubled"
#
# The fleet is that of ../web, on this machine. On AWS the provider has `aws` instead of `local`, and
# the role that may do this is given for an hour, to one person.

terraform {
  required_version = ">= 1.14"

  required_providers {
    immutable = { source = "immutable-fleets/immutable" }
  }
}

provider "immutable" {
  local = { directory = "../web/.immutable" }
}

variable "fleet" {
  description = "The fleet."
  type        = string
  default     = "web"
}

variable "member" {
  description = "The member to look at."
  type        = string
  default     = "none"
}

variable "reason" {
  description = "Why. It is recorded, and told by every plan of the fleet."
  type        = string
  default     = "to be told"
}

variable "ticket" {
  description = "Where more is written about it."
  type        = string
  default     = null
}

data "immutable_inventory" "now" {
  fleet = var.fleet
}

output "members" {
  description = "The members that serve now, and what is wrong with those that are not well."
  value = {
    for member in flatten(data.immutable_inventory.now.fleets[*].generations[*].members) :
    member.id => member.healthy ? "well" : coalesce(member.last_error, member.state)
  }
}

# Out of the traffic, for a person to look at. Another one takes its place; it never returns.
action "immutable_break_glass" "look" {
  config {
    fleet    = var.fleet
    member   = var.member
    reason   = var.reason
    ticket   = var.ticket
    keep_for = "4h"
  }
}

# The rollout that is under way ends, and its traffic returns.
action "immutable_fleet_abort" "now" {
  config {
    fleet  = var.fleet
    reason = var.reason
  }
}

# The generation that `keep_previous` keeps gets all of the traffic.
action "immutable_fleet_rollback" "now" {
  config {
    fleet  = var.fleet
    reason = var.reason
  }
}
