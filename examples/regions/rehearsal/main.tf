# Two places on this machine that take a version one after the other: what ../main.tf does in two
# regions, to be tried without an account.
#
#     terraform init
#     terraform apply
#     terraform apply -var image_version=1.1.0

terraform {
  required_providers {
    immutable = { source = "immutable-fleets/immutable" }
  }
}

provider "immutable" {
  alias = "first"
  local = { directory = ".immutable/first" }
}

provider "immutable" {
  alias = "second"
  local = { directory = ".immutable/second" }
}

variable "image_version" {
  description = "The version that both shall run."
  type        = string
  default     = "1.0.0"
}

variable "listener" {
  description = "Where the front door of the first place listens."
  type        = string
  default     = "127.0.0.1:8088"
}

variable "second_listener" {
  description = "Where the front door of the second place listens."
  type        = string
  default     = "127.0.0.1:8089"
}

locals {
  # What is the same in both places is said once.
  service = {
    name          = "web"
    image_version = var.image_version
    image         = { path = "../../web/app" }
    size          = 2
    local         = { command = ["bin/web"] }

    # These waits fit a demonstration; the defaults fit production.
    health = { interval = "500ms", timeout = "500ms", steady = "1s" }
    bake   = "1s"
    drain  = "1s"
  }
}

module "first" {
  source    = "../../modules/fleet"
  providers = { immutable = immutable.first }

  name          = local.service.name
  image_version = local.service.image_version
  image         = local.service.image
  size          = local.service.size
  config        = { GREETING = "hello from the first place" }
  local         = local.service.local
  listener      = var.listener
  health        = local.service.health
  bake          = local.service.bake
  drain         = local.service.drain
}

module "second" {
  source     = "../../modules/fleet"
  providers  = { immutable = immutable.second }
  depends_on = [module.first] # a version that fails there never comes here

  name          = local.service.name
  image_version = local.service.image_version
  image         = local.service.image
  size          = local.service.size
  config        = { GREETING = "hello from the second place" }
  local         = local.service.local
  listener      = var.second_listener
  health        = local.service.health
  bake          = local.service.bake
  drain         = local.service.drain
}

output "running" {
  description = "What runs where."
  value = {
    first  = "${module.first.release} at ${module.first.endpoint}"
    second = "${module.second.release} at ${module.second.endpoint}"
  }
}
