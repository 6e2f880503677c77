terraform {
  required_version = ">= 1.11"

  required_providers {
    immutable = { source = "immutable-fleets/immutable" }
  }
}
