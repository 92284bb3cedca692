//! Something a server waits for until the test lets it go on: no test sleeps.

use std::sync::Arc;

use tokio::sync::watch;

use super::within;

/// Shut when made; clones are the same gate.
#[derive(Clone)]
pub struct Gate(Arc<State>);

struct State {
    open: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
}

impl Gate {
    pub fn shut() -> Self {
        Self(Arc::new(State {
            open: watch::Sender::new(false),
            arrived: watch::Sender::new(0),
        }))
    }

    /// Lets everyone go on who waits, and everyone who comes later.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Until `count` requests stand, or stood, at the gate.
    pub async fn arrived(&self, count: usize) {
        let mut arrived = self.0.arrived.subscribe();
        within("the arrival at a gate", arrived.wait_for(|n| *n >= count))
            .await
            .unwrap();
    }

    /// For the server: waits until the gate is open.
    pub async fn pass(&self) {
        self.0.arrived.send_modify(|n| *n += 1);
        self.0.open.subscribe().wait_for(|open| *open).await.unwrap();
    }
}
