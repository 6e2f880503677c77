//! Questions that are asked at the same time, asked as one.
//!
//! A plan over many fleets looks at several of them at once. AWS answers about ten parameters, fifty
//! groups or a thousand instances as readily as about one, so whoever asks first waits a moment for
//! others to join in.

use super::failure::Result;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the first one waits: long enough for a plan's other fleets to get there, and nothing
/// beside the time that the call takes.
const WINDOW: Duration = Duration::from_millis(15);

/// What is known by key, of those keys that exist.
type Found<V> = BTreeMap<String, V>;
type Answer<V> = Shared<BoxFuture<'static, Result<Arc<Found<V>>>>>;

/// What finds those of some keys that exist.
type Ask<V> = dyn Fn(Vec<String>) -> BoxFuture<'static, Result<Found<V>>> + Send + Sync;

/// One kind of question.
#[derive(Clone)]
pub(super) struct Joined<V> {
    ask: Arc<Ask<V>>,
    open: Arc<Mutex<Option<Batch<V>>>>,
    /// What was read ahead; absent: there is none of the key.
    known: Arc<Mutex<Found<Option<V>>>>,
}

/// Keys that will be asked for together.
struct Batch<V> {
    keys: BTreeSet<String>,
    answer: Answer<V>,
}

impl<V: Clone + Send + Sync + 'static> Joined<V> {
    /// Joins what is asked through `ask`, which leaves out what does not exist.
    pub(super) fn new<F>(ask: impl Fn(Vec<String>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Found<V>>> + Send + 'static,
    {
        Self {
            ask: Arc::new(move |keys| ask(keys).boxed()),
            open: Arc::default(),
            known: Arc::default(),
        }
    }

    /// Keeps what was read ahead, for whoever asks.
    pub(super) fn keep(&self, found: impl IntoIterator<Item = (String, V)>) {
        let found = found.into_iter().map(|(key, value)| (key, Some(value)));
        lock(&self.known).extend(found);
    }

    /// Keeps that there is nothing of keys but what was kept, for whoever asks.
    pub(super) fn keep_missing(&self, keys: impl IntoIterator<Item = String>) {
        let mut known = lock(&self.known);
        for key in keys {
            known.entry(key).or_insert(None);
        }
    }

    /// Forgets what was read ahead.
    pub(super) fn forget(&self) {
        lock(&self.known).clear();
    }

    /// Asks for keys and keeps the answers.
    pub(super) async fn read_ahead(&self, keys: &[String]) -> Result<()> {
        let found = (self.ask)(keys.to_vec()).await?;
        self.keep(found);
        Ok(())
    }

    /// Asks for some keys, together with whoever else asks now.
    pub(super) async fn ask(&self, keys: &[String]) -> Result<Found<V>> {
        let known = of(keys, &lock(&self.known));
        let unknown = keys.iter().filter(|key| !known.contains_key(*key));
        let unknown: Vec<String> = unknown.cloned().collect();
        let there = known.into_iter();
        let mut own: Found<V> = there.filter_map(|(key, it)| Some((key, it?))).collect();
        if !unknown.is_empty() {
            let found = self.join(&unknown).await?;
            own.extend(of(&unknown, &found));
        }
        Ok(own)
    }

    fn join(&self, keys: &[String]) -> Answer<V> {
        let mut open = lock(&self.open);
        let batch = open.get_or_insert_with(|| Batch {
            keys: BTreeSet::new(),
            answer: self.answer(),
        });
        batch.keys.extend(keys.iter().cloned());
        batch.answer.clone()
    }

    /// The answer to a batch: it is driven by whoever waits for it, and closes the batch when the
    /// window is over.
    fn answer(&self) -> Answer<V> {
        let this = self.clone();
        let answer = async move {
            tokio::time::sleep(WINDOW).await;
            let batch = lock(&this.open).take();
            let keys = batch.map(|batch| batch.keys).unwrap_or_default();
            (this.ask)(keys.into_iter().collect()).await.map(Arc::new)
        };
        answer.boxed().shared()
    }
}

/// The part of what is known that keys name.
fn of<V: Clone>(keys: &[String], known: &Found<V>) -> Found<V> {
    let own = keys.iter().filter_map(|key| {
        let value = known.get(key)?;
        Some((key.clone(), value.clone()))
    });
    own.collect()
}

impl<V> std::fmt::Debug for Joined<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Joined")
    }
}

/// A poisoned lock is a panic elsewhere; the keys in it are still to be asked for.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cloud::ErrorKind;
    use crate::cloud::aws::failure::Failure;

    fn recorded(asked: &Arc<Mutex<Vec<Vec<String>>>>) -> Joined<usize> {
        let asked = Arc::clone(asked);
        Joined::new(move |keys: Vec<String>| {
            asked.lock().unwrap().push(keys.clone());
            async move {
                if keys.iter().any(|key| key == "bad") {
                    return Err(Failure::refused(ErrorKind::Throttled, "too often"));
                }
                let known = keys.into_iter().filter(|key| key != "unknown");
                Ok(known.map(|key| (key.clone(), key.len())).collect())
            }
        })
    }

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_at_once_is_asked_once_and_each_gets_its_own() {
        let asked = Arc::default();
        let joined = recorded(&asked);
        let (a, b) = (keys(&["one", "three"]), keys(&["three", "unknown"]));
        let (first, second) = futures_util::join!(joined.ask(&a), joined.ask(&b));
        assert_eq!(
            first.unwrap(),
            Found::from([("one".to_owned(), 3), ("three".to_owned(), 5)])
        );
        assert_eq!(second.unwrap(), Found::from([("three".to_owned(), 5)]));
        assert_eq!(*asked.lock().unwrap(), [keys(&["one", "three", "unknown"])]);
        joined.ask(&a).await.unwrap();
        assert_eq!(
            asked.lock().unwrap().len(),
            2,
            "a later question is asked anew"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_ahead_is_not_asked_for_until_it_is_forgotten() {
        let asked = Arc::default();
        let joined = recorded(&asked);
        joined.read_ahead(&keys(&["one", "three"])).await.unwrap();
        let both = keys(&["one", "other"]);
        assert_eq!(joined.ask(&both).await.unwrap().len(), 2);
        assert_eq!(asked.lock().unwrap().last().unwrap(), &keys(&["other"]));
        joined.forget();
        joined.ask(&both).await.unwrap();
        assert_eq!(asked.lock().unwrap().last().unwrap(), &both);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_everyones() {
        let joined = recorded(&Arc::default());
        let (a, b) = (keys(&["bad"]), keys(&["good"]));
        let (first, second) = futures_util::join!(joined.ask(&a), joined.ask(&b));
        assert_eq!(first.unwrap_err().kind, ErrorKind::Throttled);
        assert_eq!(second.unwrap_err().kind, ErrorKind::Throttled);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_does_not_stop_the_others() {
        let asked = Arc::default();
        let joined = recorded(&asked);
        let first = keys(&["one"]);
        let gone = joined.ask(&first);
        drop(tokio::time::timeout(Duration::from_millis(1), gone).await);
        let found = joined.ask(&keys(&["two"])).await.unwrap();
        assert_eq!(found.len(), 1);
    }
}
