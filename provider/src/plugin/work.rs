//! Work that RPCs start: it outlives its connection, can be asked to stop, and may panic alone.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// Runs the work of RPCs. Clones share everything.
///
/// tonic drops a handler's future at its await point when the connection goes, and a panic in it
/// reaches Terraform as a transport error, for which Terraform erases what it knows of a resource.
/// So handlers only await [`Work::run`], and the work itself is a task of its own.
#[derive(Debug, Clone, Default)]
pub struct Work {
    tasks: TaskTracker,
    stop: Arc<Mutex<CancellationToken>>,
}

/// The work of one RPC panicked: our own bug. Becomes a diagnostic; the process goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rpc} failed because of a bug in the provider: {message}")]
pub struct Panicked {
    /// The RPC whose work it was.
    pub rpc: &'static str,
    /// What the panic said.
    pub message: String,
}

impl Work {
    /// Runs `work` to its end, whether or not the caller still waits, and returns what it returns.
    ///
    /// `work` gets the token that says when to end early, at its next safe point. `rpc` names the
    /// work in every log line that it writes.
    ///
    /// # Errors
    /// [`Panicked`] with the panic's message, for the caller to make a diagnostic of.
    pub async fn run<F>(
        &self,
        rpc: &'static str,
        work: impl FnOnce(CancellationToken) -> F,
    ) -> Result<F::Output, Panicked>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        // A child of the token: work cannot stop other work.
        let work = timed(work(self.current().child_token()));
        let ended = self
            .tasks
            .spawn(work.instrument(tracing::error_span!("rpc", rpc)))
            .await;
        ended.map_err(|error| Panicked {
            rpc,
            // Tasks are never aborted, so what did not end by itself has panicked.
            message: error
                .try_into_panic()
                .map_or_else(|error| error.to_string(), said_by),
        })
    }

    /// Asks all work in flight to end early at a safe point. Returns at once.
    pub fn stop(&self) {
        if !self.tasks.is_empty() {
            tracing::info!(
                calls = self.tasks.len(),
                "asking calls in flight to end early"
            );
        }
        self.current().cancel();
    }

    /// Lets work that starts from now on run again after a stop. Only a debugged provider lives
    /// longer than the Terraform that stopped it.
    pub(super) fn resume(&self) {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        if stop.is_cancelled() {
            *stop = CancellationToken::new();
        }
    }

    /// Completes when nothing runs. Work that starts afterwards is not waited for.
    pub(super) async fn idle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn current(&self) -> CancellationToken {
        self.stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Tells the log when `work` begins and how long it took.
async fn timed<F: Future>(work: F) -> F::Output {
    tracing::debug!("begins");
    let begin = Instant::now();
    let output = work.await;
    tracing::debug!(seconds = begin.elapsed().as_secs_f64(), "ends");
    output
}

/// What a panic said, where it said it in words.
fn said_by(payload: Box<dyn Any + Send>) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn work_returns_what_it_returns() {
        assert_eq!(
            Work::default().run("ReadResource", |_| async { 7 }).await,
            Ok(7)
        );
    }

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_message_and_other_work_goes_on() {
        let work = Work::default();
        let ended: Result<(), _> = work
            .run("ApplyResourceChange", |_| async { panic!("{} sheep", 3) })
            .await;
        let error = ended.unwrap_err();
        assert_eq!(error.message, "3 sheep");
        assert_eq!(
            error.to_string(),
            "ApplyResourceChange failed because of a bug in the provider: 3 sheep",
        );
        assert_eq!(work.run("ReadResource", |_| async { 1 }).await, Ok(1));
    }

    #[tokio::test]
    async fn work_goes_on_when_its_caller_is_gone() {
        let work = Work::default();
        let (release, released) = oneshot::channel::<()>();
        let (report, reported) = oneshot::channel();
        let caller = work.run("ApplyResourceChange", |_| async move {
            released.await.unwrap();
            report.send("done").unwrap();
        });
        // The caller goes away at its await point, as tonic's handlers do.
        assert!(timeout(Duration::ZERO, caller).await.is_err());

        release.send(()).unwrap();
        assert_eq!(reported.await.unwrap(), "done");
    }

    #[tokio::test]
    async fn a_stop_reaches_what_runs_and_what_starts_until_resumed() {
        let work = Work::default();
        let other = work.clone();
        let running = work.run("ApplyResourceChange", |stop| async move {
            stop.cancelled().await
        });
        let ((), ended) = tokio::join!(async { other.stop() }, running);
        ended.unwrap();

        let is_stopped = |stop: CancellationToken| async move { stop.is_cancelled() };
        assert_eq!(work.run("ReadResource", is_stopped).await, Ok(true));
        work.resume();
        assert_eq!(work.run("ReadResource", is_stopped).await, Ok(false));
    }

    #[tokio::test]
    async fn idle_waits_for_the_last_piece_of_work() {
        let work = Work::default();
        let (release, released) = oneshot::channel::<()>();
        let caller = work.run(
            "ApplyResourceChange",
            |_| async move { released.await.unwrap() },
        );
        assert!(timeout(Duration::ZERO, caller).await.is_err());

        assert!(timeout(Duration::ZERO, work.idle()).await.is_err());
        release.send(()).unwrap();
        work.idle().await;
    }
}
