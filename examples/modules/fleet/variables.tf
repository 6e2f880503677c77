variable "name" {
  description = "The name of the service: of its line of images and of its fleet."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])*$", var.name)) && length(var.name) <= 32
    error_message = "The name has 1 to 32 lower-case letters, digits and single dashes, begins with a letter and does not end with a dash."
  }
}

variable "image_version" {
  description = "The version to run. Changing it is a release; going back to one of the last `keep` is a rollback."
  type        = string
  nullable    = false

  validation {
    condition     = !contains(["latest", "stable", "main", "master"], var.image_version)
    error_message = "A version names one image for ever; \"${var.image_version}\" names another one every day."
  }
}

variable "image" {
  description = "Where the image of that version comes from: exactly one of `path`, `image_id` and `packer_manifest`."
  type = object({
    path            = optional(string)
    image_id        = optional(string)
    packer_manifest = optional(string)
    packer_build    = optional(string)
  })
  nullable = false

  validation {
    condition     = length([for source in [var.image.path, var.image.image_id, var.image.packer_manifest] : source if source != null]) == 1
    error_message = "Give exactly one of image.path, image.image_id and image.packer_manifest."
  }
}

variable "provenance" {
  description = "Where the image comes from, in your words: a commit, a build's address. Stored with the release."
  type        = map(string)
  default     = {}
}

variable "sbom" {
  description = "The image's software bill of materials, CycloneDX or SPDX 2 in JSON: a path."
  type        = string
  default     = null
}

variable "verify" {
  description = "Boots one throw-away member from a new image before it is accepted; without it none."
  type = object({
    port    = number
    path    = optional(string)
    command = optional(list(string))
    timeout = optional(string)
  })
  default = null
}

variable "release_aws" {
  description = "Where on AWS the images go: copies in other regions, their keys, accounts that may run them, and how `verify` starts its member."
  type = object({
    copy_to    = optional(list(string))
    kms_keys   = optional(map(string))
    share_with = optional(list(string))
    verify = optional(object({
      instance_type      = string
      subnet_id          = string
      security_group_ids = optional(list(string))
    }))
  })
  default = null
}

variable "size" {
  description = "How many members there shall be; required unless `autoscale` is given."
  type        = number
  default     = null

  validation {
    condition     = var.size == null ? true : var.size >= 1 && floor(var.size) == var.size
    error_message = "A fleet has a whole number of members, 1 or more."
  }

  validation {
    condition     = (var.size == null) != (var.autoscale == null)
    error_message = "Give size, or autoscale for a fleet that follows its load; one of them."
  }
}

variable "autoscale" {
  description = "Lets the number of members follow the load of their processors, in percent; AWS only."
  type        = object({ min = number, max = number, cpu = number })
  default     = null
}

variable "config" {
  description = "The environment of every member. No secrets: it is kept in the state."
  type        = map(string)
  default     = {}

  validation {
    condition     = length([for name in keys(var.config) : name if can(regex("(?i)password|passwd|secret|token|private_key", name))]) == 0
    error_message = "The names of ${join(", ", [for name in keys(var.config) : name if can(regex("(?i)password|passwd|secret|token|private_key", name))])} sound like secrets: give them as references in `secrets`."
  }
}

variable "secrets" {
  description = "More environment, as references that are resolved where the member boots."
  type        = map(string)
  default     = {}
}

variable "local" {
  description = "How members are started on this machine; the module's caller configures the provider with `local`."
  type        = object({ command = optional(list(string)) })
  default     = null
}

variable "aws" {
  description = "How members are started on AWS; the module's caller configures the provider with `aws`."
  type = object({
    instance_types     = list(string)
    subnet_ids         = list(string)
    security_group_ids = optional(list(string))
    instance_profile   = optional(string)
    user_data          = optional(string)
    spot               = optional(bool)
    root_volume = optional(object({
      size_gb = optional(number)
      type    = optional(string)
      kms_key = optional(string)
    }))
  })
  default = null

  validation {
    condition     = var.aws == null || var.local == null
    error_message = "A fleet runs on one cloud: give `local` or `aws`."
  }

  validation {
    condition     = var.aws == null || length(try(var.aws.subnet_ids, [])) >= 2
    error_message = "A fleet in one subnet goes down with one availability zone: give two or more."
  }
}

