# A careful rollout on AWS: a new version gets 5 percent of the traffic, then a quarter, then half,
# and any alarm that fires on the way sends all of it back.
#
#     terraform init && terraform apply -var image_version=1.5.0 -var image_id=ami-0abc...
#
# The network, the load balancer's listener and the alarms exist already; alarms.md shows what alarms
# are worth having. What the apply will do, step by step, is in the plan.

terraform {
  required_providers {
    immutable = { source = "immutable-fleets/immutable" }
  }
}

provider "immutable" {
  aws = {
    region       = var.region
    default_tags = { team = "edge" }
  }
}

variable "region" {
  description = "Where the fleet runs."
  type        = string
  default     = "eu-west-1"
}

variable "image_version" {
  description = "The version that shall run."
  type        = string
}

variable "image_id" {
  description = "The image of that version."
  type        = string
}

variable "instance_types" {
  description = "What members are, best first; of the image's architecture."
  type        = list(string)
  default     = ["m7g.large", "m6g.large"]
}

variable "network" {
  description = "Where members are started, and the load balancer's listener that sends them traffic."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
    listener           = string
  })
}

variable "alarms" {
  description = "CloudWatch alarms of which any that fires ends the rollout. One without data is no pass."
  type        = list(string)
  default     = ["web-5xx", "web-slow"]
}

resource "immutable_image_release" "web" {
  name    = "web"
  version = var.image_version
  source  = { image_id = var.image_id }
  keep    = 5
}

resource "immutable_fleet" "web" {
  name    = "web"
  release = immutable_image_release.web.id
  size    = 4

  aws = {
    instance_types     = var.instance_types
    subnet_ids         = var.network.subnet_ids
    security_group_ids = var.network.security_group_ids
  }

  traffic = {
    port     = 8080
    listener = var.network.listener
    hosts    = ["www.example.com"]
    priority = 100
  }

  health = { path = "/healthz" }

  rollout = {
    strategy = "canary"
    steps = [
      { weight = 5, hold = "10m" },  # as long as the alarms need to notice
      { weight = 25, hold = "10m" }, # enough for what only shows under load
      { weight = 50, hold = "5m" },
    ]
    bake          = "15m" # with all of the traffic, the earlier generation still at full size
    alarms        = var.alarms
    keep_previous = "1h" # after that, going back is one shift of the traffic
    keep_failed   = true # one failed member is parked for you to look at
  }

  drain               = "60s"
  deletion_protection = true
}

output "endpoint" {
  description = "The load balancer that the fleet is behind."
  value       = immutable_fleet.web.endpoint
}
