//! What `sidegate check --live` wants to know of the servers.

use pingora::connectors::TransportConnector;

use super::{Choice, Upstreams};

/// One server and whether a connection could be made, as a request would make it.
pub struct Probe {
    /// The upstream's name in the configuration.
    pub upstream: String,
    /// The server as logs and metrics name it.
    pub server: String,
    /// Why there is no way to it.
    pub outcome: Result<(), String>,
}

impl Upstreams {
    /// Connects to every server, TLS included, and sends nothing.
    pub async fn probe(&self) -> Vec<Probe> {
        let connector = TransportConnector::new(None);
        let mut probes = Vec::new();
        for (upstream, chosen) in self.all.iter().enumerate() {
            for (server, target) in chosen.servers.iter().enumerate() {
                probes.push(Probe {
                    upstream: chosen.config.name.clone(),
                    server: target.label.clone(),
                    outcome: self.reach(&connector, Choice { upstream, server }).await,
                });
            }
        }
        probes
    }

    async fn reach(&self, connector: &TransportConnector, choice: Choice) -> Result<(), String> {
        let peer = self.peer(choice, false).await.map_err(|error| error.to_string())?;
        match connector.new_stream(&*peer).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let context = error.context.as_ref().map_or("", |context| context.as_str());
                Err(format!("{} {context}", error.etype().as_str()).trim_end().to_owned())
            }
        }
    }
}
