//! Stopping without cutting anybody off.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Running;

/// How often the number of requests under way is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Running {
    /// Stops: not ready at once, still accepting for `shutdown_delay`, then in-flight requests and refreshes get
    /// `shutdown_timeout`. Returns how many were cut off.
    pub async fn drain(self) -> usize {
        self.drain_until(std::future::pending()).await
    }

    /// The same, but waits no longer than for `hurry`.
    pub async fn drain_until(self, hurry: impl Future<Output = ()>) -> usize {
        self.ready.store(false, Ordering::Release);
        let (delay, timeout) = self.reloader.shutdown();
        let idle = async {
            tokio::time::sleep(delay).await;
            self.stop.send_replace(true);
            let deadline = tokio::time::Instant::now() + timeout;
            while self.load.busy() > 0 && tokio::time::Instant::now() < deadline {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            () = idle => {}
            () = hurry => {}
        }
        self.stop.send_replace(true);
        let cut_off = self.load.busy();
        self.stop_admin.send_replace(true);
        for task in self.tasks {
            task.abort();
        }
        cut_off
    }
}
