//! Reading a struct's fields out of an object, collecting everything that is wrong on the way.

use super::Field;
use super::field::mismatch;
use crate::value::{Findings, Step, Tree};

/// Reads fields one by one; the derive writes the calls.
#[derive(Debug)]
pub struct ObjectReader<'a> {
    object: &'a Tree,
    findings: Findings,
}

impl<'a> ObjectReader<'a> {
    /// Starts on an object.
    ///
    /// # Errors
    /// The value is no object; null and unknown are for the types around it to accept.
    pub fn open(object: &'a Tree) -> Result<ObjectReader<'a>, Findings> {
        match object {
            Tree::Map(_) => Ok(ObjectReader {
                object,
                findings: Findings::default(),
            }),
            other => Err(mismatch("an object", other)),
        }
    }

    /// Reads a field. None when something is wrong with it, which [`ObjectReader::close`] tells.
    pub fn field<F: Field>(&mut self, name: &str) -> Option<F> {
        match F::decode(self.object.entry(name)) {
            Ok(value) => Some(value),
            Err(findings) => {
                let step = Step::Attribute(name.to_owned());
                self.findings.append(findings.under(&step));
                None
            }
        }
    }

    /// Ends with the struct, or with everything that is wrong with any field.
    ///
    /// # Errors
    /// The findings of all fields.
    pub fn close<A>(self, object: Option<A>) -> Result<A, Findings> {
        object.ok_or(self.findings)
    }
}
