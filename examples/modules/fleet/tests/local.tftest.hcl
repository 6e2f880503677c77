# Applies the module on this machine: terraform init && terraform test
#
# The fleet is real: processes, a front door, health checks. It takes half a minute and leaves nothing.

provider "immutable" {
  local = {}
}

variables {
  name          = "greeter"
  image_version = "1.0.0"
  image         = { path = "tests/app" }
  size          = 2
  config        = { GREETING = "hello" }
  local         = { command = ["bin/greeter"] }

  # These waits fit a test; the defaults fit production.
  health          = { interval = "300ms", timeout = "300ms", streak = 2, steady = "500ms" }
  hold            = "500ms"
  bake            = "500ms"
  drain           = "1s"
  launch_deadline = "30s"
}

run "the_plan_shows_the_way" {
  command = plan

  assert {
    condition     = contains(immutable_fleet.this.forecast, "create generation 1: 2 members of greeter@1.0.0")
    error_message = "The plan does not create two members: ${jsonencode(immutable_fleet.this.forecast)}"
  }
}

run "the_first_version_serves" {
  assert {
    condition     = output.phase == "stable" && output.generation == 1
    error_message = "Generation ${output.generation} is ${output.phase}."
  }

  assert {
    condition     = output.endpoint != null
    error_message = "A fleet with a listener has an endpoint."
  }
}

run "a_careful_rollout_keeps_all_members_serving" {
  command = plan

  variables {
    image_version = "1.1.0"
    caution       = "careful"
  }

  assert {
    condition     = anytrue([for step in immutable_fleet.this.forecast : startswith(step, "in all: at least 2 serving")])
    error_message = "Fewer than 2 members would serve: ${jsonencode(immutable_fleet.this.forecast)}"
  }

  assert {
    condition     = anytrue([for step in immutable_fleet.this.forecast : strcontains(step, "0% -> 5%")])
    error_message = "The first step is not 5 percent: ${jsonencode(immutable_fleet.this.forecast)}"
  }
}

run "a_sparing_rollout_stays_within_its_surge" {
  command = plan

  variables {
    image_version = "1.1.0"
    caution       = "sparing"
    surge         = "1"
  }

  assert {
    condition     = anytrue([for step in immutable_fleet.this.forecast : strcontains(step, "at most 3 running")])
    error_message = "More than one member is started beside the two: ${jsonencode(immutable_fleet.this.forecast)}"
  }
}

run "the_next_version_takes_over" {
  variables {
    image_version = "1.1.0"
    caution       = "careful"
  }

  assert {
    condition     = output.release == "greeter@1.1.0" && output.generation == 2 && output.phase == "stable"
    error_message = "${output.release} in generation ${output.generation} is ${output.phase}."
  }

  assert {
    condition     = contains(output.earlier_versions, "1.0.0")
    error_message = "There is nothing to go back to."
  }
}

run "more_members_are_no_new_generation" {
  variables {
    image_version = "1.1.0"
    size          = 3
  }

  assert {
    condition     = output.generation == 2
    error_message = "A change of size made generation ${output.generation}."
  }
}

run "going_back_is_a_version" {
  variables {
    image_version = "1.0.0"
    size          = 3
  }

  assert {
    condition     = output.release == "greeter@1.0.0" && output.generation == 3
    error_message = "${output.release} is in generation ${output.generation}."
  }
}
