# A web service of three members on this machine. Change `version` and the image, apply, and watch
# the members be replaced: `curl http://127.0.0.1:8088/` never fails meanwhile.
#
#     terraform init && terraform apply

terraform {
  required_providers {
    immutable = { source = "immutable-fleets/immutable" }
  }
}

provider "immutable" {
  local = {}
}

variable "listener" {
  description = "Where the front door listens."
  default     = "127.0.0.1:8088"
}

resource "immutable_image_release" "web" {
  name       = "web"
  version    = "1.0.0"
  source     = { path = "app" }
  provenance = { team = "edge" }
  keep       = 2

  # Boots one member from the image, out of traffic, before anybody can use the release.
  verify = { port = 8080, path = "/healthz", timeout = "30s" }
}

resource "immutable_fleet" "web" {
  name    = "web"
  release = immutable_image_release.web.id
  size    = 3

  config  = { GREETING = "hello" }
  secrets = { API_KEY = "file:${abspath("api-key")}" } # read where the member boots, never stored

  local   = { command = ["bin/web"] }
  traffic = { port = 8080, listener = var.listener }
  health  = { path = "/healthz", interval = "500ms", timeout = "500ms", streak = 3, steady = "2s" }
  rollout = { bake = "5s", launch_deadline = "30s" }
  drain   = "10s"
}

output "endpoint" {
  value = immutable_fleet.web.endpoint
}
