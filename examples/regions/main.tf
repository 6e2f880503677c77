# One release in two regions, and a fleet in each. A new version is copied to both regions first; then
# the first fleet takes it, and only when it runs there, proven for its bake time, the second.
#
#     terraform init && terraform apply -var image_version=1.5.0 -var image_id=ami-0abc...

terraform {
  required_providers {
    immutable = { source = "immutable-fleets/immutable" }
  }
}

# Where images are baked, and where the line of releases is kept.
provider "immutable" {
  aws = { region = var.regions.first }
}

provider "immutable" {
  alias = "second"
  aws   = { region = var.regions.second }
}

variable "regions" {
  description = "The two regions; the first is the one that gets a version first."
  type        = object({ first = string, second = string })
  default     = { first = "eu-west-1", second = "us-east-1" }
}

variable "image_version" {
  description = "The version that both shall run."
  type        = string
}

variable "image_id" {
  description = "The image of that version, in the first region."
  type        = string
}

variable "instance_types" {
  description = "What members are, best first; of the image's architecture."
  type        = list(string)
  default     = ["m7g.large", "m6g.large"]
}

variable "networks" {
  description = "For each of the two: where members are started, and the listener that sends them traffic."
  type = map(object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
    listener           = string
  }))
}

resource "immutable_image_release" "web" {
  name    = "web"
  version = var.image_version
  source  = { image_id = var.image_id }
  aws     = { copy_to = [var.regions.second] }
}

resource "immutable_fleet" "first" {
  name    = "web"
  release = immutable_image_release.web.id
  size    = 6

  aws = {
    instance_types     = var.instance_types
    subnet_ids         = var.networks["first"].subnet_ids
    security_group_ids = var.networks["first"].security_group_ids
  }
  traffic = { port = 8080, listener = var.networks["first"].listener }
  health  = { path = "/healthz" }
  rollout = { bake = "30m" }
}

resource "immutable_fleet" "second" {
  provider   = immutable.second
  depends_on = [immutable_fleet.first] # a version that fails there never comes here

  name    = "web"
  release = immutable_image_release.web.id # its own region's copy
  size    = 6

  aws = {
    instance_types     = var.instance_types
    subnet_ids         = var.networks["second"].subnet_ids
    security_group_ids = var.networks["second"].security_group_ids
  }
  traffic = { port = 8080, listener = var.networks["second"].listener }
  health  = { path = "/healthz" }
}

output "images" {
  description = "The release's image in each region."
  value       = immutable_image_release.web.image_ids
}
