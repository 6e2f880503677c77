# A web shop on this machine: two members behind a front door, replaced under traffic.

terraform {
  required_providers {
    immutable = { source = "immutable-fleets/immutable" }
  }
}

variable "shop_version" { type = string }
variable "listener" { default = "127.0.0.1:8088" }

provider "immutable" {
  local = {} # this machine, no account
}

resource "immutable_image_release" "shop" {
  name    = "shop"
  version = var.shop_version
  source  = { path = "images/shop-${var.shop_version}.tar.gz" }
}

resource "immutable_fleet" "shop" {
  name    = "shop"
  release = immutable_image_release.shop.id
  size    = 2

  local   = { command = ["bin/web"] }
  traffic = { port = 8080, listener = var.listener }

  # These waits fit a demonstration; the defaults fit production.
  health  = { path = "/healthz", interval = "500ms", timeout = "500ms", streak = 3, steady = "1s" }
  rollout = { bake = "2s", launch_deadline = "8s" }
  drain   = "10s"
}

output "endpoint" { value = immutable_fleet.shop.endpoint }
