# A service as a team wants it: a line of images, each booted once before it is accepted, and the
# fleet that runs the current one. See README.md.

locals {
  rollouts = {
    careful = {
      strategy = "canary"
      steps    = [{ weight = 5, hold = var.hold }, { weight = 50, hold = var.hold }]
    }
    direct  = { strategy = "blue_green" }
    sparing = { strategy = "rolling", surge = var.surge, min_healthy = var.min_healthy }
  }
}

resource "immutable_image_release" "this" {
  name       = var.name
  version    = var.image_version
  source     = var.image
  provenance = var.provenance
  sbom       = var.sbom
  verify     = var.verify
  keep       = var.keep
  aws        = var.release_aws
}

resource "immutable_fleet" "this" {
  name      = var.name
  release   = immutable_image_release.this.id
  size      = var.size
  autoscale = var.autoscale

  config  = var.config
  secrets = var.secrets
  local   = var.local
  aws     = var.aws
  tags    = var.tags

  traffic = var.listener == null ? null : {
    port     = var.port
    listener = var.listener
    protocol = var.protocol
    hosts    = var.hosts
    paths    = var.paths
    priority = var.priority
  }

  health = merge(var.health, { path = var.listener == null || var.protocol == "tcp" ? null : var.health.path })

  rollout = merge(local.rollouts[var.caution], {
    bake            = var.bake
    alarms          = var.alarms
    launch_deadline = var.launch_deadline
    keep_previous   = var.keep_previous
    keep_failed     = var.keep_failed
  })

  drain    = var.drain
  retry    = var.retry
  drift    = var.drift
  timeouts = var.timeouts

  deletion_protection = var.deletion_protection
}
