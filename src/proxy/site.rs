//! A configuration, ready to serve: everything that a request needs and that does not change while it runs.

use std::sync::Arc;

use crate::config::{Authorization, Config, SameSite};
use crate::pages::Pages;
use crate::policy::{Hosts, Router};
use crate::provider::Provider;
use crate::seal::{CookieNames, Party, Sealer};
use crate::session::{CookieStore, Lifetimes, RedisStore, Store};
use crate::telemetry::{Metrics, RouteMetrics};
use crate::upstream::Upstreams;

use super::outgoing::Stripped;

/// A configuration, ready to serve.
pub struct Site {
    pub(super) config: Config,
    pub(super) router: Router,
    pub(super) hosts: Hosts,
    pub(super) sealer: Arc<Sealer>,
    pub(super) names: CookieNames,
    pub(super) store: Store,
    pub(super) lifetimes: Lifetimes,
    pub(super) providers: Vec<Arc<Provider>>,
    pub(super) upstreams: Upstreams,
    pub(super) pages: Pages,
    /// RFC 6749 §3.1.2: one for all providers.
    pub(super) redirect_uri: String,
    pub(super) signed_out_uri: String,
    /// By route: which headers of the client's are taken out.
    pub(super) stripped: Vec<Stripped>,
    pub(super) route_metrics: Vec<RouteMetrics>,
    pub(super) gateway_metrics: RouteMetrics,
    pub(super) nowhere_metrics: RouteMetrics,
    /// Whether some route sends the id_token upstream.
    pub(super) id_token_upstream: bool,
}

impl Site {
    /// Builds everything that a configuration names. A provider that is configured as it was `before` stays, with what is
    /// known of it.
    ///
    /// # Errors
    /// In the operator's words.
    pub fn new(config: Config, before: Option<&Self>, metrics: &Arc<Metrics>) -> Result<Self, String> {
        let providers = config
            .providers
            .iter()
            .map(|provider| {
                let kept = before.into_iter().flat_map(|site| &site.providers);
                if let Some(kept) = kept.into_iter().find(|kept| kept.config().same_as(provider)) {
                    return Ok(Arc::clone(kept));
                }
                let (name, metrics) = (provider.name.clone(), Arc::clone(metrics));
                let observe = move |endpoint, took| metrics.provider_request(&name, endpoint, took);
                Provider::new(provider.clone(), Arc::new(observe)).map(Arc::new)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let names = CookieNames::new(&config);
        let lifetimes = Lifetimes::new(&config.session);
        let public = &config.server.public_url;
        let endpoint = |name: &str| format!("{}{}/{name}", public.origin, config.server.prefix);
        let sealer = Arc::new(Sealer::new(&config.session.keys, &parties(&config), &public.origin));
        Ok(Self {
            router: Router::new(&config.routes),
            hosts: Hosts::new(&config),
            store: store(&config, before, &names, lifetimes, &sealer)?,
            sealer,
            names,
            lifetimes,
            providers,
            upstreams: Upstreams::new(&config.upstreams, Arc::clone(metrics))?,
            pages: Pages::new(&config.pages, &config.server.prefix)?,
            redirect_uri: endpoint("callback"),
            signed_out_uri: endpoint("signed_out"),
            stripped: config
                .routes
                .iter()
                .map(|route| Stripped::new(&config, route))
                .collect(),
            route_metrics: config.routes.iter().map(|route| metrics.route(&route.path)).collect(),
            gateway_metrics: metrics.route("gateway"),
            nowhere_metrics: metrics.route("none"),
            id_token_upstream: config
                .routes
                .iter()
                .any(|route| matches!(route.authorization, Authorization::IdToken)),
            config,
        })
    }

    /// The configuration that it was made of.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Every provider, in the order of the configuration.
    pub fn providers(&self) -> &[Arc<Provider>] {
        &self.providers
    }

    /// Every upstream that a route names.
    pub fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }

    /// The redirect URI to register with each provider (RFC 6749 §3.1.2).
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The `post_logout_redirect_uri` to register (OpenID Connect RP-Initiated Logout 1.0 §3.1).
    pub fn signed_out_uri(&self) -> &str {
        &self.signed_out_uri
    }

    /// Forgets the metrics of upstream servers that are gone now.
    pub fn forget_upstreams_of(&self, before: &Self, metrics: &Metrics) {
        self.upstreams.forget_those_of(&before.upstreams, metrics);
    }

    /// The provider with this name, and its index, which is also its party's in the sealer.
    pub(super) fn provider(&self, name: &str) -> Option<(usize, &Arc<Provider>)> {
        self.providers
            .iter()
            .enumerate()
            .find(|(_, provider)| provider.config().name == name)
    }

    /// What stands for a provider in lists and seals: its issuer, or its token endpoint where it has none.
    pub(super) fn issuer(&self, provider: &crate::config::Provider) -> String {
        issuer(provider)
    }

    /// Own endpoint under the prefix.
    pub(super) fn endpoint(&self, name: &str) -> String {
        format!("{}/{name}", self.config.server.prefix)
    }

    /// With `SameSite=Strict` the browser would not send the session with the redirect that ends a login.
    pub(super) fn strict(&self) -> bool {
        self.config.session.same_site == SameSite::Strict
    }
}

/// Where the configuration has sessions kept. A connection that is good stays.
fn store(
    config: &Config,
    before: Option<&Site>,
    names: &CookieNames,
    lifetimes: Lifetimes,
    sealer: &Arc<Sealer>,
) -> Result<Store, String> {
    let (names, sealer) = (names.clone(), Arc::clone(sealer));
    let providers = config.providers.iter().map(|provider| provider.name.clone()).collect();
    let Some(redis) = &config.session.redis else {
        return Ok(Store::Cookie(CookieStore::new(names, lifetimes, providers)));
    };
    let before = before.and_then(|site| match &site.store {
        Store::Redis(store) => Some(&**store),
        Store::Cookie(_) => None,
    });
    let store = RedisStore::new(redis.clone(), before, names, lifetimes, providers, sealer)?;
    Ok(Store::Redis(Arc::new(store)))
}

fn parties(config: &Config) -> Vec<Party> {
    config
        .providers
        .iter()
        .map(|provider| Party {
            issuer: issuer(provider),
            client_id: provider.client_id.clone(),
        })
        .collect()
}

fn issuer(provider: &crate::config::Provider) -> String {
    let endpoint = || {
        provider
            .token_endpoint
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    provider.issuer.clone().unwrap_or_else(endpoint)
}
