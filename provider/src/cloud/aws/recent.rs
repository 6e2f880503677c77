//! What was read, with when: for questions that need not be asked at every look.

use crate::model::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What nobody read for so long belongs to something that is gone.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// The last answer to each question of one kind.
#[derive(Debug)]
pub(super) struct Recent<K, V>(Mutex<BTreeMap<K, (Timestamp, V)>>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone, V: Clone> Recent<K, V> {
    /// Keeps an answer.
    pub(super) fn keep(&self, key: &K, value: V, now: Timestamp) {
        let mut answers = self.lock();
        answers.retain(|_, (at, _)| now.since(*at) < FORGOTTEN_AFTER);
        answers.insert(key.clone(), (now, value));
    }

    /// The last answer, however old; absent: there is none.
    pub(super) fn last(&self, key: &K) -> Option<V> {
        self.lock().get(key).map(|(_, value)| value.clone())
    }

    /// The last answer, where that is younger than `most`.
    pub(super) fn within(&self, most: Duration, key: &K, now: Timestamp) -> Option<V> {
        let answers = self.lock();
        let (at, value) = answers.get(key)?;
        (now.since(*at) < most).then(|| value.clone())
    }

    /// How old the last answer is; absent: there is none.
    pub(super) fn age(&self, key: &K, now: Timestamp) -> Option<Duration> {
        self.lock().get(key).map(|(at, _)| now.since(*at))
    }

    /// Forgets the last answer.
    pub(super) fn forget(&self, key: &K) {
        self.lock().remove(key);
    }

    /// A poisoned lock is a panic elsewhere; what it guards is only ever a copy.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, (Timestamp, V)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
