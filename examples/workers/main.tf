# Workers without traffic, replaced one by one: a member is healthy while it runs, and there are never
# fewer than two. The image is a single file, so there is no command to name.
#
#     terraform init && terraform apply
#     terraform apply -var image_version=1.1.0

terraform {
  required_providers {
    immutable = { source = "immutable-fleets/immutable" }
  }
}

provider "immutable" {
  local = {}
}

variable "image_version" {
  description = "The version that shall run."
  type        = string
  default     = "1.0.0"
}

resource "immutable_image_release" "worker" {
  name    = "worker"
  version = var.image_version
  source  = { path = "worker" }
}

resource "immutable_fleet" "worker" {
  name    = "worker"
  release = immutable_image_release.worker.id
  size    = 2
  config  = { QUEUE = "thumbnails" }

  health = { interval = "500ms", timeout = "500ms", steady = "2s" }
  rollout = {
    strategy    = "rolling"
    surge       = "1"    # one more than there shall be, while it goes on
    min_healthy = "100%" # a worker goes when another one has taken its place
    bake        = "2s"
  }
  drain = "5s" # how long a worker has to finish what it does after SIGTERM
}
