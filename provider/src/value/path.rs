//! Where in a value something is: what Terraform draws a diagnostic's line from.

use std::fmt;

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into an object, by attribute name.
    Attribute(String),
    /// Into a map, by key.
    Key(String),
    /// Into a list or tuple, by position. Elements of sets cannot be addressed; a path ends at
    /// the set.
    Index(usize),
}

/// The way from a resource's root to one value; empty means the whole resource.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(Vec<Step>);

impl Path {
    /// The whole resource.
    pub fn root() -> Path {
        Path::default()
    }

    /// A top-level attribute.
    pub fn of(attribute: &str) -> Path {
        Path::root().attribute(attribute)
    }

    /// Goes on into an object's attribute.
    pub fn attribute(self, name: &str) -> Path {
        self.then(Step::Attribute(name.to_owned()))
    }

    /// Goes on into a map's entry.
    pub fn key(self, key: &str) -> Path {
        self.then(Step::Key(key.to_owned()))
    }

    /// Goes on into a list's element, counted from 0.
    pub fn index(self, index: usize) -> Path {
        self.then(Step::Index(index))
    }

    /// Goes on by one step.
    pub fn then(mut self, step: Step) -> Path {
        self.0.push(step);
        self
    }

    /// Puts a step in front: how a path grows while an error travels outwards.
    pub fn under(mut self, step: Step) -> Path {
        self.0.insert(0, step);
        self
    }

    /// The steps, outermost first.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

/// Writes the path the way a configuration would: `rollout.steps[0].weight`, `tags["team"]`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Attribute(name) if position == 0 => f.write_str(name)?,
                Step::Attribute(name) => write!(f, ".{name}")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_like_a_configuration() {
        let rows = [
            (Path::root(), ""),
            (Path::of("size"), "size"),
            (
                Path::of("rollout")
                    .attribute("steps")
                    .index(0)
                    .attribute("weight"),
                "rollout.steps[0].weight",
            ),
            (Path::of("tags").key("a \"b\""), r#"tags["a \"b\""]"#),
        ];
        for (path, text) in rows {
            assert_eq!(path.to_string(), text);
        }
    }
}