variable "port" {
  description = "The port that members listen on; on this machine they get a free one each, as PORT."
  type        = number
  default     = 8080
  nullable    = false
}

variable "listener" {
  description = "Where clients connect: an address on this machine, a listener's ARN on AWS. Without it the fleet gets no traffic."
  type        = string
  default     = null
}

variable "protocol" {
  description = "What clients speak: http or tcp."
  type        = string
  default     = "http"
  nullable    = false
}

variable "hosts" {
  description = "The host names that the fleet answers to on a shared listener; AWS only."
  type        = list(string)
  default     = null
}

variable "paths" {
  description = "The paths that the fleet answers to on a shared listener; AWS only."
  type        = list(string)
  default     = null
}

variable "priority" {
  description = "The place of the fleet's rule among those of a shared listener; AWS only."
  type        = number
  default     = null
}

variable "health" {
  description = "When a member counts as healthy."
  type = object({
    path     = optional(string, "/healthz")
    interval = optional(string, "10s")
    timeout  = optional(string, "2s")
    streak   = optional(number, 3)
    steady   = optional(string, "30s")
  })
  default  = {}
  nullable = false
}

variable "caution" {
  description = <<-TEXT
    How carefully a new version takes over: "careful" sends it 5 and then 50 percent of the traffic
    for a while, "direct" all of it at once beside the whole earlier generation, "sparing" replaces
    members in batches of a quarter, for fleets that are too large to run twice.
  TEXT
  type        = string
  default     = "direct"
  nullable    = false

  validation {
    condition     = contains(["careful", "direct", "sparing"], var.caution)
    error_message = "The caution is \"careful\", \"direct\" or \"sparing\"."
  }

  validation {
    condition     = var.caution != "sparing" || var.autoscale == null
    error_message = "\"sparing\" replaces members in batches of a number that stays; with autoscale take \"direct\" or \"careful\"."
  }
}

variable "hold" {
  description = "How long each of the steps of \"careful\" is watched, or \"next_apply\": the next apply is the approval."
  type        = string
  default     = "5m"
  nullable    = false
}

variable "bake" {
  description = "How long a new version is watched with all of the traffic before the earlier one goes."
  type        = string
  default     = "10m"
  nullable    = false
}

variable "keep_previous" {
  description = "How long the earlier generation stays warm for an instant return with immutable_fleet_rollback."
  type        = string
  default     = "0s"
  nullable    = false
}

variable "keep_failed" {
  description = "Whether one member of a version that failed is kept, out of the traffic, to be looked at."
  type        = bool
  default     = false
  nullable    = false
}

variable "surge" {
  description = "How many members, or which share of them, \"sparing\" starts above the size."
  type        = string
  default     = "25%"
  nullable    = false
}

variable "min_healthy" {
  description = "How many members, or which share of them, stay healthy while \"sparing\" replaces the others."
  type        = string
  default     = "100%"
  nullable    = false
}

variable "alarms" {
  description = "Alarms of which any that fires sends the traffic back; AWS only."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "launch_deadline" {
  description = "How long a rollout may go without one more healthy member."
  type        = string
  default     = "10m"
  nullable    = false
}

variable "drain" {
  description = "How long requests in flight get."
  type        = string
  default     = "30s"
  nullable    = false
}

variable "keep" {
  description = "How many earlier versions are kept for going back to."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.keep >= 1
    error_message = "Keep at least 1 earlier version, or there is nothing to go back to."
  }
}

variable "retry" {
  description = "A value that it did not have yet tries a version again that was rolled back."
  type        = string
  default     = null
}

variable "drift" {
  description = "What becomes of members that were touched: \"replace\", or \"report\" to list them only."
  type        = string
  default     = "replace"
  nullable    = false
}

variable "deletion_protection" {
  description = "Refuses to destroy or replace the fleet while it is true."
  type        = bool
  default     = false
  nullable    = false
}

variable "timeouts" {
  description = "How long each operation may take; one that runs out of time goes on in the next apply."
  type        = object({ create = optional(string), update = optional(string), delete = optional(string) })
  default     = null
}

variable "tags" {
  description = "Tags of every member."
  type        = map(string)
  default     = {}
}
