# What the module passes on to AWS, without an account: the provider is a stand-in.

mock_provider "immutable" {}

variables {
  name          = "web"
  image_version = "1.4.2"
  image         = { image_id = "ami-0123456789abcdef0" }
  listener      = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/edge/50dc6c495c0c9188/f2f7dc8efc522ab2"
  autoscale     = { min = 2, max = 8, cpu = 60 }
  caution       = "careful"
  keep_previous = "30m"
  paths         = ["/api/*"]
  release_aws   = { copy_to = ["us-west-2"] }

  aws = {
    instance_types = ["m7g.large"]
    subnet_ids     = ["subnet-0a1", "subnet-0b2"]
    root_volume    = { size_gb = 20 }
    spot           = true
  }
}

run "everything_is_passed_on" {
  command = plan

  assert {
    condition     = immutable_fleet.this.autoscale.max == 8 && immutable_fleet.this.size == null
    error_message = "The size does not follow the load."
  }

  assert {
    condition     = immutable_fleet.this.aws.spot && immutable_fleet.this.aws.root_volume.size_gb == 20
    error_message = "The members are started otherwise: ${jsonencode(immutable_fleet.this.aws)}"
  }

  assert {
    condition     = immutable_fleet.this.traffic.paths == tolist(["/api/*"])
    error_message = "Other paths lead to the fleet: ${jsonencode(immutable_fleet.this.traffic)}"
  }

  assert {
    condition     = immutable_fleet.this.rollout.strategy == "canary" && immutable_fleet.this.rollout.keep_previous == "30m"
    error_message = "It rolls otherwise: ${jsonencode(immutable_fleet.this.rollout)}"
  }

  assert {
    condition     = immutable_image_release.this.aws.copy_to == tolist(["us-west-2"])
    error_message = "The image is copied elsewhere: ${jsonencode(immutable_image_release.this.aws)}"
  }
}

run "batches_of_a_number_that_changes_are_refused" {
  command = plan
  variables { caution = "sparing" }
  expect_failures = [var.caution]
}

run "one_subnet_is_refused" {
  command = plan
  variables {
    aws = { instance_types = ["m7g.large"], subnet_ids = ["subnet-0a1"] }
  }
  expect_failures = [var.aws]
}
