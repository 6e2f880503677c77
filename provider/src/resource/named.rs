//! Things of a provider by name: its resources, data sources, functions.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Things of one kind by their names, without the provider's.
pub struct Named<T: ?Sized> {
    by_name: BTreeMap<&'static str, Arc<T>>,
}

impl<T: ?Sized> Named<T> {
    /// None yet.
    #[must_use]
    pub fn none() -> Named<T> {
        Named {
            by_name: BTreeMap::new(),
        }
    }

    /// Finds one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<T>> {
        self.by_name.get(name).cloned()
    }

    /// All, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &T)> {
        self.by_name.iter().map(|(name, one)| (*name, &**one))
    }

    pub(super) fn and(mut self, name: &'static str, one: Arc<T>) -> Named<T> {
        self.by_name.insert(name, one);
        self
    }
}
