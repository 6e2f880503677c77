# What a pipeline rolls out: the fleet module with a version that the pipeline gives. The script
# beside it, `rollout`, is the pipeline; README.md says how it goes into one.

terraform {
  required_providers {
    immutable = { source = "immutable-fleets/immutable" }
  }
}

provider "immutable" {
  local = {}
}

variable "image_version" {
  description = "The version that this run shall bring."
  type        = string
}

variable "listener" {
  description = "Where the front door listens."
  type        = string
  default     = "127.0.0.1:8088"
}

module "web" {
  source = "../modules/fleet"

  name          = "web"
  image_version = var.image_version
  image         = { path = "../web/app" }
  size          = 2
  config        = { GREETING = "hello" }
  local         = { command = ["bin/web"] }
  listener      = var.listener

  # These waits fit a demonstration; the defaults fit production.
  caution = "careful"
  health  = { interval = "500ms", timeout = "500ms", steady = "1s" }
  hold    = "1s"
  bake    = "2s"
  drain   = "2s"
}

output "running" {
  description = "What runs, for the pipeline's log."
  value       = "${module.web.release} as generation ${module.web.generation} at ${module.web.endpoint}"
}
