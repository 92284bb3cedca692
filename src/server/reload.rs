//! A new configuration while the gateway serves: whole or not at all, and no connection is dropped. A request that is
//! under way ends with the configuration that it began with.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;

use super::listen::{self, Certificate};
use crate::config::{Config, Listen};
use crate::proxy::Site;
use crate::telemetry::{self, Metrics};

/// What cannot change while the gateway runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    listen: Vec<Listen>,
    admin: Option<std::net::SocketAddr>,
    threads: usize,
    tls: bool,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        let server = &config.server;
        let (listen, tls) = (server.listen.clone(), server.tls.is_some());
        Self {
            listen,
            admin: config.admin,
            threads: server.threads,
            tls,
        }
    }

    /// The first key that differs.
    fn differs_in(&self, other: &Self) -> Option<&'static str> {
        [
            (self.listen != other.listen, "server.listen"),
            (self.admin != other.admin, "admin.listen"),
            (self.threads != other.threads, "server.threads"),
            (self.tls != other.tls, "server.tls"),
        ]
        .into_iter()
        .find_map(|(differs, key)| differs.then_some(key))
    }
}

/// Takes a new configuration while the gateway serves.
#[derive(Clone)]
pub struct Reloader {
    site: Arc<ArcSwap<Site>>,
    fixed: Fixed,
    certificate: Option<Arc<Certificate>>,
    metrics: Arc<Metrics>,
}

impl Reloader {
    pub(super) fn new(
        site: Arc<ArcSwap<Site>>,
        fixed: Fixed,
        certificate: Option<Arc<Certificate>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            site,
            fixed,
            certificate,
            metrics,
        }
    }

    /// Serves by the new configuration from the next request on.
    ///
    /// # Errors
    /// In the operator's words; then nothing has changed.
    pub fn apply(&self, config: Config) -> Result<(), String> {
        if let Some(key) = self.fixed.differs_in(&Fixed::of(&config)) {
            return Err(format!(
                "{key} cannot change while the gateway runs; restart it, or put the old value back"
            ));
        }
        let certified: Option<CertifiedKey> = config
            .server
            .tls
            .as_ref()
            .map(listen::read_certificate)
            .transpose()
            .map_err(|error| error.to_string())?;
        let (format, level) = (config.log.format, config.log.level);
        let before = self.site.load_full();
        let site = Site::new(config, Some(&before), &self.metrics)?;
        site.forget_upstreams_of(&before, &self.metrics);
        if let (Some(certificate), Some(certified)) = (&self.certificate, certified) {
            certificate.replace(certified);
        }
        self.site.store(Arc::new(site));
        telemetry::init_logs(format, level);
        Ok(())
    }

    /// The metrics that reloads are counted in.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Every file that the configuration in force names.
    pub fn files(&self) -> Vec<std::path::PathBuf> {
        self.site.load().config().files.clone()
    }

    /// `shutdown_delay` and `shutdown_timeout` in force.
    pub(super) fn shutdown(&self) -> (Duration, Duration) {
        let site = self.site.load();
        let server = &site.config().server;
        (server.shutdown_delay, server.shutdown_timeout)
    }
}
