# From Packer to a running fleet:
#
#     tar -cf web.tar -C ../web/app . && packer build -force image.pkr.hcl
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

variable "image_version" {
  description = "The version of what Packer baked last."
  default     = "1.0.0"
}

resource "immutable_image_release" "web" {
  name    = "web"
  version = var.image_version
  source  = { packer_manifest = "packer-manifest.json", packer_build = "web" }
}

resource "immutable_fleet" "web" {
  name    = "web"
  release = immutable_image_release.web.id
  size    = 2
  config  = { GREETING = "hello" }
  local   = { command = ["bin/web"] }
  traffic = { port = 8080, listener = var.listener }
  health  = { path = "/healthz", interval = "500ms", timeout = "500ms", steady = "2s" }
  rollout = { bake = "2s" }
  drain   = "5s"
}
