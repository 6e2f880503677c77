# What the module refuses, before anything is planned.

provider "immutable" {
  local = {}
}

variables {
  name          = "greeter"
  image_version = "1.0.0"
  image         = { path = "tests/app" }
  size          = 2
}

run "a_version_that_moves_is_refused" {
  command = plan
  variables { image_version = "latest" }
  expect_failures = [var.image_version]
}

run "two_sources_are_refused" {
  command = plan
  variables { image = { path = "tests/app", image_id = "ami-0abc" } }
  expect_failures = [var.image]
}

run "half_a_member_is_refused" {
  command = plan
  variables { size = 1.5 }
  expect_failures = [var.size]
}

run "neither_size_nor_autoscale_is_refused" {
  command = plan
  variables { size = null }
  expect_failures = [var.size]
}

run "size_and_autoscale_are_refused" {
  command = plan
  variables { autoscale = { min = 2, max = 8, cpu = 60 } }
  expect_failures = [var.size]
}

run "a_secret_in_the_config_is_refused" {
  command = plan
  variables { config = { DB_PASSWORD = "correct horse" } }
  expect_failures = [var.config]
}

run "an_unknown_caution_is_refused" {
  command = plan
  variables { caution = "reckless" }
  expect_failures = [var.caution]
}

run "two_clouds_are_refused" {
  command = plan
  variables {
    local = {}
    aws   = { instance_types = ["m7g.large"], subnet_ids = ["subnet-1", "subnet-2"] }
  }
  expect_failures = [var.aws]
}

run "nothing_to_go_back_to_is_refused" {
  command = plan
  variables { keep = 0 }
  expect_failures = [var.keep]
}
