output "fleet" {
  description = "The fleet's name, as actions and data sources ask for it."
  value       = immutable_fleet.this.id
}

output "release" {
  description = "What the fleet runs, as `name@version`."
  value       = immutable_image_release.this.id
}

output "image_id" {
  description = "The image of that release."
  value       = immutable_image_release.this.image_id
}

output "earlier_versions" {
  description = "The versions that can be gone back to, the newest first."
  value       = [for release in immutable_image_release.this.history : release.version if release.version != var.image_version]
}

output "endpoint" {
  description = "Where clients connect; null without a listener."
  value       = immutable_fleet.this.endpoint
}

output "generation" {
  description = "The number of the generation that serves."
  value       = immutable_fleet.this.generation
}

output "phase" {
  description = "`stable` at rest, `held` where a step waits for the next apply; anything else is the rest of an interrupted rollout."
  value       = immutable_fleet.this.phase
}
