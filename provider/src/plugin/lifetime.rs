//! When the process ends, and how long it lets its work finish first.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection::Connections;
use super::work::Work;

/// Terraform connects right after it has read the handshake line, and waits a minute for the line.
const FIRST_CONNECTION: Duration = Duration::from_secs(60);

/// Terraform keeps one connection for life. This is for a stumble of its transport; a Terraform
/// that was killed does not come back.
const RECONNECTION: Duration = Duration::from_secs(5);

/// Terraform kills two seconds after its Shutdown was answered. What runs then was given up by the
/// user's second Ctrl-C; there is time for a write that has begun, no more.
const SHUTDOWN_PATIENCE: Duration = Duration::from_millis(1500);

/// Nobody waits for work whose Terraform is gone, but a call to the cloud that has begun is better
/// seen to its end.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(30);

/// Why the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Terraform said so.
    Shutdown,
    /// Terraform is gone without a word.
    Orphaned,
    /// The person who debugs pressed Ctrl-C.
    Interrupted,
}

/// Completes when a process that Terraform started should end. `connections` is how many are open.
pub(super) async fn until_ended(
    shutdown: &CancellationToken,
    connections: watch::Receiver<Connections>,
) -> Ending {
    tokio::select! {
        () = shutdown.cancelled() => Ending::Shutdown,
        () = until_orphaned(connections) => Ending::Orphaned,
    }
}

async fn until_orphaned(mut connections: watch::Receiver<Connections>) {
    let mut patience = FIRST_CONNECTION;
    let mut known = 0;
    loop {
        let opened = timeout(patience, connections.wait_for(|seen| seen.ever > known)).await;
        if !matches!(opened, Ok(Ok(_))) {
            return;
        }
        drop(opened);
        let Ok(closed) = connections.wait_for(|seen| seen.open == 0).await else {
            return;
        };
        known = closed.ever;
        tracing::debug!("the last connection is gone");
        patience = RECONNECTION;
    }
}

/// Lets `work` reach a safe point and answers reach Terraform, for as long as `ending` allows.
pub(super) async fn wind_down(
    ending: Ending,
    work: &Work,
    mut connections: watch::Receiver<Connections>,
) {
    let patience = match ending {
        Ending::Shutdown | Ending::Interrupted => SHUTDOWN_PATIENCE,
        Ending::Orphaned => ORPHAN_PATIENCE,
    };
    tracing::debug!(?ending, "ending");
    work.stop();
    // Terraform closes its end once it has the answer to Shutdown.
    let settled = async { tokio::join!(work.idle(), connections.wait_for(|seen| seen.open == 0)) };
    if timeout(patience, settled).await.is_err() {
        tracing::warn!(?ending, "ending while work is in flight");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::time::{Instant, advance};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_ever_connects() {
        let (_open, connections) = watch::channel(Connections::default());
        let begin = Instant::now();
        let ending = until_ended(&CancellationToken::new(), connections).await;
        assert_eq!(
            (ending, begin.elapsed()),
            (Ending::Orphaned, FIRST_CONNECTION)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_went_before_anyone_looked_has_been_there() {
        let (_open, connections) = watch::channel(Connections { open: 0, ever: 1 });
        let begin = Instant::now();
        let ending = until_ended(&CancellationToken::new(), connections).await;
        assert_eq!((ending, begin.elapsed()), (Ending::Orphaned, RECONNECTION));
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_connection_lasts_for_days_and_its_end_is_the_end() {
        let (open, connections) = watch::channel(Connections { open: 1, ever: 1 });
        let begin = Instant::now();
        let ending =
            tokio::spawn(async move { until_ended(&CancellationToken::new(), connections).await });
        let days = Duration::from_secs(3 * 24 * 3600);
        advance(days).await;
        assert!(!ending.is_finished());

        open.send_modify(|count| count.open = 0);
        assert_eq!(ending.await.unwrap(), Ending::Orphaned);
        assert_eq!(begin.elapsed(), days + RECONNECTION);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_returns_in_time_is_no_end() {
        let (open, connections) = watch::channel(Connections { open: 1, ever: 1 });
        let ending =
            tokio::spawn(async move { until_ended(&CancellationToken::new(), connections).await });
        for _ in 0..3 {
            tokio::task::yield_now().await;
            open.send_modify(|count| count.open = 0);
            advance(RECONNECTION - Duration::from_millis(1)).await;
            open.send_modify(|count| {
                count.open = 1;
                count.ever += 1;
            });
        }
        advance(RECONNECTION * 2).await;
        assert!(!ending.is_finished());
        ending.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_does_not_wait_for_connections_to_go() {
        let (_open, connections) = watch::channel(Connections { open: 1, ever: 1 });
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        assert_eq!(until_ended(&shutdown, connections).await, Ending::Shutdown);
    }

    /// How long winding down takes when work that started heeds no stop.
    async fn time_to_wind_down(ending: Ending) -> Duration {
        let work = Work::default();
        let stubborn = work.run("ApplyResourceChange", |_| std::future::pending::<()>());
        assert!(timeout(Duration::ZERO, stubborn).await.is_err());
        let (_open, connections) = watch::channel(Connections::default());
        let begin = Instant::now();
        wind_down(ending, &work, connections).await;
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn stubborn_work_cannot_hold_the_process() {
        for (ending, patience) in [
            (Ending::Shutdown, SHUTDOWN_PATIENCE),
            (Ending::Interrupted, SHUTDOWN_PATIENCE),
            (Ending::Orphaned, ORPHAN_PATIENCE),
        ] {
            // Timers count in whole milliseconds.
            let took = time_to_wind_down(ending).await;
            assert!(
                took.abs_diff(patience) <= Duration::from_millis(1),
                "{ending:?}: {took:?}"
            );
        }
        assert!(SHUTDOWN_PATIENCE < Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_and_alone_it_ends_at_once() {
        let (_open, connections) = watch::channel(Connections::default());
        let begin = Instant::now();
        wind_down(Ending::Shutdown, &Work::default(), connections).await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_heeds_the_stop_is_seen_to_its_safe_point() {
        let work = Work::default();
        let heeding = work.run("ApplyResourceChange", |stop| async move {
            stop.cancelled().await;
            tokio::time::sleep(Duration::from_secs(20)).await;
        });
        assert!(timeout(Duration::ZERO, heeding).await.is_err());
        let (_open, connections) = watch::channel(Connections::default());
        let begin = Instant::now();
        wind_down(Ending::Orphaned, &work, connections).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(20));
    }
}
